"""A consistent logical copy of a PostgreSQL store, and putting it back: one zip file, one COPY stream per table.

All tables are read in one REPEATABLE READ snapshot, while others write. No pg_dump is needed, and the copy goes into a
newer PostgreSQL as it does into the same one. https://www.postgresql.org/docs/current/sql-copy.html
"""

from __future__ import annotations

import asyncio
import json
import os
import zipfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, Final

import asyncpg

from hilum.oauth.ledger import CLIENT, USER
from hilum.problems import Misconfigured
from hilum.store import migrations, wordless
from hilum.store.keyed import OWN
from hilum.store.postgres.connection import DRIVER, Pool, at_work, connect
from hilum.store.postgres.ledger import after_restore
from hilum.store.postgres.migrate import prepare

TABLES: Final = {
    "resource": "rid, seq, '0'::xid8 AS xid, version, shape, type, method, id, compartments, labels, body",
    "old": "seq, rid, until, '0'::xid8 AS xid, version, type, method, compartments, labels, body",
    "former": "was, rid, at",
    "shape": "id, type, params",
    "system": "number, text",
    "tally": "type, stripe, n",
    "token": "value, rid, param",
    "string": "exact, rid, param, folded, whole",
    "date": "rid, low, high, param, span",
    "quantity": "rid, unit, low, high, param",
    "reference": "target, rid, param",
    "composite": "rid, a, unit, low, high, param",
    "near": "rid, cell, lat, lon, param",
    "compartment": "owner, rid",
    "term": "value, param, folded",
    "unit": "unit, param, system, code, display",
    "fulltext": "rid, narrative, content",
    "parameter": "id, definition, state, clear, types, cursor, done, total, task",
    "audit": "seq, writes, process, agent, client, interaction, token, chain, detail",
    "audit_segment": "id, process, first, rows, low, high, before, after, body",
    "audit_about": "what, key, high, segment",
    "audit_anchor": "n, at, kind, body, previous, digest, signature, kid",
    "ledger": "kind, key, state, owner, peer, version, changed, expires, value",
    "revocation": "n, kind, key, before, expires",
    "code_system": "number, url, version, source, seq, count, state, changed, about",
    "concept": "system, n, flags, last, code, display, parents, over, under, detail",
    "posting": "system, kind, key, value",
    "closure": "name, n, step",
}
"""What is copied. Transaction ids mean nothing in another database: 0 is older than all of its own."""
_SEQUENCES: Final = ("stamped", "numbered", "revocation_n_seq", "audit_segment_id_seq", "code_system_number_seq")
_HOLDS: Final = {
    "resources": "SELECT FROM resource",
    "apps or accounts": f"SELECT FROM ledger WHERE kind IN ({CLIENT}, {USER})",
    "an audit trail": "SELECT FROM audit_anchor",
}
"""What nothing may be restored over."""
_NO_LIMIT: Final = {"statement_timeout": "0", "enable_seqscan": "on", "idle_in_transaction_session_timeout": "0"}
_MANIFEST: Final = "hilum.json"


async def copy(pool: Pool, path: str) -> AsyncIterator[tuple[int, int]]:
    """Write the copy to the new file `path`; yields (bytes read, about how many in all).

    The file appears under its name only when it is whole and flushed. Raises Misconfigured when it exists.
    """
    _new(path)
    part = path + ".part"
    async with pool.alone(**_NO_LIMIT) as connection:
        with _private(part) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                manifest = {
                    "schema": int(await connection.fetchval("SELECT value FROM meta WHERE key = 'schema'")),
                    "environment": await connection.fetchval("SELECT value FROM meta WHERE key = 'environment'"),
                    "wordless": await connection.fetchval("SELECT value FROM meta WHERE key = $1", wordless.KEY),
                    "secret": await connection.fetchval(OWN),
                    # Sequences have no snapshot: read after it was taken, they stand at or above all that it sees.
                    "snapshot": await connection.fetchval("SELECT pg_current_snapshot()::text"),
                    **{name: await connection.fetchval(f"SELECT last_value FROM {name}") for name in _SEQUENCES},
                }
                sizes = "SELECT sum(pg_table_size(name::regclass))::bigint FROM unnest($1::text[]) AS t (name)"
                about, done = await connection.fetchval(sizes, list(TABLES)), 0
                archive.writestr(_MANIFEST, json.dumps(manifest))
                for table, columns in TABLES.items():
                    with archive.open(table, "w", force_zip64=True) as member:
                        async for size in _table(connection, f"SELECT {columns} FROM {table}", member):
                            done += size
                            yield min(done, about), max(about, done)
    _finish(part, path)
    yield done, done


async def _table(connection: asyncpg.Connection, query: str, member: IO[bytes]) -> AsyncIterator[int]:
    chunks: asyncio.Queue[bytes] = asyncio.Queue(4)  # the server waits while the file is written

    async def read() -> None:
        try:
            await connection.copy_from_query(query, output=chunks.put, format="binary")
        finally:
            await chunks.put(b"")

    reading = asyncio.create_task(read())
    try:
        while chunk := await chunks.get():
            await asyncio.to_thread(member.write, chunk)
            yield len(chunk)
        await reading
    finally:
        if not reading.done():
            reading.cancel()


async def restore_postgres(url: str, path: str, *, schema: str = "hilum") -> None:
    """Fill a new, empty tenant's schema from a copy, in one transaction.

    Raises Misconfigured when the file is no copy of a PostgreSQL store, is of another schema version, or when the
    tenant has resources already.
    """
    manifest = await asyncio.to_thread(_manifest, path)
    connection = await connect(url, schema, **_NO_LIMIT)
    try:
        await prepare(connection, schema, manifest["environment"], migrate=False)
        async with connection.transaction():
            await connection.execute("LOCK TABLE resource, ledger, audit_anchor IN EXCLUSIVE MODE")
            for what, found in _HOLDS.items():
                if await connection.fetchval(f"SELECT EXISTS ({found})"):
                    raise Misconfigured(f"The schema {schema!r} holds {what} already. Restore into a new one.")
            with zipfile.ZipFile(path) as archive:
                await connection.execute("DELETE FROM shape")  # a new store has one
                await connection.execute("DELETE FROM ledger; DELETE FROM revocation")  # one that was served has keys
                for table, columns in TABLES.items():
                    names = [column.split(" AS ")[-1].strip() for column in columns.split(",")]
                    with archive.open(table) as member:
                        await connection.copy_to_table(table, source=_read(member), columns=names, format="binary")
            if (partial := manifest.get("wordless")) is not None:
                set_it = "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
                await connection.execute(set_it, wordless.KEY, partial)
            # Who has the store open makes keys with another secret. Of a new generation it learns before it writes.
            await connection.execute("UPDATE meta SET value = $1 WHERE key = 'secret'", manifest["secret"])
            await connection.execute("UPDATE meta SET value = (value::bigint + 1)::text WHERE key = 'generation'")
            for name in _SEQUENCES:
                await connection.execute("SELECT setval($1::text::regclass, $2)", name, manifest[name])
            await after_restore(connection)
    except DRIVER as error:
        raise at_work(error, connection) from None
    finally:
        connection.terminate()


def _manifest(path: str) -> dict[str, Any]:
    known = len(migrations.steps("postgres"))
    try:
        with zipfile.ZipFile(path) as archive:
            manifest: dict[str, Any] = json.loads(archive.read(_MANIFEST))
            schema = int(manifest["schema"])
            # One of another schema has other parts, and is none the worse for that.
            whole = schema != known or (set(TABLES) <= set(archive.namelist()) and archive.testzip() is None)
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        whole, schema, manifest = False, known, {}
    if not whole:
        raise Misconfigured(f"{path} is not a whole copy of a PostgreSQL store: a part is missing or a checksum fails.")
    if schema != known:
        raise Misconfigured(
            f"{path} has schema {schema}, this hilum {known}. Restore with the hilum that made it, then migrate."
        )
    return manifest


async def _read(member: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(member.read, 1 << 20):
        yield chunk


def _new(path: str) -> None:
    if os.path.exists(path):
        raise Misconfigured(f"{path} exists already. Choose another name, or delete it first.")


def _private(path: str) -> IO[bytes]:
    """A new file that only its owner can read."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _finish(part: str, path: str) -> None:
    _flush(part)
    os.rename(part, path)
    _flush(str(Path(path).absolute().parent))


def _flush(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
