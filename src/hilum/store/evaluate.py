"""A Query judged in memory, resource by resource: what every store's search means, slow and plain.

A store that keeps everything in memory searches with it (examples/memory_store.py), and the contract suite holds the
others to it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from hilum.fhir import json
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.search.canonicals import named, texts
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    HasClause,
    NotClause,
    Part,
    Permit,
    PhraseClause,
    TextClause,
)
from hilum.search.index import index
from hilum.search.local import links
from hilum.search.matches import matches
from hilum.search.order import sorted_by
from hilum.search.prose import content, narrative, says
from hilum.search.query import Include, Query, Sort
from hilum.search.references import canonicals, references
from hilum.search.rows import Rows
from hilum.search.score import score

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Result:
    """One result: `name`, or of what it contains the resource at `place` (-1: itself). `local` is the id of that, and
    how many of that id come before it. `values`: what it is sorted by. `score`: see `hilum.search.score`. `within`: the
    names, in what is `inside`, of the contained resources by which it is found.
    """

    name: Name
    place: int = -1
    local: tuple[str, int] = ("", -1)
    values: tuple[Any, ...] = ()
    score: float | None = None
    within: tuple[Name, ...] = ()


class Population:
    """Current resources with their index rows, and in which order they were created (`age`)."""

    def __init__(self, resources: Iterable[tuple[Resource, Rows]], age: Mapping[Name, int]) -> None:
        self.alive: dict[Name, Resource] = {}
        self.rows: dict[Name, Rows] = {}
        self.age = age
        for resource, rows in resources:
            if not resource.deleted:
                self.alive[resource.type, resource.id] = resource
                self.rows[resource.type, resource.id] = rows

    def found(self, query: Query) -> list[Name]:
        """All that the query finds, in its order, by name: what contains a result, where it contains it."""
        return [one.name for one in self.results(query)]

    def results(self, query: Query) -> list[Result]:
        """All that the query finds, in its order."""
        asked = query.contained
        by: dict[Name, list[tuple[Population, Name]]] = {}
        if asked is None or asked.both:
            for name in self.alive:
                if any(self._described(name, part) for part in query.parts):
                    by[name] = [(self, name)]
        found = []
        if asked is not None:
            holding = dict(asked.containers)
            for within, (name, place, local) in self.inside.places.items():
                seen = self._permitted(name, holding.get(name[0], ()))
                if not seen or not any(self.inside._described(within, part) for part in query.parts):
                    continue
                if asked.apart:
                    found.append(_result(query, name, [(self.inside, within)], local[0], place, local))
                else:
                    by.setdefault(name, []).append((self.inside, within))
        found += [_result(query, name, some, name[1]) for name, some in by.items()]
        found.sort(key=lambda one: (-TYPE_NUMBER[one.name[0]], -self.age[one.name], one.local))
        for n, key in reversed(list(enumerate(query.sort))):
            some = [one for one in found if one.values[n] is not None]
            some.sort(key=lambda one: one.values[n], reverse=key.down)  # stable in both directions
            found = some + [one for one in found if one.values[n] is None]
        return found

    @cached_property
    def inside(self) -> Inside:
        """What these resources contain."""
        return Inside(self)

    def value(self, name: Name, key: Sort) -> Any:
        """By what the resource is sorted; None where there is nothing."""
        match key.kind:
            case "updated":
                return self.alive[name].last_updated
            case "id" | "score":  # not of one resource alone: see `_result`
                return None
        return sorted_by(key, name[0], self.rows[name])

    @property
    def others(self) -> Population:
        """What references lead to."""
        return self

    def _contents(self, name: Name) -> Sequence[Name]:
        """What local references in it may lead to: the names of that in what is `inside`."""
        return self.inside.beside.get(name, ())

    def along(self, page: Sequence[Result], query: Query) -> list[Name]:
        """What the query's includes bring along to a page of its results, by type and id."""
        shown = {one.name for one in page if one.place < 0}
        found = set(self.brought(sorted(shown), query.includes))
        if query.contained is not None:
            some = {name for one in page for name in one.within}
            within = {n for one in query.includes if not one.reverse for n in self.inside._followed(one, some)}
            found |= within.union(self.brought(sorted(within), [one for one in query.includes if one.iterate]))
        return sorted(found - shown)

    def brought(self, page: Sequence[Name], includes: Sequence[Include]) -> list[Name]:
        """What the includes bring along to resources, by type and id."""
        seen, fresh, first = set(page), set(page), True
        while fresh:
            step = {n for one in includes if first or one.iterate for n in self._followed(one, fresh)}
            fresh, first = step - seen, False
            seen |= fresh
        return sorted(seen - set(page))

    def _described(self, name: Name, part: Part) -> bool:
        if name not in self.alive or name[0] != part.type:
            return False
        return all(self._holds(name, one) for one in part.clauses) and self._permitted(name, part.permits)

    def _permitted(self, name: Name, permits: Iterable[Permit]) -> bool:
        owners = set(self.rows[name].compartments)
        return any(
            (one.owners is None or not owners.isdisjoint(one.owners)) and all(self._holds(name, c) for c in one.clauses)
            for one in permits
        )

    def _holds(self, name: Name, clause: Clause) -> bool:
        match clause:
            case AllClause(inner):
                return all(self._holds(name, one) for one in inner)
            case AnyClause(inner):
                return any(self._holds(name, one) for one in inner)
            case NotClause(denied):
                return not self._holds(name, denied)
            case ChainClause(parameters, targets, names):
                ends = self._referred(name, parameters, names)
                if any(self.others._described(end, target) for end in ends for target in targets):
                    return True
                local = list(links(name[0], self.alive[name].body, parameters, names))
                return any(
                    self.inside._described(end, target)
                    for target in targets
                    for end in (self._contents(name) if local else ())
                    if any(link.id == self.inside.alive[end].id and link.may_be(target.type) for link in local)
                )
            case HasClause(source, parameters, names):
                return any(
                    name in self._referred(other, parameters, names)
                    for other in self.alive
                    if self._described(other, source)
                )
            case PhraseClause(where, phrase):
                return says(where, self.alive[name].body, phrase)
            case TextClause(where, values):
                words = set((narrative if where == "text" else content)(self.alive[name].body).split())
                return any(words.issuperset(value.split()) for value in values)
            case _:
                one = self.alive[name]
                return matches(clause, self.rows[name], id=one.id, last_updated=one.last_updated)

    def _referred(self, name: Name, parameters: Container[int], names: Sequence[int]) -> set[Name]:
        """What the resource refers to by these parameters, or by url in these."""
        rows = self.rows[name]
        found = {(r.type, r.id) for r in rows.references if r.parameter in parameters}
        urls = texts(rows, names) if names else set()
        there = self.others.rows
        return found | {one for one in there if urls and urls & texts(there[one], named((one[0],)))}

    def _followed(self, one: Include, names: set[Name]) -> set[Name]:
        permits = dict(one.permits)
        found: set[Name] = set()
        for name in self.alive:
            if one.source not in ("*", name[0]):
                continue
            by = _every(name[0]) if one.parameters is None else (one.parameters, one.names)
            for target in self._referred(name, *by):
                if target not in self.others.alive or one.target not in (None, target[0]):
                    continue
                start, end = (target, name) if one.reverse else (name, target)
                if start in names and self.others._permitted(end, permits.get(end[0], ())):
                    found.add(end)
        return found


def _every(type: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return references(type), canonicals(type)


class Inside(Population):
    """What the resources of a population contain, as resources of their own, in their container's compartments."""

    def __init__(self, holders: Population) -> None:
        self._holders = holders
        self.places: dict[Name, tuple[Name, int, tuple[str, int]]] = {}
        self.beside: dict[Name, list[Name]] = {}
        found = []
        for (type, id), holder in holders.alive.items():
            times: dict[str, int] = {}
            for place, body in enumerate(holder.body.get("contained", ())):
                own = body.get("id", "")
                times[own] = times.get(own, -1) + 1
                one = Resource(body["resourceType"], own, 0, holder.last_updated, json.encode(body))
                rows = replace(index(one.type, body, own), compartments=holders.rows[type, id].compartments)
                found.append((one, rows, ((type, id), place, (own, times[own]))))
        super().__init__((), {})
        for n, (one, rows, where) in enumerate(found):
            name = one.type, f"#{n}"
            self.alive[name], self.rows[name], self.places[name] = one, rows, where
            self.beside.setdefault(where[0], []).append(name)

    @property
    def others(self) -> Population:
        """References of what is contained lead out of it."""
        return self._holders

    @cached_property
    def inside(self) -> Inside:
        """And to what stands beside it."""
        return self

    def _contents(self, name: Name) -> Sequence[Name]:
        return self.beside[self.places[name][0]]


def _result(
    query: Query,
    name: Name,
    by: Sequence[tuple[Population, Name]],
    id: str,
    place: int = -1,
    local: tuple[str, int] = ("", -1),
) -> Result:
    """`by`: the resources by which it is found, and where they are."""
    clauses = {part.type: part.clauses for part in query.parts}
    marks = [mark for where, one in by if (mark := score(clauses[one[0]], where.alive[one].body)) is not None]
    best = max(marks, default=None)
    values = []
    for key in query.sort:
        if key.kind in ("id", "score"):
            values.append(id if key.kind == "id" else best)
            continue
        said = [value for where, one in by if (value := where.value(one, key)) is not None]
        values.append((max if key.down else min)(said, default=None))
    within = tuple(one for where, one in by if isinstance(where, Inside))
    return Result(name, place, local, tuple(values), best, within)
