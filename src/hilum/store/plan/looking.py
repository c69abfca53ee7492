"""Searches whose results are looked at one by one: for contained resources, and in the order of `_score`.

The index lists what may be meant, newest created first; what is, and what it is sorted by, the bodies tell. So such a
search looks at `MOST` resources at the most, and says so where that is not enough.
https://hl7.org/fhir/R4/search.html#contained and https://hl7.org/fhir/R4/search.html#score
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from hilum.fhir.resource import Resource
from hilum.search.clauses import NotClause, Part
from hilum.search.contained import chains
from hilum.search.query import Contained, Query, Sort
from hilum.search.score import ranked
from hilum.store.exact import certain
from hilum.store.interface import Page
from hilum.store.plan import cursor
from hilum.store.plan.access import FIRST, LAST, RID, Access
from hilum.store.plan.along import along
from hilum.store.plan.choice import Choice, choose
from hilum.store.plan.cursor import Position
from hilum.store.plan.dialect import Steps
from hilum.store.plan.entries import Entry, rank
from hilum.store.plan.judging import Judge, all_of_it
from hilum.store.plan.lists import of_types
from hilum.store.plan.merge import Group, groups
from hilum.store.plan.newest import newest
from hilum.store.plan.plan import offers, permitted
from hilum.store.plan.planning import Planning
from hilum.store.plan.reaching import Reach, containers, contents, reach
from hilum.store.plan.sorting import sorted_rows
from hilum.store.plan.thresholds import too_costly
from hilum.store.plan.totals import accurate, estimate
from hilum.store.sql import TRUE

MOST: Final = 10_000
"""How many resources one page, or one total, looks at."""
_AT_ONCE: Final = 200
"""How many are looked at between two statements: others get their turn."""


def needed(query: Query) -> bool:
    """Whether a query is searched so."""
    return query.contained is not None or by_score(query)


def by_score(query: Query) -> bool:
    """Whether it sorts by how well words are matched."""
    scored = bool(query.sort) and any(key.kind == "score" for key in query.sort)
    return scored and any(ranked(part.clauses) for part in query.parts)


@dataclass(frozen=True, slots=True)
class Source:
    """Where candidates come from. `within`: they are meant for what they contain, else themselves."""

    group: Group
    choice: Choice
    within: bool


def search(on: Planning, query: Query) -> Steps[Page]:
    """A page. See `hilum.store.interface.Store.search`."""
    if not by_score(query):
        query = replace(query, sort=tuple(key for key in query.sort if key.kind != "score"))
    sources = [] if query.contained and not query.contained.both else (yield from _outside(on, query.parts))
    if query.contained is not None:
        beside = yield from _beside(on, query)
        sources += yield from _inside(on, containers(query.parts, query.contained, Reach.ALL, beside))
    looking = _Looking(on, query, Judge(on, query))
    entries: list[Entry] = []
    more = False
    if query.count and sources:
        ordered = all(key.kind == "updated" for key in query.sort)
        entries, more = yield from (looking.walked if ordered else looking.collected)(sources)
    whole = query.count and query.after is None and not more
    total = None
    if query.total == "accurate" or (query.count == 0 and query.total != "estimate"):
        total = len(entries) if whole else (yield from _total(on, query, looking))
    elif query.total == "estimate":
        total = len(entries) if whole else (yield from estimate(on, [one.choice for one in sources]))
    return Page(
        tuple(one.resource for one in entries),
        cursor.write(*entries[-1].position) if more else None,
        total,
        (yield from along(on, query, entries)),
        tuple(one.place for one in entries) if query.contained is not None else (),
        scores([one.score for one in entries]),
    )


def scores(some: Sequence[float | None]) -> tuple[float, ...]:
    """Those of a page: of all of it, or of nothing."""
    return tuple(one or 0.0 for one in some) if any(one is not None for one in some) else ()


# --- where to look ----------------------------------------------------------------------------------------------------


def _outside(on: Planning, parts: Sequence[Part]) -> Steps[list[Source]]:
    found: list[Source] = []
    for group in groups(parts):
        offered = yield from offers(on, (*group.clauses, permitted(group.permits)), group.types)
        choice = yield from choose(on, offered, group.types, counted=True)
        if not choice.nothing:
            found.append(Source(group, choice, False))
    return found


def _inside(on: Planning, parts: Sequence[Part]) -> Steps[list[Source]]:
    """`parts`: the containers. Numbers of what is contained don't tell the container's type, so it is probed."""
    found: list[Source] = []
    for group in groups(parts):
        offered = yield from offers(on, (*group.clauses, permitted(group.permits)), group.types)
        of = of_types(on, group.types, RID)
        if of != TRUE:
            offered.append(Access("type", of, alive=False))
        choice = yield from choose(on, offered, group.types, counted=True)
        if not choice.nothing:
            found.append(Source(group, choice, True))
    return found


def _beside(on: Planning, query: Query) -> Steps[frozenset[str]]:
    """The types of what contained resources may refer to beside them, where there are chains that may lead there."""
    if query.contained is None or not any(chains(part.clauses) for part in query.parts):
        return frozenset()
    return (yield from contents(on, [type for type, _ in query.contained.containers]))


# --- looking ----------------------------------------------------------------------------------------------------------


class _Looking:
    """The entries of one query, as they are found."""

    def __init__(self, on: Planning, query: Query, judge: Judge) -> None:
        self._on = on
        self._query = query
        self._judge = judge
        self._apart = query.contained is not None and query.contained.apart
        self._seen = 0

    def walked(self, sources: Sequence[Source]) -> Steps[tuple[list[Entry], bool]]:
        """The page, from candidates that come in its order; whether there is more."""
        query, after = self._query, self._after()
        wanted = query.count + 1
        position = self._before(after) if after is not None else None
        found: list[Entry] = []
        size = min(wanted, _AT_ONCE)
        while len(found) < wanted:
            batch, ended = yield from self._batch(sources, query.sort, position, size)
            some = yield from self._entries(batch, query.sort)
            found += [one for one in some if after is None or self._rank(one.position) > self._rank(after)]
            if ended:
                break
            position = _position(batch[-1], query.sort)
            size = _AT_ONCE
        return found[: query.count], len(found) > query.count

    def collected(self, sources: Sequence[Source]) -> Steps[tuple[list[Entry], bool]]:
        """The page, from all that is found."""
        query, after = self._query, self._after()
        found = yield from self.every(sources, query.sort)
        ranked = sorted([(self._rank(one.position), one) for one in found], key=lambda pair: pair[0])
        if after is not None:
            least = self._rank(after)
            ranked = [pair for pair in ranked if pair[0] > least]
        return [one for _, one in ranked[: query.count]], len(ranked) > query.count

    def every(self, sources: Sequence[Source], sort: Sequence[Sort] = ()) -> Steps[list[Entry]]:
        """All entries, newest first. Raises Unprocessable."""
        found: list[Entry] = []
        position: Position | None = None
        while True:
            batch, ended = yield from self._batch(sources, (), position, _AT_ONCE)
            found += yield from self._entries(batch, sort)
            if ended:
                return found
            position = _position(batch[-1], ())

    def _after(self) -> Position | None:
        query = self._query
        return None if query.after is None else cursor.read(query.after, len(query.sort) + 2)

    def _before(self, after: Position) -> Position:
        """Of one container several entries may be on several pages: it is looked at again."""
        values, rid = after
        return values[:-2], rid + 1 if self._apart else rid

    def _rank(self, position: Position) -> tuple[Any, ...]:
        return rank(self._query.sort, position)

    def _batch(
        self, sources: Sequence[Source], sort: Sequence[Sort], after: Position | None, wanted: int
    ) -> Steps[tuple[list[tuple[Any, list[Source]]], bool]]:
        """The next rows after a position, each with the sources that it comes from; whether they are the last."""
        on = self._on
        rows: dict[int, tuple[Any, list[Source]]] = {}
        order: list[int]
        if sort:
            ranks: dict[int, tuple[Any, ...]] = {}
            for source in sources:
                found = yield from sorted_rows(on, sort, [source.choice], after, wanted)
                fetched = yield on.dialect.rows([rid for _, rid in found])
                for row in fetched:
                    rows.setdefault(row[0], (row, []))[1].append(source)
                ranks.update((rid, rank(sort, (values, rid))) for values, rid in found if rid in rows)
            order = sorted(rows, key=ranks.__getitem__)
        else:
            below = after[1] if after is not None else LAST
            above = FIRST
            for source in sources:
                for row in (yield from newest(on, source.choice, below, above, wanted)):
                    rows.setdefault(row[0], (row, []))[1].append(source)
                if len(rows) >= wanted:
                    above = sorted(rows, reverse=True)[wanted - 1] - 1
            order = sorted(rows, reverse=True)
        ended = len(order) < wanted
        self._seen += min(len(order), wanted)
        if self._seen > MOST:
            raise too_costly(_TOO_MANY)
        return [rows[rid] for rid in order[:wanted]], ended

    def _entries(self, batch: Sequence[tuple[Any, list[Source]]], sort: Sequence[Sort]) -> Steps[list[Entry]]:
        """What of a batch is meant."""
        on = self._on
        looked = [(row[0], on.dialect.resource(row), sources) for row, sources in batch]
        inside = {rid: resource for rid, resource, sources in looked if any(self._holder(resource, s) for s in sources)}
        meant = yield from self._judge.within(list(inside.items()))
        found: list[Entry] = []
        for rid, resource, sources in looked:
            itself = any(not one.within and self._certain(resource, one) for one in sources)
            found += self._judge.entries(rid, resource, meant.get(rid, []), itself=itself, sort=sort)
        return found

    def _holder(self, resource: Resource, source: Source) -> bool:
        """Whether it comes from there for what it contains, and its own policy holds of it exactly."""
        judged = (permitted(source.group.permits),)
        return source.within and bool(certain([resource], judged, self._on.dialect.registry))

    def _certain(self, resource: Resource, source: Source) -> bool:
        judged = (*source.group.clauses, permitted(source.group.permits))
        return bool(certain([resource], judged, self._on.dialect.registry))


_TOO_MANY: Final = (
    f"This would have to look at more than {MOST:,} resources one by one, as searches with _contained and with "
    "_sort=_score do. Narrow the search, or leave out _sort and _total."
)


def _position(row: tuple[Any, list[Source]], sort: Sequence[Sort]) -> Position:
    """Of a row in an order that the index gives: newest created first, or by `_lastUpdated`."""
    rid, seq = row[0][0], row[0][2]
    return (seq,) * len(sort), rid


# --- totals -----------------------------------------------------------------------------------------------------------


def _total(on: Planning, query: Query, looking: _Looking) -> Steps[int]:
    """Counted by the index, but for what only bodies tell: which contained resource of several is meant."""
    contained = query.contained
    total = 0
    if contained is None or contained.both:
        outside = yield from _outside(on, query.parts)
        total = yield from accurate(on, [one.choice for one in outside])
    if contained is None:
        return total
    others = contained.both and not contained.apart
    beside = yield from _beside(on, query)
    counted, looked = _countable(query.parts, contained, beside)
    if counted is not None:
        parts = containers(query.parts, contained, counted, beside)
        some = yield from _inside(on, _others(parts, query.parts) if others else parts)
        total += yield from accurate(on, [one.choice for one in some])
    if looked is not None:
        parts = containers(query.parts, contained, looked, beside)
        some = yield from _inside(on, _others(parts, query.parts) if others else parts)
        if some:
            total += len((yield from looking.every(some)))
    return total


def _countable(
    parts: Sequence[Part], contained: Contained, beside: frozenset[str]
) -> tuple[Reach | None, Reach | None]:
    """Which containers the index can count, and which must be looked at."""
    if len(parts) > 1:
        return None, Reach.ALL
    found = reach(parts[0], beside)
    if found.exact and not contained.apart:
        return Reach.ALL, None
    return (Reach.ONE, Reach.SEVERAL) if found.exact_of_one else (None, Reach.ALL)


def _others(holders: Sequence[Part], parts: Sequence[Part]) -> list[Part]:
    """The containers that the parts do not describe themselves: those are counted already."""
    known = {part.type: NotClause(all_of_it(part)) for part in parts if part.permits}
    return [replace(one, clauses=(*one.clauses, known[one.type])) if one.type in known else one for one in holders]
