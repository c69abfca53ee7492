"""A store as the first layout (schema 1) had it, made of one of today: what it knew is kept, all else is dropped.

The migration to the second layout drops the index tables of the first unread, and so they are left empty. The secret
that keys are made with stays, which the first layout did not have, so that they are the same afterwards.
"""

from __future__ import annotations

import apsw
import asyncpg

from hilum.store import migrations

_KEPT = ("clock", "identity", "log", "old", "tally", "audit")
_ANEW = ("resource", "token", "string", "date", "reference", "compartment")
_SEQUENCES = ("stamped", "numbered")
_AUDIT = "seq, writes, process, agent, client, interaction, token, chain"


def sqlite(path: str) -> None:
    """Of the file of a closed store."""
    db = apsw.Connection(path)
    tables = db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('meta', 'resource') AND sql NOT NULL"
    )
    dropped = [name for (name,) in tables if name not in _KEPT and not name.startswith(("fulltext_", "sqlite_"))]
    for name in dropped:
        db.execute(f"DROP TABLE {name}")
    db.execute("DROP INDEX audit_seq; ALTER TABLE audit DROP COLUMN detail")
    db.execute("ALTER TABLE clock DROP COLUMN moved; ALTER TABLE clock RENAME COLUMN number TO n")
    db.execute("CREATE TABLE first AS SELECT rid, version, seq, method, body FROM resource; DROP TABLE resource")
    lines = [line for line in migrations.steps("sqlite")[0].sql.splitlines() if not line.startswith("--")]
    for statement in "\n".join(lines).split(";"):
        code = statement.strip()
        if code.startswith("CREATE TABLE") and code.split("(")[0].split()[2] in _ANEW:
            db.execute(code)
    db.execute("INSERT INTO resource SELECT * FROM first; DROP TABLE first")
    db.execute("DELETE FROM meta WHERE key NOT IN ('schema', 'environment', 'secret')")
    db.execute("UPDATE meta SET value = '1' WHERE key = 'schema'")
    db.close()


async def postgres(url: str, schema: str) -> None:
    """Of a PostgreSQL schema that nobody has open."""
    db = await asyncpg.connect(url)
    try:
        await db.execute(f"ALTER SCHEMA {schema} RENAME TO {schema}_now")
        await db.execute(f"CREATE SCHEMA {schema}; SET search_path = {schema}")
        await db.execute(migrations.steps("postgres")[0].sql)
        await db.execute(
            f"INSERT INTO meta SELECT key, value FROM {schema}_now.meta WHERE key IN ('environment', 'secret');"
            "INSERT INTO meta VALUES ('schema', '1');"
            "INSERT INTO resource (rid, seq, xid, version, type, method, id, compartments, labels, body) "
            "SELECT rid, seq, xid, version, type, method, id, compartments, labels, body "
            f"FROM {schema}_now.resource;"
            f"INSERT INTO old SELECT * FROM {schema}_now.old; "
            f"INSERT INTO audit SELECT {_AUDIT} FROM {schema}_now.audit"
        )
        for name in _SEQUENCES:
            await db.execute(f"SELECT setval('{name}', last_value) FROM {schema}_now.{name}")
        await db.execute(f"DROP SCHEMA {schema}_now CASCADE")
    finally:
        await db.close()
