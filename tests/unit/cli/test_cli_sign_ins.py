"""`hilum ehr sign-ins` and `sign-out`: who has signed in at EHRs, told apart by what opens nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.unit.broker.launched import connection
from tests.unit.broker.strict import SECRET, running
from typer.testing import CliRunner, Result

from hilum.access.keys import load_or_create
from hilum.app import brokering
from hilum.app.brokering import Brokering
from hilum.app.data import prepare
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.broker.exchange import Tokens
from hilum.broker.grants import sign_in_of
from hilum.cli.commands import app
from hilum.problems import Invalid, NotFound

T = TypeVar("T")
WHO = "https://ehr.example.org/Practitioner/dr"


class Here:
    """A data directory with a connection by which people sign in, and commands in it."""

    def __init__(self, folder: Path, base: str) -> None:
        self.settings = Settings.read({"data": folder / "data"})
        self.lake = connection(base)
        self.work(lambda ways: ways.connections.add(self.lake, SECRET))

    def work(self, does: Callable[[Brokering], Awaitable[T]]) -> T:
        async def run() -> T:
            prepare(self.settings)
            store = await open_store(self.settings)
            try:
                return await does(
                    brokering.brokering(self.settings, store, load_or_create(self.settings.data, "sandbox"))
                )
            finally:
                await store.close()

        return asyncio.run(run())

    def signed_in(self, who: str = "", issuer: str = "") -> str:
        tokens = Tokens("access-word", 600, refresh="refresh-word", patient="far-1")
        return self.work(lambda ways: ways.launching.grants.new(self.lake, issuer, tokens, "patient/*.rs", who))

    def run(self, *given: str) -> Result:
        found = CliRunner().invoke(app, ["ehr", *given, "--data", str(self.settings.data)])
        if found.exception is not None:
            raise found.exception
        return found

    def listed(self, *given: str) -> list[dict[str, Any]]:
        return list(json.loads(self.run("sign-ins", *given, "--json").stdout)["sign-ins"])


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path, "http://127.0.0.1:9/fhir")


def test_they_are_listed_without_anything_that_opens_them(here: Here) -> None:
    ids = [here.signed_in(WHO), here.signed_in()]
    told = {one["sign_in"]: one for one in here.listed("lake")}
    assert set(told) == {sign_in_of(id) for id in ids}
    one = told[sign_in_of(ids[0])]
    times = [datetime.fromisoformat(one.pop(name)) for name in ("begun", "renewed", "ends")]
    assert one == {"sign_in": sign_in_of(ids[0]), "ehr": "lake", "who": WHO, "scopes": "patient/*.rs"}
    assert (times[1] - times[0], times[2] - times[0]) == (timedelta(0), timedelta(days=90))
    shown = here.run("sign-ins")
    assert sorted(shown.stdout.split()) == sorted(told)
    for word in (*ids, "access-word", "refresh-word", "far-1"):
        assert word not in shown.output
    with pytest.raises(NotFound, match="no EHR 'sea'"):
        here.run("sign-ins", "sea")


def test_one_is_signed_out_by_the_beginning_that_lists_and_the_log_have(here: Here) -> None:
    first, second = here.signed_in(), here.signed_in()
    here.run("sign-out", sign_in_of(first)[:12])
    assert [one["sign_in"] for one in here.listed()] == [sign_in_of(second)]
    for word, problem, says in (
        (sign_in_of(first), NotFound, "has ended"),
        (sign_in_of(second)[:7], Invalid, "8 characters at least"),
        (second, NotFound, "no sign-in"),
    ):
        with pytest.raises(problem, match=says):
            here.run("sign-out", word)
    assert len(here.listed()) == 1


def test_who_is_signed_out_is_signed_out_at_the_ehr_before_the_command_ends(tmp_path: Path) -> None:
    async def both() -> list[tuple[str, str]]:
        async with running() as ehr:
            ehr.metadata = {"revocation_endpoint": f"{ehr.origin}/oauth2/revoke"}
            here = await asyncio.to_thread(Here, tmp_path, ehr.base)
            id = await asyncio.to_thread(here.signed_in, issuer=ehr.origin)
            await asyncio.to_thread(here.run, "sign-out", sign_in_of(id))
            return ehr.revoked

    assert asyncio.run(both()) == [("refresh_token", "refresh-word"), ("access_token", "access-word")]
