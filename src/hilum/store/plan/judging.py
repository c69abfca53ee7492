"""What is contained in a resource, judged one by one; see `looking`."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

from hilum.fhir.resource import Resource
from hilum.search.canonicals import texts
from hilum.search.clauses import (
    AllClause,
    ChainClause,
    Clause,
    CompartmentClause,
    HasClause,
    Part,
    PhraseClause,
    TextClause,
)
from hilum.search.contained import chains
from hilum.search.index import index
from hilum.search.local import links
from hilum.search.matches import decided, matches
from hilum.search.parameters import Registry
from hilum.search.prose import says
from hilum.search.query import Query, Sort
from hilum.search.rows import Rows
from hilum.search.score import TEXTS, score
from hilum.store.plan.dialect import Name, Steps
from hilum.store.plan.entries import Entry, Said, values
from hilum.store.plan.naming import Met, by_id, by_url, urls_of
from hilum.store.plan.plan import permitted
from hilum.store.plan.planning import Planning


def all_of_it(part: Part) -> Clause:
    """What a part says of a resource, and what its permits do."""
    return AllClause((*part.clauses, permitted(part.permits)))


class Holder:
    """A resource that contains others; what is computed of it is computed once."""

    def __init__(self, resource: Resource, registry: Registry) -> None:
        self.resource = resource
        self.registry = registry
        self._rows: dict[int, Rows] = {}

    @cached_property
    def owners(self) -> frozenset[Name]:
        """In whose compartments it is, and so what it contains."""
        one = self.resource
        return frozenset(index(one.type, one.body, one.id, self.registry).compartments)

    @cached_property
    def contents(self) -> list[tuple[int, tuple[str, int], dict[str, Any]]]:
        """Of each that it contains: its place, its local id and how many of that id come before it, its body."""
        found: list[tuple[int, tuple[str, int], dict[str, Any]]] = []
        times: dict[str, int] = {}
        for place, body in enumerate(self.resource.body.get("contained", ())):
            id = body.get("id", "")
            before = times[id] = times.get(id, -1) + 1
            found.append((place, (id, before), body))
        return found

    def rows(self, place: int, local: tuple[str, int], body: dict[str, Any]) -> Rows:
        """Those of what stands there."""
        found = self._rows.get(place)
        if found is None:
            found = self._rows[place] = index(body["resourceType"], body, local[0], self.registry)
        return found

    def within(self, part: Part, ids: Container[str] | None = None) -> Iterator[Within]:
        """What it contains of the part's type, with one of the local ids; None: with any, or none."""
        for place, local, body in self.contents:
            if body["resourceType"] == part.type and (ids is None or local[0] in ids):
                yield Within(self, place, local, part, body, self.rows(place, local, body))

    def led(self, type: str, body: dict[str, Any], chain: ChainClause) -> Iterator[Within]:
        """Where the chain leads within it, from its own body or from one of what it contains."""
        if not self.contents:
            return
        local = list(links(type, body, chain.parameters, chain.names, self.registry))
        for target in chain.targets if local else ():
            yield from self.within(target, {link.id for link in local if link.may_be(target.type)})


@dataclass(frozen=True)
class Within:
    """A contained resource. `place` in `contained`; `local`: its id, and how many of that id come before it."""

    inside: Holder
    place: int
    local: tuple[str, int]
    part: Part
    body: dict[str, Any]
    rows: Rows

    @property
    def holder(self) -> Resource:
        """What contains it."""
        return self.inside.resource

    @cached_property
    def words(self) -> dict[str, frozenset[str]]:
        """Of its texts; see `prose`."""
        return {where: frozenset(read(self.body).split()) for where, read in TEXTS.items()}


Proving = Callable[[Planning, Met, tuple[Clause, ...]], Steps[Met]]
"""Those of the resources for which all of the clauses hold, judged on bodies: `hilum.store.plan.proof.proven`."""


def led(
    on: Planning, clause: ChainClause, some: Iterable[tuple[int, Resource]], proving: Proving | None = None
) -> Steps[list[int]]:
    """Those of the resources that the chain leads from to something that they contain and a target describes."""
    ends: list[tuple[int, Within]] = []
    for rid, resource in some:
        holder = Holder(resource, on.dialect.registry)
        ends += [(rid, one) for one in holder.led(resource.type, resource.body, clause)]
    meant = yield from judged(on, [one for _, one in ends], proving)
    return list(dict.fromkeys(rid for (rid, _), holds in zip(ends, meant, strict=True) if holds))


def judged(on: Planning, some: Sequence[Within], proving: Proving | None = None) -> Steps[list[bool]]:
    """Whether each is what its part describes. `proving`: what chains reach is not believed but proven."""
    wanted = {id(one.part): one.part for one in some}
    followed = {key: chains(part.clauses) for key, part in wanted.items()}
    asked: dict[int, tuple[ChainClause, list[int]]] = {}
    for n, one in enumerate(some):
        for chain in followed[id(one.part)]:
            asked.setdefault(id(chain), (chain, []))[1].append(n)
    led: set[tuple[int, int]] = set()
    for key, (chain, places) in asked.items():
        ends = {n: _ends(some[n].rows, chain) for n in places}
        reached = yield from _reached(on, chain, list(ends.values()), proving)
        led |= {(key, n) for n, mine in ends.items() if reached.meets(mine)}
        beside = [(n, other) for n in places for other in some[n].inside.led(some[n].part.type, some[n].body, chain)]
        if beside:
            held = yield from judged(on, [other for _, other in beside], proving)
            led |= {(key, n) for (n, _), holds in zip(beside, held, strict=True) if holds}
    clauses = {key: all_of_it(part) for key, part in wanted.items()}
    return [decided(clauses[id(one.part)], partial(_holds, one, n, led)) for n, one in enumerate(some)]


class Judge:
    """Decides for one query."""

    def __init__(self, on: Planning, query: Query) -> None:
        self._on = on
        self._query = query
        self._parts = {part.type: part for part in query.parts}

    def within(self, holders: Sequence[tuple[int, Resource]]) -> Steps[dict[int, list[Within]]]:
        """Rid -> what is meant of what a resource contains, by its local id."""
        some: list[tuple[int, Within]] = []
        for rid, resource in holders:
            holder = Holder(resource, self._registry)
            some += [(rid, one) for part in self._query.parts for one in holder.within(part)]
        found: dict[int, list[Within]] = {}
        meant = yield from judged(self._on, [one for _, one in some])
        for (rid, one), holds in zip(some, meant, strict=True):
            if holds:
                found.setdefault(rid, []).append(one)
        return {rid: sorted(listed, key=lambda one: one.local) for rid, listed in found.items()}

    def entries(
        self, rid: int, resource: Resource, meant: Sequence[Within], *, itself: bool, sort: Sequence[Sort]
    ) -> Iterator[Entry]:
        """The entries of one resource that is a result `itself`, or for what it contains (`meant`)."""
        contained = self._query.contained
        said: list[Said] = []
        if itself:
            rows = index(resource.type, resource.body, resource.id, self._registry) if _rows(sort) else Rows()
            marks = score(self._parts[resource.type].clauses, resource.body)
            said.append(Said(resource.type, rows, resource.id, resource.last_updated, marks))
        if contained is None or not contained.apart:
            within = tuple(self._said(one, resource.id) for one in meant)
            said += within
            if said:
                best = max((one.score for one in said if one.score is not None), default=None)
                yield Entry(rid, resource, values=values(sort, said), score=best, within=within)
            return
        if itself:
            yield Entry(rid, resource, values=values(sort, said), score=said[0].score)
        for one in meant:
            own = self._said(one, one.local[0])
            yield Entry(rid, resource, one.place, one.local, values(sort, [own]), own.score, (own,))

    @property
    def _registry(self) -> Any:
        return self._on.dialect.registry

    def _said(self, one: Within, id: str) -> Said:
        return Said(one.part.type, one.rows, id, one.holder.last_updated, score(one.part.clauses, one.body))


def _rows(sort: Sequence[Sort]) -> bool:
    """Whether anything is sorted by what rows say."""
    return any(key.numbers for key in sort)


class Ends(NamedTuple):
    """What references lead to: addresses and canonical urls."""

    names: set[Name]
    urls: set[str]

    def meets(self, other: Ends) -> bool:
        """Whether both lead to the same."""
        return not (self.names.isdisjoint(other.names) and self.urls.isdisjoint(other.urls))


def _ends(rows: Rows, chain: ChainClause) -> Ends:
    names = {(row.type, row.id) for row in rows.references if row.parameter in chain.parameters}
    return Ends(names, texts(rows, chain.names) if chain.names else set())


def _reached(on: Planning, chain: ChainClause, ends: Sequence[Ends], proving: Proving | None) -> Steps[Ends]:
    """Those of the ends that are resources which the chain leads to."""
    names: set[Name] = set()
    urls: set[str] = set()
    wanted, named_so = set().union(*(one.names for one in ends)), set().union(*(one.urls for one in ends))
    for target in chain.targets:
        there = yield from by_id(on, target, wanted)
        named = yield from by_url(on, target, named_so)
        if proving is not None:
            there = yield from proving(on, there, (all_of_it(target),))
            named = yield from proving(on, named, (all_of_it(target),))
        names.update((one.type, one.id) for one in there.values())
        urls.update(url for one in named.values() for url in urls_of(one))
    return Ends(names, urls)


def _holds(one: Within, n: int, led: Container[tuple[int, int]], clause: Clause) -> bool:
    """`led`: by which chains (by identity) which of them, by number, lead to what they are to lead to."""
    match clause:
        case CompartmentClause(wanted):  # it is whose its container is
            return not one.inside.owners.isdisjoint(wanted)
        case ChainClause():
            return (id(clause), n) in led
        case HasClause():  # nothing but its container refers to it
            return False
        case PhraseClause(where, phrase):
            return says(where, one.body, phrase)
        case TextClause(where, values):
            return any(one.words[where].issuperset(value.split()) for value in values)
    return matches(clause, one.rows, id=one.local[0], last_updated=one.holder.last_updated)
