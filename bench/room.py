"""What takes how much room on disk: each table and index of a store."""

from __future__ import annotations

from pathlib import Path

import apsw
import asyncpg

TIMES = {"sqlite": 2.5, "postgresql": 3.5}
"""Bytes on disk as a multiple of the JSON, at most, full text and audit aside."""
ASIDE = ("fulltext", "audit")


def of_sqlite(path: Path) -> tuple[dict[str, int], int, int]:
    """(bytes per table and index, bytes of bodies, resources). https://www.sqlite.org/dbstat.html"""
    db = apsw.Connection(str(path))
    db.pragma("wal_checkpoint(TRUNCATE)")
    resources, bodies = next(db.execute("SELECT count(*), sum(length(body)) FROM resource WHERE shape > 0"))
    try:
        sizes = dict(db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
    except apsw.SQLError:  # a SQLite without dbstat
        sizes = {"all": path.stat().st_size}
    db.close()
    return sizes, bodies, resources


async def of_postgres(url: str) -> tuple[dict[str, int], int, int]:
    """The same, of a database that it vacuums first."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "hilum"})
    try:
        await connection.execute("VACUUM")
        found = await connection.fetch(
            "SELECT relname, pg_relation_size(c.oid) + CASE WHEN relkind = 'r' THEN pg_table_size(c.oid) - "
            "pg_relation_size(c.oid) ELSE 0 END FROM pg_class c "
            "WHERE relkind IN ('r', 'i') AND relnamespace = 'hilum'::regnamespace"
        )
        # what the bytes are before PostgreSQL compresses them: the JSON
        total = await connection.fetchrow("SELECT count(*), sum(length(body)) FROM resource WHERE shape > 0")
        return {name: size for name, size in found if size}, int(total[1]), int(total[0])
    finally:
        await connection.close()


def aside(tables: dict[str, int]) -> int:
    """The bytes of full text and audit."""
    return sum(size for name, size in tables.items() if name.startswith(ASIDE))
