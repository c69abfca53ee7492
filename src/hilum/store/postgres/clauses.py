"""Each clause of a Query as SQL, twice: as driver (arms that give rids) and as probe (a condition on one rid).

Arms are open at the end, so that bounds on `k.rid` can follow. Probes are scalar subqueries, which PostgreSQL never
turns into joins: the order of work stays ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
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
    TokenClause,
    UriClause,
)
from hilum.search.text import fold
from hilum.store import keys
from hilum.store.postgres.encode import COMPARTMENT, FOLDED, writable
from hilum.store.postgres.names import Name
from hilum.store.sql import Part, bounds, compare

Resolve = Callable[[tuple[tuple[str | None, str], ...]], list[int]]
"""Names (type None: any type) to the rids that they have."""
Spell = Callable[[int, str], list[int] | None]
"""A parameter and a code to the token keys it has there, over all systems; None: too many to list."""

ALIVE: Final = "version > 0 AND {0}method <> 3"
SPELLED: Final = 20
"""A clause with more values than this has the systems of its codes not listed: each code is searched as a range."""
_MERGED: Final = 8
"""Up to so many values are walked side by side; more are collected and sorted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a clause can be used. `arms`: rids from `k`, empty when it can't drive. `ordered`: each arm walks by rid."""

    arms: tuple[Part, ...]
    probe: Part
    ordered: bool = True


NOTHING: Final = Plan((), Part("false"))


def join(word: str, parts: list[Part]) -> Part:
    """Parts joined by AND or OR."""
    return Part(word.join(part.sql for part in parts), tuple(v for part in parts for v in part.values))


def plan(clause: Clause, types: tuple[str, ...], resolve: Resolve, spell: Spell) -> Plan:
    """How a clause can drive and be probed."""
    match clause:
        case TokenClause():
            return _token(clause, spell)
        case UriClause():
            return _keys(clause.parameter, [keys.uri(value) for value in clause.values])
        case StringClause():
            return _string(clause)
        case DateClause():
            return _date(clause)
        case ReferenceClause():
            return referred(clause.parameter, resolve(clause.values))
        case CompartmentClause():
            return referred(COMPARTMENT, resolve(clause.owners))
        case IdClause():
            return _ids(resolve(tuple((type, id) for type in types for id in clause.values)))
        case LastUpdatedClause():
            return _last_updated(clause, types)
        case MissingClause():
            word = "IS NOT TRUE" if clause.missing else "IS TRUE"
            probe = f"(SELECT ? = ANY (r.params) FROM resource r WHERE r.rid = c.rid LIMIT 1) {word}"
            return Plan((), Part(probe, (clause.parameter,)))


def _keys(param: int, values: list[int]) -> Plan:
    if not values:
        return NOTHING
    values = list(dict.fromkeys(values))
    probe = Part(
        "(SELECT true FROM token k WHERE k.param = ? AND k.value = ANY (?::bigint[]) AND k.rid = c.rid LIMIT 1)",
        (param, values),
    )
    if len(values) > _MERGED:
        arm = Part("SELECT k.rid FROM token k WHERE k.param = ? AND k.value = ANY (?::bigint[])", (param, values))
        return Plan((arm,), probe, ordered=False)
    arms = [Part("SELECT k.rid FROM token k WHERE k.param = ? AND k.value = ?", (param, value)) for value in values]
    return Plan(tuple(arms), probe)


def _token(clause: TokenClause, spell: Spell) -> Plan:
    exact: list[int] = []
    ranges: list[int] = []
    systems: list[int] = []
    for value in clause.values:
        if value.code is None:
            systems.append(keys.system(value.system))
        elif value.system is not None:
            exact.append(keys.token(value.system or None, value.code))
        elif len(clause.values) <= SPELLED and (spelled := spell(clause.parameter, value.code)) is not None:
            exact.extend(spelled)
        else:
            ranges.append(keys.code_range(value.code)[0])
    found = _keys(clause.parameter, exact)
    arms = []
    if systems:
        sql = f"SELECT k.rid FROM token k WHERE k.param = ? AND (k.value & {keys.SYSTEM_MASK}) = ANY (?::bigint[])"
        arms.append(Part(sql, (clause.parameter, systems)))
    if ranges:
        sql = (
            "SELECT k.rid FROM unnest(?::bigint[]) AS v (low) CROSS JOIN LATERAL (SELECT t.rid FROM token t "
            f"WHERE t.param = ? AND t.value BETWEEN v.low AND v.low + {keys.SYSTEM_MASK}) k WHERE true"
        )
        arms.append(Part(sql, (ranges, clause.parameter)))
    if arms:
        # IS TRUE keeps it a hashed set, built once, instead of a join
        probes = [Part(f"(c.rid IN ({arm.sql})) IS TRUE", arm.values) for arm in arms]
        either = join(" OR ", [*probes, found.probe])
        found = Plan((*found.arms, *arms), Part(f"({either.sql})", either.values), ordered=False)
    if clause.negated:
        return Plan((), Part(f"({found.probe.sql}) IS NOT TRUE", found.probe.values))
    return found


def _string(clause: StringClause) -> Plan:
    wheres: list[Part] = []
    for text in clause.values:
        folded = fold(writable(text))
        head = folded[:FOLDED]
        match clause.match:
            case "exact":
                wheres.append(Part("k.folded = ? AND k.value = ?", (head, writable(text))))
            case "starts" | "contains" if not folded:  # punctuation only says nothing, so it finds nothing
                wheres.append(Part("false"))
            case _ if not folded:  # punctuation only says nothing, so it finds nothing
                continue
            case "contains":
                wheres.append(Part("strpos(coalesce(k.whole, k.folded), ?) > 0", (folded,)))
            case _ if len(folded) > FOLDED:
                wheres.append(Part("k.folded = ? AND starts_with(k.whole, ?)", (head, folded)))
            case _:
                wheres.append(Part("k.folded >= ? AND k.folded < ?", (head, head + "\U0010ffff")))
    arms = [
        Part(f"SELECT k.rid FROM string k WHERE k.param = ? AND {w.sql}", (clause.parameter, *w.values)) for w in wheres
    ]
    where = join(" OR ", wheres)
    probe = Part(
        f"(SELECT true FROM string k WHERE k.rid = c.rid AND k.param = ? AND ({where.sql}) LIMIT 1)",
        (clause.parameter, *where.values),
    )
    return Plan(tuple(arms), probe, ordered=False)


def _date(clause: DateClause) -> Plan:
    arms: list[Part] = []
    compares = [compare(value, "k.low", "k.high") for value in clause.values]
    for value, held in zip(clause.values, compares, strict=True):
        for span, longest in enumerate((*keys.SPANS, None)):
            low, high = bounds(value, longest)
            sql = f"SELECT k.rid FROM date k WHERE k.param = ? AND k.span = {span} AND k.low BETWEEN ? AND ? AND "
            arms.append(Part(sql + held.sql, (clause.parameter, low, high, *held.values)))
    where = join(" OR ", compares)
    probe = Part(
        f"(SELECT true FROM date k WHERE k.rid = c.rid AND k.param = ? AND ({where.sql}) LIMIT 1)",
        (clause.parameter, *where.values),
    )
    return Plan(tuple(arms), probe, ordered=False)


def referred(param: int, rids: list[int]) -> Plan:
    """What refers to one of these by that parameter (0: what is in one of these compartments)."""
    if not rids:
        return NOTHING
    rids = list(dict.fromkeys(rids))
    by = Part("abs(k.param) = ?", (param,)) if param != COMPARTMENT else Part("k.param <= 0")
    probe = Part(
        f"(SELECT true FROM reference k WHERE k.target = ANY (?::bigint[]) AND k.rid = c.rid AND {by.sql} LIMIT 1)",
        (rids, *by.values),
    )
    if len(rids) > _MERGED:
        sql = f"SELECT k.rid FROM reference k WHERE k.target = ANY (?::bigint[]) AND {by.sql}"
        return Plan((Part(sql, (rids, *by.values)),), probe, ordered=False)
    sql = f"SELECT k.rid FROM reference k WHERE k.target = ? AND {by.sql}"
    return Plan(tuple(Part(sql, (rid, *by.values)) for rid in rids), probe)


def _ids(rids: list[int]) -> Plan:
    if not rids:
        return NOTHING
    arm = f"SELECT k.rid FROM resource k WHERE k.rid = ANY (?::bigint[]) AND {ALIVE.format('k.')}"
    return Plan((Part(arm, (rids,)),), Part("c.rid = ANY (?::bigint[])", (rids,)), ordered=False)


def _last_updated(clause: LastUpdatedClause, types: tuple[str, ...]) -> Plan:
    compares = [compare(value, "r.seq", "r.seq") for value in clause.values]
    where = join(" OR ", compares)
    probe = Part(f"(SELECT {where.sql} FROM resource r WHERE r.rid = c.rid LIMIT 1)", where.values)
    arms: list[Part] = []
    for value in clause.values:
        low, high = bounds(value, 0)
        held = compare(value, "k.seq", "k.seq")
        alive = "SELECT k.rid FROM resource k WHERE k.type = ANY (?::smallint[]) AND " + ALIVE.format("k.")
        numbers = [TYPE_NUMBER[type] for type in types]
        sql = f"{alive} AND k.seq BETWEEN ? AND ? AND {held.sql}"
        arms.append(Part(sql, (numbers, low, high, *held.values)))
    return Plan(tuple(arms), probe, ordered=False)


def any_type(values: tuple[tuple[str | None, str], ...]) -> list[Name]:
    """The names that are meant, a missing type spelled out."""
    return [(name, id) for type, id in values for name in ((type,) if type else TYPES)]


def owned_by(permits: tuple[Permit, ...], rids: dict[Name, int]) -> tuple[int, ...] | None:
    """The compartments that permits allow, as far as anything knows them; None: all of the type."""
    if any(permit.owners is None for permit in permits):
        return None
    return tuple(sorted({rids[owner] for permit in permits for owner in permit.owners or () if owner in rids}))
