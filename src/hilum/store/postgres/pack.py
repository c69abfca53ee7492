"""Indexes that splits have left half empty are built anew, one by one, while others read and write.

A full page of a B-tree is split in the middle, unless it is the last of all. Rows come in the order of time, but an
index has them by type, code or owner first: of each split one half is never filled. PostgreSQL merges no pages.
https://www.postgresql.org/docs/current/btree.html, https://www.postgresql.org/docs/current/sql-reindex.html

An index is built again when its pages have become GROWN times as many as after the last time, so that every entry is
sorted a few times at most, however large the store becomes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import asyncpg

from hilum.problems import Busy
from hilum.store.postgres.connection import Pool, quoted

LEAST_PAGES: Final = 128
"""A megabyte: less is not worth the work."""
GROWN: Final = 1.5
SPARSE: Final = 1.15
"""How many times what its entries need an index takes, at least, before it is built anew."""
PATIENCE: Final = {"lock_timeout": "5min", "statement_timeout": "6h", "max_parallel_maintenance_workers": "0"}
"""What reads a snapshot for longer, such as a backup, is let go on: the index stays as it was."""
LONG_SECONDS: Final = 10.0
"""Who has had a snapshot for longer may keep it for longer still: another time."""
ENDING_SECONDS: Final = 3
"""How long whoever stops it waits for what is left to be cleared away; else the next one does it."""
SOUND: Final = (14, 0, 4)  # as asyncpg reads "14.4"
"""PostgreSQL 14.0 to 14.3 lose rows when they build an index while others write (14.4's release notes)."""

_PAGE, _PAGE_HEAD, _ROW_HEAD, _ITEM = 8192, 40, 8, 4  # bytes of a page; of its header and a B-tree's trailer
_FILLED: Final = 0.9
"""The fill factor of leaves, and the default."""
_ALIGNED: Final = {b"c": 1, b"s": 2, b"i": 4, b"d": 8}

_ASK: Final = """
SELECT pg_try_advisory_lock(1751741811, 0) AND coalesce(current_setting('hilum.pack', true), '') <> 'off'
"""
"""Of all processes and schemas of a database one builds: two would wait for each other."""
_LEFT: Final = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'
"""
"""What a REINDEX CONCURRENTLY that was killed leaves behind: it takes room, and every write keeps it up to date."""
_BUSY: Final = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type <> 'autovacuum worker' AND backend_xmin IS NOT NULL
    AND xact_start < clock_timestamp() - $1::float8 * interval '1 s')
"""
"""Whether something holds a snapshot that building an index would have to wait for."""
_INDEXES: Final = """
SELECT c.relname, c.relpages, c.reltuples,
    substring(obj_description(c.oid, 'pg_class') FROM '^packed: (\\d+) pages')::integer,
    array_agg(a.attlen ORDER BY a.attnum), array_agg(a.attalign ORDER BY a.attnum),
    array_agg((SELECT s.avg_width FROM pg_stats s JOIN pg_attribute b ON b.attname = s.attname
        WHERE s.schemaname = current_schema() AND s.tablename = t.relname
        AND b.attrelid = t.oid AND b.attnum = i.indkey[a.attnum - 1]) ORDER BY a.attnum)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_am m ON m.oid = c.relam JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND m.amname = 'btree' AND i.indisvalid AND c.relpages >= $1
AND t.relname <> 'tally'
GROUP BY c.oid, c.relname, c.relpages, c.reltuples ORDER BY c.relpages DESC
"""
"""But that of `tally`: ON CONFLICT (columns) may meet a duplicate in an index that is being built."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One index that was built anew, and its size in bytes."""

    index: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Tree:
    """An index as PostgreSQL last looked at it. `packed`: its pages when it was last built here; None: never.

    `columns`: of each (bytes, or less than 0 where they vary; alignment; their mean, if it is known).
    """

    name: str
    pages: int
    entries: float
    packed: int | None
    columns: tuple[tuple[int, int, int | None], ...]

    def needed(self) -> int | None:
        """Pages, if all of them were as full as those of a new index; None where the width of a column isn't known."""
        width = _ROW_HEAD
        for length, alignment, mean in self.columns:
            if length < 0 and mean is None:
                return None
            if length >= 0:
                width += -width % alignment
            width += length if length >= 0 else mean or 0
        width += -width % 8 + _ITEM
        return ceil(max(self.entries, 0) * width / ((_PAGE - _PAGE_HEAD) * _FILLED))

    def sparse(self) -> bool:
        """Whether it is worth building anew."""
        needed = self.needed()
        grown = self.packed is None or self.pages >= GROWN * self.packed
        return grown and needed is not None and self.pages >= SPARSE * needed and self.entries > 0


async def pack(pool: Pool, *, least: int | None = None, analyze: bool = False) -> AsyncGenerator[Packed, None]:
    """Build anew what is sparse among indexes of `least` pages (LEAST_PAGES) or more; yields each one when it is done.

    By the figures of PostgreSQL's last ANALYZE, or of one made first. Does nothing while another process does it, or a
    long transaction is under way, or where the setting `hilum.pack` of the role or database is `off`. Raises Busy: a
    lock not granted in five minutes, a full disk, an index that belongs to somebody else. The index is then as it was.
    """
    async with pool.alone(**PATIENCE) as db:
        if db.get_server_version()[:3] < SOUND or not await db.fetchval(_ASK):
            return
        if await db.fetchval(_BUSY, LONG_SECONDS):
            return
        await _clear(db)
        if analyze:
            await _analyze(db)
        for tree in await trees(db, least or LEAST_PAGES):
            if tree.sparse():
                yield await _built(db, tree)


async def trees(db: asyncpg.Connection, least: int) -> Sequence[Tree]:
    """The indexes of the connection's schema that have `least` pages or more, the largest first."""
    return [
        Tree(
            name, pages, entries, packed, tuple(zip(lengths, [_ALIGNED[one] for one in alignments], means, strict=True))
        )
        for name, pages, entries, packed, lengths, alignments, means in await db.fetch(_INDEXES, least)
    ]


async def _built(db: asyncpg.Connection, tree: Tree) -> Packed:
    index = quoted(tree.name)
    before: int = await db.fetchval("SELECT pg_relation_size($1::regclass)", index)
    work = asyncio.ensure_future(db.execute(f"REINDEX INDEX CONCURRENTLY {index}"))
    try:
        await asyncio.shield(work)
    except asyncpg.PostgresError as error:
        await _ended(db, work)
        what = f"{type(error).__name__}, {error.sqlstate}"
        raise Busy(f"PostgreSQL can't build {tree.name} anew now ({what}); it stays as it was.") from None
    except BaseException:
        await _ended(db, work)
        raise
    after: int = await db.fetchval("SELECT pg_relation_size($1::regclass)", index)
    await db.execute(f"COMMENT ON INDEX {index} IS 'packed: {after // _PAGE} pages'")
    return Packed(tree.name, before, after)


async def _ended(db: asyncpg.Connection, work: asyncio.Future[Any]) -> None:
    """Nothing goes on unseen, and nothing is left behind: neither by what failed nor by what was cancelled."""
    work.cancel()  # asyncpg tells PostgreSQL
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        async with asyncio.timeout(ENDING_SECONDS):
            await asyncio.wait((work,))
            await _clear(db)


async def _clear(db: asyncpg.Connection) -> None:
    for (name,) in await db.fetch(_LEFT):
        await db.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(name)}")


async def _analyze(db: asyncpg.Connection) -> None:
    tables = await db.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY 1"
    )
    for (table,) in tables:
        await db.execute(f"ANALYZE {quoted(table)}")
