"""hilum destination: added once, shown without secrets, removed, and what it did not get is replayed."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.broker.receiver import SECRET
from typer.testing import CliRunner

from hilum.access.keys import load_or_create
from hilum.access.seal import Seal
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.broker.destinations import Destinations
from hilum.broker.order import DEAD, READY, Failure, Order
from hilum.broker.parcels import OWNER, Parcels, new
from hilum.cli.commands import app
from hilum.oauth.ledger import LEASE
from hilum.problems import Conflict, Invalid, NotFound
from hilum.store.interface import Store
from hilum.web.webhooks import decoded

URL = "https://render.example.org/in"


class Here:
    """A data directory, and commands in it."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings.read({"data": folder / "data"})
        self.work(lambda store: asyncio.sleep(0))

    def run(self, *given: str) -> Any:
        found = CliRunner().invoke(app, ["destination", *given, "--data", str(self.settings.data), "--json"])
        if found.exception is not None:
            raise found.exception
        return json.loads(found.stdout)

    def work(self, does: Any) -> Any:
        from hilum.app.data import prepare

        async def run() -> Any:
            prepare(self.settings)
            store = await open_store(self.settings)
            try:
                return await does(store)
            finally:
                await store.close()

        return asyncio.run(run())

    @property
    def seal(self) -> Seal:
        return Seal(load_or_create(self.settings.data, "sandbox"))


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_one_is_added_with_a_secret_that_is_shown_once(here: Here) -> None:
    added = here.run("add", "video", URL, "--private")
    secret = added.pop("secret")
    assert added == {
        "name": "video",
        "url": URL,
        "environment": "sandbox",
        "private": True,
        "origin": added["origin"],
        "former_until": None,
    }
    assert here.run("list") == {"destinations": [added | {"dead_letters": 0}]}

    async def kept(store: Store) -> bytes:
        found = await Destinations(store.ledger, here.seal).get("video")
        assert found is not None
        return found.secret

    assert here.work(kept) == decoded(secret)
    assert here.run("remove", "video") == {"name": "video", "removed": True}
    assert here.run("list") == {"destinations": []}


def test_one_is_added_with_the_secret_that_the_receiver_has_which_is_not_shown(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "video.secret"
    file.write_text(SECRET + "\n")
    assert "secret" not in here.run("add", "video", URL, "--for", "production", "--secret-file", str(file))


@pytest.mark.parametrize(
    ("words", "problem", "says"),
    [
        (("add", "video", URL), Conflict, "already"),
        (("add", "Video", URL), Invalid, "letters a-z"),
        (("add", "letters", "http://render.example.org", "--for", "production"), Invalid, "https"),
        (("remove", "letters"), NotFound, "no destination 'letters'"),
        (("rotate", "letters"), NotFound, "no destination 'letters'"),
        (("replay", "video", "--order", "x"), NotFound, "no dead letter"),
    ],
)
def test_what_can_not_be_is_refused(here: Here, words: tuple[str, ...], problem: type[Exception], says: str) -> None:
    here.run("add", "video", URL)
    with pytest.raises(problem, match=says):
        here.run(*words)


def test_its_secret_is_rotated_and_the_one_of_before_holds_for_a_while(here: Here, tmp_path: Path) -> None:
    first = here.run("add", "video", URL)["secret"]

    async def signing(store: Store) -> tuple[bytes, ...]:
        found = await Destinations(store.ledger, here.seal).get("video")
        assert found is not None
        return found.secrets

    rotated = here.run("rotate", "video", "--overlap", "2")
    assert here.work(signing) == (decoded(rotated["secret"]), decoded(first))
    until = datetime.fromisoformat(rotated["former_until"])
    assert timedelta(hours=1) < until - datetime.now(UTC) < timedelta(hours=3)
    assert here.run("list")["destinations"][0]["former_until"] == rotated["former_until"]
    file = tmp_path / "video.secret"
    file.write_text(SECRET + "\n")
    given = here.run("rotate", "video", "--secret-file", str(file), "--overlap", "0")
    assert (given["former_until"], "secret" in given) == (None, False)
    assert here.work(signing) == (decoded(SECRET),)


def test_dead_letters_are_replayed_by_whoever_serves(here: Here) -> None:
    here.run("add", "video", URL)
    failure = Failure("undelivered", "The receiver did not answer.")
    order = Order("epic", "sandbox", "video", "ada", 2_000_000_000_000_000, "video", step=DEAD, failure=failure)

    async def die(store: Store) -> None:
        for id in ("o-1", "o-2", "o-3"):
            assert await store.ledger.add(new(id, order))

    async def left(store: Store) -> tuple[list[str], list[bytes]]:
        parcels = Parcels(store.ledger, here.seal)
        steps = [found.order.step for id in ("o-1", "o-2", "o-3") if (found := await parcels.get(id))]
        return steps, [row.key for row in await store.ledger.of(LEASE, owner=OWNER)]

    here.work(die)
    assert here.run("list")["destinations"][0]["dead_letters"] == 3
    assert here.run("replay", "video", "--order", "o-2") == {"destination": "video", "replayed": ["o-2"]}
    assert here.work(left) == ([DEAD, READY, DEAD], [b"order:o-2"])
    assert here.run("replay", "video") == {"destination": "video", "replayed": ["o-1", "o-3"]}
    assert here.run("replay", "video") == {"destination": "video", "replayed": []}
    assert here.work(left) == ([READY] * 3, [b"order:o-1", b"order:o-2", b"order:o-3"])
