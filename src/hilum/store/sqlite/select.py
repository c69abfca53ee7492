"""A Query as SQL. hilum plans for itself: cheap bounded counts choose the clause that drives, the others are probed.

Results walk newest-first along the clustered key (parameter, value, rid) and stop when the page is full, whatever
SQLite's planner would think: CROSS JOIN and correlated EXISTS leave it no choice
(https://www.sqlite.org/optoverview.html#manual_control_of_query_plans_using_cross_join).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import apsw

from hilum.fhir.resource import Resource
from hilum.search.query import Query
from hilum.store import keys
from hilum.store.exact import certain, holds
from hilum.store.interface import Page
from hilum.store.sql import Part
from hilum.store.sqlite import ident
from hilum.store.sqlite.clauses import Plan, permitted, plan
from hilum.store.sqlite.connection import row, rows

_LOOK = 1000
"""How far a count looks before it says 'many'."""
_ENOUGH = 50
"""A driver with fewer rows than this is taken without a look at the others."""


def _size(db: apsw.Connection, candidate: Plan, limit: int) -> int:
    """How many rows a driver would visit, counted no further than `limit`."""
    total = 0
    for walk in candidate.walks or candidate.arms:
        sql = f"SELECT count(*) FROM ({walk.sql.replace('DISTINCT ', '')} LIMIT ?)"
        total += row(db, sql, (*walk.values, limit))[0]
        if total >= limit:
            return limit
    return total


@dataclass(frozen=True, slots=True)
class Statement:
    """A planned query: `candidates` gives rids as `c`, `where` holds it to the rest, `bounded`: it visits few rows."""

    candidates: Part
    where: Part
    bounded: bool


_NOTHING = Statement(Part("SELECT 0 AS rid WHERE 0"), Part("0"), bounded=True)


def prepare(db: apsw.Connection, query: Query) -> Statement:
    """Choose the driver and turn everything else into probes."""
    if not query.types:
        return _NOTHING
    plans = [plan(db, clause, query.types) for clause in query.clauses]
    owned, allowed = permitted(db, query.types, query.permits)
    if owned is not None:
        plans.append(owned)
    if any(not one.arms and one.probe.sql == "0" for one in plans) or allowed.sql == "0":
        return _NOTHING
    chosen, bounded = _choose(db, plans, query)
    probes = [candidate.probe for candidate in plans if candidate is not chosen]
    probes.append(allowed)
    where = Part(" AND ".join(p.sql for p in probes), tuple(v for p in probes for v in p.values))
    if chosen is None:
        low = min(ident.type_number(name) for name in query.types)
        high = max(ident.type_number(name) for name in query.types)
        candidates = Part(
            "SELECT k.rid FROM resource k WHERE k.rid BETWEEN ? AND ?",
            (keys.type_range(low)[0], keys.type_range(high)[1]),
        )
        return Statement(candidates, where, bounded)
    return Statement(_union(chosen), where, bounded)


def _choose(db: apsw.Connection, plans: list[Plan], query: Query) -> tuple[Plan | None, bool]:
    """The plan that visits the fewest rows, None where none can drive; and whether all of it visits few."""
    drivers = [candidate for candidate in plans if candidate.arms]
    walks = query.order == "rid" and len(plans) < 2 and len(query.types) == 1  # every row it visits is of the page
    if not drivers:
        return None, walks and not plans
    if len(drivers) == 1 and drivers[0].ordered and len(drivers[0].arms) == 1 and walks:
        return drivers[0], True
    chosen, size = drivers[0], _LOOK
    sizes: dict[int, int] = {}
    for number, candidate in enumerate(drivers):
        counted = sizes[number] = _size(db, candidate, _LOOK)
        if number == 0 or counted < size or (counted == size and candidate.ordered and not chosen.ordered):
            chosen, size = candidate, counted
        if size < _ENOUGH:
            break
    few = {id(candidate) for number, candidate in enumerate(drivers) if sizes.get(number, _LOOK) < _LOOK}
    return chosen, size < _LOOK and all(one.cheap or id(one) in few for one in plans)


def _union(chosen: Plan) -> Part:
    values = tuple(v for arm in chosen.arms for v in arm.values)
    return Part(" UNION ".join(arm.sql for arm in chosen.arms), values)


_SELECT = "SELECT r.rid, r.version, r.seq, r.method, r.body"
_CURRENT = f"r.version > 0 AND r.method <> {ident.DELETED}"


def run(db: apsw.Connection, query: Query, statement: Statement) -> Page:
    """One page: current versions, newest created first (or by lastUpdated), and where to go on."""
    total = None
    if query.total == "accurate" or query.count == 0:
        total = row(
            db,
            f"SELECT count(*) FROM ({statement.candidates.sql}) c CROSS JOIN resource r ON r.rid = c.rid "
            f"WHERE {_CURRENT} AND {statement.where.sql}",
            statement.candidates.values + statement.where.values,
        )[0]
    if query.count == 0:
        return Page((), None, total)
    if query.order == "rid":
        keyset, order = Part("c.rid < ?", (query.after,)) if query.after is not None else Part("1"), "c.rid DESC"
    else:
        down = query.order == "-updated"
        sign = "<" if down else ">"
        keyset = Part(f"r.seq {sign} ?", (query.after,)) if query.after is not None else Part("1")
        order = "r.seq DESC" if down else "r.seq"
    found = rows(
        db,
        f"{_SELECT} FROM ({statement.candidates.sql}) c CROSS JOIN resource r ON r.rid = c.rid "
        f"WHERE {keyset.sql} AND {_CURRENT} AND {statement.where.sql} ORDER BY {order} LIMIT ?",
        (*statement.candidates.values, *keyset.values, *statement.where.values, query.count + 1),
    )
    more = len(found) > query.count
    found = found[: query.count]
    sure = certain([as_resource(*one) for one in found], query.clauses)
    position = (found[-1][0] if query.order == "rid" else found[-1][2]) if more else None
    return Page(sure, position, total)


def ids(db: apsw.Connection, query: Query, most: int) -> tuple[str, ...]:
    """The ids of the first `most` that match exactly: what a conditional criterion resolves to."""
    statement = prepare(db, query)
    found: list[str] = []
    candidates: Iterable[Any] = db.execute(  # all: one that only shares a hash must not hide a real match
        f"{_SELECT} FROM ({statement.candidates.sql}) c CROSS JOIN resource r ON r.rid = c.rid "
        f"WHERE {_CURRENT} AND {statement.where.sql} ORDER BY c.rid DESC",
        statement.candidates.values + statement.where.values,
    )
    for one in candidates:
        resource = as_resource(*one)
        if holds(resource, query.clauses):
            found.append(resource.id)
            if len(found) == most:
                break
    return tuple(found)


def as_resource(rid: int, version: int, seq: int, method: int, body: bytes) -> Resource:
    """A stored row as the value that flows."""
    type = ident.type_of(rid)
    raw = b"" if method == ident.DELETED else body
    return Resource(type, ident.id_of(type, body), version, seq, raw, ident.METHODS[method])
