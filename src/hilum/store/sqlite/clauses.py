"""Each clause of a Query as SQL: a driver that gives rids in order, and a probe of one rid.

The predicate of a Policy is made here too, of the same parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import apsw

from hilum.fhir.definitions import TYPES
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
    ReferenceClause,
    StringClause,
    Token,
    TokenClause,
    UriClause,
)
from hilum.search.text import fold
from hilum.store import keys
from hilum.store.sqlite import ident
from hilum.store.sqlite.connection import row

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
        folded = fold(value)
        if clause.match == "exact":
            arms.append("k.param = ? AND k.folded = ? AND k.exact = ?")
            values.append((clause.parameter, folded, keys.uri(value)))
        elif not folded:  # a text of punctuation only says nothing, so it finds nothing
            continue
        elif clause.match == "contains":
            arms.append("k.param = ? AND instr(k.folded, ?) > 0")
            values.append((clause.parameter, folded))
        else:
            arms.append("k.param = ? AND k.folded >= ? AND k.folded < ?")
            values.append((clause.parameter, folded, folded + "\U0010ffff"))
    if not arms:
        return NOTHING
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
    # A reference to a resource elsewhere is kept as a uri, and a uri with the tokens.
    tables = {"uri": ("token",), "reference": ("reference", "token")}.get(clause.kind, (clause.kind,))
    rows = " OR ".join(f"c.rid IN (SELECT rid FROM {table} WHERE param = ?)" for table in tables)
    return Plan((), Part(f"{'NOT ' if clause.missing else ''}({rows})", (clause.parameter,) * len(tables)))


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
