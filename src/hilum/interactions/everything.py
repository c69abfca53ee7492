"""Patient/$everything: a patient's whole record. https://hl7.org/fhir/R4/patient-operation-everything.html

First the patient, then what is in the patient's compartment, newest first, then what those refer to one step out and is
in no patient's compartment (practitioners, organizations, locations, medications, ...), each once over all pages.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from xxhash import xxh3_64_intdigest

from hilum.access.policy import Principal
from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.interactions.permit import visible
from hilum.interactions.read import read
from hilum.search.query import Clause, CompartmentClause, DateRange, LastUpdatedClause, Part, Query
from hilum.store.interface import Page

_INSIDE: Final = "c"
"""A position that begins so is within the compartment; the store's own position follows, nothing at its begin."""
_OUTSIDE: Final = "o"
"""A position that begins so is further out; a number follows, below which it goes on."""
_AT_ONCE: Final = 500
_REFERENCE: Final = re.compile(rb'"reference":"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})["/]')
"""In stored bytes, which are compact: inside a JSON string the quotes would be escaped."""

Name = tuple[str, str]


async def everything(
    door: Door,
    who: Principal,
    patient_id: str,
    *,
    types: tuple[str, ...] | None = None,
    since: int | None = None,
    count: int = 100,
    after: str | None = None,
) -> Page:
    """A page of at most `count` resources; `next` is the `after` of the following page.

    `types`: only these (`_type`); `since`: only what was last updated then or later (microseconds, `_since`). Needs
    'r' on the patient, 's' on the compartment, 'r' on what is further out; what is not permitted is left out.
    Raises NotFound, Gone and Forbidden about the patient.
    """
    patient = await read(door, who, "Patient", patient_id)
    wanted = tuple(name for name in types if name in TYPE_NUMBER) if types else TYPES
    inside = tuple(name for name in wanted if who.policy.permits(name, "s"))
    found: list[Resource] = []
    if after is None:
        if "Patient" in wanted and (since is None or patient.last_updated >= since):
            found.append(patient)
        after = _INSIDE
    if after[0] == _INSIDE and len(found) < count:
        after = await _compartment(door, who, patient, inside, since, count, after[1:] or None, found)
    if after[0] == _OUTSIDE:
        following = await _further_out(door, who, patient, wanted, since, count, int(after[1:]), found)
        return Page(tuple(found), following)
    return Page(tuple(found), after)


def _query(who: Principal, patient: Resource, types: tuple[str, ...], since: int | None) -> Query:
    clauses: tuple[Clause, ...] = (CompartmentClause((("Patient", patient.id),)),)
    if since is not None:
        clauses += (LastUpdatedClause((DateRange("ge", since, since),)),)
    return Query(tuple(Part(type, clauses, who.policy.permits(type, "s")) for type in types))


_FIRST: Final = -1
"""Above the numbers of all that is further out."""


async def _compartment(
    door: Door,
    who: Principal,
    patient: Resource,
    types: tuple[str, ...],
    since: int | None,
    count: int,
    after: str | None,
    found: list[Resource],
) -> str:
    """Fill up `found` from the compartment; the position to go on from."""
    if not types:
        return f"{_OUTSIDE}{_FIRST}"
    query = _query(who, patient, types, since)
    while True:
        page = await door.store.search(replace(query, count=count - len(found), after=after))
        found += [r for r in page.resources if (r.type, r.id) != (patient.type, patient.id)]
        if page.next is None:
            return f"{_OUTSIDE}{_FIRST}"
        if len(found) >= count:
            return _INSIDE + page.next
        after = page.next


async def _further_out(
    door: Door,
    who: Principal,
    patient: Resource,
    types: tuple[str, ...],
    since: int | None,
    count: int,
    after: int,
    found: list[Resource],
) -> str | None:
    """Fill up `found` with what the compartment refers to, in the order of a hash: the numbers are below `_FIRST`."""
    inside = tuple(name for name in TYPES if who.policy.permits(name, "s"))
    names: set[Name] = set(_references(patient))
    if inside:
        async for resource in _all(door, _query(who, patient, inside, None)):
            names.update(_references(resource))
    names = {name for name in names if name[0] in types and name[0] in TYPE_NUMBER}
    for position, (type, id) in sorted(((_position(name), name) for name in names), reverse=True):
        if position >= after:
            continue
        resource_ = await _outside(door, who, type, id)
        if resource_ is None or (since is not None and resource_.last_updated < since):
            continue
        if len(found) >= count:
            return f"{_OUTSIDE}{after}"
        found.append(resource_)
        after = position
    return None


def _position(name: Name) -> int:
    return _FIRST - 1 - (xxh3_64_intdigest("/".join(name).encode()) >> 2)


def _references(resource: Resource) -> set[Name]:
    return {(type.decode(), id.decode()) for type, id in _REFERENCE.findall(resource.raw)}


async def _all(door: Door, query: Query) -> AsyncIterator[Resource]:
    query = replace(query, count=_AT_ONCE)
    while True:
        page = await door.store.search(query)
        for resource in page.resources:
            yield resource
        if page.next is None:
            return
        query = replace(query, after=page.next)


async def _outside(door: Door, who: Principal, type: str, id: str) -> Resource | None:
    """A resource that may be read and is in no patient's compartment."""
    allowed = who.policy.permits(type, "r")
    resource = await door.store.read(type, id) if allowed else None
    if resource is None or resource.deleted or not await visible(door, allowed, resource):
        return None
    compartments = await door.store.compartments(resource)
    return None if any(kind == "Patient" for kind, _ in compartments) else resource
