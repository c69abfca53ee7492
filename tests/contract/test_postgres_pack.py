"""Indexes that splits have left half empty become dense, whoever reads, writes, or was killed meanwhile."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.contract.writing import asking, commit, create, ids, observation, patient, put, token

from hilum.app.packing import Packing
from hilum.problems import Busy
from hilum.store.interface import Store
from hilum.store.postgres import Packed, PostgresStore, open_postgres, pack
from hilum.store.sqlite import open_sqlite
from hilum.web import log

LEAST = 8
"""Pages: the data here is small."""
INVALID = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT i.indisvalid
"""
BUILDING = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'REINDEX%' AND wait_event_type = 'Lock')"


async def fill(store: PostgresStore) -> None:
    """Types and codes in turn, as they come: each commit adds to the middle of the indexes."""
    for start in range(0, 3000, 100):
        some = [put(observation(f"Patient/p{n % 50}", f"c{n % 5}"), f"o{n}") for n in range(start, start + 100)]
        await store.commit(commit(*some, put(patient(f"F{start}"), f"p{start}x"), to=store))


async def packed(store: PostgresStore) -> list[Packed]:
    """Everything that is worth it."""
    return [one async for one in store.pack(least=LEAST, analyze=True)]


async def found(store: PostgresStore, code: str) -> list[str]:
    """The ids of all Observations of that code, in order."""
    clause = token("Observation", "code", code)
    return ids(await store.search(asking(clause, types=("Observation",), count=1000)))


async def until(admin: asyncpg.Connection, sql: str) -> None:
    """Wait until it holds."""
    for _ in range(500):
        if await admin.fetchval(sql):
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"never: {sql}")


@pytest.fixture(autouse=True)
def told() -> Iterator[io.StringIO]:
    """What is logged."""
    stream = io.StringIO()
    log.configure("info", "text", stream)
    yield stream
    log.configure()


@pytest.fixture
async def filled(postgres: PostgresStore) -> PostgresStore:
    """3,000 Observations and 30 Patients."""
    await fill(postgres)
    return postgres


@pytest.fixture
async def writer(filled: PostgresStore) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that has written to `token` and lasts: building has to wait for it."""
    async with filled._pool.alone() as session:
        await session.execute("BEGIN")
        await session.execute("LOCK TABLE token IN ROW EXCLUSIVE MODE")
        yield session


async def test_sparse_indexes_become_dense_once(filled: PostgresStore, admin: asyncpg.Connection) -> None:
    before = await found(filled, "c3")
    done = {one.index: one for one in await packed(filled)}
    assert {"token_key", "resource_pkey", "resource_name", "resource_type_seq"} <= done.keys()
    assert done["token_key"].before > 1.3 * done["token_key"].after
    assert done["token_key"].after == await admin.fetchval("SELECT pg_relation_size('token_key')")
    assert await packed(filled) == []
    assert await found(filled, "c3") == before
    assert await admin.fetch(INVALID) == []


async def test_indexes_are_built_while_others_write(filled: PostgresStore, admin: asyncpg.Connection) -> None:
    building = asyncio.create_task(packed(filled))
    n = 0
    while not building.done():
        await create(filled, observation("Patient/p1", "late"), f"late{n}")
        n += 1
    assert len(building.result()) > 3
    assert len(await found(filled, "late")) == n
    await admin.execute("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off")
    assert await admin.fetchval("SELECT count(*) FROM resource WHERE shape > 0") == 3030 + n


async def test_what_a_killed_build_left_is_taken_away(filled: PostgresStore, writer: asyncpg.Connection) -> None:
    async with filled._pool.alone(statement_timeout="300") as other:
        with pytest.raises(asyncpg.QueryCanceledError):
            await other.execute("REINDEX INDEX CONCURRENTLY token_key")
    assert [name for (name,) in await writer.fetch(INVALID)] == ["token_key_ccnew"]
    await writer.execute("ROLLBACK")
    assert "token_key" in {one.index for one in await packed(filled)}
    assert await writer.fetch(INVALID) == []


async def test_whoever_stops_it_leaves_nothing_behind(
    filled: PostgresStore, writer: asyncpg.Connection, admin: asyncpg.Connection
) -> None:
    building = asyncio.create_task(packed(filled))
    await until(admin, BUILDING)
    building.cancel()
    await asyncio.sleep(0.1)
    await writer.execute("ROLLBACK")
    with pytest.raises(asyncio.CancelledError):
        await building
    assert await admin.fetch(INVALID) == []
    assert await admin.fetchval(BUILDING) is False
    assert "token_key" in {one.index for one in await packed(filled)}


async def test_a_lock_that_is_not_granted_is_busy_and_changes_nothing(
    filled: PostgresStore, writer: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pack.PATIENCE, "lock_timeout", "100ms")
    with pytest.raises(Busy, match=r"can't build token_key anew now \(LockNotAvailableError, 55P03\)"):
        await packed(filled)
    await writer.execute("ROLLBACK")
    monkeypatch.undo()
    assert "token_key" in {one.index for one in await packed(filled)}
    assert await writer.fetch(INVALID) == []


async def test_a_long_reader_is_not_waited_for(
    filled: PostgresStore, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "LONG_SECONDS", 0.0)
    await admin.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    await admin.fetchval("SELECT count(*) FROM meta")
    assert await packed(filled) == []
    await admin.execute("ROLLBACK")
    assert len(await packed(filled)) > 3


async def test_of_all_processes_one_builds(filled: PostgresStore, admin: asyncpg.Connection) -> None:
    await admin.fetchval("SELECT pg_advisory_lock(1751741811, 0)")
    assert await packed(filled) == []
    await admin.fetchval("SELECT pg_advisory_unlock(1751741811, 0)")
    assert len(await packed(filled)) > 3


async def test_a_setting_of_the_role_or_database_forbids_it(
    filled: PostgresStore, postgres_url: str, schema: str
) -> None:
    store = await open_postgres(f"{postgres_url}&hilum.pack=off", schema=schema)
    assert await packed(store) == []
    await store.close()
    assert len(await packed(filled)) > 3


async def test_a_server_does_it_by_itself_and_tells(
    filled: PostgresStore, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, told: io.StringIO
) -> None:
    monkeypatch.setattr(pack, "LEAST_PAGES", LEAST)
    monkeypatch.setattr("hilum.app.packing.LOOK_SECONDS", 0.01)
    await admin.execute("ANALYZE")
    packing = Packing.of(filled)
    assert packing is not None
    packing.start()
    await until(admin, "SELECT obj_description('token_key'::regclass, 'pg_class') LIKE 'packed: % pages'")
    await packing.stop()
    assert "index packed" in told.getvalue()
    assert "index=token_key" in told.getvalue()


async def test_trouble_is_told_and_left_alone(
    filled: PostgresStore, writer: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, told: io.StringIO
) -> None:
    monkeypatch.setattr(pack, "LEAST_PAGES", LEAST)
    monkeypatch.setitem(pack.PATIENCE, "lock_timeout", "100ms")
    await filled._pool.run(lambda session: session.db.execute("ANALYZE"))
    packing = Packing.of(filled)
    assert packing is not None
    assert await packing.turn() is False
    assert "LockNotAvailableError" in told.getvalue()


async def test_only_postgresql_needs_it(tmp_path: Path) -> None:
    store: Store = await open_sqlite(str(tmp_path / "store.sqlite"))
    assert Packing.of(store) is None
    await store.close()
