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
from hilum.store.sql import Part, bounds, compare
from hilum.store.sqlite import ident
from hilum.store.sqlite.connection import row, rows

_SYSTEMS = 64
"""How many systems one code may have in one parameter before a range is scanned instead."""
_FEW = 20
"""Up to so many values become an arm and a condition each; more are handed over as one list."""
_CHUNK = 500
_EVERY_TYPE = ",".join(str(number) for number in range(1, len(TYPES) + 1))

Value = int | str | bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """How one clause can be used: as driver (`arms`, each giving rids in order), and as a probe of `c.rid`.

    `walks`: the ranges of an index that the arms walk, where they look at more rows than they give. `cheap`: the probe
    is a few point lookups; otherwise it first collects all that the clause finds.
    """

    arms: tuple[Part, ...]
    probe: Part
    ordered: bool = True
    cheap: bool = True
    walks: tuple[Part, ...] = ()


NOTHING = Plan((), Part("0"))


@cache
def reference_parameters() -> tuple[tuple[str, int], ...]:
    """(type, number) of every reference parameter."""
    found = {(name, p.number) for name in TYPES for p in parameters(name) if p.type == "reference"}
    return tuple(sorted(found))


def _equal(table: str, column: str, param: int, values: list[int]) -> Plan:
    if not values:
        return NOTHING
    if len(values) > _FEW:
        return _any(
            f"FROM json_each(?) j CROSS JOIN {table} k ON k.param = ? AND k.{column} = j.value",
            (_json(values), param),
        )
    arms = tuple(
        Part(f"SELECT k.rid FROM {table} k WHERE k.param = ? AND k.{column} = ?", (param, value)) for value in values
    )
    probe = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} WHERE param = ? AND {column} = ? AND rid = c.rid)" for _ in values
    )
    return Plan(arms, Part(f"({probe})", tuple(v for value in values for v in (param, value))))


def _any(source: str, values: tuple[Value, ...], walks: tuple[Part, ...] = ()) -> Plan:
    """A clause of many values as one statement: SQLite limits variables, terms of a UNION and the depth of an OR."""
    arm = Part(f"SELECT DISTINCT k.rid {source}", values)
    return Plan((arm,), Part(f"c.rid IN (SELECT k.rid {source})", values), ordered=False, cheap=False, walks=walks)


def _json(values: list[int]) -> str:
    return "[" + ",".join(map(str, values)) + "]"


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
    ranges: list[int] = []
    systems: list[int] = []
    spell = len(clause.values) <= _FEW
    for value in clause.values:
        if value.code is None:
            systems.append(keys.system(value.system))
            continue
        listed = _token_keys(db, clause.parameter, value) if spell or value.system is not None else None
        if listed is not None:
            exact.extend(listed)
        else:
            ranges.append(keys.code_range(value.code)[0])
    plans = []
    if exact:
        plans.append(_equal("token", "value", clause.parameter, list(dict.fromkeys(exact))))
    if ranges:
        within = f"k.param = ? AND k.value BETWEEN j.value AND j.value + {keys.SYSTEM_MASK}"
        source = f"FROM json_each(?) j CROSS JOIN token k ON {within}"
        plans.append(_any(source, (_json(ranges), clause.parameter)))
    if systems:
        where = f"k.param = ? AND (k.value & {keys.SYSTEM_MASK}) IN (SELECT j.value FROM json_each(?) j)"
        walks = (Part("SELECT k.rid FROM token k WHERE k.param = ?", (clause.parameter,)),)
        plans.append(_any(f"FROM token k WHERE {where}", (clause.parameter, _json(systems)), walks))
    found = _either(plans)
    if clause.negated:
        return Plan((), Part(f"NOT {found.probe.sql}", found.probe.values), cheap=found.cheap)
    return found


def _either(plans: list[Plan]) -> Plan:
    """What any of the plans finds."""
    if len(plans) < 2:
        return plans[0] if plans else NOTHING
    return Plan(
        tuple(arm for one in plans for arm in one.arms),
        Part(
            "(" + " OR ".join(one.probe.sql for one in plans) + ")",
            tuple(v for one in plans for v in one.probe.values),
        ),
        ordered=False,
        cheap=all(one.cheap for one in plans),
        walks=tuple(walk for one in plans for walk in one.walks or one.arms),
    )


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
    walks: tuple[Part, ...] = ()
    if clause.match == "contains":
        walks = (Part("SELECT k.rid FROM string k WHERE k.param = ?", (clause.parameter,)),)
    return Plan(
        tuple(Part(f"SELECT DISTINCT k.rid FROM string k WHERE {w}", v) for w, v in zip(arms, values, strict=True)),
        Part(
            "(" + " OR ".join(f"c.rid IN (SELECT k.rid FROM string k WHERE {where})" for where in arms) + ")",
            tuple(v for value in values for v in value),
        ),
        ordered=False,
        cheap=False,
        walks=walks,
    )


def _date(clause: DateClause) -> Plan:
    arms, walks = [], []
    for value in clause.values:
        held = compare(value, "k.low", "k.high")
        for span in range(len(keys.SPANS) + 1):
            low, high = bounds(value, keys.SPANS[span] if span < len(keys.SPANS) else None)
            walk = "k.rid FROM date k WHERE k.param = ? AND k.span = ? AND k.low BETWEEN ? AND ?"
            within = (clause.parameter, span, low, high)
            walks.append(Part(f"SELECT {walk}", within))
            arms.append(Part(f"SELECT DISTINCT {walk} AND {held.sql}", within + held.values))
    compares = [compare(value, "k.low", "k.high") for value in clause.values]
    where = " OR ".join(part.sql for part in compares)
    probe = Part(
        f"EXISTS (SELECT 1 FROM date k INDEXED BY date_rid WHERE k.rid = c.rid AND k.param = ? AND ({where}))",
        (clause.parameter, *(v for part in compares for v in part.values)),
    )
    return Plan(tuple(arms), probe, ordered=False, walks=tuple(walks))


def rid_of(db: apsw.Connection, type: str, id: str) -> int | None:
    """The stable integer of (type, id), None where nobody ever named it."""
    found = row(db, "SELECT rid FROM identity WHERE type = ? AND id = ?", (ident.type_number(type), ident.key(id)))
    return found[0] if found else None


def _rids(db: apsw.Connection, names: tuple[tuple[str | None, str], ...]) -> list[int]:
    """The rids of those names that anybody ever used; a missing type stands for any."""
    if len(names) == 1 and names[0][0] is not None:  # most searches
        rid = rid_of(db, names[0][0], names[0][1])
        return [] if rid is None else [rid]
    ids: dict[str | None, list[str | bytes]] = {}
    for type, id in names:
        ids.setdefault(type, []).append(ident.key(id))
    found: list[int] = []
    for type, wanted in ids.items():
        of_types = _EVERY_TYPE if type is None else str(ident.type_number(type))
        for start in range(0, len(wanted), _CHUNK):
            some = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(some))
            sql = f"SELECT rid FROM identity WHERE type IN ({of_types}) AND id IN ({marks})"
            found += [rid for (rid,) in rows(db, sql, some)]
    return list(dict.fromkeys(found))


def owned(db: apsw.Connection, owners: tuple[tuple[str, str], ...], types: tuple[str, ...]) -> Plan:
    """What lies in the compartment of any of these, of these types."""
    rids = _rids(db, owners)
    if not rids:
        return NOTHING
    numbers = [ident.type_number(name) for name in types]
    low, high = keys.type_range(min(numbers))[0], keys.type_range(max(numbers))[1]
    if len(rids) > _FEW:
        source = "FROM json_each(?) j CROSS JOIN compartment k ON k.owner = j.value AND k.rid BETWEEN ? AND ?"
        return _any(source, (_json(rids), low, high))
    arm = "SELECT k.rid FROM compartment k WHERE k.owner = ? AND k.rid BETWEEN ? AND ?"
    probe = " OR ".join("EXISTS (SELECT 1 FROM compartment WHERE owner = ? AND rid = c.rid)" for _ in rids)
    return Plan(tuple(Part(arm, (rid, low, high)) for rid in rids), Part(f"({probe})", tuple(rids)))


def _ids(rids: list[int]) -> Plan:
    """The probe compares numbers: however many there are, they are collected once."""
    if len(rids) > _FEW:
        listed = (_json(rids),)
        return Plan(
            (Part("SELECT k.rid FROM json_each(?) j CROSS JOIN resource k ON k.rid = j.value", listed),),
            Part("c.rid IN (SELECT j.value FROM json_each(?) j)", listed),
            ordered=False,
        )
    arms = tuple(Part("SELECT k.rid FROM resource k WHERE k.rid = ?", (rid,)) for rid in rids)
    return Plan(arms, Part(f"c.rid IN ({','.join('?' * len(rids))})", tuple(rids))) if rids else NOTHING


def _missing(clause: MissingClause) -> Plan:
    # A reference to a resource elsewhere is kept as a uri, and a uri with the tokens.
    tables = {"uri": ("token",), "reference": ("reference", "token")}.get(clause.kind, (clause.kind,))
    found = " OR ".join(f"c.rid IN (SELECT rid FROM {table} WHERE param = ?)" for table in tables)
    return Plan(
        (), Part(f"{'NOT ' if clause.missing else ''}({found})", (clause.parameter,) * len(tables)), cheap=False
    )


def _last_updated(clause: LastUpdatedClause) -> Plan:
    parts = [compare(value, "r.seq", "r.seq") for value in clause.values]
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
            return _ids(_rids(db, tuple((name, id) for name in types for id in clause.values)))
        case LastUpdatedClause():
            return _last_updated(clause)
        case CompartmentClause():
            return owned(db, clause.owners, types)
        case MissingClause():
            return _missing(clause)


# --- permits ----------------------------------------------------------------------------------------------------------


def permitted(
    db: apsw.Connection, types: tuple[str, ...], permits: tuple[tuple[Permit, ...], ...]
) -> tuple[Plan | None, Part]:
    """What the policy permits of these types: a plan, where the same compartments are all of it, and a predicate.

    Both must hold. The plan lets a token for one patient walk that patient's record instead of everybody's.
    """
    groups: dict[tuple[tuple[str, str], ...] | None, list[str]] = {}
    for type, allowed in zip(types, permits, strict=True):
        if allowed:
            everything = any(permit.owners is None for permit in allowed)
            owners = None if everything else tuple(dict.fromkeys(o for one in allowed for o in one.owners or ()))
            groups.setdefault(owners, []).append(type)
    if len(groups) == 1:
        ((owners, names),) = groups.items()
        of_types = _types(tuple(names), of_all=len(types))
        return (None if owners is None else owned(db, owners, tuple(names))), of_types
    sql: list[str] = []
    values: list[Value] = []
    for owners, names in groups.items():
        condition = _types(tuple(names), of_all=len(types))
        if owners is not None:
            inside = owned(db, owners, tuple(names)).probe
            condition = Part(f"({condition.sql} AND {inside.sql})", condition.values + inside.values)
        sql.append(condition.sql)
        values.extend(condition.values)
    return None, Part("(" + " OR ".join(sql) + ")", tuple(values)) if sql else Part("0")


def _types(names: tuple[str, ...], of_all: int) -> Part:
    if len(names) == len(TYPES):
        return Part("1")
    if of_all == 1:
        return Part("c.rid BETWEEN ? AND ?", keys.type_range(ident.type_number(names[0])))
    numbers = tuple(ident.type_number(name) for name in names)
    return Part(f"c.rid >> {keys.TYPE_SHIFT} IN ({','.join('?' * len(numbers))})", numbers)
