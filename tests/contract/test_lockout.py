"""Wrong passwords are counted over all processes."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.conftest import DURABLE
from tests.unit.smart.pages import Browser, site, user

from hilum.store.interface import Store
from hilum.store.postgres import PostgresStore
from hilum.store.sqlite import SqliteStore


@pytest.mark.parametrize("opened", DURABLE, indirect=True)
@pytest.mark.parametrize(("each", "status"), [(4, 200), (5, 422)])
async def test_ten_wrong_passwords_at_two_processes_lock_a_third(
    store: Store, tmp_path: Path, request: pytest.FixtureRequest, each: int, status: int
) -> None:
    keys = tmp_path / "keys"
    here = replace(site(keys, ledger=store.ledger), clock=time.time)
    await user(here)
    if isinstance(store, SqliteStore):
        place = [store.path]
    else:
        assert isinstance(store, PostgresStore)
        place = [request.getfixturevalue("postgres_url"), store._pool._schema]
    command = [sys.executable, "-m", "tests.contract.guessing", str(keys), str(each), *place]
    processes = [await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE) for _ in range(2)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        answers = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
    assert [json.loads(out) for out, _ in answers] == [[422] * each] * 2
    assert (await Browser(here).sign_in()).status == status
