"""Index rows made anew from the bodies, in steps that survive a kill: after a migration.

Each step is one transaction and notes how far it came, so that it goes on there. Nobody else has the store open: one
that is not wholly indexed is opened by `hilum migrate` alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg

from hilum.fhir.definitions import TYPES
from hilum.search.index import index
from hilum.search.rows import NO_ROWS
from hilum.store import keys
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.encode import RowColumns, add, literal, words
from hilum.store.postgres.fulltext import PUT
from hilum.store.postgres.known import Known, secret
from hilum.store.postgres.rows import COLUMNS, as_resource
from hilum.store.postgres.tables import targets

STEP: Final = 500
"""How many resources one transaction indexes."""
_NEXT: Final = "SELECT type, done FROM reindex ORDER BY type LIMIT 1 FOR UPDATE"
_RESOURCES: Final = f"""
SELECT {COLUMNS} FROM resource r WHERE r.rid > $1 AND r.rid <= $2 AND r.shape > 0 ORDER BY r.rid LIMIT $3
"""
_SHAPES: Final = """
UPDATE resource r SET shape = n.shape FROM unnest($1::bigint[], $2::integer[]) AS n (rid, shape) WHERE r.rid = n.rid
"""
_ROWS: Final = "SELECT add_rows($1, $2, $3)"


async def run(
    connection: asyncpg.Connection, guard: int, *, full_text: bool = True, step: int = STEP
) -> AsyncIterator[int]:
    """Index what is pending; yields how many resources each step did."""
    session = Session(connection, b"")
    known = Known.nothing(guard, await secret(session), full_text=full_text)
    while True:
        async with connection.transaction():
            found = await fetch(session, _NEXT)
            if not found:
                return
            done = await _resources(session, known, found[0][0], found[0][1], step)
        yield done


async def _resources(session: Session, known: Known, type: int, done: int, step: int) -> int:
    low, high = keys.type_range(type)
    found: list[Any] = await fetch(session, _RESOURCES, max(done, low - 1), high, step)
    if not found:
        await fetch(session, "DELETE FROM reindex WHERE type = $1", type)
        return 0
    name = TYPES[type - 1]
    rids = [row[0] for row in found]
    resources = [as_resource(row) for row in found]
    rows = [index(name, one.body, one.id) for one in resources]
    named = await known.names.interned(session, {target for one in rows for target in targets(one)})
    shapes = await known.dictionaries.learn(session, known.guard, [(name, one) for one in rows])
    added, removed = RowColumns(), RowColumns()
    for rid, one in zip(rids, rows, strict=True):
        add(added, removed, rid, one, NO_ROWS, named, known.keys)
    await fetch(session, _SHAPES, rids, shapes)
    await fetch(session, _ROWS, added.arguments(), added.folded, added.whole)
    if known.full_text:
        texts = [words(one.raw) for one in resources]
        fresh = literal([False] * len(rids))
        await fetch(session, PUT, rids, fresh, [one for one, _ in texts], [one for _, one in texts])
    await fetch(session, "UPDATE reindex SET done = $2 WHERE type = $1", type, rids[-1])
    return len(found)
