"""Clauses that only the store's content explains, turned into plain ones: value sets, hierarchies of codes and places.

Value sets and code systems are read with the server's own authority: they are definitions, and what a search tells
about them are codes that occur in resources that the asker may see. Places (Location, Organization, Encounter) are
records: their hierarchy is walked as far as the asker may search it.
https://hl7.org/fhir/R4/search.html#token and https://hl7.org/fhir/R4/search.html#recursive
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from hilum.access.confine import SEARCH
from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.interactions.terminology import filters
from hilum.interactions.terminology.knowledge import codes
from hilum.interactions.terminology.members import all_but, each_code, members, total
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
    PlaceClause,
    ReferenceClause,
    TokenClause,
    UnequalClause,
    ValueSetClause,
)
from hilum.search.index import index
from hilum.search.limits import TooCostly
from hilum.search.plain import any_of
from hilum.search.query import Query
from hilum.terminology import bits

MOST_CODES: Final = 5000
"""How many codes a value set or a branch of a code system may have in a search."""
MOST_PLACES: Final = 5000
"""How many places may be under or over those that a search names."""
_AT_ONCE: Final = 500

Code = tuple[str | None, str | None]
"""(system, code); code None: every code of the system."""
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
            return await _expanded(door, parameters, name)
        case HierarchyClause(parameters, values, below):
            return _tokens(parameters, await _related(door, values, below))
        case PlaceClause(parameters, names, steps, below):
            return ReferenceClause(parameters, await _places(door, who, names, steps, below))


def _tokens(parameters: tuple[int, ...], codes: Collection[Code]) -> Clause:
    if len(codes) > MOST_CODES:
        raise _too_many(len(codes))
    found = sorted((system or "", code) for system, code in codes if code is not None)
    whole = sorted(system or "" for system, code in codes if code is None)
    values = (*(Token(system, None) for system in whole), *(Token(system, code) for system, code in found))
    return TokenClause(parameters, values) if values else AnyClause(())


# --- codes ------------------------------------------------------------------------------------------------------------


async def _expanded(door: Door, parameters: tuple[int, ...], name: str) -> Clause:
    """One of the codes of a value set. Raises TooCostly before any is read."""
    found = await members(await codes(door.store, door.base, door.codes), name)
    if total(found) > MOST_CODES:
        raise _too_many(total(found))
    listed = _tokens(parameters, await each_code(found))
    others: list[Clause] = [
        UnequalClause(parameters, tuple(Token(system, code) for code in sorted(gone)), system=system)
        for system, gone in all_but(found)
    ]
    return any_of([listed, *others] if listed != AnyClause(()) else others) if others else listed


async def _related(door: Door, values: Sequence[Token], below: bool) -> Collection[Code]:
    """The codes that are named, and those under (over) them: one look into an index for each that is named."""
    known = await codes(door.store, door.base, door.codes)
    found: set[Code] = set()
    for system in dict.fromkeys(value.system for value in values):
        held = await known.system(system or "")
        if held is None:
            raise Invalid(_PLAIN_OF)
        chosen = 0
        for value in values:
            if value.system == system and value.code is not None:
                found.add((system, value.code))
                chosen |= await (filters.below if below else filters.above)(held, value.code)
        if chosen.bit_count() > MOST_CODES:
            raise _too_many(chosen.bit_count())
        found.update((system, row.code) for row in await held.at(list(bits.each(chosen))))
    return found


def _too_many(many: int) -> TooCostly:
    return TooCostly(f"The search means {many} codes; {MOST_CODES} are the most.")


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
