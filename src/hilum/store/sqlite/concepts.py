"""Code systems on SQLite. See `hilum.terminology.concepts.Concepts`.

What is read by key is read where it is asked for; what gathers many rows, on a reader thread. A load writes in steps of
some milliseconds on the thread of beside.py, so that others write between them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import apsw
import msgspec

from hilum.store.clock import microseconds
from hilum.store.sqlite.beside import Beside
from hilum.store.sqlite.connection import row, rows
from hilum.terminology.concepts import ABANDONED, IMPORTED, LINGERS, Head, Posting, Row, System

Work = Callable[[apsw.Connection], Any]

_FEW: Final = 200
"""Rows that are read at once where they are asked for."""
_TOGETHER: Final = 500
_STEP: Final = 5000
"""Rows that are taken away in one transaction."""
_SYSTEM: Final = "number, url, version, source, seq, count, about"
_COLUMNS: Final = "place & 4294967295, code, display, flags, last, parents, over, under, detail"
_CHANGED: Final = "UPDATE meta SET value = value + 1 WHERE key = 'terminology'"
_CLOSURES: Final = (
    "WITH RECURSIVE found(name) AS (SELECT min(name) FROM closure WHERE name >= ?1 AND name < ?2 UNION ALL "
    "SELECT (SELECT min(name) FROM closure WHERE name > found.name AND name < ?2) FROM found "
    "WHERE found.name IS NOT NULL) SELECT name FROM found WHERE name IS NOT NULL LIMIT ?3"
)
"""'0' comes behind '/'."""
_SAME: Final = "state = 1 AND source = ?1 AND (?1 <> ?4 OR (url = ?2 AND version = ?3))"


class SqliteConcepts:
    """Reads by `db`, the connection of the event loop; `scan` does so on a thread."""

    def __init__(self, db: apsw.Connection, beside: Beside, scan: Callable[[Work], Awaitable[Any]]) -> None:
        self._db, self._beside, self._scan = db, beside, scan

    async def generation(self) -> int:
        """One probe."""
        return int(row(self._db, "SELECT value FROM meta WHERE key = 'terminology'")[0])

    async def systems(self, url: str | None = None) -> list[System]:
        """Ready ones, the newest first."""
        also, values = ("", ()) if url is None else ("AND url = ? ", (url,))
        found = rows(self._db, f"SELECT {_SYSTEM} FROM code_system WHERE state = 1 {also}ORDER BY number DESC", values)
        return [_system(one) for one in found]

    async def begin(self, head: Head) -> int:
        """A row that nobody finds yet."""
        sql = (
            "INSERT INTO code_system (url, version, source, seq, count, state, changed, about) "
            "VALUES (?, ?, ?, ?, ?, 0, ?, ?) RETURNING number"
        )
        values = (*head[:5], microseconds(), msgspec.json.encode(head.about))
        number: int = await self._beside.run(lambda db: row(db, sql, values)[0])
        return number

    async def add(self, number: int, rows: Sequence[Row]) -> None:
        """In one transaction."""
        made = [((number << 32) | one.n, *one[1:]) for one in rows]

        def work(db: apsw.Connection) -> None:
            db.executemany("INSERT INTO concept VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", made)
            _heard(db, number)

        await self._beside.run(work)

    async def post(self, number: int, postings: Sequence[Posting]) -> None:
        """In one transaction."""

        def work(db: apsw.Connection) -> None:
            db.executemany("INSERT INTO posting VALUES (?, ?, ?, ?)", [(number, *one) for one in postings])
            _heard(db, number)

        await self._beside.run(work)

    async def finish(self, number: int) -> bool:
        """In one transaction with what it replaces."""

        def work(db: apsw.Connection) -> bool:
            now = microseconds()
            url, version, source, seq = row(
                db, "SELECT url, version, source, seq FROM code_system WHERE number = ?", (number,)
            )
            same = (source, url, version, IMPORTED)
            newer = row(db, f"SELECT 1 FROM code_system WHERE {_SAME} AND seq > ?5", (*same, seq))
            state = 2 if newer else 1
            if not newer:
                db.execute(f"UPDATE code_system SET state = 2, changed = ?5 WHERE {_SAME}", (*same, now))
            db.execute("UPDATE code_system SET state = ?, changed = ? WHERE number = ?", (state, now, number))
            db.execute(_CHANGED)
            return not newer

        done: bool = await self._beside.run(work)
        return done

    async def retire(self, number: int) -> bool:
        """Found no more."""

        def work(db: apsw.Connection) -> bool:
            sql = "UPDATE code_system SET state = 2, changed = ? WHERE number = ? AND state = 1 RETURNING number"
            found = row(db, sql, (microseconds(), number)) is not None
            if found:
                db.execute(_CHANGED)
            return found

        done: bool = await self._beside.run(work)
        return done

    async def sweep(self) -> int:
        """In small transactions."""
        now = microseconds()
        late = (now - LINGERS * 1_000_000, now - ABANDONED * 1_000_000)
        sql = "SELECT number FROM code_system WHERE (state = 2 AND changed < ?) OR (state = 0 AND changed < ?)"
        gone = [number for (number,) in rows(self._db, sql, late)]
        for number in gone:
            while await self._beside.run(partial(_less, number=number)):
                pass
        return len(gone)

    async def at(self, number: int, some: Sequence[int]) -> list[Row]:
        """By place."""
        places = [(number << 32) | n for n in some]
        found = await self._gathered(f"SELECT {_COLUMNS} FROM concept WHERE place IN ({{}})", (), places)
        by = {one.n: one for one in found}
        return [by[n] for n in some if n in by]

    async def of(self, number: int, codes: Sequence[str]) -> list[Row]:
        """By code."""
        sql = f"SELECT {_COLUMNS} FROM concept WHERE place >> 32 = ? AND code IN ({{}})"
        return await self._gathered(sql, (number,), list(dict.fromkeys(codes)))

    async def postings(self, number: int, kind: int, low: str, high: str | None = None) -> list[tuple[str, bytes]]:
        """One probe, or one range."""
        if high is None or high == low:
            sql = "SELECT key, value FROM posting WHERE system = ? AND kind = ? AND key = ?"
            return rows(self._db, sql, (number, kind, low))
        sql = "SELECT key, value FROM posting WHERE system = ? AND kind = ? AND key BETWEEN ? AND ? ORDER BY key"
        found: list[tuple[str, bytes]] = await self._scan(lambda db: rows(db, sql, (number, kind, low, high)))
        return found

    async def closure(self, name: str) -> list[tuple[int, str]] | None:
        """Step 0 is that there is one."""
        found = await self._scan(lambda db: rows(db, "SELECT n, step FROM closure WHERE name = ? ORDER BY n", (name,)))
        return found[1:] if found else None

    async def closures(self, start: str, most: int) -> list[str]:
        """From name to name, past their steps."""
        found = await self._scan(lambda db: rows(db, _CLOSURES, (start, start[:-1] + "0", most)))
        return [name for (name,) in found]

    async def extend(self, name: str, after: int, step: str | None) -> bool:
        """Where nobody else did since."""

        def work(db: apsw.Connection) -> bool:
            if step is None:
                db.execute("DELETE FROM closure WHERE name = ?", (name,))
                db.execute("INSERT INTO closure VALUES (?, 0, '')", (name,))
                return True
            last = row(db, "SELECT max(n) FROM closure WHERE name = ?", (name,))[0]
            if last != after:
                return False
            db.execute("INSERT INTO closure VALUES (?, ?, ?)", (name, after + 1, step))
            return True

        done: bool = await self._beside.run(work)
        return done

    async def _gathered(self, sql: str, first: tuple[Any, ...], wanted: list[Any]) -> list[Row]:
        if len(wanted) <= _FEW:
            return _gather(self._db, sql, first, wanted)
        found: list[Row] = await self._scan(lambda db: _gather(db, sql, first, wanted))
        return found


def _gather(db: apsw.Connection, sql: str, first: tuple[Any, ...], wanted: list[Any]) -> list[Row]:
    found: list[Row] = []
    for at in range(0, len(wanted), _TOGETHER):
        some = wanted[at : at + _TOGETHER]
        marks = ",".join("?" * len(some))
        found += [Row(*one) for one in rows(db, sql.format(marks), (*first, *some))]
    return found


def _system(found: Any) -> System:
    return System(found[0], Head(found[1], found[2], found[3], found[4], found[5], msgspec.json.decode(found[6])))


def _heard(db: apsw.Connection, number: int) -> None:
    db.execute("UPDATE code_system SET changed = ? WHERE number = ? AND state = 0", (microseconds(), number))


def _less(db: apsw.Connection, number: int) -> bool:
    """Take away some of it; whether something is left."""
    low, high = number << 32, (number << 32) | 4294967295
    db.execute(
        "DELETE FROM concept WHERE place IN (SELECT place FROM concept WHERE place BETWEEN ? AND ? LIMIT ?)",
        (low, high, _STEP),
    )
    if db.changes():
        return True
    db.execute(
        "DELETE FROM posting WHERE (system, kind, key) IN "
        "(SELECT system, kind, key FROM posting WHERE system = ? LIMIT ?)",
        (number, _STEP),
    )
    if db.changes():
        return True
    db.execute("DELETE FROM code_system WHERE number = ?", (number,))
    return False
