"""The audit trail in a SQLite store. See `hilum.store.segments.Segments`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw

from hilum.store.segments import About, Anchor, Cut, Head, Seal, SealCut, Segment, Version, WriteAudited
from hilum.store.sqlite import ident
from hilum.store.sqlite.beside import Beside
from hilum.store.sqlite.connection import row, rows

_SEGMENT: Final = "s.process, s.first, s.rows, s.low, s.high, s.before, s.after, s.body, s.id"
_ANCHOR: Final = "n, at, kind, body, previous, digest, signature, kid"
_NEWEST: Final = f"SELECT {_ANCHOR} FROM audit_anchor ORDER BY n DESC LIMIT 1"
_PUT: Final = """
INSERT INTO audit_segment (process, first, rows, low, high, before, after, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING RETURNING id
"""
_GONE: Final = """
SELECT s.id, s.process, s.first + s.rows, s.after FROM audit_segment s WHERE s.high < ?1 AND NOT EXISTS
(SELECT 1 FROM audit_segment k WHERE k.process = s.process AND k.first < s.first AND k.high >= ?1)
ORDER BY s.process, s.first
"""
_HEADS: Final = "SELECT process, max(seq), chain FROM audit WHERE seq > ? AND seq < ? GROUP BY process ORDER BY process"
_AUDIT: Final = "seq, writes, process, agent, client, interaction, token, detail, chain"
_AUDITED: Final = f"SELECT {_AUDIT} FROM audit WHERE seq >= ? AND seq < ? ORDER BY seq"
_VERSIONS: Final = """
SELECT l.seq, l.rid, l.version, l.method, r.body FROM log l JOIN resource r ON r.rid = l.rid
WHERE l.seq >= ? AND l.seq < ? ORDER BY l.seq
"""
_UNAUDITED: Final = """
SELECT l.seq FROM log l WHERE l.seq > ? AND l.seq >= coalesce((
    SELECT a.seq + a.writes FROM audit a WHERE a.seq <= l.seq AND a.writes > 0 ORDER BY a.seq DESC LIMIT 1), 0)
ORDER BY l.seq LIMIT ?
"""
_COMPARTMENTS: Final = """
SELECT l.seq, c.value, r.body FROM json_each(?) s CROSS JOIN log l ON l.seq = s.value, json_each(l.compartments) c
CROSS JOIN resource r ON r.rid = coalesce((SELECT f.rid FROM former f WHERE f.was = c.value), c.value)
"""


class SqliteSegments:
    """Reads by `db`, the connection of the event loop; writes on the thread of `beside`."""

    def __init__(self, db: apsw.Connection, beside: Beside) -> None:
        self._db, self._beside = db, beside

    async def put(self, segment: Segment, about: Sequence[About], seal: Seal) -> Anchor | None:
        """Keep a segment, with what it speaks of, and an anchor."""

        def work(db: apsw.Connection) -> Anchor | None:
            one = segment
            id = db.execute(
                _PUT, (one.process, one.first, one.rows, one.low, one.high, one.before, one.after, one.body)
            ).get
            if id is None:
                return None
            db.executemany(
                "INSERT OR IGNORE INTO audit_about (what, key, high, segment) VALUES (?, ?, ?, ?)",
                [(*subject, one.high, id) for subject in about],
            )
            return _anchored(db, seal(_newest(db)))

        return await self._beside.run(work)

    async def anchor(self, seal: Seal) -> Anchor:
        """Keep an anchor alone."""
        return await self._beside.run(lambda db: _anchored(db, seal(_newest(db))))

    async def between(
        self,
        low: int,
        high: int,
        about: Sequence[Sequence[About]] = (),
        *,
        before: tuple[int, int] | None = None,
        limit: int = 16,
    ) -> list[Segment]:
        """Segments with entries of between those microseconds, that of the newest entry first."""
        last = before or (1 << 62, 0)
        if not all(about):
            return []
        if not about:
            sql = (
                f"SELECT {_SEGMENT} FROM audit_segment s WHERE s.high >= ? AND (s.high, s.id) < (?, ?) AND s.low <= ? "
                "ORDER BY s.high DESC, s.id DESC LIMIT ?"
            )
            return _segments(self._db, sql, (low, *last, high, limit))
        first, *others = about
        also = "".join(
            f" AND EXISTS (SELECT 1 FROM audit_about o WHERE {_either(some, 'o')} AND o.high = a.high "
            "AND o.segment = a.segment)"
            for some in others
        )
        sql = (
            f"SELECT {_SEGMENT} FROM (SELECT DISTINCT a.high, a.segment FROM audit_about a WHERE {_either(first, 'a')} "
            f"AND a.high >= ? AND (a.high, a.segment) < (?, ?){also}) f CROSS JOIN audit_segment s ON s.id = f.segment "
            "WHERE s.low <= ? ORDER BY f.high DESC, f.segment DESC LIMIT ?"
        )
        return _segments(self._db, sql, (*_flat([first]), low, *last, *_flat(others), high, limit))

    async def following(self, after: int, limit: int = 16) -> list[Segment]:
        """Segments with a greater id, by id."""
        sql = f"SELECT {_SEGMENT} FROM audit_segment s WHERE s.id > ? ORDER BY s.id LIMIT ?"
        return _segments(self._db, sql, (after, limit))

    async def spoken_of(self, id: int) -> list[tuple[About, int]]:
        """By what a segment is found."""
        sql = "SELECT what, key, high FROM audit_about WHERE segment = ? ORDER BY what, key, high"
        return [(About(what, key), high) for what, key, high in rows(self._db, sql, (id,))]

    async def anchors(self, after: int, limit: int = 1000) -> list[Anchor]:
        """Those with a greater n, in order."""
        sql = f"SELECT {_ANCHOR} FROM audit_anchor WHERE n > ? ORDER BY n LIMIT ?"
        return [Anchor(*found) for found in rows(self._db, sql, (after, limit))]

    async def newest(self) -> Anchor | None:
        """The last anchor."""
        found = row(self._db, _NEWEST)
        return Anchor(*found) if found else None

    async def heads(self, after: int) -> list[Head]:
        """Of each process that committed after that seq, the last link."""
        return [Head(*found) for found in rows(self._db, _HEADS, (after, 1 << 62))]

    async def prune(self, before: int, seal: SealCut) -> Anchor | None:
        """Take away what is older, and keep a checkpoint."""

        def work(db: apsw.Connection) -> Anchor | None:
            gone: list[Any] = db.execute(_GONE, (before,)).fetchall()
            reads = {process: Head(process, end, link) for _, process, end, link in gone}
            heads: list[Any] = db.execute(_HEADS, (0, before)).fetchall()
            writes = tuple(Head(*head) for head in heads)
            if not (gone or writes):
                return None
            count = int(db.execute("SELECT count(*) FROM audit WHERE seq < ?", (before,)).get)
            cut = Cut(before, tuple(reads.values()), writes, len(gone), count)
            anchor = _anchored(db, seal(_newest(db), cut))
            ids = [(id,) for id, *_ in gone]
            db.executemany("DELETE FROM audit_about WHERE segment = ?", ids)
            db.executemany("DELETE FROM audit_segment WHERE id = ?", ids)
            db.execute("DELETE FROM audit WHERE seq < ?", (before,))
            return anchor

        return await self._beside.run(work)


def writes_audited(db: apsw.Connection, before: int, low: int, limit: int, *, oldest_first: bool) -> list[WriteAudited]:
    """See `hilum.store.interface.Store`."""
    found = rows(db, f"{_AUDITED}{'' if oldest_first else ' DESC'} LIMIT ?", (low, before, limit))
    return [WriteAudited(*(*one, _versions(db, one[0], one[1]))) for one in found]


def unaudited(db: apsw.Connection, after: int, limit: int) -> list[int]:
    """See `hilum.store.interface.Store`."""
    return [seq for (seq,) in rows(db, _UNAUDITED, (after, limit))]


def compartments_of(db: apsw.Connection, seqs: Iterable[int]) -> dict[int, tuple[tuple[str, str], ...]]:
    """See `hilum.store.interface.Store`."""
    listed = "[" + ",".join(map(str, seqs)) + "]"
    found: dict[int, tuple[tuple[str, str], ...]] = {}
    for seq, rid, body in rows(db, _COMPARTMENTS, (listed,)):
        type = ident.type_of(rid)
        found[seq] = (*found.get(seq, ()), (type, ident.id_of(type, body)))
    return found


def _versions(db: apsw.Connection, seq: int, writes: int) -> tuple[Version, ...]:
    made: list[Version] = []
    for number, rid, version, method, body in rows(db, _VERSIONS, (seq, seq + writes)):
        type = ident.type_of(rid)
        made.append(Version(number, type, ident.id_of(type, body), version, ident.METHODS[method]))
    return tuple(made)


def _newest(db: apsw.Connection) -> Anchor | None:
    found = db.execute(_NEWEST).fetchone()
    return Anchor(*found) if found else None


def _anchored(db: apsw.Connection, one: Anchor) -> Anchor:
    values = (one.n, one.at, one.kind, one.body, one.previous, one.digest, one.signature, one.kid)
    db.execute(f"INSERT INTO audit_anchor ({_ANCHOR}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    return one


def _segments(db: apsw.Connection, sql: str, values: Sequence[Any]) -> list[Segment]:
    return [Segment(*found) for found in rows(db, sql, values)]


def _either(some: Sequence[About], table: str) -> str:
    return "(" + " OR ".join([f"({table}.what = ? AND {table}.key = ?)"] * len(some)) + ")"


def _flat(about: Iterable[Iterable[About]]) -> list[int]:
    return [number for some in about for one in some for number in one]
