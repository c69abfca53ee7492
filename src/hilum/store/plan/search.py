"""A Query against a store: choose, walk, fetch, count, include. https://hl7.org/fhir/R4/search.html

`search` is a generator (see `dialect.Steps`): whoever drives it runs the statements that it yields, in one snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from hilum.fhir.resource import Resource
from hilum.search.clauses import Clause
from hilum.search.prose import read
from hilum.search.query import Query
from hilum.search.score import ranked, score
from hilum.store.exact import certain, holds
from hilum.store.interface import Page
from hilum.store.plan import cursor, looking
from hilum.store.plan.access import FIRST, LAST
from hilum.store.plan.choice import Choice, choose
from hilum.store.plan.dialect import Dialect, Steps
from hilum.store.plan.implied import needed
from hilum.store.plan.includes import beside, brought, included
from hilum.store.plan.merge import Group, groups
from hilum.store.plan.moments import as_of
from hilum.store.plan.newest import first_look, newest
from hilum.store.plan.plan import flat, known, offers_each, permitted
from hilum.store.plan.planning import Again, Planning
from hilum.store.plan.proof import linked, proven
from hilum.store.plan.sorting import sorted_rows
from hilum.store.plan.told import named, timed
from hilum.store.plan.totals import accurate, estimate


class Planned(NamedTuple):
    """A group of types and how it is searched. `asked`: its clauses and what is permitted, `flat`."""

    group: Group
    choice: Choice
    asked: tuple[Clause, ...]


def search(dialect: Dialect, query: Query, on: Planning | None = None) -> Steps[Page]:
    """A page. See `hilum.store.interface.Store.search`."""
    on = on if on is not None else Planning(dialect)
    if looking.needed(query):
        return (yield from looking.search(on, query))
    if query.sort and any(key.kind == "score" for key in query.sort):  # nothing matches better than anything else
        query = replace(query, sort=tuple(key for key in query.sort if key.kind != "score"))
    planned = yield from plan(on, query)
    if on.single:
        if len(planned) > 1:
            raise Again
        on.beside = (yield from beside(on, query)) if query.includes else None
    position: str | None = None
    rids: tuple[int, ...] = ()
    rows: Sequence[Any] = ()
    resources: tuple[Resource, ...] = ()
    if query.count and planned:
        rows, position = yield from (_sorted if query.sort else _newest)(on, query, planned)
        rids, resources = _certain(on, rows, planned)
        if query.exact:
            met = yield from _proven(on, dict(zip(rids, resources, strict=True)), planned)
            rids, resources = tuple(met), tuple(met.values())
    total = None
    if query.total == "accurate" or (query.count == 0 and query.total != "estimate"):
        whole = query.count and query.after is None and position is None
        total = len(resources) if whole else (yield from accurate(on, [one.choice for one in planned]))
    elif query.total == "estimate":
        whole = query.count and query.after is None and position is None
        total = len(resources) if whole else (yield from estimate(on, [one.choice for one in planned]))
    along: tuple[Resource, ...] = ()
    if query.includes and rids:
        if on.beside is None:
            along = yield from included(on, query.includes, rids)
        elif len(rids) == len(rows):
            along = brought(on, on.beside.rows, rids)
        else:  # what is not meant has brought something along
            raise Again
    return Page(resources, position, total, along, scores=_scores(query, resources))


def _scores(query: Query, resources: Sequence[Resource]) -> tuple[float, ...]:
    """How well each matches the words that are asked for, if any are."""
    clauses = {part.type: part.clauses for part in query.parts if ranked(part.clauses)}
    if not clauses:
        return ()
    return looking.scores([score(clauses.get(one.type, ()), read(one.raw)) for one in resources])


def plan(on: Planning, query: Query) -> Steps[list[Planned]]:
    """The groups of types in which something may be found, those with the greatest type numbers first."""
    plans = on.dialect.plans
    before = plans.get(id(query))
    if before is not None and before[0] is query and before[1] is on.limits and on.named is None:
        kept: list[Planned] = before[2]
        return kept
    found: list[Planned] = []
    for group in groups(query.parts):
        asked = tuple(flat((*group.clauses, permitted(group.permits))))
        offered = yield from offers_each(on, needed(asked, group.types), group.types)
        if query.sort:
            choice = yield from choose(on, offered, group.types, counted=True)
        else:
            choice = yield from first_look(on, offered, group.types)
        if not choice.nothing:
            found.append(Planned(group, choice, asked))
    if query.kept and len(found) == 1 and not query.sort and _lasting(on, found[0]):
        if len(plans) >= _MOST_KEPT:
            plans.clear()
        plans[id(query)] = query, on.limits, found
    return found


_MOST_KEPT: Final = 512


def _lasting(on: Planning, planned: Planned) -> bool:
    """Whether it is planned so the next time, too: what is many stays so (`counted.Counted`), and what all offer."""
    types = planned.group.types
    return planned.choice.hoped and all(known(on, clause, types) is not None for clause in needed(planned.asked, types))


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
    after, moment = cursor.parted(query.after, len(query.sort)) if query.after is not None else (None, ())
    choices = [one.choice for one in planned]
    if after is not None and moment:
        found = yield from as_of(on, query.sort, choices, after, moment, query.count + 1)
    else:
        found = yield from sorted_rows(on, query.sort, choices, after, query.count + 1)
    more = len(found) > query.count
    found = found[: query.count]
    asked = on.dialect.rows([rid for _, rid in found])
    rows = yield asked if moment or not more else on.dialect.and_now(asked)
    by_rid = {row[0]: row for row in rows}
    if more and not moment:
        moment = on.dialect.moment(by_rid[0])
    position = cursor.write(*found[-1], moment) if more else None
    return [by_rid[rid] for _, rid in found if rid in by_rid], position


def _certain(
    on: Planning, rows: Sequence[Any], planned: Sequence[Planned]
) -> tuple[tuple[int, ...], tuple[Resource, ...]]:
    """Those of the rows that are meant, by their exact values, and their rids; see `hilum.store.exact`."""
    resource, registry = on.dialect.resource, on.dialect.registry
    found = [resource(row) for row in rows]
    meant: list[Resource] = []
    for one in planned:
        alike = found if len(planned) == 1 else [each for each in found if each.type in one.group.types]
        meant += certain(alike, one.asked, registry)
    if len(meant) == len(found):
        return tuple([row[0] for row in rows]), tuple(found)
    held = {id(one) for one in meant}
    kept = [(row[0], one) for row, one in zip(rows, found, strict=True) if id(one) in held]
    return tuple([rid for rid, _ in kept]), tuple([one for _, one in kept])


def _proven(on: Planning, found: dict[int, Resource], planned: Sequence[Planned]) -> Steps[dict[int, Resource]]:
    """Those that are meant at the ends of chains as well."""
    met = dict(found)
    for one in planned:
        judged = one.asked
        if linked(judged):
            alike = {rid: each for rid, each in met.items() if each.type in one.group.types}
            sure = yield from proven(on, alike, judged)
            for rid in alike.keys() - sure.keys():
                del met[rid]
    return met


def ids(dialect: Dialect, query: Query, most: int) -> Steps[tuple[str, ...]]:
    """The ids of the first `most` that match exactly, newest first: what a conditional criterion resolves to."""
    on = Planning(dialect)
    planned = yield from plan(on, replace(query, sort=()))
    found: list[str] = []
    for one in planned:
        below = LAST
        while len(found) < most:
            rows = yield from newest(on, one.choice, below, FIRST, 100)  # one that only shares a hash hides no match
            for row in rows:
                resource = dialect.resource(row)
                if len(found) < most and holds(resource, one.asked, dialect.registry):
                    found += [each.id for each in (yield from _proven(on, {row[0]: resource}, planned)).values()]
            if len(rows) < 100:
                break
            below = rows[-1][0]
    return tuple(found[:most])


def explain(dialect: Dialect, query: Query) -> Steps[tuple[Page, list[dict[str, Any]]]]:
    """The search, and what it decides, step by step, with the counts it decided by."""
    on = Planning(dialect, named=partial(named, registry=dialect.registry))
    return (yield from timed(on, _noted(on, query)))


def _noted(on: Planning, query: Query) -> Steps[tuple[Page, list[dict[str, Any]]]]:
    page = yield from search(on.dialect, query, on)
    on.note("page", resources=len(page.resources), more=page.next is not None, included=len(page.included))
    return page, on.notes
