"""Index rows of a commit as rows of the index tables, written in few statements: a statement costs more than a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import apsw

from hilum.search.rows import Rows
from hilum.store import keys

_CHUNK = 48

Flat = tuple[int | str, ...]
Rid = Callable[[str, str], int]


class IndexTables:
    """What one commit adds to the index tables and takes from them. `rid` interns references."""

    def __init__(self, rid: Rid) -> None:
        self._rid = rid
        self._added: dict[str, list[int | str]] = {name: [] for name in COLUMNS}
        self._removed: dict[str, list[Flat]] = {}

    def replace(self, rid: int, new: Rows, old: Rows) -> None:
        """Add what only the new version says, and take away what only the old one said."""
        for name, flatten, after, before in self._kinds(new, old):
            if after == before:
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
            self._removed.setdefault(name, []).extend((*flat, rid) for flat in then - now)

    def write(self, db: apsw.Connection) -> None:
        """Bring all of it into the database."""
        for name, rows in self._removed.items():
            where = " AND ".join(f"{column} = ?" for column in COLUMNS[name])
            db.executemany(f"DELETE FROM {name} WHERE {where}", rows)
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


_SQL: dict[tuple[str, int, int], str] = {}


def insert(db: apsw.Connection, table: str, width: int, values: list[Any]) -> int:
    """Insert rows of that width, given one after the other; how many were not there before.

    OR IGNORE: two exact values may share a key, and two parameters a row.
    """
    new = 0
    for start in range(0, len(values), width * _CHUNK):
        part = values[start : start + width * _CHUNK]
        count = len(part) // width
        sql = _SQL.get((table, width, count))
        if sql is None:
            marks = "(" + ",".join("?" * width) + ")"
            sql = _SQL[table, width, count] = f"INSERT OR IGNORE INTO {table} VALUES " + ",".join([marks] * count)
        db.execute(sql, part)
        new += db.changes()
    return new
