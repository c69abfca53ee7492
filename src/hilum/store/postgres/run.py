"""Drives a plan on a session. See `hilum.store.plan.dialect.Steps`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

from hilum.problems import Problem
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    Clause,
    CompartmentClause,
    CompositeClause,
    DateClause,
    IdClause,
    LastUpdatedClause,
    QuantityClause,
    ReferenceClause,
    StringClause,
    TermClause,
    TextClause,
    TokenClause,
    UriClause,
)
from hilum.search.query import Include, Query
from hilum.store.interface import Page
from hilum.store.plan.dialect import Dialect, Steps
from hilum.store.plan.includes import alike, together
from hilum.store.plan.planning import Again, Planning
from hilum.store.plan.search import search
from hilum.store.plan.thresholds import too_long
from hilum.store.postgres.connection import Session, fetch
from hilum.store.sql import MOST_VALUES

T = TypeVar("T")

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_GROWING = (
    TokenClause,
    StringClause,
    DateClause,
    QuantityClause,
    ReferenceClause,
    UriClause,
    TermClause,
    CompositeClause,
    TextClause,
    IdClause,
    LastUpdatedClause,
    CompartmentClause,
)


async def run(session: Session, steps: Steps[T]) -> T:
    """What the plan comes to, each statement with what is committed when it begins."""
    try:
        part = next(steps)
        while True:
            if len(part.values) > MOST_VALUES:
                raise too_long(part)
            rows = await fetch(session, numbered(part.sql), *map(_writable, part.values))
            part = steps.send(rows)
    except StopIteration as stop:
        found: T = stop.value
        return found


async def search_once(session: Session, dialect: Dialect, query: Query) -> Page:
    """A search that is `settled`: by one statement if it can be, else anew, in one snapshot."""
    try:
        return await run(session, search(dialect, query, Planning(dialect, single=True)))
    except Again:
        return await at_once(session, search(dialect, query))


async def at_once(session: Session, steps: Steps[T]) -> T:
    """The same, all of it in one snapshot of the database: two more round trips."""
    await session.db.execute(_SNAPSHOT)
    try:
        found = await run(session, steps)
    except Problem:  # after anything else the pool drops the session
        await session.db.execute("ROLLBACK")
        raise
    await session.db.execute("COMMIT")
    return found


def settled(query: Query) -> bool:
    """Whether one statement decides all of a search, so that it needs no snapshot over several.

    What the others ask for is then how much there is, which changes the plan and not the result, and dictionaries,
    which only grow: what they don't have yet is committed after the search began.
    """
    if query.contained is not None or query.sort or query.total != "none" or query.count == 0:
        return False
    if query.includes and not (len(query.parts) == 1 and together(query.includes) and all(map(_plain, query.includes))):
        return False
    clauses = [c for part in query.parts for c in (*part.clauses, *(c for p in part.permits for c in p.clauses))]
    return all(map(_grows, clauses))


def _plain(include: Include) -> bool:
    """Whether what is permitted of what comes along is decided so, too."""
    wanted = (include.source if include.reverse else include.target) or "*"
    return all(_grows(c) for permits, _ in alike(include.permits, wanted) for permit in permits for c in permit.clauses)


def _grows(clause: Clause) -> bool:
    match clause:
        case AllClause(inner) | AnyClause(inner):
            return all(map(_grows, inner))
        case _:
            return isinstance(clause, _GROWING)


@lru_cache(4096)
def numbered(sql: str) -> str:
    """The SQL with `?` as PostgreSQL wants them: $1, $2, …"""
    pieces = sql.split("?")
    return "".join([f"{piece}${n}" for n, piece in enumerate(pieces[:-1], 1)]) + pieces[-1]


def _writable(value: Any) -> Any:
    """Text that PostgreSQL can hold: as encode.py writes it."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value
