"""The thread that writes what stands beside the resources: groups, refusals, the bounded log, the end."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import apsw
import pytest
from tests.contract.writing import create, patient

from hilum.oauth.ledger import CLIENT, JTI, Lost, Put
from hilum.problems import Busy
from hilum.store.sqlite import open_sqlite
from hilum.store.sqlite.checkpoint import LIMIT, PAGE
from hilum.store.sqlite.connection import connect


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "data" / "hilum.sqlite")


async def test_the_log_stays_bounded_when_only_records_are_written(path: str) -> None:
    store = await open_sqlite(path)
    filler = b"x" * 20_000
    largest = written = 0
    for start in range(0, 6000, 20):
        await store.ledger.many([Put(JTI, b"%d" % n, filler) for n in range(start, start + 20)])
        written += 20 * len(filler)
        largest = max(largest, os.path.getsize(path + "-wal"))
    assert written > LIMIT * PAGE * 4
    assert largest < 2.5 * LIMIT * PAGE
    await store.close()
    assert not os.path.exists(path + "-wal")


async def test_one_that_is_refused_takes_nothing_of_the_others_of_its_group_with_it(path: str) -> None:
    store = await open_sqlite(path)
    await store.ledger.add(Put(CLIENT, b"taken", b""))
    jobs = [
        store.ledger.many([Put(CLIENT, b"%d" % n, b""), Put(CLIENT, b"taken" if n % 2 else b"%d+" % n, b"")])
        for n in range(40)
    ]
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(one) for one in outcomes] == [type(None), Lost] * 20
    even = {b"%d" % n for n in range(0, 40, 2)}
    assert {row.key for row in await store.ledger.of(CLIENT)} == even | {key + b"+" for key in even} | {b"taken"}
    await store.close()


async def test_what_shares_a_transaction_shares_its_flush(path: str) -> None:
    store = await open_sqlite(path)
    await store.ledger.add(Put(JTI, b"first", b""))
    blocker = connect(path)
    blocker.execute("BEGIN IMMEDIATE")  # so that all of them wait for one turn
    jobs = [asyncio.create_task(store.ledger.add(Put(JTI, b"%d" % n, b""))) for n in range(20)]
    await asyncio.sleep(0.05)
    before = os.path.getsize(path + "-wal")
    blocker.execute("ROLLBACK")
    await asyncio.gather(*jobs)
    pages = (os.path.getsize(path + "-wal") - before) / PAGE
    assert pages < 20, "each transaction would write two pages at least"
    blocker.close()
    await store.close()


async def test_a_defect_of_one_is_told_to_it_alone(path: str) -> None:
    store = await open_sqlite(path)

    def defect(db: apsw.Connection) -> None:
        db.execute(
            "INSERT INTO ledger (kind, key, state, version, changed, expires, value) VALUES (1, x'00', 0, 1, 0, 0, x'')"
        )
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store._beside.run(defect)
    assert await store.ledger.add(Put(CLIENT, b"\x00", b""))
    await store.close()


async def test_there_is_no_thread_until_something_is_written_and_none_after_the_end(path: str) -> None:
    def running() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "hilum-sqlite-beside"]

    store = await open_sqlite(path)
    await create(store, patient(), "a")
    assert (await store.ledger.of(CLIENT), running()) == ([], [])
    jobs = [asyncio.create_task(store.ledger.add(Put(CLIENT, b"%d" % n, b""))) for n in range(50)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*jobs) == [True] * 50
    assert running() == []
    with pytest.raises(Busy, match="takes no more writes"):
        await store.ledger.add(Put(CLIENT, b"late", b""))
