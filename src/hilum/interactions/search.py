"""FHIR search, by type, system or compartment. https://hl7.org/fhir/R4/http.html#search"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from hilum.access.confine import confine
from hilum.access.policy import Principal
from hilum.interactions.door import Door
from hilum.interactions.resolve import resolve
from hilum.problems import Invalid
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed
from hilum.search.query import AllClause, AnyClause, ChainClause, Clause, HasClause, NotClause, Part, Permit
from hilum.store.interface import Page

_ALL_OF_IT: Final = (Permit(),)


async def search(door: Door, who: Principal, parsed: Parsed) -> Page:
    """One page of what matches and `who` may search, with what comes along.

    The permits of the query are made here, whoever parsed it. Raises Forbidden as `confine`, Invalid and TooCostly as
    `resolve` and the store.
    """
    query = await resolve(door, who, confine(parsed.query, who.policy))
    return await door.store.search(query)


async def explain(door: Door, who: Principal, parsed: Parsed) -> list[dict[str, Any]] | None:
    """How that page is found: the notes of `Store.explain`. None: `who` may not know it. Raises as `search`.

    A plan counts what each clause alone would find, before the permits narrow it: so it is for those only who may
    search all of every type that the query looks into.
    """
    query = confine(parsed.query, who.policy)
    if any(permits != _ALL_OF_IT for permits in _permits(query.parts)):
        return None
    return await door.store.explain(await resolve(door, who, query))


def _permits(parts: Iterable[Part]) -> Iterator[tuple[Permit, ...]]:
    """The permits of these and of what their clauses lead to."""
    for part in parts:
        yield part.permits
        yield from _within(part.clauses)


def _within(clauses: Iterable[Clause]) -> Iterator[tuple[Permit, ...]]:
    for clause in clauses:
        match clause:
            case NotClause(inner):
                yield from _within((inner,))
            case AnyClause(inner) | AllClause(inner):
                yield from _within(inner)
            case ChainClause(_, targets):
                yield from _permits(targets)
            case HasClause(source):
                yield from _permits((source,))


async def understood(door: Door, pairs: Sequence[tuple[str, str]], read: Callable[[Registry], Parsed]) -> Parsed:
    """What `read` (`parse_query`) makes of a search with the parameters that there are now.

    Custom ones come and go in other processes: they are looked at anew where the search may name one, and where it
    names what is not known. Others cost nothing. Raises what `read` raises.
    """
    store = door.store
    catalogue = store.catalogue
    if catalogue.codes and any(code in name or code in value for code in catalogue.codes for name, value in pairs):
        catalogue = await store.learn()
    try:
        parsed = read(catalogue.searchable)
    except Invalid:
        now = await store.learn()
        if now is catalogue:
            raise
        return read(now.searchable)
    if parsed.ignored and (now := await store.learn()) is not catalogue:
        return read(now.searchable)
    return parsed
