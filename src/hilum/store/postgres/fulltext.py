"""Whether a store has the words of all its resources, and how it gets them. https://www.postgresql.org/docs/current/textsearch.html"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import asyncpg

from hilum.store import wordless
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.encode import literal, words
from hilum.store.postgres.rows import COLUMNS, as_resource

STEP: Final = 500
"""Of how many resources one transaction writes the words."""
PUT: Final = "SELECT put_words($1, $2::text::boolean[], $3, $4)"
_SAID: Final = "SELECT value FROM meta WHERE key = $1"
_RESOURCES: Final = f"SELECT {COLUMNS} FROM resource r WHERE r.rid > $1 AND r.shape > 0 ORDER BY r.rid LIMIT $2"


async def kept(connection: asyncpg.Connection, *, wanted: bool) -> bool:
    """Whether the store has the words of all its resources; one that is used without them has not, from now on."""
    found = await connection.fetchval(_SAID, wordless.KEY)
    if found is None and not wanted:
        await connection.execute("INSERT INTO meta VALUES ($1, $2) ON CONFLICT DO NOTHING", wordless.KEY, wordless.NONE)
    return found is None and wanted


async def refill(connection: asyncpg.Connection, step: int = STEP) -> AsyncIterator[int]:
    """Write the words of a store that has not those of all; yields how many resources each step did.

    A step is one transaction, and notes how far it came. Nobody else writes meanwhile: their words would be missing.
    """
    session = Session(connection, b"")
    while True:
        async with connection.transaction():
            said = await connection.fetchval(f"{_SAID} FOR UPDATE", wordless.KEY)
            if said is None:
                return
            if said == wordless.NONE:
                await connection.execute("TRUNCATE fulltext")
            found = await fetch(session, _RESOURCES, wordless.done(said), step)
            if found:
                rids = [row[0] for row in found]
                texts = [words(as_resource(row).raw) for row in found]
                fresh = literal([True] * len(rids))
                await fetch(session, PUT, rids, fresh, [one for one, _ in texts], [one for _, one in texts])
                await connection.execute("UPDATE meta SET value = $2 WHERE key = $1", wordless.KEY, str(rids[-1]))
            else:
                await connection.execute("DELETE FROM meta WHERE key = $1", wordless.KEY)
        yield len(found)
