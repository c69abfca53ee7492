"""History, changes and version reads over the log. https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, Final

import apsw

from hilum.fhir.definitions import TYPES
from hilum.fhir.resource import Resource
from hilum.store import keys
from hilum.store.exact import holds
from hilum.store.interface import HistoryQuery, Versions
from hilum.store.sql import Part, join
from hilum.store.sqlite import ident
from hilum.store.sqlite.connection import row, rows
from hilum.store.sqlite.dialect import as_resource

_LOOK: Final = 200
"""How many versions are looked at together where their content decides."""
_VERSIONS = """
SELECT l.rid, l.version, l.seq, l.method, coalesce(o.body, r.body)
FROM log l LEFT JOIN old o ON o.seq = l.seq LEFT JOIN resource r ON r.rid = l.rid
"""
_OF_TYPE = f"""
SELECT * FROM (
    SELECT seq, rid, version, method FROM log INDEXED BY log_type
    WHERE rid >> {keys.TYPE_SHIFT} = ? AND seq > ? ORDER BY seq LIMIT ?)
"""
"""The next of one type: the index has them by seq, and what lies between is not looked at."""
_PLACED = _VERSIONS.replace("\nFROM", ", l.compartments\nFROM")


def rid_of(db: apsw.Connection, type: str, id: str) -> int | None:
    """The stable integer of (type, id), None where nobody ever named it."""
    found = row(db, "SELECT rid FROM identity WHERE type = ? AND id = ?", (ident.type_number(type), ident.key(id)))
    return found[0] if found else None


def rids_of(db: apsw.Connection, owners: Iterable[tuple[str, str]]) -> set[int]:
    """The numbers by which versions may name these owners: what was created later had another one before."""
    rids = {rid for owner in owners if (rid := rid_of(db, *owner)) is not None}
    return rids | {was for rid in rids for (was,) in rows(db, "SELECT was FROM former WHERE rid = ?", (rid,))}


def version(db: apsw.Connection, type: str, id: str, number: int) -> tuple[Resource, str | None] | None:
    """That version of a resource, and its compartments as `log` has them."""
    rid = rid_of(db, type, id)
    found = row(db, _PLACED + "WHERE l.rid = ? AND l.version = ?", (rid, number))
    return (as_resource(*found[:5]), found[5]) if found else None


def changes(db: apsw.Connection, after: int, limit: int, types: Collection[str] = ()) -> list[Resource]:
    """Versions in commit order. One writer at a time means that nothing older can still be on its way."""
    numbers = sorted({ident.type_number(type) for type in types})
    arms = join(" UNION ALL ", [Part(_OF_TYPE, (number, after, limit)) for number in numbers])
    sql = _VERSIONS.replace("log l", f"({arms.sql}) l" if numbers else "log l")
    found = rows(db, sql + "WHERE l.seq > ? ORDER BY l.seq LIMIT ?", (*arms.values, after, limit))
    return [as_resource(*one) for one in found]


def history(db: apsw.Connection, query: HistoryQuery) -> Versions:
    """Versions, newest first, each judged by the compartments and the content that it was committed with."""
    source, where = _asked(db, query)
    if any(permit.clauses for permits in query.permits for permit in permits):
        return _judged(db, query, source, where)
    total = row(db, f"SELECT count(*) FROM {source} WHERE {where.sql}", where.values)[0] if query.total else None
    found = _versions(db, source, where, query.before, query.count + 1)
    position = found[query.count - 1][2] if len(found) > query.count > 0 else None
    return Versions(tuple(as_resource(*one[:5]) for one in found[: query.count]), position, total)


def _asked(db: apsw.Connection, query: HistoryQuery) -> tuple[str, Part]:
    """Where from, and on which conditions, but for what only the content of a version decides."""
    conditions: list[Part] = [_permitted(db, query)]
    source = "log l"
    if query.id is not None:
        rid = rid_of(db, query.types[0], query.id)
        conditions.append(Part("l.rid = ?", (rid if rid is not None else -1,)))
    elif len(query.types) == 1:
        source = "log l INDEXED BY log_type"
        conditions.append(Part(f"l.rid >> {keys.TYPE_SHIFT} = ?", (ident.type_number(query.types[0]),)))
    if query.since is not None:
        conditions.append(Part("l.seq >= ?", (query.since,)))
    if query.at is not None:
        low, high = query.at
        conditions.append(
            Part(
                "l.seq <= ? AND NOT EXISTS (SELECT 1 FROM log n WHERE n.rid = l.rid AND n.seq > l.seq AND n.seq <= ?)",
                (high, low),
            )
        )
    return source, join(" AND ", conditions)


def _versions(db: apsw.Connection, source: str, where: Part, before: int | None, limit: int) -> list[Any]:
    held = where if before is None else Part(f"{where.sql} AND l.seq < ?", (*where.values, before))
    sql = _PLACED.replace("log l", source)
    return rows(db, sql + f"WHERE {held.sql} ORDER BY l.seq DESC LIMIT ?", (*held.values, limit))


def _judged(db: apsw.Connection, query: HistoryQuery, source: str, where: Part) -> Versions:
    """A policy that speaks of content (`category=laboratory`): each version is looked at, the total's ones, too."""
    found: list[Resource] = []
    before, total = (None if query.total else query.before), 0
    while True:
        some = _versions(db, source, where, before, _LOOK)
        for one in some:
            if _visible(db, query, one):
                total += 1
                if (query.before is None or one[2] < query.before) and len(found) <= query.count:
                    found.append(as_resource(*one[:5]))
        if len(some) < _LOOK or (len(found) > query.count and not query.total):
            break
        before = some[-1][2]
    position = found[query.count - 1].seq if len(found) > query.count > 0 else None
    return Versions(tuple(found[: query.count]), position, total if query.total else None)


def _visible(db: apsw.Connection, query: HistoryQuery, one: Any) -> bool:
    """Whether a permit allows this version; a deletion is judged by what it deleted."""
    rid, number, _, method, _, compartments = one
    last = as_resource(*one[:5])
    if method == ident.DELETED:
        before = row(db, _VERSIONS + "WHERE l.rid = ? AND l.version = ?", (rid, number - 1))
        last = as_resource(*before) if before else last
    inside = set(json.loads(compartments)) if compartments else set()
    for permit in query.permits[query.types.index(last.type)]:
        owned = permit.owners is None or not inside.isdisjoint(rids_of(db, permit.owners))
        if owned and (not permit.clauses or (not last.deleted and holds(last, permit.clauses))):
            return True
    return False


def _permitted(db: apsw.Connection, query: HistoryQuery) -> Part:
    sql: list[str] = []
    values: list[int] = []
    everything: list[int] = []
    for type, permits in zip(query.types, query.permits, strict=True):
        number = ident.type_number(type)
        if any(permit.owners is None for permit in permits):
            everything.append(number)
            continue
        owners = rids_of(db, {owner for permit in permits for owner in permit.owners or ()})
        if owners:
            marks = ",".join("?" * len(owners))
            sql.append(
                f"(l.rid >> {keys.TYPE_SHIFT} = ? AND l.compartments IS NOT NULL AND EXISTS "
                f"(SELECT 1 FROM json_each(l.compartments) j WHERE j.value IN ({marks})))"
            )
            values += [number, *owners]
    if len(everything) == len(TYPES):
        return Part("1")
    if everything:
        sql.append(f"l.rid >> {keys.TYPE_SHIFT} IN ({','.join('?' * len(everything))})")
        values += everything
    return Part("(" + " OR ".join(sql) + ")", tuple(values)) if sql else Part("0")
