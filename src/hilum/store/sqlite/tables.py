"""Index rows of a commit as rows of the index tables, written in few statements: a statement costs more than a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import apsw

from hilum.search.rows import DateRow, QuantityRow, ReferenceRow, Rows, TokenRow
from hilum.store import keys
from hilum.store.sqlite.systems import Systems

_CHUNK = 48
_REMEMBERED = 100_000

Flat = tuple[int | float | str | None, ...]
Rid = Callable[[str, str], int]


class Dictionaries:
    """Systems, texts, units and shapes that the database has already, so that most rows need no look.

    See `identities`. `learn` False: no system is written.
    """

    def __init__(self, db: apsw.Connection, *, learn: bool = True) -> None:
        self._db = db
        self._systems = Systems(db, learn=learn)
        self.keys = self._systems.keys
        self._durable: dict[Any, int] = {}
        self._group: dict[Any, int] = {}

    def begin(self) -> None:
        """A group begins."""
        self._group.clear()
        self._systems.begin()

    def forget(self) -> None:
        """Something was undone: what was learned since the group began may be wrong."""
        self._group.clear()
        self._systems.forget()

    def durable(self) -> None:
        """The group was flushed."""
        if len(self._durable) > _REMEMBERED:
            self._durable.clear()
        self._durable.update(self._group)
        self._systems.durable()

    def new(self, entry: tuple[Any, ...]) -> bool:
        """Whether nobody has written this entry yet, as far as is remembered; from now on it counts as written."""
        if entry in self._durable or entry in self._group:
            return False
        self._group[entry] = 1
        return True

    def shape(self, type: int, numbers: tuple[int, ...]) -> int:
        """The number of the shape of a resource for whose parameters there are values."""
        entry = (type, numbers)
        known = self._durable.get(entry) or self._group.get(entry)
        if known is None:
            text = "[" + ",".join(map(str, numbers)) + "]"
            self._db.execute("INSERT OR IGNORE INTO shape(type, params) VALUES (?, ?)", (type, text))
            known = int(self._db.execute("SELECT id FROM shape WHERE type = ? AND params = ?", (type, text)).get)
            self._group[entry] = known
        return known


class IndexTables:
    """What one commit adds to the index tables and takes from them. `rid` interns references."""

    def __init__(self, rid: Rid, known: Dictionaries) -> None:
        self._rid = rid
        self._known = known
        self._keys = known.keys
        self._added: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._removed: dict[str, list[Any]] = {}

    def replace(self, rid: int, new: Rows, old: Rows) -> None:
        """Add what only the new version says, and take away what only the old one said."""
        for name, flatten, after, before in self._kinds(new, old):
            if after is before or after == before:
                continue
            added = self._added[name]
            if not before:
                for flat in flatten(after):
                    added += flat
                    added.append(rid)
                continue
            now, then = set(flatten(after)), set(flatten(before))
            for flat in now - then:
                added += flat
                added.append(rid)
            removed = self._removed.setdefault(name, [])
            for flat in then - now:
                removed += flat
                removed.append(rid)

    def write(self, db: apsw.Connection) -> None:
        """Bring all of it into the database."""
        for name, values in self._removed.items():
            delete(db, name, values)
        for name, values in self._added.items():
            insert(db, name, len(COLUMNS[name]), values)

    def added(self) -> Iterator[tuple[str, Flat]]:
        """Table and row of all that is to be added."""
        for name, values in self._added.items():
            width = len(COLUMNS[name])
            for start in range(0, len(values), width):
                yield name, tuple(values[start : start + width])

    def _kinds(self, new: Rows, old: Rows) -> Iterator[tuple[str, Callable[[Any], Iterator[Flat]], Any, Any]]:
        yield "token", self._tokens, new.tokens, old.tokens
        yield "token", self._uris, new.uris, old.uris
        yield "token", self._texts, new.terms, old.terms
        yield "string", self._strings, new.strings, old.strings
        yield "date", _dates, new.dates, old.dates
        yield "quantity", self._quantities, new.quantities, old.quantities
        yield "reference", self._references, new.references, old.references
        yield "composite", self._composites, new.composites, old.composites
        yield "near", _nears, new.nears, old.nears
        yield "compartment", self._owners, new.compartments, old.compartments

    def _references(self, rows: Any) -> Iterator[Flat]:
        return ((param, self._rid(type, id)) for param, type, id in rows)

    def _owners(self, owners: Any) -> Iterator[Flat]:
        return ((self._rid(type, id),) for type, id in owners)

    def _tokens(self, rows: Any) -> Iterator[Flat]:
        key = self._keys.tokens
        return ((param, key[system, code]) for param, system, code in rows)

    def _uris(self, rows: Any) -> Iterator[Flat]:
        key = self._keys.texts
        return ((param, key[value]) for param, value in rows)

    def _strings(self, rows: Any) -> Iterator[Flat]:
        key = self._keys.texts
        return ((param, folded, key[value]) for param, folded, value in rows)

    def _texts(self, rows: Any) -> Iterator[Flat]:
        for param, folded in rows:
            value = self._keys.texts[folded]
            if self._known.new((param, value)):
                self._added["term"] += (param, value, folded)
            yield param, value

    def _quantities(self, rows: Any) -> Iterator[Flat]:
        return ((row.parameter, self._unit(row.parameter, row), row.low, row.high) for row in rows)

    def _unit(self, param: int, row: QuantityRow) -> int:
        """The key of the row's unit under the parameter, noted in the dictionary."""
        unit = self._keys.units[row.system, row.code, row.unit]
        if row.low != row.high:
            unit |= keys.WIDE
        if self._known.new((param, unit, "unit")):
            self._added["unit"] += (param, unit, row.system, row.code, row.unit)
        return unit

    def _composites(self, rows: Any) -> Iterator[Flat]:
        token = self._keys.tokens
        for param, system, code, second in rows:
            first = token[system, code]
            match second:
                case TokenRow(_, system_, code_):
                    key = token[system_, code_]
                    yield param, first, 0, key, key
                case DateRow(_, low, high):
                    yield param, first, keys.span(low, high), low, high
                case QuantityRow():
                    yield param, first, self._unit(param, second), second.low, second.high
                case ReferenceRow(_, type, id):
                    rid = self._rid(type, id)
                    yield param, first, 0, rid, rid
                case (start, end):
                    yield param, first, 0, start.low, end.high


COLUMNS = {
    "token": ("param", "value", "rid"),
    "string": ("param", "folded", "exact", "rid"),
    "date": ("param", "span", "low", "high", "rid"),
    "quantity": ("param", "unit", "low", "high", "rid"),
    "reference": ("param", "target", "rid"),
    "composite": ("param", "a", "unit", "low", "high", "rid"),
    "near": ("param", "cell", "lat", "lon", "rid"),
    "compartment": ("owner", "rid"),
    "term": ("param", "value", "folded"),
    "unit": ("param", "unit", "system", "code", "display"),
}
"""The index tables, and the dictionaries: of those rows are added and never removed."""


def numbers(rows: Rows) -> tuple[int, ...]:
    """The parameters that have a value, for the shape: all but the texts beside codes."""
    kinds: tuple[Any, ...] = (
        rows.tokens, rows.strings, rows.dates, rows.quantities, rows.references, rows.uris, rows.composites, rows.nears
    )  # fmt: skip
    return tuple(sorted({row[0] for kind in kinds for row in kind}))


def _dates(rows: Any) -> Iterator[Flat]:
    return ((param, keys.span(low, high), low, high) for param, low, high in rows)


def _nears(rows: Any) -> Iterator[Flat]:
    return ((param, keys.cell(keys.across(lon), keys.along(lat)), lat, lon) for param, lat, lon in rows)


_SQL: dict[tuple[str, str, int], str] = {}


def insert(db: apsw.Connection, table: str, width: int, values: list[Any], otherwise: str = "IGNORE") -> int:
    """Insert rows of that width, given one after the other; how many were not there before.

    OR IGNORE: two exact values may share a key, and two parameters a row.
    """
    new = 0
    for part, count in _parts(values, width):
        sql = _SQL.get(("insert", table, count))
        if sql is None:
            sql = f"INSERT OR {otherwise} INTO {table} VALUES {_rows(width, count)}"
            _SQL["insert", table, count] = sql
        db.execute(sql, part)
        new += db.changes()
    return new


def delete(db: apsw.Connection, table: str, values: list[Any]) -> None:
    """Delete index rows, given one after the other."""
    columns = COLUMNS[table]
    for part, count in _parts(values, len(columns)):
        sql = _SQL.get(("delete", table, count))
        if sql is None:
            sql = f"DELETE FROM {table} WHERE ({','.join(columns)}) IN (VALUES {_rows(len(columns), count)})"
            _SQL["delete", table, count] = sql
        db.execute(sql, part)


def _parts(values: list[Any], width: int) -> Iterator[tuple[list[Any], int]]:
    """Rows of that width in pieces that one statement takes, and how many there are in each."""
    for start in range(0, len(values), width * _CHUNK):
        part = values[start : start + width * _CHUNK]
        yield part, len(part) // width


def marked(values: Sequence[int]) -> Iterator[tuple[Sequence[int], str]]:
    """The values in pieces, each with its marks for an SQL list."""
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        yield part, ",".join("?" * len(part))


def _rows(width: int, count: int) -> str:
    return ",".join(["(" + ",".join("?" * width) + ")"] * count)
