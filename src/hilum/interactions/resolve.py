"""Clauses that only the store's content explains, turned into plain ones: value sets, hierarchies of codes and places.

Value sets and code systems are read with the server's own authority: they are definitions, and what a search tells
about them are codes that occur in resources that the asker may see. Places (Location, Organization, Encounter) are
records: their hierarchy is walked as far as the asker may search it.
https://hl7.org/fhir/R4/search.html#token and https://hl7.org/fhir/R4/search.html#recursive
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence, Set
from typing import Any, Final

from msgspec.structs import replace

from hilum.access.confine import SEARCH
from hilum.access.policy import Principal
from hilum.fhir import definitions
from hilum.fhir.resource import Resource
from hilum.interactions.door import Door, Expansion, Known, Version
from hilum.problems import Invalid
from hilum.search.alternatives import Token
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    HasClause,
    HierarchyClause,
    IdClause,
    NotClause,
    Part,
    Permit,
    PlaceClause,
    ReferenceClause,
    TokenClause,
    UriClause,
    ValueSetClause,
)
from hilum.search.index import index
from hilum.search.limits import TooCostly
from hilum.search.parameters import lookup
from hilum.search.query import Query
from hilum.terminology.expansion import Code, Wanted, expand
from hilum.terminology.hierarchy import Hierarchy, hierarchy

MOST_CODES: Final = 5000
"""How many codes a value set or a branch of a code system may have in a search."""
MOST_EXPANSIONS: Final = 64
"""How many expansions, and how many hierarchies, are remembered."""
MOST_PLACES: Final = 5000
"""How many places may be under or over those that a search names."""
_AT_ONCE: Final = 500
_SERVER: Final = (Permit(),)

Pending = ValueSetClause | HierarchyClause | PlaceClause
_LOOKED_INTO: Final = frozenset(
    (ValueSetClause, HierarchyClause, PlaceClause, NotClause, AnyClause, AllClause, ChainClause, HasClause)
)
_PLAIN_OF: Final = (
    "The server holds no CodeSystem of that url, so that nothing is known to be above or below its codes."
)


def pending(clauses: Iterable[Clause]) -> Iterator[Pending]:
    """The clauses among these, and in them, that need the store to be understood."""
    for clause in clauses:
        match clause:
            case ValueSetClause() | HierarchyClause() | PlaceClause():
                yield clause
            case NotClause(inner):
                yield from pending((inner,))
            case AnyClause(inner) | AllClause(inner):
                yield from pending(inner)
            case ChainClause(_, targets):
                for target in targets:
                    yield from pending(target.clauses)
            case HasClause(source):
                yield from pending(source.clauses)


def _plainly(clauses: Iterable[Clause]) -> bool:
    """Whether it takes no look into them to see that none is pending, as in most searches."""
    return _LOOKED_INTO.isdisjoint([clause.__class__ for clause in clauses])


async def resolve(door: Door, who: Principal, query: Query) -> Query:
    """The query without clauses that need the store to be understood. Raises Invalid, TooCostly."""
    wanted = [one for part in query.parts if not _plainly(part.clauses) for one in pending(part.clauses)]
    if not wanted:
        return query
    found: dict[Clause, Clause] = {}
    for clause in wanted:
        if clause not in found:
            found[clause] = await _plain(door, who, clause)
    return replace(query, parts=tuple(_part(part, found) for part in query.parts))


def _part(part: Part, found: dict[Clause, Clause]) -> Part:
    return replace(part, clauses=tuple(_put(one, found) for one in part.clauses))


def _put(clause: Clause, found: dict[Clause, Clause]) -> Clause:
    match clause:
        case ValueSetClause() | HierarchyClause() | PlaceClause():
            return found[clause]
        case NotClause(inner):
            return NotClause(_put(inner, found))
        case AnyClause(inner):
            return AnyClause(tuple(_put(one, found) for one in inner))
        case AllClause(inner):
            return AllClause(tuple(_put(one, found) for one in inner))
        case ChainClause(_, targets):
            return replace(clause, targets=tuple(_part(one, found) for one in targets))
        case HasClause(source):
            return replace(clause, source=_part(source, found))
    return clause


async def _plain(door: Door, who: Principal, clause: Pending) -> Clause:
    match clause:
        case ValueSetClause(parameters, name):
            return _tokens(parameters, await expanded(door, name))
        case HierarchyClause(parameters, values, below):
            return _tokens(parameters, await _related(door, values, below))
        case PlaceClause(parameters, names, steps, below):
            return ReferenceClause(parameters, await _places(door, who, names, steps, below))


def _tokens(parameters: tuple[int, ...], codes: Set[Code]) -> Clause:
    if len(codes) > MOST_CODES:
        raise TooCostly(f"The search means {len(codes)} codes; {MOST_CODES} are the most.")
    found = sorted((system or "", code) for system, code in codes if code is not None)
    whole = sorted(system or "" for system, code in codes if code is None)
    values = (*(Token(system, None) for system in whole), *(Token(system, code) for system, code in found))
    return TokenClause(parameters, values) if values else AnyClause(())


# --- codes ------------------------------------------------------------------------------------------------------------


async def expanded(door: Door, name: str) -> frozenset[Code]:
    """The codes of a value set, as they were last time if every definition that says so is the same version still."""
    name = name.removeprefix(door.base + "/")
    kept = door.expansions.get(name)
    if kept is not None:
        said, codes = kept
        for wanted, version in said:
            if _version(await definition(door, wanted)) != version:
                break
        else:
            return codes
    said, codes = await _expansion(door, name)
    if len(codes) <= MOST_CODES:
        door.expansions.pop(name, None)
        while len(door.expansions) >= MOST_EXPANSIONS:
            door.expansions.pop(next(iter(door.expansions)))
        door.expansions[name] = said, codes
    return codes


async def _expansion(door: Door, name: str) -> Expansion:
    """The codes, and the versions of all that was asked for them."""
    steps = expand(name)
    said: list[tuple[Wanted, Version]] = []
    try:
        wanted = next(steps)
        while True:
            found = await definition(door, wanted)
            said.append((wanted, _version(found)))
            wanted = steps.send(None if found is None else _body(found))
    except StopIteration as end:
        return tuple(said), frozenset(end.value)


async def _related(door: Door, values: Sequence[Token], below: bool) -> set[tuple[str | None, str | None]]:
    found: set[tuple[str | None, str | None]] = set()
    for system in dict.fromkeys(value.system for value in values):
        found_system = await definition(door, Wanted("CodeSystem", system or ""))
        if found_system is None:
            raise Invalid(_PLAIN_OF)
        tree = _tree(door, found_system)
        for value in values:
            if value.system == system and value.code is not None:
                codes = tree.below(value.code) if below else tree.above(value.code)
                found.update((system, code) for code in codes)
    return found


async def definition(door: Door, wanted: Wanted) -> Resource | Known | None:
    """The ValueSet or CodeSystem of this name: a literal address if it is one, else by url and perhaps version."""
    type, id = wanted.type, wanted.name.removeprefix(f"{wanted.type}/")
    if id != wanted.name:
        resource = await door.store.read(type, id)
        return None if resource is None or resource.deleted else resource
    url, _, version = wanted.name.partition("|")
    clauses: tuple[Clause, ...] = (UriClause(lookup(type, "url").numbers, (url,)),)
    if version:
        clauses += (TokenClause(lookup(type, "version").numbers, (Token(None, version.casefold()),)),)
    page = await door.store.search(Query((Part(type, clauses, _SERVER),), count=1))
    if page.resources:
        return page.resources[0]
    return Known(url) if type == "ValueSet" and definitions.value_set(url) is not None else None


def _body(found: Resource | Known) -> dict[str, Any]:
    if isinstance(found, Resource):
        return found.body
    known = definitions.value_set(found.url) or {}
    includes = [{"system": system, "concept": [{"code": code} for code in codes]} for system, codes in known.items()]
    return {"resourceType": "ValueSet", "compose": {"include": includes}}


def _version(found: Resource | Known | None) -> Version:
    """What changes with the definition: no two versions have one seq."""
    return (found.type, found.id, found.seq) if isinstance(found, Resource) else found


def _tree(door: Door, found: Resource | Known) -> Hierarchy:
    """The hierarchy of a CodeSystem, made once for each version."""
    name = f"{found.type}/{found.id}" if isinstance(found, Resource) else found.url
    kept = door.hierarchies.get(name)
    version = _version(found)
    if kept is None or kept[0] != version:
        door.hierarchies.pop(name, None)
        while len(door.hierarchies) >= MOST_EXPANSIONS:
            door.hierarchies.pop(next(iter(door.hierarchies)))
        kept = door.hierarchies[name] = version, hierarchy(_body(found))
    return kept[1]


# --- places -----------------------------------------------------------------------------------------------------------


async def _places(
    door: Door, who: Principal, names: Sequence[tuple[str, str]], steps: tuple[int, ...], below: bool
) -> tuple[tuple[str | None, str], ...]:
    """The places that are named, and those under (over) them that the asker may search."""
    type = names[0][0]
    permits = who.policy.permits(type, SEARCH)
    found = dict.fromkeys(id for _, id in names)
    frontier = tuple(found)
    while frontier and permits:
        new: dict[str, None] = {}
        for at in range(0, len(frontier), _AT_ONCE):
            ids = frontier[at : at + _AT_ONCE]
            clause = ReferenceClause(steps, tuple((type, id) for id in ids)) if below else IdClause(ids)
            async for resource in _all(door, Query((Part(type, (clause,), permits),), count=_AT_ONCE)):
                new.update(dict.fromkeys([resource.id] if below else _over(resource, steps)))
        frontier = tuple(id for id in new if id not in found)
        found.update(dict.fromkeys(frontier))
        if len(found) > MOST_PLACES:
            raise TooCostly(f"The search means more than {MOST_PLACES} places of type {type}.")
    return tuple((type, id) for id in found)


def _over(place: Resource, steps: tuple[int, ...]) -> list[str]:
    """The ids of what a place is part of."""
    rows = index(place.type, place.body).references
    return [row.id for row in rows if row.parameter in steps and row.type == place.type]


async def _all(door: Door, query: Query) -> AsyncIterator[Resource]:
    while True:
        page = await door.store.search(query)
        for resource in page.resources:
            yield resource
        if page.next is None:
            return
        query = replace(query, after=page.next)
