"""FHIR search, by type, system or compartment. https://hl7.org/fhir/R4/http.html#search"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from hilum.access.confine import confine
from hilum.access.policy import Policy, Principal
from hilum.fhir import units
from hilum.interactions import auditing
from hilum.interactions.door import Door
from hilum.interactions.resolve import resolve
from hilum.problems import Invalid, Unprocessable
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed
from hilum.search.query import Query
from hilum.store.interface import Page

T = TypeVar("T")


async def search(door: Door, who: Principal, parsed: Parsed) -> Page:
    """One page of what matches and `who` may search, with what comes along.

    The permits of the query are made here, whoever parsed it. Raises Forbidden as `confine`, Invalid and TooCostly as
    `resolve` and the store.
    """
    if door.audits is not None and (audits := auditing.meant(door, who, parsed.query)) is not None:
        return await _asked(door, who, parsed, partial(auditing.search, door, audits))
    return await _asked(door, who, parsed, door.store.search)


async def _asked(door: Door, who: Principal, parsed: Parsed, ask: Callable[[Query], Awaitable[T]]) -> T:
    query = await resolve(door, who, _confined(parsed, who.policy))
    try:
        return await ask(query)
    except Unprocessable as problem:
        raise _naming(problem, parsed) from None


_KNOWN: Final[dict[tuple[int, int], tuple[Query, Policy, Query]]] = {}
_MOST_KNOWN: Final = 512


def _confined(parsed: Parsed, policy: Policy) -> Query:
    """`confine`, once for what is kept: so that the same search of the same people is the same Query, too."""
    if not parsed.kept:
        return confine(parsed.query, policy)
    place = id(parsed.query), id(policy)
    known = _KNOWN.get(place)
    if known is not None and known[0] is parsed.query and known[1] is policy:
        return known[2]
    made = msgspec.structs.replace(confine(parsed.query, policy), kept=True)
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN[place] = parsed.query, policy, made
    return made


def _naming(problem: Unprocessable, parsed: Parsed) -> Unprocessable:
    """What was too costly, with the names (never the values) of what can be narrowed."""
    first, *others = problem.issues
    names = ", ".join(dict.fromkeys(name for name, _ in parsed.applied))
    if first.code != "too-costly" or not names:
        return problem
    return Unprocessable(issues=(replace(first, diagnostics=f"{first.diagnostics} It asks by: {names}."), *others))


async def explain(door: Door, who: Principal, parsed: Parsed) -> tuple[Page, list[dict[str, Any]] | None]:
    """That page, and how it is found: the notes of `Store.explain`. None: `who` may not know it. Raises as `search`.

    A plan counts what each clause alone would find, before the permits narrow it: so it is for those only who may
    search all that there is.
    """
    if not who.policy.searches_all:
        return await search(door, who, parsed), None
    return await _asked(door, who, parsed, door.store.explain)


def _may_name(codes: Collection[str], pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether a search may be about a custom parameter, as `_include=*` is about all that there are."""
    for name, value in pairs:
        if "*" in value and name.partition(":")[0] in ("_include", "_revinclude"):
            return True
        for code in codes:
            if code in name or code in value:
                return True
    return False


async def understood(door: Door, pairs: Sequence[tuple[str, str]], read: Callable[[Registry], Parsed]) -> Parsed:
    """What `read` (`parse_query`) makes of a search with the parameters that there are now.

    Custom ones come and go in other processes: they are looked at anew where the search may name one, and where it
    names what is not known. Others cost nothing. Units are loaded, on a thread, before the first search that may
    convert some. Raises what `read` raises.
    """
    if not units.loaded() and any(units.UCUM in value for _, value in pairs):
        await asyncio.to_thread(units.load)
    store = door.store
    catalogue = store.catalogue
    if _may_name(catalogue.codes, pairs):
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
