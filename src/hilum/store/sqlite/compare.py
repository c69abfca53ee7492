"""Index rows of a few resources compared with what their bodies say, within one transaction. See rebuild.py.

Three tables have no index by resource: token, near, compartment. They are copied once, sorted by resource, into a
temporary file. What is too many in them now was there when the copy was made, since every write adds and takes away
just what it should; so a resource whose rows in the copy are right has the right ones, and of the others each row
is looked at in the table itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import apsw

from hilum.fhir import json as bodies
from hilum.problems import Problem
from hilum.search.catalogue import EMPTY
from hilum.search.index import index
from hilum.search.rows import NO_ROWS
from hilum.store import keys
from hilum.store.definitions import AT_ONCE, BY_PARAM, BY_RID
from hilum.store.rebuilding import Compared, Scope, shape_of
from hilum.store.sqlite import ident, parameters
from hilum.store.sqlite.connection import rows
from hilum.store.sqlite.history import rid_of
from hilum.store.sqlite.tables import COLUMNS, Dictionaries, Flat, IndexTables, numbers

COPIED: Final = (*BY_PARAM, "compartment")
DICTIONARIES: Final = {"term": ("param", "value"), "unit": ("param", "unit")}
"""Tables whose rows no resource owns, and their keys."""
_TOGETHER: Final = 48
_NOBODY: Final = -1
"""The rid of a name that nothing has named yet."""

_RESOURCES: Final = (
    "SELECT r.rid, r.version > 0 AND r.method <> ?, r.seq, r.shape, s.type, s.params, r.body "
    "FROM resource r LEFT JOIN shape s ON s.id = r.shape WHERE r.rid > ? AND r.rid <= ? ORDER BY r.rid LIMIT ?"
)
_WORDS: Final = "SELECT id FROM fulltext_docsize WHERE id > ? AND id <= ?"


@dataclass(slots=True)
class Batch(Compared[bytes, set[Flat]]):
    """Of those that are alive, their bodies."""

    wordless: set[int] = field(default_factory=set)
    """Rids that have words and should have none."""
    entries: list[tuple[str, Flat]] = field(default_factory=list)
    """What dictionaries lack."""


class Comparison:
    """Compares on a connection, and remembers what was seen to be right for good. `words`: full text, too."""

    def __init__(self, db: apsw.Connection, scope: Scope, *, words: bool) -> None:
        self._db, self._scope, self._words = db, scope, words
        self._seen = Dictionaries(db, learn=False)
        self.catalogue = parameters.known(db, EMPTY)

    def copy(self, after: int, high: int) -> None:
        """Sort the rows of these resources by resource."""
        for table in COPIED:
            columns = ", ".join(COLUMNS[table])
            order = ", ".join(("rid", *COLUMNS[table][:-1]))
            self._db.execute(f"DROP TABLE IF EXISTS temp.copy_{table}")
            self._db.execute(f"CREATE TEMP TABLE copy_{table} ({columns}, PRIMARY KEY ({order})) WITHOUT ROWID")
            if self._scope.code is None or table != "compartment":
                self._db.execute(
                    f"INSERT INTO temp.copy_{table} SELECT {columns} FROM main.{table} WHERE rid > ? AND rid <= ? "
                    f"ORDER BY {order}",
                    (after, high),
                )

    def batch(self, after: int, high: int) -> Batch:
        """A few resources above `after`, at most up to `high`: within a transaction."""
        self.catalogue = parameters.known(self._db, self.catalogue)
        registry = self.catalogue.registry
        found = rows(self._db, _RESOURCES, (ident.DELETED, after, high, AT_ONCE))
        wanted = None if self._scope.code is None else self._scope.numbers(ident.type_of(high), registry)
        batch = Batch(found[-1][0] if len(found) == AT_ONCE else high, self.catalogue.generation, wanted)
        self._seen.begin()
        tables = IndexTables(self._rid, self._seen)
        for rid, alive, seq, shape, shape_type, params, body in found:
            batch.seqs[rid] = seq
            if not alive:
                if shape and wanted is None:
                    batch.shapes[rid] = None
                continue
            type = ident.type_of(rid)
            try:
                made = index(type, bodies.stored(body), ident.id_of(type, body), registry)
            except (Problem, ValueError):
                batch.unfit[rid] = f"{type}/{ident.id_of(type, body)}" if b'"' in body[len(type) + 25 :] else type
                continue
            batch.alive[rid] = (body, made)
            tables.replace(rid, made, NO_ROWS)
            before = tuple(json.loads(params)) if params else ()
            right = shape_of(before, wanted, numbers(made))
            if right != before or shape_type != rid >> keys.TYPE_SHIFT:
                batch.shapes[rid] = right
        batch.counts["shape"] = len(batch.shapes)
        self._rows(batch, tables, after)
        if self._words:
            there = {rid for (rid,) in rows(self._db, _WORDS, (after, batch.end))}
            batch.wordless = there - batch.alive.keys() - batch.unfit.keys()
            batch.counts["fulltext"] = len(batch.wordless) + len(batch.alive.keys() - there)
        return batch

    def _rows(self, batch: Batch, tables: IndexTables, after: int) -> None:
        right: dict[str, set[Flat]] = {table: set() for table in COLUMNS}
        for table, flat in tables.added():
            if table in DICTIONARIES:
                if not self._noted(table, flat):
                    batch.entries.append((table, flat))
                    batch.counts[table] = batch.counts.get(table, 0) + 1
            elif batch.has(table, flat):
                right[table].add(flat)
        self._seen.durable()
        for table in (*BY_RID, *COPIED):
            stand = {flat for flat in self._standing(table, after, batch.end) if batch.has(table, flat)}
            differing = stand ^ right[table]
            if differing and table in COPIED:
                suspects = {flat[-1] for flat in differing}
                meant = {flat for flat in right[table] if flat[-1] in suspects}
                stand = set(self._there(table, meant | {flat for flat in stand if flat[-1] in suspects}))
                differing = stand ^ meant
            batch.stand[table] = stand
            batch.counts[table] = len(differing)
            batch.wrong.update(int(flat[-1]) for flat in differing if flat[-1] is not None)

    def _standing(self, table: str, after: int, end: int) -> Iterable[Flat]:
        columns = ", ".join(COLUMNS[table])
        of = f"temp.copy_{table}" if table in COPIED else f"main.{table} INDEXED BY {table}_rid"
        return rows(self._db, f"SELECT {columns} FROM {of} WHERE rid > ? AND rid <= ?", (after, end))

    def _there(self, table: str, some: set[Flat]) -> Iterator[Flat]:
        """Those of the rows that are in the table now."""
        columns = COLUMNS[table]
        listed, every = ", ".join(columns), list(some)
        for start in range(0, len(every), _TOGETHER):
            part = every[start : start + _TOGETHER]
            marks = ", ".join(["(" + ", ".join("?" * len(columns)) + ")"] * len(part))
            sql = f"SELECT {listed} FROM main.{table} WHERE ({listed}) IN (VALUES {marks})"
            yield from rows(self._db, sql, tuple(chain.from_iterable(part)))

    def _noted(self, table: str, flat: Flat) -> bool:
        where = " AND ".join(f"{column} IS ?" for column in COLUMNS[table])
        return self._db.execute(f"SELECT 1 FROM {table} WHERE {where}", flat).get is not None

    def _rid(self, type: str, id: str) -> int:
        return rid_of(self._db, type, id) or _NOBODY

    # --- what no resource owns ------------------------------------------------------------------------------------

    def entries(self) -> dict[str, list[tuple[Any, ...]]]:
        """Entries of dictionaries whose key is not that of their text."""
        terms = self._db.execute("SELECT param, value, folded FROM term")
        units = self._db.execute("SELECT param, unit, system, code, display FROM unit")
        return {
            "term": [one for one in terms if self._seen.keys.texts[one[2]] != one[1]],
            "unit": [one for one in units if self._seen.keys.units[one[2], one[3], one[4]] != one[1] & ~keys.WIDE],
        }

    def figures(self) -> dict[int, int]:
        """Type -> by how much the tally is wrong, where it is."""
        alive = dict(
            rows(
                self._db,
                f"SELECT rid >> {keys.TYPE_SHIFT}, count(*) FROM resource WHERE version > 0 AND method <> ? GROUP BY 1",
                (ident.DELETED,),
            )
        )
        counted = dict(rows(self._db, "SELECT type, n FROM tally"))
        both = alive.keys() | counted.keys()
        return {type: n for type in both if (n := alive.get(type, 0) - counted.get(type, 0))}
