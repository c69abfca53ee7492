"""A Query as SQL. hilum plans for itself: bounded counts choose the clause that drives, the others are probed.

What drives walks newest-first along an index and stops when the page is full; `OFFSET 0` and scalar subqueries leave
PostgreSQL's planner no other order (joins that it chose drove from the commonest code: 134 ms against 1.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.search.query import Clause, CompartmentClause, IdClause, Query, ReferenceClause, TokenClause
from hilum.store import exact, keys
from hilum.store.interface import Page
from hilum.store.postgres.clauses import ALIVE, NOTHING, Part, Plan, any_type, join, owned_by, plan, referred
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.encode import COMPARTMENT
from hilum.store.postgres.names import Name, Names
from hilum.store.postgres.rows import COLUMNS, as_resource

LOOK: Final = 1000
"""How far a count looks before it says 'many'."""
BUDGET: Final = 4000
"""How many resources are walked in the hope of a full page, before all that a clause finds is collected and sorted."""
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
_FETCH: Final = "CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = w.rid LIMIT 1) r"
"""The bodies of a page, after it is full."""


def numbered(part: Part) -> str:
    """The SQL with `?` as PostgreSQL wants them: $1, $2, …"""
    pieces = part.sql.split("?")
    return "".join(f"{piece}${n}" for n, piece in enumerate(pieces[:-1], 1)) + pieces[-1]


async def _rows(session: Session, part: Part) -> list[Any]:
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


# --- planning ---------------------------------------------------------------------------------------------------------


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
        if isinstance(clause, TokenClause)
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
    counts: list[Part] = []
    for driver in drivers:
        union = join(" UNION ALL ", list(driver.arms))
        counts.append(Part(f"(SELECT count(*) FROM ({union.sql} LIMIT {LOOK}) k)", union.values))
    every = join(", ", counts)
    (sizes,) = await _rows(session, Part(f"SELECT {every.sql}", every.values))
    best = min(range(len(drivers)), key=lambda n: (sizes[n], not drivers[n].ordered))
    return drivers[best], sizes[best]


# --- running ----------------------------------------------------------------------------------------------------------


async def search(session: Session, names: Names, query: Query) -> Page:
    """A page of current versions. See `hilum.store.interface.Store.search`."""
    counted = query.total == "accurate" or query.count == 0
    statement = await prepare(session, names, query)
    if statement is None:
        return Page((), None, 0 if counted else None)
    found: list[Any] = []
    if query.count:
        found = await (_by_rid if query.order == "rid" else _by_updated)(session, statement)
    more = len(found) > query.count
    rows = found[: query.count]
    resources = exact.certain([as_resource(row) for row in rows], query.clauses)
    total = None
    if counted:
        whole = query.count and not more and query.after is None
        total = len(resources) if whole else await _total(session, statement)
    position = (rows[-1][0] if query.order == "rid" else rows[-1][2]) if more and rows else None
    return Page(resources, position, total)


async def ids(session: Session, names: Names, query: Query) -> list[str]:
    """The ids of the first two that match exactly, newest first: what a conditional criterion resolves to."""
    statement = await prepare(session, names, query)
    found: list[str] = []
    if statement is None:
        return found
    low, high = _range(query)
    while len(found) < 2:
        rows = await _walk(session, statement, statement.driver, low, high, LOOK)
        found.extend(r.id for r in map(as_resource, rows) if exact.meant(r, query))
        if len(rows) < LOOK:
            break
        high = rows[-1][0] - 1
    return found[:2]


def _range(query: Query) -> tuple[int, int]:
    numbers = [TYPE_NUMBER[type] for type in query.types]
    return keys.type_range(min(numbers))[0], keys.type_range(max(numbers))[1]


async def _by_rid(session: Session, statement: Statement) -> list[Any]:
    query, wanted = statement.query, statement.query.count + 1
    low, high = _range(query)
    if query.after is not None:
        high = min(high, query.after - 1)
    driver = statement.driver
    if driver is not None and not driver.ordered and statement.size >= LOOK and len(query.types) == 1:
        # Many match and only a sort would put them in order: look among the newest first.
        found = await _walk(session, statement, None, low, high, wanted, driver.probe, budget=BUDGET)
        if len(found) == wanted:
            return found
    return await _walk(session, statement, driver, low, high, wanted)


async def _walk(
    session: Session,
    statement: Statement,
    driver: Plan | None,
    low: int,
    high: int,
    wanted: int,
    probe: Part | None = None,
    budget: int | None = None,
) -> list[Any]:
    """The first `wanted` that match, newest created first; with a `budget` only so many candidates are looked at."""
    source = statement.source(driver, low, high)
    if budget is not None:
        source = Part(source.sql.replace("OFFSET 0", f"LIMIT {budget}"), source.values)
    where = join(" AND ", [statement.where, probe] if probe else [statement.where])
    return await _rows(
        session,
        Part(
            f"SELECT {COLUMNS} FROM (SELECT c.rid FROM ({source.sql}) c WHERE {where.sql} "
            "ORDER BY c.rid DESC LIMIT ?) w "
            f"{_FETCH} ORDER BY r.rid DESC",
            (*source.values, *where.values, wanted),
        ),
    )


async def _by_updated(session: Session, statement: Statement) -> list[Any]:
    query = statement.query
    down = query.order == "-updated"
    sign, word = ("<", "DESC") if down else (">", "ASC")
    after = query.after if query.after is not None else (1 << 62 if down else -1)
    where, driver = statement.where, statement.driver
    if driver is not None and statement.size < LOOK:
        source = statement.source(driver, *_range(query))
        source = Part(
            f"SELECT x.rid, r.seq FROM ({source.sql}) x CROSS JOIN LATERAL "
            f"(SELECT r.seq FROM resource r WHERE r.rid = x.rid LIMIT 1) r WHERE r.seq {sign} ? "
            f"ORDER BY r.seq {word} OFFSET 0",
            (*source.values, after),
        )
    else:
        if driver is not None:
            where = join(" AND ", [where, driver.probe])
        arms = [
            Part(
                f"(SELECT k.rid, k.seq FROM resource k WHERE k.type = ? AND {ALIVE.format('k.')} AND k.seq {sign} ? "
                f"ORDER BY k.seq {word})",
                (TYPE_NUMBER[type], after),
            )
            for type in query.types
        ]
        union = join(" UNION ALL ", arms)
        source = Part(f"SELECT u.rid, u.seq FROM ({union.sql}) u ORDER BY u.seq {word} OFFSET 0", union.values)
    return await _rows(
        session,
        Part(
            f"SELECT {COLUMNS} FROM (SELECT c.rid FROM ({source.sql}) c WHERE {where.sql} "
            f"ORDER BY c.seq {word} LIMIT ?) w "
            f"{_FETCH} ORDER BY r.seq {word}",
            (*source.values, *where.values, query.count + 1),
        ),
    )


async def _total(session: Session, statement: Statement) -> int:
    source = statement.source(statement.driver, *_range(statement.query))
    sql = f"SELECT count(*) FROM ({source.sql}) c WHERE {statement.where.sql}"
    ((total,),) = await _rows(session, Part(sql, source.values + statement.where.values))
    return int(total)
