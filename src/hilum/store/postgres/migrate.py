"""Opening a PostgreSQL store: the tenant's schema, numbered migrations, the environment it belongs to."""

from __future__ import annotations

import asyncpg

from hilum.problems import Misconfigured
from hilum.store import migrations
from hilum.store.postgres import parameters
from hilum.store.postgres.connection import Session, quoted

_LOCK = 7_524_106_021
"""Of several processes that open a new store, one makes the schema and the others wait."""


async def prepare(connection: asyncpg.Connection, schema: str, environment: str, *, migrate: bool) -> int:
    """Create or migrate the schema, and hold the store to its environment; the schema's own number (`guard`).

    Raises Misconfigured when the store is of another environment, of a newer hilum, or needs `hilum migrate`.
    """
    steps = migrations.steps("postgres")
    have = await _version(connection, schema)
    if have == 0 or (migrate and have < len(steps)):
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            await parameters.alone(Session(connection, b""), await _guard(connection, schema))
            for step in steps[await _version(connection, schema) :]:
                await connection.execute(step.sql)
                await connection.execute(
                    "INSERT INTO meta VALUES ('schema', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    str(step.number),
                )
            await connection.execute("INSERT INTO meta VALUES ('environment', $1) ON CONFLICT DO NOTHING", environment)
            if have:  # a commit that waits for the lock is of the hilum of before: it finds another generation
                await parameters.put(Session(connection, b""), ())
        have = await _version(connection, schema)
    found = await connection.fetchval("SELECT value FROM meta WHERE key = 'environment'")
    migrations.judge(have, len(steps), found, environment)
    if not migrate and await connection.fetchval("SELECT EXISTS (SELECT FROM reindex)"):
        raise Misconfigured("The store's index is not finished. Run `hilum migrate`: it goes on where it stopped.")
    return await _guard(connection, schema)


async def _guard(connection: asyncpg.Connection, schema: str) -> int:
    number: int = await connection.fetchval("SELECT hashint8(oid::bigint) FROM pg_namespace WHERE nspname = $1", schema)
    return number


async def _version(connection: asyncpg.Connection, schema: str) -> int:
    exists = await connection.fetchval(
        "SELECT true FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relname = 'meta'",
        schema,
    )
    if not exists:
        return 0
    found = await connection.fetchval("SELECT value FROM meta WHERE key = 'schema'")
    return int(found) if found else 0
