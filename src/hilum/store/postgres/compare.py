"""Index rows of a few resources compared with what their bodies say, within one snapshot. See rebuild.py.

Three tables have no index by resource, and that of words has none that can be walked. They are copied once, with an
index by resource, into temporary tables. What is too many in them now was there when the copy was made, since
every write adds and takes away just what it should; so a resource whose rows in the copy are right has the right
ones, and of the others each row is looked at in the table itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.problems import Problem
from hilum.search.catalogue import EMPTY
from hilum.search.index import index
from hilum.search.rows import Rows
from hilum.store import keys
from hilum.store.definitions import AT_ONCE, BY_PARAM
from hilum.store.keyed import NOBODY, Keys, systems
from hilum.store.postgres import parameters
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.encode import words
from hilum.store.postgres.known import Known
from hilum.store.postgres.names import DELETED, Name, type_of
from hilum.store.postgres.rows import COLUMNS as RESOURCE
from hilum.store.postgres.rows import as_resource
from hilum.store.postgres.run import numbered
from hilum.store.postgres.tables import KINDS, TABLES, numbers, strings, targets, tokens, unit, units, writable
from hilum.store.rebuilding import Compared, Scope, shape_of

COPIED: Final = (*BY_PARAM, "compartment")
COLUMNS: Final = {
    "token": ("param", "value", "rid"),
    "string": ("param", "exact", "folded", "whole", "rid"),
    "date": ("param", "span", "low", "high", "rid"),
    "quantity": ("param", "unit", "low", "high", "rid"),
    "reference": ("param", "target", "rid"),
    "composite": ("param", "a", "unit", "low", "high", "rid"),
    "near": ("param", "cell", "lat", "lon", "rid"),
    "compartment": ("owner", "rid"),
}
_KINDS_OF: Final = {"param": "integer", "lat": "double precision", "lon": "double precision"}
"""Types of columns of the copied tables; the others are bigint."""
_NOBODY: Final = -1
"""The rid of a name that nothing has named yet."""

_RESOURCES: Final = f"""
SELECT {RESOURCE}, r.shape, s.type, s.params FROM resource r LEFT JOIN shape s ON s.id = r.shape
WHERE r.rid > $1 AND r.rid <= $2 ORDER BY r.rid LIMIT $3
"""
_WORDS: Final = """
SELECT n.rid FROM unnest($1::bigint[], $2::text[], $3::text[]) AS n (rid, narrative, content)
JOIN fulltext k ON k.rid = n.rid
WHERE k.narrative = array_to_tsvector(string_to_array(n.narrative, ' '))
AND k.content = array_to_tsvector(string_to_array(n.content, ' '))
"""
_TERMS: Final = """
SELECT n.param, n.value FROM unnest($1::integer[], $2::bigint[], $3::text[]) AS n (param, value, folded)
JOIN term k ON k.param = n.param AND k.value = n.value WHERE k.folded = n.folded
"""
_UNITS: Final = """
SELECT n.param, n.unit
FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::text[], $5::text[]) AS n (param, unit, system, code, display)
JOIN unit k ON k.param = n.param AND k.unit = n.unit
WHERE (k.system, k.code, k.display) IS NOT DISTINCT FROM (n.system, n.code, n.display)
"""
_FIGURES: Final = f"""
SELECT type, sum(n)::bigint FROM (
    SELECT (rid >> {keys.TYPE_SHIFT})::smallint AS type, count(*) AS n FROM resource WHERE version > 0 AND method <> $1
    GROUP BY 1
    UNION ALL SELECT type, -sum(n) FROM tally GROUP BY type) t
GROUP BY type HAVING sum(n) <> 0
"""

Flat = tuple[Any, ...]


@dataclass(slots=True)
class Batch(Compared[str, Counter[Flat]]):
    """Of those that are alive, their types; of the rows that there are, those of the copied tables alone."""

    texts: dict[int, tuple[str | None, str | None]] = field(default_factory=dict)
    """The words of those that have others; None of those that should have none."""

    @property
    def mended(self) -> bool:
        """Whether there is anything to be put right."""
        return any(self.counts.values())


class Comparison:
    """Compares on a connection. `words`: full text, too."""

    def __init__(self, session: Session, known: Known, scope: Scope, *, words: bool) -> None:
        self._session, self._known, self._scope, self._words = session, known, scope, words
        self._keys = known.keys.apart(lambda _: NOBODY)
        self._terms: set[tuple[int, int]] = set()
        self._units: set[tuple[int, int]] = set()
        self.catalogue = EMPTY

    async def learn(self) -> None:
        """The search parameters as they are now."""
        self.catalogue = await parameters.known(self._session, self.catalogue)

    async def copy(self, after: int, high: int) -> None:
        """Copy the rows of these resources."""
        db = self._session.db
        async with db.transaction():
            await db.execute("SET LOCAL enable_seqscan = on")
            for table in (*COPIED, "fulltext"):
                columns = ", ".join(COLUMNS.get(table, ("rid",)))
                some = "true" if self._scope.code is None or table in BY_PARAM else "false"
                await db.execute(f"DROP TABLE IF EXISTS pg_temp.copy_{table}")
                await db.execute(
                    f"CREATE TEMP TABLE copy_{table} AS SELECT {columns} FROM {table} "
                    f"WHERE rid > '{after}'::bigint AND rid <= '{high}'::bigint AND {some}"
                )
                await db.execute(f"CREATE INDEX copy_{table}_rid ON pg_temp.copy_{table} (rid)")

    async def batch(self, after: int, high: int) -> Batch:
        """A few resources above `after`, at most up to `high`: in one snapshot."""
        async with self._session.db.transaction(isolation="repeatable_read", readonly=True):
            await self.learn()
            return await self._batch(after, high)

    async def _batch(self, after: int, high: int) -> Batch:
        registry = self.catalogue.registry
        found = await fetch(self._session, _RESOURCES, after, high, AT_ONCE)
        wanted = None if self._scope.code is None else self._scope.numbers(type_of(high), registry)
        batch = Batch(found[-1][0] if len(found) == AT_ONCE else high, self.catalogue.generation, wanted)
        texts: dict[int, tuple[str, str]] = {}
        for *columns, shape, shape_type, params in found:
            one = as_resource(columns)
            rid = columns[0]
            batch.seqs[rid] = one.seq
            if not one.version or one.deleted:
                if shape and wanted is None:
                    batch.shapes[rid] = None
                continue
            try:
                made = index(one.type, one.body, one.id, registry)
            except (Problem, ValueError):
                batch.unfit[rid] = f"{one.type}/{one.id}"
                continue
            batch.alive[rid] = (one.type, made)
            if self._words:
                texts[rid] = words(one.raw)
            before = tuple(params or ())
            right = shape_of(before, wanted, numbers(made))
            if right != before or shape_type != TYPE_NUMBER[one.type]:
                batch.shapes[rid] = right
        batch.counts["shape"] = len(batch.shapes)
        await self._rows(batch, after)
        await self._dictionaries(batch)
        if self._words:
            await self._texts(batch, texts, after)
        return batch

    async def _rows(self, batch: Batch, after: int) -> None:
        named: set[Name] = {name for _, rows in batch.alive.values() for name in targets(rows)}
        known = await self._known.names.known(self._session, named)
        rids = {name: known.get(name, _NOBODY) for name in named}
        await self._systems({system for _, rows in batch.alive.values() for system in systems(rows)})
        right: dict[str, set[Flat]] = {table: set() for table in TABLES}
        for rid, (_, rows) in batch.alive.items():
            for table, flat in flats(rid, rows, rids, self._keys):
                if batch.has(table, flat):
                    right[table].add(flat)
        for table in TABLES:
            listed = ", ".join(COLUMNS[table])
            sql = f"SELECT {listed} FROM {table} WHERE rid > $1 AND rid <= $2 AND param >= 0"
            if table in COPIED:
                sql = f"SELECT {listed} FROM pg_temp.copy_{table} WHERE rid > $1 AND rid <= $2"
            stand = self._counted(batch, table, await fetch(self._session, sql, after, batch.end))
            differing = _differing(stand, right[table])
            if differing and table in COPIED:
                suspects = {flat[-1] for flat in differing}
                meant = {flat for flat in right[table] if flat[-1] in suspects}
                stand = await self._there(batch, table, meant | {flat for flat in stand if flat[-1] in suspects})
                differing = _differing(stand, meant)
            if table in COPIED:
                batch.stand[table] = stand
            batch.counts[table] = sum(differing.values())
            batch.wrong.update(flat[-1] for flat in differing)

    async def _systems(self, named: set[str]) -> None:
        """The numbers of systems; what nothing has written yet has none."""
        self._keys.tokens.clear()
        missing = sorted(named - self._keys.numbers.keys())
        if missing:
            asked = self._known.dialect.systems(missing)
            for place, number in await fetch(self._session, numbered(asked.sql), *asked.values):
                self._keys.numbers[missing[place]] = number

    def _counted(self, batch: Batch, table: str, found: Iterable[Any]) -> Counter[Flat]:
        return Counter(flat for row in found if batch.has(table, flat := tuple(row)))

    async def _there(self, batch: Batch, table: str, some: set[Flat]) -> Counter[Flat]:
        """Those of the rows that are in the table now, as often as they are."""
        columns = COLUMNS[table]
        arrays = ", ".join(f"${n}::{_KINDS_OF.get(name, 'bigint')}[]" for n, name in enumerate(columns, 1))
        listed = ", ".join(f"k.{name}" for name in columns)
        same = " AND ".join(f"k.{name} = n.{name}" for name in columns)
        sql = f"SELECT {listed} FROM unnest({arrays}) AS n ({', '.join(columns)}) JOIN {table} k ON {same}"
        values = [list(column) for column in zip(*some, strict=True)] or [[] for _ in columns]
        return self._counted(batch, table, await fetch(self._session, sql, *values))

    async def _dictionaries(self, batch: Batch) -> None:
        terms: dict[tuple[int, int], str] = {}
        amounts: dict[tuple[int, int], tuple[str | None, ...]] = {}
        for _, rows in batch.alive.values():
            terms |= {(param, self._keys.texts[text]): writable(text) for param, text in rows.terms}
            for param, row in units(rows):
                amounts[param, unit(row, self._keys)] = tuple(
                    t and writable(t) for t in (row.system, row.code, row.unit)
                )
        new = {key: text for key, text in terms.items() if key not in self._terms}
        if new:
            values = [*_columns(new), list(new.values())]
            found = {tuple(row) for row in await fetch(self._session, _TERMS, *values)}
            self._terms |= found
            batch.counts["term"] = len(new.keys() - found)
        fresh = {key: row for key, row in amounts.items() if key not in self._units}
        if fresh:
            values = [*_columns(fresh), *[list(one) for one in zip(*fresh.values(), strict=True)]]
            found = {tuple(row) for row in await fetch(self._session, _UNITS, *values)}
            self._units |= found
            batch.counts["unit"] = len(fresh.keys() - found)

    async def _texts(self, batch: Batch, texts: dict[int, tuple[str, str]], after: int) -> None:
        one, two = [text for text, _ in texts.values()], [text for _, text in texts.values()]
        right = Counter(row[0] for row in await fetch(self._session, _WORDS, list(texts), one, two))
        every = await fetch(
            self._session, "SELECT rid FROM pg_temp.copy_fulltext WHERE rid > $1 AND rid <= $2", after, batch.end
        )
        there = Counter(row[0] for row in every)
        batch.texts = {rid: text for rid, text in texts.items() if right[rid] != 1 or there[rid] > 1}
        dead = [rid for rid in there if rid not in texts and rid not in batch.unfit]
        if dead:
            sql = "SELECT k.rid FROM unnest($1::bigint[]) AS n (rid) JOIN fulltext k ON k.rid = n.rid"
            batch.texts |= {row[0]: (None, None) for row in await fetch(self._session, sql, dead)}
        batch.counts["fulltext"] = len(batch.texts)

    # --- what no resource owns ------------------------------------------------------------------------------------

    async def entries(self) -> dict[str, list[tuple[int, int]]]:
        """Keys of entries of dictionaries that are not those of their text."""
        terms = await fetch(self._session, "SELECT param, value, folded FROM term")
        amounts = await fetch(self._session, "SELECT param, unit, system, code, display FROM unit")
        return {
            "term": [
                (one[0], one[1]) for one in terms if "\ufffd" not in one[2] and self._keys.texts[one[2]] != one[1]
            ],
            "unit": [
                (one[0], one[1])
                for one in amounts
                if "\ufffd" not in f"{one[2]}{one[3]}{one[4]}"
                and self._keys.units[one[2], one[3], one[4]] != one[1] & ~keys.WIDE
            ],
        }

    async def figures(self) -> int:
        """Of how many types the tally is wrong."""
        return len(await fetch(self._session, _FIGURES, DELETED))


def flats(rid: int, rows: Rows, rids: dict[Name, int], of: Keys) -> Iterable[tuple[str, Flat]]:
    """(Table, row as in COLUMNS) of one resource."""
    return chain(
        (("token", (*flat, rid)) for flat in tokens(rows, of)),
        (("string", (*flat, whole, rid)) for flat, whole in strings(rows, of).items()),
        (
            (TABLES[number], (*flat, rid))
            for number, name, flatten in KINDS
            for flat in flatten(getattr(rows, name), rids, of)
        ),
    )


def _differing(stand: Counter[Flat], right: set[Flat]) -> Counter[Flat]:
    """Rows that are missing, not right, or there more than once, and how many each is too many or too few."""
    if len(stand) == len(right) == stand.total() and stand.keys() == right:
        return Counter()
    found = Counter({flat: n for flat in stand if (n := stand[flat] - (flat in right))})
    found.update(flat for flat in right if flat not in stand)
    return found


def _columns(some: Iterable[tuple[int, int]]) -> list[list[int]]:
    return [[one for one, _ in some], [two for _, two in some]]
