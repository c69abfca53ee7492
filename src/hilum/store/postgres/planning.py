"""Planning a query: which clause drives, found by cheap bounded counts, and what the others have to prove.

The names and codes that a query speaks of are looked up first, so that every condition is about integers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.search.query import Clause, CompartmentClause, IdClause, Query, ReferenceClause, TokenClause
from hilum.store import keys
from hilum.store.postgres.clauses import ALIVE, NOTHING, SPELLED, Plan, any_type, join, owned_by, plan, referred
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.encode import COMPARTMENT
from hilum.store.postgres.names import Name, Names
from hilum.store.sql import Part

LOOKS: Final = (250, 2500)
"""How far a count looks before it says 'many': if all clauses are many at first, it looks further."""
LOOK: Final = LOOKS[-1]
SYSTEMS: Final = 64
"""How many systems one code may have in one parameter before its whole range is searched instead."""


_SPELL = """
WITH RECURSIVE found AS (
    SELECT w.place, w.param, w.high, (SELECT k.value FROM token k WHERE k.param = w.param
        AND k.value >= w.low AND k.value <= w.high ORDER BY k.value LIMIT 1) AS value
    FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS w (param, low, high, place)
    UNION ALL
    SELECT f.place, f.param, f.high, (SELECT k.value FROM token k WHERE k.param = f.param
        AND k.value > f.value AND k.value <= f.high ORDER BY k.value LIMIT 1)
    FROM found f WHERE f.value IS NOT NULL)
SELECT place, value FROM found WHERE value IS NOT NULL LIMIT $4
"""


def numbered(part: Part) -> str:
    """The SQL with `?` as PostgreSQL wants them: $1, $2, …"""
    pieces = part.sql.split("?")
    return "".join(f"{piece}${n}" for n, piece in enumerate(pieces[:-1], 1)) + pieces[-1]


async def run(session: Session, part: Part) -> list[Any]:
    """The rows of a statement."""
    return await fetch(session, numbered(part), *part.values)


@dataclass(frozen=True, slots=True)
class Statement:
    """A planned query. `driver` None: every resource of the types is walked. `size`: its rows, counted up to LOOK."""

    query: Query
    driver: Plan | None
    where: Part
    size: int

    def source(self, driver: Plan | None, low: int, high: int) -> Part:
        """The rids from `low` to `high` that the driver gives, each once, newest first."""
        bounds = " AND k.rid >= ? AND k.rid <= ?"
        if driver is None:
            sql = f"SELECT k.rid FROM resource k WHERE {ALIVE.format('k.')}{bounds} ORDER BY k.rid DESC OFFSET 0"
            return Part(sql, (low, high))
        arms = [Part(arm.sql + bounds, (*arm.values, low, high)) for arm in driver.arms]
        if len(arms) == 1 and driver.ordered:
            return Part(f"{arms[0].sql} ORDER BY k.rid DESC OFFSET 0", arms[0].values)
        each = " ORDER BY k.rid DESC" if driver.ordered else ""
        union = join(" UNION ALL ", [Part(f"({arm.sql}{each})", arm.values) for arm in arms])
        return Part(f"SELECT u.rid FROM ({union.sql}) u GROUP BY u.rid ORDER BY u.rid DESC OFFSET 0", union.values)


async def prepare(session: Session, names: Names, query: Query) -> Statement | None:
    """Choose the driver and turn everything else into probes. None when nothing can match."""
    if not query.types:
        return None
    rids = await names.known(session, _named(query))
    spelled = await _spelled(session, query.clauses)

    def resolve(values: tuple[tuple[str | None, str], ...]) -> list[int]:
        return [rids[name] for name in any_type(values) if name in rids]

    def spell(param: int, code: str) -> list[int] | None:
        return spelled[param, code]

    plans = [plan(clause, query.types, resolve, spell) for clause in query.clauses]
    owned, allowed = _permitted(query, rids)
    if allowed is None or NOTHING in plans:
        return None
    if owned is not None:
        plans.append(owned)
    drivers = [one for one in plans if one.arms]
    chosen, size = await _choose(session, drivers, query)
    probes = [one.probe for one in plans if one is not chosen]
    probes.append(allowed)
    return Statement(query, chosen, join(" AND ", probes), size)


def _named(query: Query) -> list[Name]:
    found: list[tuple[str | None, str]] = []
    for clause in query.clauses:
        match clause:
            case ReferenceClause():
                found.extend(clause.values)
            case CompartmentClause():
                found.extend(clause.owners)
            case IdClause():
                found.extend((type, id) for type in query.types for id in clause.values)
    for permits in query.permits:
        for permit in permits:
            found.extend(permit.owners or ())
    return any_type(tuple(dict.fromkeys(found)))


async def _spelled(session: Session, clauses: Iterable[Clause]) -> dict[tuple[int, str], list[int] | None]:
    wanted = [
        (clause.parameter, value.code)
        for clause in clauses
        if isinstance(clause, TokenClause) and len(clause.values) <= SPELLED
        for value in clause.values
        if value.code is not None and value.system is None
    ]
    if not wanted:
        return {}
    ranges = [keys.code_range(code) for _, code in wanted]
    limit = SYSTEMS * len(wanted) + 1
    found = await fetch(session, _SPELL, [p for p, _ in wanted], [r[0] for r in ranges], [r[1] for r in ranges], limit)
    if len(found) == limit:
        return dict.fromkeys(wanted)
    spelled: dict[tuple[int, str], list[int] | None] = {}
    for place, one in enumerate(wanted, 1):
        spelled[one] = [value for at, value in found if at == place]
    return spelled


def _permitted(query: Query, rids: dict[Name, int]) -> tuple[Plan | None, Part | None]:
    """The policy: a driver, where one compartment rule holds for all types, and a probe (None: nothing is allowed)."""
    groups: dict[tuple[int, ...] | None, list[str]] = {}
    for type, permits in zip(query.types, query.permits, strict=True):
        owners = owned_by(permits, rids)
        if owners is None or owners:
            groups.setdefault(owners, []).append(type)
    if not groups:
        return None, None
    if len(groups) == 1:
        ((owners, types),) = groups.items()
        return referred(COMPARTMENT, list(owners)) if owners else None, _types(types)
    parts: list[Part] = []
    for owners, types in groups.items():
        condition = _types(types)
        if owners:
            condition = join(" AND ", [condition, referred(COMPARTMENT, list(owners)).probe])
        parts.append(condition)
    either = join(" OR ", [Part(f"({part.sql})", part.values) for part in parts])
    return None, Part(f"({either.sql})", either.values)


def _types(types: list[str]) -> Part:
    if len(types) == len(TYPES):
        return Part("true")
    if len(types) == 1:
        return Part("c.rid BETWEEN ? AND ?", keys.type_range(TYPE_NUMBER[types[0]]))
    return Part(f"(c.rid >> {keys.TYPE_SHIFT})::smallint = ANY (?::smallint[])", ([TYPE_NUMBER[one] for one in types],))


async def _choose(session: Session, drivers: list[Plan], query: Query) -> tuple[Plan | None, int]:
    """The driver with the fewest rows, and how many it has, counted up to LOOK; on a draw one that walks in order."""
    if not drivers:
        return None, LOOK
    if len(drivers) == 1 and drivers[0].ordered and query.order == "rid":
        return drivers[0], LOOK
    sizes: list[int] = []
    for look in LOOKS:
        counts: list[Part] = []
        for driver in drivers:
            union = join(" UNION ALL ", list(driver.arms))
            counts.append(Part(f"(SELECT count(*) FROM ({union.sql} LIMIT {look}) k)", union.values))
        every = join(", ", counts)
        (row,) = await run(session, Part(f"SELECT {every.sql}", every.values))
        sizes = list(row)
        if min(sizes) < look:
            break
    best = min(range(len(drivers)), key=lambda n: (sizes[n], not drivers[n].ordered))
    return drivers[best], sizes[best]
