"""A Query as SQL. hilum plans for itself: cheap bounded counts choose the clause that drives, the others are probed.

Results walk newest-first along the clustered key (parameter, value, rid) and stop when the page is full, whatever
SQLite's planner would think: CROSS JOIN and correlated EXISTS leave it no choice
(https://www.sqlite.org/optoverview.html#manual_control_of_query_plans_using_cross_join).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import apsw

from hilum.fhir import json
from hilum.fhir.definitions import TYPES
from hilum.fhir.resource import Resource
from hilum.search.index import index
from hilum.search.matches import matches
from hilum.search.parameters import parameters
from hilum.search.query import (
    Clause,
    CompartmentClause,
    DateClause,
    DateRange,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    Permit,
    Query,
    ReferenceClause,
    StringClause,
    Token,
    TokenClause,
    UriClause,
)
from hilum.search.text import fold
from hilum.store import keys
from hilum.store.interface import Page
from hilum.store.sqlite import ident
from hilum.store.sqlite.connection import row, rows

_LOOK = 1000
"""How far a count looks before it says 'many'."""
_SYSTEMS = 64
"""How many systems one code may have in one parameter before a range is scanned instead."""
_MAX = (1 << 63) - 1

Value = int | str | bytes


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of SQL with its values."""

    sql: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How one clause can be used: as driver (`arms`, each giving rids in order), and as a probe of `c.rid`."""

    arms: tuple[Part, ...]
    probe: Part
    ordered: bool = True


NOTHING = Plan((), Part("0"))


@cache
def reference_parameters() -> tuple[tuple[str, int], ...]:
    """(type, number) of every reference parameter."""
    found = {(name, p.number) for name in TYPES for p in parameters(name) if p.type == "reference"}
    return tuple(sorted(found))


# --- clauses ----------------------------------------------------------------------------------------------------------


def _equal(table: str, column: str, param: int, values: list[int]) -> Plan:
    arms = tuple(
        Part(f"SELECT k.rid FROM {table} k WHERE k.param = ? AND k.{column} = ?", (param, value)) for value in values
    )
    probe = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} WHERE param = ? AND {column} = ? AND rid = c.rid)" for _ in values
    )
    return Plan(arms, Part(f"({probe})", tuple(v for value in values for v in (param, value)))) if values else NOTHING


def _token_keys(db: apsw.Connection, param: int, token: Token) -> list[int] | None:
    """The exact keys that a token stands for; None when they are too many to list (a system alone)."""
    if token.code is None:
        return None
    if token.system is not None:
        return [keys.token(token.system or None, token.code)]
    low, high = keys.code_range(token.code)
    found: list[int] = []
    while low <= high:  # a loose index scan: one probe per system in which the code occurs
        first = row(
            db,
            "SELECT value FROM token WHERE param = ? AND value >= ? AND value <= ? ORDER BY value LIMIT 1",
            (param, low, high),
        )
        if first is None:
            return found
        found.append(first[0])
        if len(found) > _SYSTEMS:
            return None
        low = first[0] + 1
    return found


def _token(db: apsw.Connection, clause: TokenClause) -> Plan:
    exact: list[int] = []
    loose: list[Part] = []
    for value in clause.values:
        listed = _token_keys(db, clause.parameter, value)
        if listed is not None:
            exact.extend(listed)
        elif value.code is not None:
            loose.append(Part("value BETWEEN ? AND ?", keys.code_range(value.code)))
        else:
            loose.append(Part(f"value & {keys.SYSTEM_MASK} = ?", (keys.system(value.system),)))
    plan = _equal("token", "value", clause.parameter, list(dict.fromkeys(exact)))
    if loose:
        where = " OR ".join(part.sql for part in loose)
        values = (clause.parameter, *(v for part in loose for v in part.values))
        arm = Part(f"SELECT DISTINCT k.rid FROM token k WHERE k.param = ? AND ({where})", values)
        probe = Part(
            f"(c.rid IN (SELECT rid FROM token WHERE param = ? AND ({where})) OR {plan.probe.sql})",
            values + plan.probe.values,
        )
        plan = Plan((*plan.arms, arm), probe, ordered=False)
    if clause.negated:
        return Plan((), Part(f"NOT {plan.probe.sql}", plan.probe.values))
    return plan


def _string(clause: StringClause) -> Plan:
    arms: list[str] = []
    values: list[tuple[Value, ...]] = []
    for value in clause.values:
        if clause.match == "contains":
            arms.append("k.param = ? AND instr(k.folded, ?) > 0")
            values.append((clause.parameter, fold(value)))
        elif clause.match == "exact":
            arms.append("k.param = ? AND k.folded = ?")
            values.append((clause.parameter, fold(value)))
        else:
            folded = fold(value)
            arms.append("k.param = ? AND k.folded >= ? AND k.folded < ?")
            values.append((clause.parameter, folded, folded + "\U0010ffff"))
    return Plan(
        tuple(Part(f"SELECT DISTINCT k.rid FROM string k WHERE {w}", v) for w, v in zip(arms, values, strict=True)),
        Part(
            "(" + " OR ".join(f"c.rid IN (SELECT k.rid FROM string k WHERE {where})" for where in arms) + ")",
            tuple(v for value in values for v in value),
        ),
        ordered=False,
    )


def _compare(value: DateRange, low: str, high: str) -> Part:
    """The interval [low, high] of a row against the searched one. https://hl7.org/fhir/R4/search.html#prefix"""
    match value.prefix:
        case "eq":
            return Part(f"({low} >= ? AND {high} <= ?)", (value.low, value.high))
        case "ne":
            return Part(f"NOT ({low} >= ? AND {high} <= ?)", (value.low, value.high))
        case "gt":
            return Part(f"{high} > ?", (value.high,))
        case "ge":
            return Part(f"({high} > ? OR ({low} >= ? AND {high} <= ?))", (value.high, value.low, value.high))
        case "lt":
            return Part(f"{low} < ?", (value.low,))
        case "le":
            return Part(f"({low} < ? OR ({low} >= ? AND {high} <= ?))", (value.low, value.low, value.high))
        case "sa":
            return Part(f"{low} > ?", (value.high,))
        case "eb":
            return Part(f"{high} < ?", (value.low,))
        case _:  # ap: the caller has widened the interval
            return Part(f"({low} <= ? AND {high} >= ?)", (value.high, value.low))


def _bounds(value: DateRange, longest: int | None) -> tuple[int, int]:
    """Between which values `low` must lie, in a class whose intervals are no longer than `longest`."""
    reach = longest if longest is not None else _MAX
    floor = max(-_MAX, value.low - reach)
    match value.prefix:
        case "eq":
            return value.low, value.high
        case "gt" | "ge":
            return floor, _MAX
        case "lt" | "le":
            return -_MAX, value.high
        case "sa":
            return value.high, _MAX
        case "eb":
            return -_MAX, value.low
        case "ap":
            return floor, value.high
        case _:
            return -_MAX, _MAX


def _date(clause: DateClause) -> Plan:
    arms = []
    for value in clause.values:
        compare = _compare(value, "k.low", "k.high")
        for span in range(len(keys.SPANS) + 1):
            low, high = _bounds(value, keys.SPANS[span] if span < len(keys.SPANS) else None)
            arms.append(
                Part(
                    "SELECT DISTINCT k.rid FROM date k WHERE k.param = ? AND k.span = ? AND k.low BETWEEN ? AND ? "
                    f"AND {compare.sql}",
                    (clause.parameter, span, low, high, *compare.values),
                )
            )
    compares = [_compare(value, "k.low", "k.high") for value in clause.values]
    where = " OR ".join(part.sql for part in compares)
    probe = Part(
        f"EXISTS (SELECT 1 FROM date k INDEXED BY date_rid WHERE k.rid = c.rid AND k.param = ? AND ({where}))",
        (clause.parameter, *(v for part in compares for v in part.values)),
    )
    return Plan(tuple(arms), probe, ordered=False)


def rid_of(db: apsw.Connection, type: str, id: str) -> int | None:
    """The stable integer of (type, id), None where nobody ever named it."""
    found = row(db, "SELECT rid FROM identity WHERE type = ? AND id = ?", (ident.type_number(type), ident.key(id)))
    return found[0] if found else None


def _rids(db: apsw.Connection, names: tuple[tuple[str | None, str], ...]) -> list[int]:
    found = []
    for type, id in names:
        for name in (type,) if type else TYPES:
            rid = rid_of(db, name, id)
            if rid is not None:
                found.append(rid)
    return found


def _owned(db: apsw.Connection, owners: tuple[tuple[str, str], ...]) -> Plan:
    rids = _rids(db, owners)
    if not rids:
        return NOTHING
    arms = tuple(Part("SELECT k.rid FROM compartment k WHERE k.owner = ?", (rid,)) for rid in rids)
    probe = " OR ".join("EXISTS (SELECT 1 FROM compartment WHERE owner = ? AND rid = c.rid)" for _ in rids)
    return Plan(arms, Part(f"({probe})", tuple(rids)))


def _missing(clause: MissingClause) -> Plan:
    table = {"uri": "token"}.get(clause.kind, clause.kind)
    word = "NOT IN" if clause.missing else "IN"
    return Plan((), Part(f"c.rid {word} (SELECT rid FROM {table} WHERE param = ?)", (clause.parameter,)))


def _last_updated(clause: LastUpdatedClause) -> Plan:
    parts = [_compare(value, "r.seq", "r.seq") for value in clause.values]
    return Plan(
        (), Part("(" + " OR ".join(p.sql for p in parts) + ")", tuple(v for part in parts for v in part.values))
    )


def plan(db: apsw.Connection, clause: Clause, types: tuple[str, ...]) -> Plan:
    """How a clause can drive and be probed; looks up identities and codes."""
    match clause:
        case TokenClause():
            return _token(db, clause)
        case StringClause():
            return _string(clause)
        case DateClause():
            return _date(clause)
        case ReferenceClause():
            return _equal("reference", "target", clause.parameter, _rids(db, clause.values))
        case UriClause():
            return _equal("token", "value", clause.parameter, [keys.uri(value) for value in clause.values])
        case IdClause():
            rids = _rids(db, tuple((name, id) for name in types for id in clause.values))
            marks = ",".join("?" * len(rids))
            arms = tuple(Part("SELECT k.rid FROM resource k WHERE k.rid = ?", (rid,)) for rid in rids)
            return Plan(arms, Part(f"c.rid IN ({marks})", tuple(rids)))
        case LastUpdatedClause():
            return _last_updated(clause)
        case CompartmentClause():
            return _owned(db, clause.owners)
        case MissingClause():
            return _missing(clause)


# --- permits ----------------------------------------------------------------------------------------------------------


def permitted(db: apsw.Connection, types: tuple[str, ...], permits: tuple[tuple[Permit, ...], ...]) -> Part:
    """The predicate on `c.rid` that holds it to these types and to what the policy permits of each."""
    groups: dict[tuple[Permit, ...], list[str]] = {}
    for type, allowed in zip(types, permits, strict=True):
        if allowed:
            groups.setdefault(allowed, []).append(type)
    sql: list[str] = []
    values: list[Value] = []
    for allowed, names in groups.items():
        condition = _types(tuple(names), of_all=len(types))
        if all(permit.owners is not None for permit in allowed):
            owners = tuple(dict.fromkeys(o for permit in allowed for o in permit.owners or ()))
            owned = _owned(db, owners).probe
            condition = Part(f"({condition.sql} AND {owned.sql})", condition.values + owned.values)
        sql.append(condition.sql)
        values.extend(condition.values)
    return Part("(" + " OR ".join(sql) + ")", tuple(values)) if sql else Part("0")


def _types(names: tuple[str, ...], of_all: int) -> Part:
    if len(names) == len(TYPES):
        return Part("1")
    if of_all == 1:
        return Part("c.rid BETWEEN ? AND ?", keys.type_range(ident.type_number(names[0])))
    numbers = tuple(ident.type_number(name) for name in names)
    return Part(f"c.rid >> {keys.TYPE_SHIFT} IN ({','.join('?' * len(numbers))})", numbers)


# --- the query --------------------------------------------------------------------------------------------------------


def _size(db: apsw.Connection, candidate: Plan, limit: int) -> int:
    """How many rows a driver would visit, counted no further than `limit`."""
    total = 0
    for arm in candidate.arms:
        sql = f"SELECT count(*) FROM ({arm.sql.replace('DISTINCT ', '')} LIMIT ?)"
        total += row(db, sql, (*arm.values, limit))[0]
        if total >= limit:
            return limit
    return total


@dataclass(frozen=True, slots=True)
class Statement:
    """A planned query: `candidates` gives rids as `c`, `where` holds it to the rest, `bounded`: it visits few rows."""

    candidates: Part
    where: Part
    bounded: bool


def prepare(db: apsw.Connection, query: Query) -> Statement:
    """Choose the driver and turn everything else into probes."""
    plans = [plan(db, clause, query.types) for clause in query.clauses]
    allowed = permitted(db, query.types, query.permits)
    drivers = [candidate for candidate in plans if candidate.arms]
    dead = any(not candidate.arms and candidate.probe.sql == "0" for candidate in plans) or allowed.sql == "0"
    chosen: Plan | None = None
    size = _LOOK
    if dead:
        return Statement(Part("SELECT 0 AS rid WHERE 0"), Part("0"), bounded=True)
    if len(drivers) == 1:
        chosen = drivers[0]
        size = _LOOK if not chosen.ordered else query.count
    elif drivers:
        for candidate in drivers:
            counted = _size(db, candidate, _LOOK)
            if chosen is None or counted < size or (counted == size and candidate.ordered and not chosen.ordered):
                chosen, size = candidate, counted
            if size < 50:
                break
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
        return Statement(candidates, where, bounded=not query.clauses and len(query.types) == 1)
    return Statement(_union(chosen), where, bounded=size < _LOOK)


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
    sure = tuple(resource for one in found if _certain(resource := as_resource(*one), query))
    position = (found[-1][0] if query.order == "rid" else found[-1][2]) if more else None
    return Page(sure, position, total)


def ids(db: apsw.Connection, query: Query) -> tuple[str, ...]:
    """The ids of the first two that match exactly: what a conditional criterion resolves to."""
    statement = prepare(db, query)
    found: list[str] = []
    candidates: Iterable[Any] = db.execute(  # all: one that only shares a hash must not hide a real match
        f"{_SELECT} FROM ({statement.candidates.sql}) c CROSS JOIN resource r ON r.rid = c.rid "
        f"WHERE {_CURRENT} AND {statement.where.sql} ORDER BY c.rid DESC",
        statement.candidates.values + statement.where.values,
    )
    for one in candidates:
        resource = as_resource(*one)
        if _holds(resource, query):
            found.append(resource.id)
            if len(found) == 2:
                break
    return tuple(found)


def as_resource(rid: int, version: int, seq: int, method: int, body: bytes) -> Resource:
    """A stored row as the value that flows."""
    type = ident.type_of(rid)
    raw = b"" if method == ident.DELETED else body
    return Resource(type, ident.id_of(type, body), version, seq, raw, ident.METHODS[method])


# --- exactness --------------------------------------------------------------------------------------------------------


def _certain(resource: Resource, query: Query) -> bool:
    """Whether a row that hashes found is truly meant. The cheap look proves it for almost all."""
    return all(_stands_in(resource.raw, clause) for clause in query.clauses) or _holds(resource, query)


def _stands_in(raw: bytes, clause: Clause) -> bool:
    match clause:
        case TokenClause(negated=False):
            return any(_written(raw, value) for value in clause.values)
        case UriClause():
            return any(json.encode(value) in raw for value in clause.values)
        case StringClause(match="exact"):
            return any(json.encode(value) in raw for value in clause.values)
        case _:
            return True


def _written(raw: bytes, value: Token) -> bool:
    if value.code is not None and json.encode(value.code) not in raw:
        return False
    return not value.system or json.encode(value.system) in raw


def _holds(resource: Resource, query: Query) -> bool:
    rows = index(resource.type, resource.body)
    return all(matches(clause, rows, id=resource.id, last_updated=resource.last_updated) for clause in query.clauses)
