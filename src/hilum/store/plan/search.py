"""A Query against a store: choose, walk, fetch, count, include. https://hl7.org/fhir/R4/search.html

`search` is a generator (see `access.Steps`): whoever drives it runs the statements that it yields, in one snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from hilum.fhir.resource import Resource
from hilum.search.query import Clause, Query
from hilum.store.exact import certain, holds
from hilum.store.interface import Page
from hilum.store.plan import cursor
from hilum.store.plan.access import FIRST, LAST, Dialect, Planning, Steps
from hilum.store.plan.includes import included
from hilum.store.plan.merge import Group, groups
from hilum.store.plan.newest import newest
from hilum.store.plan.plan import Choice, choose, offers, permitted
from hilum.store.plan.sorting import sorted_rows
from hilum.store.plan.told import named, timed
from hilum.store.plan.totals import accurate, estimate


@dataclass(frozen=True, slots=True)
class Planned:
    """A group of types and how it is searched."""

    group: Group
    choice: Choice


def search(dialect: Dialect, query: Query, on: Planning | None = None) -> Steps[Page]:
    """A page. See `hilum.store.interface.Store.search`."""
    on = on if on is not None else Planning(dialect)
    if any(key.kind == "score" for key in query.sort):  # nothing matches better than anything else
        query = replace(query, sort=tuple(key for key in query.sort if key.kind != "score"))
    planned = yield from plan(on, query)
    rows: list[Any] = []
    position: str | None = None
    resources: tuple[Resource, ...] = ()
    if query.count and planned:
        rows, position = yield from (_sorted if query.sort else _newest)(on, query, planned)
        resources = _certain(on, rows, planned)
    total = None
    if query.total == "accurate" or (query.count == 0 and query.total != "estimate"):
        whole = query.count and query.after is None and position is None
        total = len(resources) if whole else (yield from accurate(on, [one.choice for one in planned]))
    elif query.total == "estimate":
        whole = query.count and query.after is None and position is None
        total = len(resources) if whole else (yield from estimate(on, [one.choice for one in planned]))
    brought: tuple[Resource, ...] = ()
    if query.includes and rows:
        kept = {(one.type, one.id) for one in resources}
        pairs = [(row[0], on.dialect.resource(row)) for row in rows]
        brought = yield from included(on, query.includes, [rid for rid, one in pairs if (one.type, one.id) in kept])
    return Page(resources, position, total, brought)


def plan(on: Planning, query: Query) -> Steps[list[Planned]]:
    """The groups of types in which something may be found, those with the greatest type numbers first."""
    found: list[Planned] = []
    for group in groups(query.parts):
        allowed = permitted(group.permits)
        offered = yield from offers(on, (*group.clauses, allowed), group.types)
        choice = yield from choose(on, offered, group.types, counted=bool(query.sort))
        if not choice.nothing:
            found.append(Planned(group, choice))
    return found


def _newest(on: Planning, query: Query, planned: Sequence[Planned]) -> Steps[tuple[list[Any], str | None]]:
    below = cursor.read(query.after, 0)[1] if query.after is not None else LAST
    wanted = query.count + 1
    rows: list[Any] = []
    above = FIRST
    for one in planned:
        rows += yield from newest(on, one.choice, below, above, wanted)
        if len(planned) > 1:
            rows.sort(key=lambda row: -row[0])
            del rows[wanted:]
            above = rows[-1][0] if len(rows) == wanted else FIRST
    more = len(rows) > query.count
    return rows[: query.count], cursor.write((), rows[query.count - 1][0]) if more else None


def _sorted(on: Planning, query: Query, planned: Sequence[Planned]) -> Steps[tuple[list[Any], str | None]]:
    after = cursor.read(query.after, len(query.sort)) if query.after is not None else None
    found = yield from sorted_rows(on, query.sort, [one.choice for one in planned], after, query.count + 1)
    more = len(found) > query.count
    found = found[: query.count]
    position = cursor.write(*found[-1]) if more else None
    rows = yield on.dialect.rows([rid for _, rid in found])
    by_rid = {row[0]: row for row in rows}
    return [by_rid[rid] for _, rid in found if rid in by_rid], position


def _certain(on: Planning, rows: Sequence[Any], planned: Sequence[Planned]) -> tuple[Resource, ...]:
    """Those of the rows that are meant, by their exact values; see `hilum.store.exact`."""
    found = [on.dialect.resource(row) for row in rows]
    if len(planned) == 1:
        return certain(found, _judged(planned[0].group), on.dialect.registry)
    clauses = {type: _judged(one.group) for one in planned for type in one.group.types}
    return tuple(one for one in found if certain([one], clauses[one.type], on.dialect.registry))


def _judged(group: Group) -> tuple[Clause, ...]:
    return (*group.clauses, permitted(group.permits))


def ids(dialect: Dialect, query: Query, most: int) -> Steps[tuple[str, ...]]:
    """The ids of the first `most` that match exactly, newest first: what a conditional criterion resolves to."""
    on = Planning(dialect)
    planned = yield from plan(on, replace(query, sort=()))
    found: list[str] = []
    for one in planned:
        below = LAST
        while len(found) < most:
            rows = yield from newest(on, one.choice, below, FIRST, 100)  # one that only shares a hash hides no match
            found += [r.id for r in map(dialect.resource, rows) if holds(r, _judged(one.group), dialect.registry)]
            if len(rows) < 100:
                break
            below = rows[-1][0]
    return tuple(found[:most])


def explain(dialect: Dialect, query: Query) -> Steps[list[dict[str, Any]]]:
    """What a search of this query decides, step by step, with the counts it decided by; it does the search."""
    on = Planning(dialect, named=partial(named, registry=dialect.registry))
    return (yield from timed(on, _noted(on, query)))


def _noted(on: Planning, query: Query) -> Steps[list[dict[str, Any]]]:
    page = yield from search(on.dialect, query, on)
    on.note("page", resources=len(page.resources), more=page.next is not None, included=len(page.included))
    return on.notes
