"""The audit trail in a PostgreSQL store. See `hilum.store.segments.Segments`.

Who makes an anchor holds an advisory lock until the commit: so each is linked to the one before it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from hilum.fhir.definitions import TYPES
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.names import METHODS, NOW, Name, Names
from hilum.store.segments import About, Anchor, Cut, Head, Seal, SealCut, Segment, Version, WriteAudited

T = TypeVar("T")
Run = Callable[[Callable[[Session], Awaitable[Any]]], Awaitable[Any]]

_ALONE: Final = "SELECT pg_advisory_xact_lock(1751741813, $1::integer)"
_SEGMENT: Final = "s.process, s.first, s.rows, s.low, s.high, s.before, s.after, s.body, s.id"
_ANCHOR: Final = "n, at, kind, body, previous, digest, signature, kid"
_NEWEST: Final = f"SELECT {_ANCHOR} FROM audit_anchor ORDER BY n DESC LIMIT 1"
_PUT: Final = """
INSERT INTO audit_segment (process, first, rows, low, high, before, after, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING RETURNING id
"""
_ABOUT: Final = """
INSERT INTO audit_about (what, key, high, segment) SELECT a.what, a.key, $3, $4
FROM unnest($1::smallint[], $2::bigint[]) AS a (what, key) ON CONFLICT DO NOTHING
"""
_BETWEEN: Final = f"""
SELECT {_SEGMENT} FROM audit_segment s WHERE s.high >= $1 AND (s.high, s.id) < ($2, $3) AND s.low <= $4
ORDER BY s.high DESC, s.id DESC LIMIT $5
"""
_GONE: Final = """
SELECT s.id, s.process, s.first + s.rows, s.after FROM audit_segment s WHERE s.high < $1 AND NOT EXISTS
(SELECT FROM audit_segment k WHERE k.process = s.process AND k.first < s.first AND k.high >= $1)
ORDER BY s.process, s.first
"""
_HEADS: Final = """
SELECT DISTINCT ON (process) process, seq, chain FROM audit WHERE seq > $1 AND seq < $2 ORDER BY process, seq DESC
"""
_AUDITED: Final = """
SELECT seq, writes, process, agent, client, interaction, token, detail, chain FROM audit
WHERE seq >= $1 AND seq < $2 ORDER BY seq
"""
_VERSIONS: Final = """
SELECT a.seq, v.seq, v.type, r.id, v.version, v.method FROM unnest($1::bigint[], $2::integer[]) AS a (seq, writes)
CROSS JOIN LATERAL (
    SELECT seq, rid, type, version, method FROM resource
    WHERE seq >= a.seq AND seq < a.seq + a.writes AND version > 0
    UNION ALL
    SELECT seq, rid, type, version, method FROM old WHERE seq >= a.seq AND seq < a.seq + a.writes) v
CROSS JOIN LATERAL (SELECT id FROM resource r WHERE r.rid = v.rid LIMIT 1) r ORDER BY v.seq
"""
_UNAUDITED: Final = """
SELECT v.seq FROM (
    (SELECT seq FROM resource WHERE seq > $1 AND version > 0 AND seq >= coalesce((
        SELECT a.seq + a.writes FROM audit a WHERE a.seq <= resource.seq ORDER BY a.seq DESC LIMIT 1), 0)
    ORDER BY seq LIMIT $2)
    UNION ALL
    (SELECT seq FROM old WHERE seq > $1 AND seq >= coalesce((
        SELECT a.seq + a.writes FROM audit a WHERE a.seq <= old.seq ORDER BY a.seq DESC LIMIT 1), 0)
    ORDER BY seq LIMIT $2)) v ORDER BY v.seq LIMIT $2
"""
_COMPARTMENTS: Final = """
SELECT n.seq, v.compartments FROM unnest($1::bigint[]) AS n (seq) CROSS JOIN LATERAL (
    SELECT compartments FROM resource WHERE seq = n.seq AND version > 0
    UNION ALL SELECT compartments FROM old WHERE seq = n.seq) v WHERE v.compartments IS NOT NULL
"""
_NAMES: Final = f"""
SELECT n.rid, r.type, r.id FROM unnest($1::bigint[]) AS n (rid)
CROSS JOIN LATERAL (SELECT type, id FROM resource r WHERE r.rid = {NOW} LIMIT 1) r
"""


class PostgresSegments:
    """`run` does work on a connection of the pool; `guard` is the number of the tenant's schema."""

    def __init__(self, run: Run, guard: int) -> None:
        self._run, self._guard = run, guard

    async def put(self, segment: Segment, about: Sequence[About], seal: Seal) -> Anchor | None:
        """Keep a segment, with what it speaks of, and an anchor."""

        async def work(session: Session) -> Anchor | None:
            one = segment
            await fetch(session, _ALONE, self._guard)
            found = await fetch(
                session, _PUT, one.process, one.first, one.rows, one.low, one.high, one.before, one.after, one.body
            )
            if not found:
                return None
            whats, keys = [subject.what for subject in about], [subject.key for subject in about]
            await fetch(session, _ABOUT, whats, keys, one.high, found[0][0])
            return await _anchored(session, seal(await _newest(session)))

        return await self._whole(work)

    async def anchor(self, seal: Seal) -> Anchor:
        """Keep an anchor alone."""

        async def work(session: Session) -> Anchor:
            await fetch(session, _ALONE, self._guard)
            return await _anchored(session, seal(await _newest(session)))

        return await self._whole(work)

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
            return await self._segments(_BETWEEN, low, *last, high, limit)
        places, values = iter(range(6, 6 + 2 * sum(map(len, about)))), _flat(about)
        first, *others = ([f"(a.what = ${next(places)} AND a.key = ${next(places)})" for _ in some] for some in about)
        also = "".join(
            f" AND EXISTS (SELECT FROM audit_about o WHERE ({' OR '.join(some).replace('a.', 'o.')}) "
            "AND o.high = a.high AND o.segment = a.segment)"
            for some in others
        )
        sql = (
            f"SELECT {_SEGMENT} FROM (SELECT DISTINCT a.high, a.segment FROM audit_about a "
            f"WHERE ({' OR '.join(first)}) AND a.high >= $1 AND (a.high, a.segment) < ($2, $3){also}) f "
            "CROSS JOIN LATERAL (SELECT * FROM audit_segment s WHERE s.id = f.segment AND s.low <= $4 LIMIT 1) s "
            "ORDER BY f.high DESC, f.segment DESC LIMIT $5"
        )
        return await self._segments(sql, low, *last, high, limit, *values)

    async def following(self, after: int, limit: int = 16) -> list[Segment]:
        """Segments with a greater id, by id."""
        sql = f"SELECT {_SEGMENT} FROM audit_segment s WHERE s.id > $1 ORDER BY s.id LIMIT $2"
        return await self._segments(sql, after, limit)

    async def spoken_of(self, id: int) -> list[tuple[About, int]]:
        """By what a segment is found."""
        sql = "SELECT what, key, high FROM audit_about WHERE segment = $1 ORDER BY what, key, high"
        return [(About(what, key), high) for what, key, high in await self._fetched(sql, id)]

    async def anchors(self, after: int, limit: int = 1000) -> list[Anchor]:
        """Those with a greater n, in order."""
        sql = f"SELECT {_ANCHOR} FROM audit_anchor WHERE n > $1 ORDER BY n LIMIT $2"
        return [Anchor(*found) for found in await self._fetched(sql, after, limit)]

    async def newest(self) -> Anchor | None:
        """The last anchor."""
        found: Anchor | None = await self._run(_newest)
        return found

    async def heads(self, after: int) -> list[Head]:
        """Of each process that committed after that seq, the last link."""
        return [Head(*found) for found in await self._fetched(_HEADS, after, 1 << 62)]

    async def prune(self, before: int, seal: SealCut) -> Anchor | None:
        """Take away what is older, and keep a checkpoint."""

        async def work(session: Session) -> Anchor | None:
            await fetch(session, _ALONE, self._guard)
            gone = await fetch(session, _GONE, before)
            reads = {process: Head(process, end, link) for _, process, end, link in gone}
            writes = tuple(Head(*found) for found in await fetch(session, _HEADS, 0, before))
            if not (gone or writes):
                return None
            ((count,),) = await fetch(session, "SELECT count(*) FROM audit WHERE seq < $1", before)
            cut = Cut(before, tuple(reads.values()), writes, len(gone), count)
            anchor = await _anchored(session, seal(await _newest(session), cut))
            ids = [id for id, *_ in gone]
            await fetch(session, "DELETE FROM audit_about WHERE segment = ANY ($1::bigint[])", ids)
            await fetch(session, "DELETE FROM audit_segment WHERE id = ANY ($1::bigint[])", ids)
            await fetch(session, "DELETE FROM audit WHERE seq < $1", before)
            return anchor

        return await self._whole(work)

    async def _whole(self, work: Callable[[Session], Awaitable[T]]) -> T:
        async def whole(session: Session) -> T:
            transaction = session.db.transaction()
            await transaction.start()
            try:
                done = await work(session)
            except BaseException:
                if not session.db.is_closed():
                    await transaction.rollback()
                raise
            await transaction.commit()
            return done

        made: T = await self._run(whole)
        return made

    async def _segments(self, sql: str, *values: Any) -> list[Segment]:
        return [Segment(*found) for found in await self._fetched(sql, *values)]

    async def _fetched(self, sql: str, *values: Any) -> list[Any]:
        found: list[Any] = await self._run(lambda session: fetch(session, sql, *values))
        return found


async def writes_audited(
    session: Session, before: int, low: int, limit: int, *, oldest_first: bool
) -> list[WriteAudited]:
    """See `hilum.store.interface.Store`."""
    found = await fetch(session, f"{_AUDITED}{'' if oldest_first else ' DESC'} LIMIT $3", low, before, limit)
    made: dict[int, list[Version]] = {}
    for seq, *one in await fetch(session, _VERSIONS, [row[0] for row in found], [row[1] for row in found]):
        number, type, id, version, method = one
        made.setdefault(seq, []).append(Version(number, TYPES[type - 1], id, version, METHODS[method]))
    return [WriteAudited(*(*row, tuple(made.get(row[0], ())))) for row in found]


async def unaudited(session: Session, after: int, limit: int) -> list[int]:
    """See `hilum.store.interface.Store`."""
    return [seq for (seq,) in await fetch(session, _UNAUDITED, after, limit)]


async def compartments_of(session: Session, names: Names, seqs: Iterable[int]) -> dict[int, tuple[Name, ...]]:
    """See `hilum.store.interface.Store`."""
    found = await fetch(session, _COMPARTMENTS, list(seqs))
    rids = list({rid for _, owners in found for rid in owners})
    named = {rid: (TYPES[type - 1], id) for rid, type, id in await fetch(session, _NAMES, rids)} if rids else {}
    return {seq: tuple(named[rid] for rid in owners) for seq, owners in found if owners}


async def _newest(session: Session) -> Anchor | None:
    found = await fetch(session, _NEWEST)
    return Anchor(*found[0]) if found else None


async def _anchored(session: Session, one: Anchor) -> Anchor:
    values = (one.n, one.at, one.kind, one.body, one.previous, one.digest, one.signature, one.kid)
    await fetch(session, f"INSERT INTO audit_anchor ({_ANCHOR}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", *values)
    return one


def _flat(about: Iterable[Iterable[About]]) -> list[int]:
    return [number for some in about for one in some for number in one]
