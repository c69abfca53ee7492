"""Index rows put right where they are not what the bodies say, while others write. See `Store.rebuild`.

A batch is read and indexed in a snapshot, without keeping anybody from writing; only what has to be written is locked,
and where a write has changed it meanwhile the batch is looked at again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import asyncpg

from hilum.problems import Busy
from hilum.search.matches import KINDS
from hilum.search.rows import NO_ROWS, Rows
from hilum.store.definitions import BY_RID
from hilum.store.keyed import systems
from hilum.store.postgres import moving, parameters
from hilum.store.postgres.compare import COPIED, Batch, Comparison
from hilum.store.postgres.connection import AGAIN, Pool, Session, fetch
from hilum.store.postgres.dictionaries import Dictionaries
from hilum.store.postgres.encode import RowColumns, add, literal
from hilum.store.postgres.fulltext import PUT
from hilum.store.postgres.known import Known
from hilum.store.postgres.names import DELETED, Name, type_of
from hilum.store.postgres.tables import TABLES, targets
from hilum.store.rebuilding import LOWEST, Mark, Rebuilt, Scope, Tally, place

KEPT_SECONDS: Final = 2.0
"""How often it is noted how far it came, where nothing else is written."""
PATIENCE_SECONDS: Final = 2.0
"""How long PostgreSQL may need to see that the one before was killed."""
_ONE: Final = "SELECT pg_try_advisory_lock(1751741809, $1::integer)"
"""Of all processes one rebuilds."""
_TALLY: Final = "SELECT type, sum(n)::bigint FROM tally GROUP BY type"
_LOCK: Final = """
SELECT r.rid, r.seq FROM unnest($1::bigint[]) AS n (rid) JOIN resource r ON r.rid = n.rid
ORDER BY r.rid FOR NO KEY UPDATE OF r
"""
_SHAPES: Final = """
UPDATE resource r SET shape = n.shape FROM unnest($1::bigint[], $2::integer[]) AS n (rid, shape) WHERE r.rid = n.rid
"""
_KEEP: Final = "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_COUNT: Final = """
INSERT INTO tally (type, stripe, n)
SELECT rid >> 40, 0, count(*) FROM resource WHERE version > 0 AND method <> $1 GROUP BY 1
"""


async def steps(pool: Pool, known: Known, scope: Scope) -> AsyncIterator[Rebuilt]:
    """See `Store.rebuild`. Raises Busy and the driver's errors."""
    async with pool.alone(statement_timeout="0") as connection:
        session = Session(connection, b"")
        ends = time.monotonic() + PATIENCE_SECONDS
        while not (await fetch(session, _ONE, known.guard))[0][0]:
            if time.monotonic() > ends:
                raise Busy("Another `hilum reindex` is at work on this store. Wait for it, or stop it.")
            await asyncio.sleep(0.05)
        async for step in _Rebuilding(session, known, scope).steps():
            yield step


class _Moved(Exception):
    """A resource was written between reading and locking it: the batch is looked at again."""


class _Rebuilding:
    def __init__(self, session: Session, known: Known, scope: Scope) -> None:
        self._session, self._known, self._scope = session, known, scope
        words = known.full_text and scope.code is None
        self._compare = Comparison(session, known, scope, words=words)
        self._kept = time.monotonic()

    async def steps(self) -> AsyncIterator[Rebuilt]:
        scope, session = self._scope, self._session
        await self._compare.learn()
        registry = self._compare.catalogue.registry
        spans, types = scope.spans(registry), scope.types(registry)
        total = sum(n for type, n in await fetch(session, _TALLY) if type in types)
        found = await fetch(session, "SELECT value FROM meta WHERE key = $1", scope.mark)
        after, done = place(found[0][0] if found else None, scope)
        tally = Tally(total, done)
        yield tally.now
        if scope.whole and await self._entries(tally) and after > LOWEST:  # their texts come back with their resources
            after, tally = LOWEST, Tally(total, 0)
        if spans:
            await self._compare.copy(max(after, spans[0][0]), spans[-1][1])
        for low, high in spans:
            after = max(after, low)
            while after < high:
                batch = await self._batch(after, high, tally)
                after = batch.end
                yield tally.now
        if scope.whole:
            await self._figures(tally)
        if not scope.look:
            await fetch(session, "DELETE FROM meta WHERE key = $1", scope.mark)
        yield tally.now

    async def _entries(self, tally: Tally) -> bool:
        """Take wrong entries of dictionaries away; whether there were any."""
        wrong = await self._compare.entries()
        tally.add({name: len(some) for name, some in wrong.items()})
        for name, key in (("term", "value"), ("unit", "unit")):
            if wrong[name] and not self._scope.look:
                sql = (
                    f"DELETE FROM {name} k USING unnest($1::integer[], $2::bigint[]) AS n (param, key) "
                    f"WHERE k.param = n.param AND k.{key} = n.key"
                )
                await fetch(self._session, sql, *map(list, zip(*wrong[name], strict=True)))
        return any(wrong.values())

    async def _batch(self, after: int, high: int, tally: Tally) -> Batch:
        while True:
            batch = await self._compare.batch(after, high)
            done = tally.done + len(batch.alive) + len(batch.unfit)
            try:
                if batch.mended and not self._scope.look:
                    await self._mend(batch, done)
                elif not self._scope.look and time.monotonic() > self._kept + KEPT_SECONDS:
                    await self._keep(batch.end, done)
            except _Moved:
                continue
            except asyncpg.PostgresError as error:
                if error.sqlstate in AGAIN:
                    continue
                raise
            tally.done = done
            tally.add(batch.counts, len(batch.wrong | batch.shapes.keys()), batch.unfit.values())
            return batch

    async def _mend(self, batch: Batch, done: int) -> None:
        session, known = self._session, self._known
        rows = {rid: _only(batch, batch.alive[rid][1]) for rid in batch.wrong if rid in batch.alive}
        names = await known.names.interned(session, {target for one in rows.values() for target in targets(one)})
        if batch.counts.get("term") or batch.counts.get("unit"):  # one that remembers nothing, so that it writes all
            await Dictionaries(known.keys).learn(session, known.guard, list(batch.alive.values()))
        await known.dictionaries.systems(session, known.guard, [s for one in rows.values() for s in systems(one)])
        added, taken = RowColumns(), RowColumns()
        for rid, one in rows.items():
            add(added, RowColumns(), rid, one, NO_ROWS, names, known.keys)
        for table in COPIED:  # what is right may be there already: taken away and put back, so that it is there once
            place = TABLES.index(table)
            taken.numbers[place] = list(added.numbers[place])
            for flat in batch.stand[table]:
                if flat[-1] in batch.wrong:
                    taken.numbers[place] += flat
        async with session.db.transaction():
            await self._lock(batch, names)
            await self._clear(batch)
            await fetch(session, "SELECT take_rows($1, $2)", taken.arguments(), taken.folded)
            await fetch(session, "SELECT add_rows($1, $2, $3)", added.arguments(), added.folded, added.whole)
            await self._shapes(batch)
            if batch.texts:
                was = literal([False] * len(batch.texts))
                narrative, content = ([pair[n] for pair in batch.texts.values()] for n in (0, 1))
                await fetch(session, PUT, list(batch.texts), was, narrative, content)
            await self._keep(batch.end, done)

    async def _lock(self, batch: Batch, names: dict[Name, int]) -> None:
        """Nobody writes what is about to be put right, or defines a search parameter; raises _Moved if one has."""
        await fetch(self._session, parameters.SHARED, self._known.guard)
        if await parameters.generation(self._session) != batch.generation:
            raise _Moved
        if not await moving.hold(self._session, self._known, names):
            raise _Moved
        meant = batch.wrong | batch.shapes.keys() | batch.texts.keys()
        found = dict(await fetch(self._session, _LOCK, sorted(meant)))
        if any(found.get(rid) != batch.seqs.get(rid) for rid in meant):
            raise _Moved

    async def _clear(self, batch: Batch) -> None:
        of_these = "" if batch.numbers is None else "AND k.param = ANY ($2::integer[]) "
        for table in BY_RID:
            await fetch(
                self._session,
                f"DELETE FROM {table} k USING unnest($1::bigint[]) AS n (rid) "
                f"WHERE k.rid = n.rid {of_these}AND k.param >= 0",
                list(batch.wrong),
                *([] if batch.numbers is None else [list(batch.numbers)]),
            )

    async def _shapes(self, batch: Batch) -> None:
        types: dict[str, list[int]] = {}
        ids = {rid: 0 for rid, shape in batch.shapes.items() if shape is None}
        for rid in batch.shapes.keys() - ids.keys():
            types.setdefault(type_of(rid), []).append(rid)
        for type, rids in types.items():
            wanted = [batch.shapes[rid] or () for rid in rids]
            found = await self._known.dictionaries.shapes(self._session, self._known.guard, type, wanted)
            ids |= zip(rids, found, strict=True)
        if ids:
            await fetch(self._session, _SHAPES, list(ids), list(ids.values()))

    async def _keep(self, after: int, done: int) -> None:
        await fetch(self._session, _KEEP, self._scope.mark, Mark.now(after, done).text)
        self._kept = time.monotonic()

    async def _figures(self, tally: Tally) -> None:
        wrong = await self._compare.figures()
        if wrong and not self._scope.look:
            async with self._session.db.transaction():
                await parameters.alone(self._session, self._known.guard)
                await fetch(self._session, "DELETE FROM tally")
                await fetch(self._session, _COUNT, DELETED)
        tally.add({"tally": wrong})


def _only(batch: Batch, rows: Rows) -> Rows:
    """Those of the parameters that are looked at."""
    if (wanted := batch.numbers) is None:
        return rows
    some = {kind: tuple(row for row in getattr(rows, kind) if row[0] in wanted) for kind in KINDS}
    return replace(rows, **some, compartments=())
