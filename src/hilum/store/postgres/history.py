"""Version reads, history and changes. https://hl7.org/fhir/R4/http.html#history

The current version of a resource is in `resource`, earlier ones are in `old`; one statement reads both under one
snapshot, so that a version which moves meanwhile is seen exactly once.

**Why changes() misses nothing.** stamp() gives a transaction its xid and its seqs inside one short lock, so that the
order of seqs is the order of xids. `pg_snapshot_xmin` is the oldest xid still in flight: every lower one has ended,
and what it committed is seen by the same snapshot. changes() returns only rows with a lower xid. What appears later
has an xid at or above that, hence seqs above all that was returned. A follower that goes on from the last seq it was
given can therefore miss nothing; all that a commit in flight does is hold back those behind it. Rows of a restored
backup have xid 0: they are older than every transaction. After a crash the sequence stands at or above every committed
seq (schema/postgres/0001_foundation.sql), and what changes() returned had been flushed before it was visible.
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.fhir.resource import Resource
from hilum.search.clauses import Permit
from hilum.store.exact import holds
from hilum.store.interface import HistoryQuery, Versions
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.names import DELETED, METHODS, Name, Names
from hilum.store.postgres.rows import as_resource
from hilum.store.postgres.run import numbered
from hilum.store.sql import Part, join

_CURRENT: Final = """
SELECT 1, version, seq, method, body, {compartments} FROM resource WHERE type = $1 AND id = $2 AND version > 0
"""
"""The current version, or the deletion. One probe of resource_name."""
_CURRENT_OF: Final = """
SELECT n.place, r.version, r.seq, r.method, r.body, {compartments}
FROM unnest($1::smallint[], $2::text[]) WITH ORDINALITY AS n (type, id, place)
CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.type = n.type AND r.id = n.id LIMIT 1) r WHERE r.version > 0
"""
_BARE: Final = tuple(sql.format(compartments="NULL") for sql in (_CURRENT, _CURRENT_OF))
_PLACED: Final = tuple(sql.format(compartments="compartments") for sql in (_CURRENT, _CURRENT_OF))
"""Of one, and of several; without the compartments and with them, which cost a microsecond."""
_VERSION: Final = """
SELECT r.rid, r.version, r.seq, r.method, r.id, r.body, r.compartments FROM resource r
WHERE r.type = $1 AND r.id = $2 AND r.version = $3
UNION ALL
SELECT o.rid, o.version, o.seq, o.method, r.id, o.body, o.compartments
FROM resource r JOIN old o ON o.rid = r.rid AND o.version = $3
WHERE r.type = $1 AND r.id = $2
"""
_SETTLED: Final = "v.xid < pg_snapshot_xmin(pg_current_snapshot())"
_LAST_SETTLED: Final = f"""
SELECT seq FROM resource v WHERE version > 0 AND seq > $1 AND {_SETTLED} ORDER BY seq DESC LIMIT 1
"""

_DELETED: Final = """
SELECT o.rid, o.version, o.seq, o.method, r.id, o.body FROM unnest($1::bigint[], $2::integer[]) AS n (rid, version)
CROSS JOIN LATERAL (SELECT * FROM old o WHERE o.rid = n.rid AND o.version = n.version - 1 LIMIT 1) o
CROSS JOIN LATERAL (SELECT id FROM resource r WHERE r.rid = o.rid LIMIT 1) r
"""
Found = tuple[Resource, Sequence[int]]
Ever = Mapping[Name, frozenset[int]]
"""Owners of compartments, and the rids by which versions may name them."""
_NOBODY: Final[frozenset[int]] = frozenset()
_LOOK: Final = 200
"""How many versions are looked at together where their content decides."""


async def current(session: Session, names: Sequence[Name], *, placed: bool) -> list[Found | None]:
    """The current version of each, or its deletion, or None; all as they stood at one moment.

    With the rids of whose compartments it lies in, if it is to be `placed`.
    """
    one, several = _PLACED if placed else _BARE
    if len(names) == 1:
        ((type, id),) = names
        rows = await fetch(session, one, TYPE_NUMBER[type], id)
    else:
        rows = await fetch(session, several, [TYPE_NUMBER[type] for type, _ in names], [id for _, id in names])
    found: list[Found | None] = [None] * len(names)
    for place, version, seq, method, body, owners in rows:
        type, id = names[place - 1]
        found[place - 1] = Resource(type, id, version, seq, body or b"", METHODS[method]), owners or ()
    return found


async def version(session: Session, type: str, id: str, number: int) -> Found | None:
    """That version, and the rids of whose compartments it was committed in."""
    found = await fetch(session, _VERSION, TYPE_NUMBER[type], id, number) if 0 < number < 1 << 31 else []
    return (as_resource(found[0][:6]), found[0][6] or ()) if found else None


async def changes(session: Session, after: int, limit: int, types: Collection[str] = ()) -> list[Resource]:
    """Versions in commit order, up to the oldest transaction in flight."""
    parts = [Part("v.seq > ?", (after,)), Part(_SETTLED)]
    numbers = sorted({TYPE_NUMBER[type] for type in types})
    return [as_resource(row[:6]) for row in await _walked(session, parts, numbers, None, "seq", limit)]


async def settled(session: Session, after: int) -> int:
    """What appears later has seqs above that of any row with an xid below those in flight: see above."""
    found = await fetch(session, _LAST_SETTLED, after)
    return int(found[0][0]) if found else after


async def history(session: Session, names: Names, query: HistoryQuery) -> Versions:
    """Versions, newest first, each judged by the compartments and the content that it was committed with."""
    wanted: list[Name] = [owner for permits in query.permits for permit in permits for owner in permit.owners or ()]
    owners = await names.ever(session, wanted) if wanted else {}
    allowed = _permitted(query, owners)
    if allowed is None:
        return Versions((), None, 0 if query.total else None)
    parts = [allowed]
    numbers: list[int] = []
    rid: int | None = None
    if query.id is not None:
        name = query.types[0], query.id
        rid = (await names.known(session, [name])).get(name, -1)
    elif len(query.types) < len(TYPES):
        numbers = [TYPE_NUMBER[type] for type in query.types]
    if query.since is not None:
        parts.append(Part("v.seq >= ?", (query.since,)))
    if query.at is not None:
        parts.append(Part("v.seq <= ? AND v.until > ?", (query.at[1], query.at[0])))
    if any(permit.clauses for permits in query.permits for permit in permits):
        return await _judged(session, query, owners, parts, numbers, rid)
    total = await _total(session, parts, numbers, rid) if query.total else None
    found = await _page(session, parts, numbers, rid, query.before, query.count + 1) if query.count else []
    position = found[query.count - 1][2] if len(found) > query.count else None
    return Versions(tuple(as_resource(row[:6]) for row in found[: query.count]), position, total)


async def _judged(
    session: Session, query: HistoryQuery, owners: Ever, parts: list[Part], numbers: list[int], rid: int | None
) -> Versions:
    """A policy that speaks of content (`category=laboratory`): each version is looked at, the total's ones, too."""
    permits = dict(zip(query.types, query.permits, strict=True))
    found: list[Resource] = []
    before, total = (None if query.total else query.before), 0
    while True:
        some = await _page(session, parts, numbers, rid, before, _LOOK)
        deleted = [row for row in some if row[3] == DELETED]
        last = await _before(session, deleted) if deleted else {}
        for row in some:
            one = as_resource(row[:6])
            judged = last.get((row[0], row[1]), one)
            if _visible(permits[one.type], judged, row[6] or (), owners):
                total += 1
                if (query.before is None or one.seq < query.before) and len(found) <= query.count:
                    found.append(one)
        if len(some) < _LOOK or (len(found) > query.count and not query.total):
            break
        before = some[-1][2]
    position = found[query.count - 1].seq if len(found) > query.count > 0 else None
    return Versions(tuple(found[: query.count]), position, total if query.total else None)


async def _before(session: Session, deleted: list[Any]) -> dict[tuple[int, int], Resource]:
    """(rid, version) of deletions -> the version that each deleted."""
    found = await fetch(session, _DELETED, [row[0] for row in deleted], [row[1] for row in deleted])
    return {(row[0], row[1] + 1): as_resource(row) for row in found}


def _visible(permits: tuple[Permit, ...], one: Resource, compartments: Sequence[int], owners: Ever) -> bool:
    """Whether a permit allows this version; a deletion is judged by what it deleted."""
    return any(
        (permit.owners is None or any(not owners.get(n, _NOBODY).isdisjoint(compartments) for n in permit.owners))
        and (not permit.clauses or (not one.deleted and holds(one, permit.clauses)))
        for permit in permits
    )


_SOURCES: Final = (
    ("resource", "9223372036854775807::bigint", "v.version > 0"),
    ("old", "v.until", "true"),
)
"""Table, until when its versions were current, and which of its rows are versions."""


def _arms(parts: list[Part], numbers: list[int], rid: int | None, columns: str, end: str) -> Part:
    """One SELECT per table, and per type where not all are meant, so that each walks an index by seq.

    A type is named in the statement, of which a session keeps one plan: so PostgreSQL knows how rare it is. Of any type
    it would take the index of seq alone, and walk through what is of others to the end of a table. The versions of one
    resource are few and read first (OFFSET 0 keeps it so); then they are sorted.
    """
    arms: list[Part] = []
    for table, until, versions in _SOURCES:
        where = join(" AND ", parts)
        source = f"(SELECT * FROM {table} WHERE rid = ? OFFSET 0)" if rid is not None else table
        first = (rid,) if rid is not None else ()
        sql = f"(SELECT {columns} FROM {source} v WHERE {versions} AND {where.sql.replace('v.until', until)}"
        if numbers:
            arms.extend(Part(f"{sql} AND v.type = {number}{end})", (*first, *where.values)) for number in numbers)
        else:
            arms.append(Part(f"{sql}{end})", (*first, *where.values)))
    return join(" UNION ALL ", arms)


async def _page(
    session: Session, parts: list[Part], numbers: list[int], rid: int | None, before: int | None, wanted: int
) -> list[Any]:
    if before is not None:
        parts = [*parts, Part("v.seq < ?", (before,))]
    return await _walked(session, parts, numbers, rid, "seq DESC", wanted)


async def _walked(
    session: Session, parts: list[Part], numbers: list[int], rid: int | None, order: str, wanted: int
) -> list[Any]:
    end = f" ORDER BY v.{order} LIMIT {wanted}"
    union = _arms(parts, numbers, rid, "v.rid, v.version, v.seq, v.method, v.body, v.compartments", end)
    sql = (
        "SELECT v.rid, v.version, v.seq, v.method, r.id, v.body, v.compartments "
        f"FROM ({union.sql} ORDER BY {order} LIMIT {wanted}) v "
        f"CROSS JOIN LATERAL (SELECT id FROM resource r WHERE r.rid = v.rid LIMIT 1) r ORDER BY v.{order}"
    )
    return await fetch(session, numbered(sql), *union.values)


async def _total(session: Session, parts: list[Part], numbers: list[int], rid: int | None) -> int:
    union = _arms(parts, numbers, rid, "count(*) AS n", "")
    ((total,),) = await fetch(session, numbered(f"SELECT sum(n)::bigint FROM ({union.sql}) x"), *union.values)
    return int(total)


def _permitted(query: HistoryQuery, ever: Ever) -> Part | None:
    """The policy on each version; None: nothing is permitted."""
    everything: list[int] = []
    owned: dict[tuple[int, ...], list[int]] = {}
    for type, permits in zip(query.types, query.permits, strict=True):
        owners = tuple(sorted({rid for one in permits for owner in one.owners or () for rid in ever.get(owner, ())}))
        if any(permit.owners is None for permit in permits):
            everything.append(TYPE_NUMBER[type])
        elif owners:
            owned.setdefault(owners, []).append(TYPE_NUMBER[type])
    if len(everything) == len(query.types):
        return Part("true")
    parts: list[Part] = []
    if everything:
        parts.append(Part("v.type = ANY (?::smallint[])", (everything,)))
    for owners, types in owned.items():
        parts.append(Part("v.type = ANY (?::smallint[]) AND v.compartments && ?::bigint[]", (types, list(owners))))
    if not parts:
        return None
    either = join(" OR ", [Part(f"({part.sql})", part.values) for part in parts])
    return Part(f"({either.sql})", either.values)
