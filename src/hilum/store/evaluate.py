"""A Query judged in memory, resource by resource: what every store's search means, slow and plain.

A store that keeps everything in memory searches with it (examples/memory_store.py), and the contract suite holds the
others to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.search.matches import matches
from hilum.search.prose import content, narrative
from hilum.search.query import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    HasClause,
    Include,
    NotClause,
    Part,
    Permit,
    Query,
    Sort,
    TextClause,
)
from hilum.search.rows import Rows

Name = tuple[str, str]


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
        """All that the query finds, in its order."""
        names = [name for name in self.alive if any(self._described(name, part) for part in query.parts)]
        names.sort(key=lambda name: (-TYPE_NUMBER[name[0]], -self.age[name]))
        for key in reversed(query.sort):
            values = {name: self.value(name, key) for name in names}
            some = [name for name in names if values[name] is not None]
            some.sort(key=values.__getitem__, reverse=key.down)  # stable in both directions
            names = some + [name for name in names if values[name] is None]
        return names

    def value(self, name: Name, key: Sort) -> Any:
        """By what the resource is sorted; None where there is nothing."""
        numbers = dict(key.numbers).get(name[0], ())
        rows = self.rows[name]
        found: list[Any]
        match key.kind:
            case "updated":
                return self.alive[name].last_updated
            case "id":
                return name[1]
            case "score":
                return None
            case "string" | "uri":
                found = [r.folded for r in rows.strings if r.parameter in numbers]
            case "token":
                found = [(r.code or "", r.system or "") for r in rows.tokens if r.parameter in numbers]
            case "date":
                found = [r.high if key.down else r.low for r in rows.dates if r.parameter in numbers]
            case "quantity":
                found = [r.high if key.down else r.low for r in rows.quantities if r.parameter in numbers]
            case _:
                found = [f"{r.type}/{r.id}" for r in rows.references if r.parameter in numbers]
        return (max if key.down else min)(found, default=None)

    def brought(self, page: Sequence[Name], includes: Sequence[Include]) -> list[Name]:
        """What the includes bring along to a page, by type and id."""
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
            case NotClause(one):
                return not self._holds(name, one)
            case ChainClause(parameters, targets):
                ends = {(r.type, r.id) for r in self.rows[name].references if r.parameter in parameters}
                return any(self._described(end, target) for end in ends for target in targets)
            case HasClause(source, parameters):
                return any(
                    (r.type, r.id) == name and r.parameter in parameters
                    for other in self.alive
                    if self._described(other, source)
                    for r in self.rows[other].references
                )
            case TextClause(where, values):
                words = set((narrative if where == "text" else content)(self.alive[name].body).split())
                return any(words.issuperset(value.split()) for value in values)
            case _:
                return matches(clause, self.rows[name], id=name[1], last_updated=self.alive[name].last_updated)

    def _followed(self, one: Include, names: set[Name]) -> set[Name]:
        permits = dict(one.permits)
        found: set[Name] = set()
        for name in self.alive:
            if one.source not in ("*", name[0]):
                continue
            for r in self.rows[name].references:
                target = (r.type, r.id)
                if one.parameters is not None and r.parameter not in one.parameters:
                    continue
                if target not in self.alive or one.target not in (None, target[0]):
                    continue
                start, end = (target, name) if one.reverse else (name, target)
                if start in names and self._permitted(end, permits.get(end[0], ())):
                    found.add(end)
        return found
