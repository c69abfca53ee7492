"""History, changes and version reads over the log. https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

import apsw

from hilum.fhir.definitions import TYPES
from hilum.fhir.resource import Resource
from hilum.store import keys
from hilum.store.interface import HistoryQuery, Page
from hilum.store.sql import Part
from hilum.store.sqlite import ident
from hilum.store.sqlite.clauses import rid_of
from hilum.store.sqlite.connection import row, rows
from hilum.store.sqlite.select import as_resource

_VERSIONS = """
SELECT l.rid, l.version, l.seq, l.method, coalesce(o.body, r.body)
FROM log l LEFT JOIN old o ON o.seq = l.seq LEFT JOIN resource r ON r.rid = l.rid
"""


def version(db: apsw.Connection, type: str, id: str, number: int) -> Resource | None:
    """That version of a resource."""
    rid = rid_of(db, type, id)
    found = row(db, _VERSIONS + "WHERE l.rid = ? AND l.version = ?", (rid, number))
    return as_resource(*found) if found else None


def changes(db: apsw.Connection, after: int, limit: int) -> list[Resource]:
    """Versions in commit order. One writer at a time means that nothing older can still be on its way."""
    found = rows(db, _VERSIONS + "WHERE l.seq > ? ORDER BY l.seq LIMIT ?", (after, limit))
    return [as_resource(*one) for one in found]


def history(db: apsw.Connection, query: HistoryQuery) -> Page:
    """Versions, newest first, each judged by the compartments that it was committed with."""
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
    where = " AND ".join(part.sql for part in conditions)
    values = tuple(v for part in conditions for v in part.values)
    total = row(db, f"SELECT count(*) FROM {source} WHERE {where}", values)[0] if query.total else None
    if query.before is not None:
        where, values = where + " AND l.seq < ?", (*values, query.before)
    found = rows(
        db,
        _VERSIONS.replace("log l", source) + f"WHERE {where} ORDER BY l.seq DESC LIMIT ?",
        (*values, query.count + 1),
    )
    position = found[query.count - 1][2] if len(found) > query.count > 0 else None
    return Page(tuple(as_resource(*one) for one in found[: query.count]), position, total)


def _permitted(db: apsw.Connection, query: HistoryQuery) -> Part:
    sql: list[str] = []
    values: list[int] = []
    everything: list[int] = []
    for type, permits in zip(query.types, query.permits, strict=True):
        number = ident.type_number(type)
        if any(permit.owners is None for permit in permits):
            everything.append(number)
            continue
        owners = {rid_of(db, *owner) for permit in permits for owner in permit.owners or ()} - {None}
        if owners:
            marks = ",".join("?" * len(owners))
            sql.append(
                f"(l.rid >> {keys.TYPE_SHIFT} = ? AND l.compartments IS NOT NULL AND EXISTS "
                f"(SELECT 1 FROM json_each(l.compartments) j WHERE j.value IN ({marks})))"
            )
            values += [number, *(owner for owner in owners if owner is not None)]
    if len(everything) == len(TYPES):
        return Part("1")
    if everything:
        sql.append(f"l.rid >> {keys.TYPE_SHIFT} IN ({','.join('?' * len(everything))})")
        values += everything
    return Part("(" + " OR ".join(sql) + ")", tuple(values)) if sql else Part("0")
