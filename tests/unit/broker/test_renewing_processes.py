"""Processes that share a store of either kind, killed at every step of a renewal: no refresh token is sent twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli import postgres_database
from tests.unit.broker.launched import Here, at, here, signed_in
from tests.unit.broker.renewer import DIES
from tests.unit.broker.strict import Strict, running

from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.broker.far import Failed
from hilum.broker.renewing import SPENDING
from hilum.store.interface import Store

__all__ = ["postgres_database"]

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """`--store`."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'hilum.sqlite'}"
    return str(request.getfixturevalue("postgres_database"))


async def process(data: Path, place: str, grant: str, dies: str = "never", rounds: int = 2) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.unit.broker.renewer", str(data), place, grant, dies, str(rounds),
        cwd=ROOT, stdout=PIPE, stderr=PIPE, env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )  # fmt: skip


async def said(process: Process) -> list[str]:
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode().split()


async def started(data: Path, place: str, ehr: Strict) -> tuple[Store, Here, str]:
    store = await open_store(Settings.read({"data": str(data), "store": place}))
    where = await at(data, ehr, ledger=store.ledger)
    return store, where, await signed_in(where, ehr)


@pytest.mark.parametrize(("dies", "rotates"), [*((one, True) for one in DIES if one != "never"), ("sent", False)])
async def test_a_process_that_dies_in_a_renewal_costs_no_second_use(
    tmp_path: Path, place: str, dies: str, rotates: bool
) -> None:
    async with running(rotates=rotates) as ehr:
        store, where, grant = await started(tmp_path, place, ehr)
        refused = 1
        if not rotates:  # the EHR has shown it once
            refused = (await where.renewing.current(grant, refused=1)).grant.generation
        dying = await process(tmp_path, place, grant, dies)

        async def kills(form: dict[str, str]) -> None:
            ehr.before = None
            if dies == "sent":
                dying.kill()
                await dying.wait()

        ehr.before = kills
        await dying.communicate()
        assert dying.returncode == -signal.SIGKILL
        async with asyncio.timeout(30):
            while dies == "sent" and not ehr.spent:  # noqa: ASYNC110 - the EHR goes on with what it was asked
                await asyncio.sleep(0.01)
        sent = sum(ehr.spent.values())
        after = here(tmp_path, ledger=store.ledger, clock=lambda: time.time() + SPENDING)
        if rotates and dies != "ready":
            with pytest.raises(Failed, match="sign in again"):
                await after.renewing.current(grant, refused=refused)
            assert sum(ehr.spent.values()) == sent == (0 if dies == "intent" else 1)
        else:
            assert (await after.renewing.current(grant, refused=refused)).grant.generation == refused + 1
        assert (max(ehr.spent.values(), default=0) <= 1 or not rotates, ehr.stolen) == (True, 0)
        await store.close()


async def test_processes_that_renew_one_grant_again_and_again_send_each_token_once(tmp_path: Path, place: str) -> None:
    async with running() as ehr:
        store, _, grant = await started(tmp_path, place, ehr)
        some = [await process(tmp_path, place, grant, rounds=13) for _ in range(3)]
        tokens: list[Any] = [token for one in some for token in await said(one)]
        assert set(tokens) <= ehr.access
        assert len(ehr.spent) >= 12
        assert (set(ehr.spent.values()), ehr.stolen) == ({1}, 0)
        await store.close()
