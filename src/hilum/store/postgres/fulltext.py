"""Whether a store has the words of all its resources, and how it gets them. https://www.postgresql.org/docs/current/textsearch.html"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from hilum.store import wordless
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.encode import literal, words
from hilum.store.postgres.parameters import alone, put
from hilum.store.postgres.rows import COLUMNS, as_resource

STEP: Final = 64
"""Of how many resources one transaction writes the words."""
PUT: Final = "SELECT put_words($1, $2::text::boolean[], $3, $4)"
_SET: Final = "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_SAID: Final = "SELECT value FROM meta WHERE key = $1"
_RESOURCES: Final = (
    f"SELECT {COLUMNS} FROM resource r WHERE r.rid > $1 AND r.shape > 0 ORDER BY r.rid LIMIT $2 FOR NO KEY UPDATE OF r"
)


async def kept(session: Session, guard: int, *, wanted: bool) -> bool:
    """Whether the store has the words of all its resources; one that is used without them has not, from now on."""
    if await said(session) is None and not wanted:
        async with session.db.transaction():
            await alone(session, guard)
            if await said(session) is None:
                await _say(session, wordless.NONE)
    return await said(session) is None


async def said(session: Session) -> str | None:
    """What the store says of its words: see `hilum.store.wordless`."""
    found = await fetch(session, _SAID, wordless.KEY)
    return str(found[0][0]) if found else None


async def _say(session: Session, value: str | None) -> None:
    """Within a transaction, with the parameters' lock held alone: so that whoever writes next knows it."""
    if value is None:
        await fetch(session, "DELETE FROM meta WHERE key = $1", wordless.KEY)
    else:
        await fetch(session, _SET, wordless.KEY, value)
    await put(session, ())


async def refill(session: Session, guard: int, step: int = STEP) -> AsyncIterator[int]:
    """Write the words of a store that has not those of all; yields how many resources each step did.

    A step is one transaction that locks its resources, and notes how far it came. From the first on, whoever writes
    writes the words, too.
    """
    while (before := await said(session)) is not None:
        async with session.db.transaction():
            if before == wordless.NONE:
                await alone(session, guard)  # nobody is in the middle of a commit without words
                await fetch(session, "TRUNCATE fulltext")
                await _say(session, "0")
                before = "0"
            found = await fetch(session, _RESOURCES, wordless.done(before), step)
            if not found:
                await alone(session, guard)
                await _say(session, None)
                return
            rids = [row[0] for row in found]
            texts = [words(as_resource(row).raw) for row in found]
            was = literal([False] * len(rids))  # of one that was written since they are there already
            await fetch(session, PUT, rids, was, [one for one, _ in texts], [one for _, one in texts])
            await fetch(session, _SET, wordless.KEY, str(rids[-1]))
        yield len(found)
