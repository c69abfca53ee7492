"""Index rows of a commit as rows of the index tables, written in few statements: a statement costs more than a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import apsw

from hilum.search.rows import NO_ROWS, Rows
from hilum.store import keys

_CHUNK = 48

Flat = tuple[int | str, ...]
Rid = Callable[[str, str], int]


class IndexTables:
    """What one commit adds to the index tables and takes from them. `rid` interns references."""

    def __init__(self, rid: Rid) -> None:
        self._rid = rid
        self._added: dict[str, list[int | str]] = {name: [] for name in COLUMNS}
        self._removed: dict[str, list[int | str]] = {}

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

    def _kinds(self, new: Rows, old: Rows) -> Iterator[tuple[str, Callable[[Any], Iterator[Flat]], Any, Any]]:
        yield "token", _tokens, new.tokens, old.tokens
        yield "token", _uris, new.uris, old.uris
        yield "string", _strings, new.strings, old.strings
        yield "date", _dates, new.dates, old.dates
        yield "reference", self._references, new.references, old.references
        yield "compartment", self._owners, new.compartments, old.compartments

    def _references(self, rows: Any) -> Iterator[Flat]:
        return ((param, self._rid(type, id)) for param, type, id in rows)

    def _owners(self, owners: Any) -> Iterator[Flat]:
        return ((self._rid(type, id),) for type, id in owners)


def flattened(rows: Rows, rid: Rid) -> Iterator[tuple[str, Iterator[Flat]]]:
    """Table by table, the rows of one resource as they are stored, without its own rid at the end."""
    tables = IndexTables(rid)
    return ((name, flatten(some)) for name, flatten, some, _ in tables._kinds(rows, NO_ROWS))


COLUMNS = {
    "token": ("param", "value", "rid"),
    "string": ("param", "folded", "exact", "rid"),
    "date": ("param", "span", "low", "high", "rid"),
    "reference": ("param", "target", "rid"),
    "compartment": ("owner", "rid"),
}


def _tokens(rows: Any) -> Iterator[Flat]:
    return ((param, keys.token(system, code)) for param, system, code in rows)


def _uris(rows: Any) -> Iterator[Flat]:
    return ((param, keys.uri(value)) for param, value in rows)


def _strings(rows: Any) -> Iterator[Flat]:
    return ((param, folded, keys.uri(value)) for param, folded, value in rows)


def _dates(rows: Any) -> Iterator[Flat]:
    return ((param, keys.span(low, high), low, high) for param, low, high in rows)


_SQL: dict[tuple[str, str, int], str] = {}


def insert(db: apsw.Connection, table: str, width: int, values: list[Any], otherwise: str = "IGNORE") -> int:
    """Insert rows of that width, given one after the other; how many were not there before.

    OR IGNORE: two exact values may share a key, and two parameters a row.
    """
    new = 0
    for start in range(0, len(values), width * _CHUNK):
        part = values[start : start + width * _CHUNK]
        count = len(part) // width
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
    width = len(columns)
    for start in range(0, len(values), width * _CHUNK):
        part = values[start : start + width * _CHUNK]
        count = len(part) // width
        sql = _SQL.get(("delete", table, count))
        if sql is None:
            sql = f"DELETE FROM {table} WHERE ({','.join(columns)}) IN (VALUES {_rows(width, count)})"
            _SQL["delete", table, count] = sql
        db.execute(sql, part)


def marked(values: Sequence[int]) -> Iterator[tuple[Sequence[int], str]]:
    """The values in pieces, each with its marks for an SQL list."""
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        yield part, ",".join("?" * len(part))


def _rows(width: int, count: int) -> str:
    return ",".join(["(" + ",".join("?" * width) + ")"] * count)
