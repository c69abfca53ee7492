"""A store as the second layout (schema 2) had it, made of one of today: without records and a trail of reads."""

from __future__ import annotations

import apsw
import asyncpg

from hilum.store import migrations

_TABLES = (
    *("ledger", "revocation", "audit_segment", "audit_about", "audit_anchor", "former"),
    *("code_system", "concept", "posting", "closure"),
)


def sqlite(path: str) -> None:
    """Of the file of a closed store."""
    db = apsw.Connection(path)
    for name in _TABLES:
        db.execute(f"DROP TABLE {name}")
    for what in ("terminology", "structures"):
        db.execute(f"DROP TRIGGER {what}_new; DROP TRIGGER {what}_changed")
        db.execute("DELETE FROM meta WHERE key = ?", (what,))
    db.execute("DROP INDEX audit_seq; ALTER TABLE audit DROP COLUMN detail")
    db.execute("ALTER TABLE clock DROP COLUMN moved; ALTER TABLE clock RENAME COLUMN number TO n")
    db.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")
    db.close()


async def postgres(url: str, schema: str) -> None:
    """Of a PostgreSQL schema that nobody has open."""
    second = migrations.steps("postgres")[1].sql
    apply = second[second.index("CREATE FUNCTION apply(") : second.index("-- Custom search parameters, one row per")]
    db = await asyncpg.connect(url, server_settings={"search_path": schema})
    try:
        await db.execute(
            f"DROP TABLE {', '.join(_TABLES)}; ALTER TABLE audit DROP COLUMN detail;"
            "DROP FUNCTION terminology_changed CASCADE; DROP FUNCTION structures_changed CASCADE;"
            "DELETE FROM meta WHERE key IN ('terminology', 'structures');"
            "DROP FUNCTION apply; DROP FUNCTION netstring; DROP FUNCTION stand; DROP FUNCTION move;"
            + apply
            + "UPDATE meta SET value = '2' WHERE key = 'schema'"
        )
    finally:
        await db.close()
