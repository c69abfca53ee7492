"""Custom search parameters on PostgreSQL: their rows, and the small steps in which they are indexed and go.

A commit holds an advisory lock shared while it looks at the generation and until it ends; who changes the parameters
holds it alone (see apply() in the schema). So what is committed before a change is seen by every step after it, and
what comes later is indexed by itself. A step locks the resources that it indexes: nobody changes one meanwhile.
https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final

import asyncpg

from hilum.fhir.definitions import TYPES
from hilum.problems import Problem
from hilum.search import catalogue as states
from hilum.search.catalogue import CLEARING, Catalogue, Defined
from hilum.search.index import extract
from hilum.search.rows import NO_ROWS, Rows
from hilum.store import definitions, keys, migrations
from hilum.store.definitions import AT_ONCE, BY_PARAM, BY_RID, ROWS_AT_ONCE, STEP_SECONDS
from hilum.store.postgres import moving
from hilum.store.postgres.connection import AGAIN, Session, fetch
from hilum.store.postgres.encode import RowColumns, add
from hilum.store.postgres.known import Known
from hilum.store.postgres.rows import COLUMNS, as_resource
from hilum.store.postgres.tables import numbers, targets

_ALONE: Final = "SELECT pg_advisory_xact_lock(1751741807, $1::integer)"
SHARED: Final = "SELECT pg_advisory_xact_lock_shared(1751741807, $1::integer)"
_ONE: Final = "SELECT pg_try_advisory_xact_lock(1751741808, $1::integer)"
"""Of all processes one does a step at a time."""
_SCHEMA: Final = str(len(migrations.steps("postgres")))
_GENERATION: Final = (
    "SELECT value::bigint, (SELECT value FROM meta WHERE key = 'schema') FROM meta WHERE key = 'generation'"
)
_NAMES: Final = ", ".join(definitions.COLUMNS)
_ALL: Final = (
    f"SELECT m.value::bigint, {', '.join('p.' + name for name in definitions.COLUMNS)} FROM meta m "
    "LEFT JOIN parameter p ON true WHERE m.key = 'generation' ORDER BY p.id"
)
_PUT: Final = (
    f"INSERT INTO parameter ({_NAMES}) VALUES ({', '.join(f'${n}' for n in range(1, 10))}) ON CONFLICT (id) "
    "DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in definitions.COLUMNS[1:])
)
_PENDING: Final = (
    f"SELECT {_NAMES} FROM parameter WHERE state IN ('{states.BUILDING}', '{states.REMOVING}') ORDER BY id LIMIT 1"
)
_COUNT: Final = "SELECT coalesce(sum(n), 0)::bigint FROM tally WHERE type = ANY ($1::smallint[])"
_NEXT: Final = (
    f"SELECT {COLUMNS} FROM resource r WHERE r.rid > $1 AND r.rid <= $2 AND r.shape > 0 ORDER BY r.rid LIMIT $3"
)
_LOCK: Final = """
SELECT r.rid, r.seq, (SELECT s.params FROM shape s WHERE s.id = r.shape) FROM unnest($1::bigint[]) AS n (rid)
JOIN resource r ON r.rid = n.rid ORDER BY r.rid FOR NO KEY UPDATE OF r
"""
_SHAPES: Final = """
UPDATE resource r SET shape = n.shape FROM unnest($1::bigint[], $2::integer[]) AS n (rid, shape)
WHERE r.rid = n.rid AND r.shape <> n.shape
"""


async def generation(session: Session) -> int:
    """As it is committed. Raises Busy where the store is a newer hilum's by now."""
    found: int
    ((found, schema),) = await fetch(session, _GENERATION)
    if schema != _SCHEMA and (problem := migrations.outdated(schema, "postgres")):
        raise problem
    return found


async def known(session: Session, before: Catalogue) -> Catalogue:
    """The catalogue; `before` itself where nothing has changed."""
    if await generation(session) == before.generation:
        return before
    found = await fetch(session, _ALL)
    return definitions.catalogue(found[0][0], [tuple(row)[1:] for row in found if row[1] is not None])


async def alone(session: Session, guard: int) -> None:
    """Wait for the commits in flight, and keep others off until this transaction ends."""
    await fetch(session, _ALONE, guard)


async def put(session: Session, some: tuple[Defined, ...]) -> None:
    """Note what became of definitions, and count the generation up: within a transaction."""
    for one in some:
        if one.state == states.GONE:
            await fetch(session, "DELETE FROM parameter WHERE id = $1", one.id)
        else:
            await fetch(session, _PUT, *definitions.row_of(one))
    await fetch(session, "UPDATE meta SET value = (value::bigint + 1)::text WHERE key = 'generation'")


class _Moved(Exception):
    """A resource was written between reading and locking it: the step is begun anew."""


async def step(session: Session, store: Known, before: Catalogue) -> tuple[Defined | None, Catalogue]:
    """See `Store.proceed`; the catalogue that it was done with as well."""
    while True:
        catalogue = await known(session, before)
        found = await fetch(session, _PENDING)
        if not found:
            return None, catalogue
        one = definitions.of_row(tuple(found[0]))
        try:
            if one.cursor == CLEARING:
                return await _within(session, store, catalogue, one, None), catalogue
            return await _walk(session, store, catalogue, one), catalogue
        except _Moved:
            before = catalogue
        except asyncpg.PostgresError as error:
            if error.sqlstate not in AGAIN:
                raise


Batch = tuple[str, list[Any], list[Rows], Defined]
"""Type, rows of resources, their index rows under the parameter's own numbers, and the definition as it then is."""


async def _walk(session: Session, store: Known, catalogue: Catalogue, one: Defined) -> Defined | None:
    until = time.monotonic() + STEP_SECONDS
    while True:
        batch = await _read(session, catalogue, one)
        done = await _within(session, store, catalogue, one, batch)
        if done is None or not done.pending or time.monotonic() > until:
            return done
        one = done


async def _read(session: Session, catalogue: Catalogue, one: Defined) -> Batch | None:
    """The resources that come next, indexed; None: there are no more."""
    own = catalogue.numbers(one)
    for number in definitions.type_numbers(one):
        low, high = keys.type_range(number)
        if one.cursor >= high:
            continue
        found = await fetch(session, _NEXT, max(one.cursor, low - 1), high, AT_ONCE)
        if found:
            type = TYPES[number - 1]
            rows_of = extract(type, own.get(type, ()), catalogue.registry)
            try:
                rows = [rows_of(as_resource(row).body) if own else NO_ROWS for row in found]
            except (Problem, ValueError):  # a body that is damaged, or that has not the structure of its type
                return type, [], [], replace(one, state=states.FAILED)
            return type, found, rows, replace(one, cursor=found[-1][0], done=one.done + len(found))
    return None


async def _within(
    session: Session, store: Known, catalogue: Catalogue, one: Defined, batch: Batch | None
) -> Defined | None:
    """One transaction: clear (`batch` None and the cursor at the beginning), index a batch, or end."""
    rids: dict[tuple[str, str], int] = {}
    if batch is not None and batch[1]:  # what is new to the dictionaries is committed before
        rids = await store.names.interned(session, {target for rows in batch[2] for target in targets(rows)})
        await store.dictionaries.learn(session, store.guard, [(batch[0], rows) for rows in batch[2]])
    async with session.db.transaction():
        if not (await fetch(session, _ONE, store.guard))[0][0]:
            return None
        await fetch(session, SHARED, store.guard)
        if await generation(session) != catalogue.generation:
            raise _Moved
        if not await moving.hold(session, store, rids):
            raise _Moved
        now = await fetch(session, f"SELECT {_NAMES} FROM parameter WHERE id = $1", one.id)
        if not now or definitions.of_row(tuple(now[0])) != one:
            raise _Moved
        if one.cursor == CLEARING:
            after = await _clear(session, one)
        elif batch is None:
            state = states.READY if one.state == states.BUILDING else states.REMOVED
            after = replace(one, state=state, total=one.done, clear=())
        else:
            after = batch[3]
            if batch[1]:
                await _index(session, store, catalogue, one, batch, rids)
        if after.state != one.state:
            await put(session, (after,))
        else:
            await fetch(session, _PUT, *definitions.row_of(after))
    return after


async def _clear(session: Session, one: Defined) -> Defined:
    for table in BY_PARAM:
        deleted = await session.db.execute(
            f"DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT k.ctid FROM {table} k "
            f"WHERE k.param = ANY ($1::integer[]) LIMIT {ROWS_AT_ONCE}))",
            list(one.clear),
        )
        if deleted != "DELETE 0":
            return one
    total = (await fetch(session, _COUNT, definitions.type_numbers(one)))[0][0]
    return replace(one, cursor=0, done=0, total=total)


async def _index(
    session: Session, store: Known, catalogue: Catalogue, one: Defined, batch: Batch, names: dict[tuple[str, str], int]
) -> None:
    type, found, rows, _ = batch
    stale = sorted({*catalogue.numbers(one).get(type, ()), *one.clear})
    await _replace(session, store, type, found, rows, names, stale)


async def _replace(
    session: Session,
    store: Known,
    type: str,
    found: list[Any],
    rows: list[Rows],
    names: dict[tuple[str, str], int],
    stale: list[int],
) -> None:
    """Put rows in the place of those of the numbers `stale`."""
    seqs = {row[0]: as_resource(row).seq for row in found}
    locked = await fetch(session, _LOCK, list(seqs))
    if any(seqs[rid] != seq for rid, seq, _ in locked):
        raise _Moved
    for table in BY_RID:
        await fetch(
            session,
            f"DELETE FROM {table} k USING unnest($1::bigint[]) AS n (rid) "
            "WHERE k.rid = n.rid AND k.param = ANY ($2::integer[]) AND k.param >= 0",
            list(seqs),
            stale,
        )
    added, removed = RowColumns(), RowColumns()
    shapes = []
    for (rid, _, params), made in zip(locked, rows, strict=True):
        add(added, removed, rid, made, NO_ROWS, names, store.keys)
        shapes.append(definitions.shape(params, stale, numbers(made)))
    # The same row may be there, of a write since: taken away and put back, so that it is there once.
    await fetch(session, "SELECT take_rows($1, $2)", added.arguments(), added.folded)
    await fetch(session, "SELECT add_rows($1, $2, $3)", added.arguments(), added.folded, added.whole)
    ids = await store.dictionaries.shapes(session, store.guard, type, shapes)
    await fetch(session, _SHAPES, list(seqs), ids)
