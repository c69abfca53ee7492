"""Contract: a server that runs on while a newer hilum migrates its store writes nothing any more, and says why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest
from tests import second_layout
from tests.contract.conftest import DURABLE, Open
from tests.contract.writing import asking, create, ids, observation, patient

from hilum.problems import Busy, Misconfigured
from hilum.store import migrations
from hilum.store.interface import Store
from hilum.store.postgres import open_postgres
from hilum.store.sqlite import open_sqlite
from hilum.store.sqlite.connection import connect

RESTART = r"brought the store to schema 7, .* knows up to 6\. Restart it with the new version\."


def with_one_more(store: str) -> tuple[migrations.Step, ...]:
    """The migrations of a hilum that is yet to come."""
    known = _steps(store)
    return (*known, migrations.Step(len(known) + 1, "next", _NEXT[store]))


_steps = migrations.steps
_NEXT = {"sqlite": "ALTER TABLE clock RENAME COLUMN number TO other", "postgres": "DROP FUNCTION apply"}
"""What writers need, as the migration to schema 4 did."""


@pytest.mark.parametrize("opened", DURABLE, indirect=True)
async def test_a_server_notices_that_its_store_is_a_newer_one_by_now(
    store: Store, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await create(store, patient("F"), "a")
    await store.check()
    with monkeypatch.context() as newer:
        newer.setattr(migrations, "steps", with_one_more)
        with pytest.raises(Misconfigured, match="hilum migrate"):
            await opened()
        await migrated(store)
    for asked in (store.learn, store.check, lambda: create(store, patient("F"), "b"), store.learn):
        with pytest.raises(Busy, match=RESTART):
            await asked()
    assert [one.id for one in await store.changes(0)] == [first.id]


async def migrated(store: Store) -> None:
    """As `hilum migrate` does."""
    if store.name == "sqlite":
        again: Store = await open_sqlite(store.path, migrate=True)  # type: ignore[attr-defined]
    else:
        pool = store._pool  # type: ignore[attr-defined]
        again = await open_postgres(pool._url, schema=pool._schema, migrate=True)
    await again.close()


async def test_a_writer_of_schema_3_on_sqlite_fails_after_the_migration(tmp_path: Path) -> None:
    """It would write under numbers that it remembers, and that are given up by then."""
    path = str(tmp_path / "store.sqlite")
    store = await open_sqlite(path)
    await create(store, observation("Patient/p"), "o")
    await store.close()
    second_layout.sqlite(path)
    old = connect(path)
    begin = "SELECT seq, n FROM clock"
    assert len(old.execute(begin).fetchall()) == 1
    await (await open_sqlite(path, migrate=True)).close()
    with pytest.raises(Exception, match="no such column: n"):
        old.execute(begin)
    old.close()


async def test_a_commit_of_before_that_waits_for_the_migration_on_postgresql_writes_nothing(
    postgres_url: str, schema: str
) -> None:
    """One that is under way is waited for; what comes after it finds no such apply()."""
    store = await open_postgres(postgres_url, schema=schema)
    guard = store._known.guard
    await create(store, observation("Patient/p"), "o")
    await store.close()
    await second_layout.postgres(postgres_url, schema)
    under_way, waits, looks = [
        await asyncpg.connect(postgres_url, server_settings={"search_path": schema}) for _ in range(3)
    ]
    arguments = await looks.fetchval("SELECT pronargs FROM pg_proc WHERE oid = 'apply'::regproc")
    apply = f"SELECT first FROM apply({', '.join(['$1::integer', '$2::bigint', *['NULL'] * (arguments - 2)])})"
    generation = await looks.fetchval("SELECT value::bigint FROM meta WHERE key = 'generation'")
    transaction = under_way.transaction()
    await transaction.start()
    await under_way.execute("SELECT pg_advisory_xact_lock_shared(1751741807, $1::integer)", guard)

    async def waiting(many: int) -> None:
        asked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND objid::bigint = $1"
        for _ in range(2000):
            if await looks.fetchval(asked, guard % (1 << 32)) >= many:
                return
            await asyncio.sleep(0.01)
        pytest.fail("nobody waits")

    migrating = asyncio.ensure_future(open_postgres(postgres_url, schema=schema, migrate=True))
    await waiting(1)
    late = asyncio.ensure_future(waits.fetchval(apply, guard, generation))
    await waiting(2)
    await transaction.commit()
    store = await migrating
    with pytest.raises(asyncpg.PostgresError, match="function"):  # it is gone beneath it
        await late
    with pytest.raises(asyncpg.UndefinedFunctionError):
        await waits.fetchval(apply, guard, generation)
    assert ids(await store.search(asking(types=("Observation",)))) == ["o"]
    await store.close()
    for connection in (under_way, waits, looks):
        await connection.close()
