"""A planned query as SQL, and a page of what it finds.

What drives walks newest-first along an index and stops when the page is full; `OFFSET 0` and scalar subqueries leave
PostgreSQL's planner no other order (joins that it chose drove from the commonest code: 134 ms against 1.4).
"""

from __future__ import annotations

from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.search.query import Query
from hilum.store import exact, keys
from hilum.store.interface import Page
from hilum.store.postgres.clauses import ALIVE, Plan, join
from hilum.store.postgres.connection import Session
from hilum.store.postgres.names import Names
from hilum.store.postgres.planning import LOOK, Statement, prepare, run
from hilum.store.postgres.rows import COLUMNS, as_resource
from hilum.store.sql import Part

BUDGET: Final = 1000
"""How many resources are walked in the hope of a full page, before all that a clause finds is collected and sorted."""

_FETCH: Final = "CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = w.rid LIMIT 1) r"
"""The bodies of a page, after it is full."""


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


async def ids(session: Session, names: Names, query: Query, most: int) -> list[str]:
    """The ids of the first `most` that match exactly, newest first: what a conditional criterion resolves to."""
    statement = await prepare(session, names, query)
    found: list[str] = []
    if statement is None:
        return found
    low, high = _range(query)
    while len(found) < most:
        rows = await _walk(session, statement, statement.driver, low, high, LOOK)
        found.extend(r.id for r in map(as_resource, rows) if exact.meant(r, query))
        if len(rows) < LOOK:
            break
        high = rows[-1][0] - 1
    return found[:most]


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
    return await run(
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
    return await run(
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
    ((total,),) = await run(session, Part(sql, source.values + statement.where.values))
    return int(total)
