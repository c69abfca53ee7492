"""Patient/$everything: a patient's whole record; Encounter/$everything: that of one encounter.

https://hl7.org/fhir/R4/patient-operation-everything.html, https://hl7.org/fhir/R4/encounter-operation-everything.html

First the patient, then what is in the patient's compartment, newest first, then what those refer to one step out and is
in no patient's compartment (practitioners, organizations, locations, medications, Binaries of attachments, ...), each
once over all pages. Of all patients at once: one record after the other, each resource once on a page. Of an encounter:
the encounter, what is in its compartment, what else in the patient's record refers to it, and what those refer to one
step out, of the same patient or nobody's.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from msgspec.structs import replace
from xxhash import xxh3_64_intdigest

from hilum.access.policy import Principal
from hilum.fhir.definitions import TYPE_NUMBER, TYPES, compartments
from hilum.fhir.resource import Resource
from hilum.interactions.care import given
from hilum.interactions.door import Door
from hilum.interactions.permit import lent, permits, permits_for, placed, unbound
from hilum.interactions.read import read
from hilum.problems import Gone, NotFound
from hilum.search.alternatives import DateRange
from hilum.search.clauses import Clause, CompartmentClause, LastUpdatedClause, Part
from hilum.search.query import Query

_INSIDE: Final = "c"
"""A position that begins so is within the compartment; the store's own position follows, nothing at its begin."""
_OUTSIDE: Final = "o"
"""A position that begins so is further out; a number follows, below which it goes on."""
MEMBERS: Final = frozenset({"Patient", *compartments()["Patient"]})
"""Types that can be in a patient's compartment."""
_BESIDE: Final = tuple(sorted({*compartments()["Patient"]} - {*compartments()["Encounter"], "AuditEvent", "Patient"}))
"""Types that may tell of an encounter, in an element or an extension (encounter-associatedEncounter), and are not in
its compartment, as an Immunization: they are found in the record of its patient."""
_PLACES: Final = {
    "Patient": frozenset({"Patient", *compartments()["Patient"]}),
    "Encounter": frozenset({"Encounter", *compartments()["Encounter"], *_BESIDE}),
}
"""What the record is of -> types that can be in it."""
_AT_ONCE: Final = 500
_REFERENCE: Final = re.compile(rb'"reference":"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})["/]')
"""In stored bytes, which are compact: inside a JSON string the quotes would be escaped."""
_ATTACHED: Final = re.compile(rb'"url":"([^"\\]{0,255}?)Binary/([A-Za-z0-9\-.]{1,64})["/]')
"""Attachment.url, likewise: on this server where what stands before is its base, or nothing."""

_PATIENTS: Final = 200
"""How many records one page goes through at most, so that a page of small ones is not long in coming."""

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """`types`: only these (`_type`); `since`: only what was last updated then or later (microseconds, `_since`).

    `period`: only care in this time, both ends inclusive (microseconds; `start`, `end`), see care.py.
    """

    types: tuple[str, ...] | None = None
    since: int | None = None
    period: tuple[int, int] | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The types asked for that there are."""
        return tuple(name for name in self.types if name in TYPE_NUMBER) if self.types else TYPES

    def holds(self, resource: Resource) -> bool:
        """Whether the resource is of the time asked for."""
        return self.period is None or given(resource, *self.period)


ALL: Final = Asked()


class Place(NamedTuple):
    """Where a page of all patients' records ends: within the record of `patient`, or, "", before the next one.

    `after`: position in that record. `following`: position in the list of patients, None after the last one.
    """

    patient: str
    after: str | None
    following: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """A page of a record. `next` is the `after` of the following one.

    `withheld`: types in the compartment that no scope lets be searched, said on the first page. `outside`: types
    further out that were referred to and that no scope lets be read, said where the references end.
    """

    resources: tuple[Resource, ...]
    next: str | None
    withheld: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Records:
    """A page of the records of several patients; otherwise as Record."""

    resources: tuple[Resource, ...]
    next: Place | None
    withheld: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()


async def everything(
    door: Door,
    who: Principal,
    id: str,
    asked: Asked = ALL,
    *,
    type: str = "Patient",
    count: int = 100,
    after: str | None = None,
) -> Record:
    """A page of at most `count` resources of the record of a patient, or of an encounter (`type`).

    Needs 'r' on the patient, 's' on the compartment, 'r' on what is further out; what is not permitted is left out, and
    its types are named. Raises NotFound, Gone and Forbidden about the patient.
    """
    focus = await read(door, who, type, id)
    wanted = asked.wanted
    inside = tuple(name for name in wanted if who.policy.permits(name, "s"))
    withheld = _withheld(who, wanted, type) if after is None else ()
    found: list[Resource] = []
    if after is None:
        if type in wanted and (asked.since is None or focus.last_updated >= asked.since):
            found.append(focus)
        after = _INSIDE
    if after[0] == _INSIDE and len(found) < count:
        after = await _compartment(door, who, focus, inside, asked, count, after[1:] or None, found)
    if after[0] == _INSIDE:
        return Record(tuple(found), after, withheld)
    end, outside = await _further_out(door, who, focus, wanted, asked, count, int(after[1:]), found)
    return Record(tuple(found), end, withheld, outside)


async def everyone(
    door: Door, who: Principal, asked: Asked = ALL, *, count: int = 100, place: Place | None = None
) -> Records:
    """A page of the records of all patients that `who` may search and read, newest first. Raises Forbidden."""
    permits(who, "Patient", "r")
    (seen,) = permits_for(who, ("Patient",), "s")
    listing = Query((Part("Patient", (), seen),), count=1)
    withheld = _withheld(who, asked.wanted) if place is None else ()
    found: dict[Name, Resource] = {}
    outside: set[str] = set()

    def page(next: Place | None) -> Records:
        return Records(tuple(found.values()), next, withheld, tuple(sorted(outside)))

    patient, after, following = place or Place("", None, None)
    for _ in range(_PATIENTS):
        if not patient:
            listed = await door.store.search(replace(listing, after=following))
            if not listed.resources:
                return page(None)
            patient, after, following = listed.resources[0].id, None, listed.next
        while True:
            try:
                part = await everything(door, who, patient, asked, count=count - len(found), after=after)
            except (NotFound, Gone):  # deleted meanwhile, or one that may be searched for but not read
                break
            found.update({(one.type, one.id): one for one in part.resources if (one.type, one.id) not in found})
            outside.update(part.outside)
            after = part.next
            if after is None:
                break
            if len(found) >= count:
                return page(Place(patient, after, following))
        if following is None:
            return page(None)
        patient = ""
        if len(found) >= count:
            break
    return page(Place("", None, following))


def _withheld(who: Principal, wanted: tuple[str, ...], type: str = "Patient") -> tuple[str, ...]:
    return tuple(name for name in wanted if name in _PLACES[type] and not who.policy.permits(name, "s"))


def _query(who: Principal, focus: tuple[Name, ...], types: tuple[str, ...], since: int | None) -> Query:
    clauses: tuple[Clause, ...] = (CompartmentClause(focus),)
    if since is not None:
        clauses += (LastUpdatedClause((DateRange("ge", since, since),)),)
    return Query(tuple(Part(type, clauses, who.policy.permits(type, "s")) for type in types))


_FIRST: Final = -1
"""Above the numbers of all that is further out."""


async def _compartment(
    door: Door,
    who: Principal,
    focus: Resource,
    types: tuple[str, ...],
    asked: Asked,
    count: int,
    after: str | None,
    found: list[Resource],
) -> str:
    """Fill up `found` from the compartment; the position to go on from."""
    if not types:
        return f"{_OUTSIDE}{_FIRST}"
    query = _query(who, ((focus.type, focus.id),), types, asked.since)
    while True:
        page = await door.store.search(replace(query, count=count - len(found), after=after))
        found += [r for r in page.resources if (r.type, r.id) != (focus.type, focus.id) and asked.holds(r)]
        if page.next is None:
            return f"{_OUTSIDE}{_FIRST}"
        if len(found) >= count:
            return _INSIDE + page.next
        after = page.next


async def _further_out(
    door: Door,
    who: Principal,
    focus: Resource,
    types: tuple[str, ...],
    asked: Asked,
    count: int,
    after: int,
    found: list[Resource],
) -> tuple[str | None, tuple[str, ...]]:
    """Fill up `found` with what the compartment refers to, in the order of a hash: the numbers are below `_FIRST`.

    The position to go on from, and at the end the types of what was left out for want of a scope.
    """
    inside = tuple(name for name in TYPES if who.policy.permits(name, "s"))
    names: set[Name] = set(_references(focus, door.base))
    members: set[Name] = {(focus.type, focus.id)}
    if inside:
        async for resource in _all(door, _query(who, ((focus.type, focus.id),), inside, None)):
            members.add((resource.type, resource.id))
            if asked.holds(resource):
                names.update(_references(resource, door.base))
    subjects = frozenset[str]()
    persons = frozenset((focus.id,))
    if focus.type != "Patient":
        persons = subjects = frozenset(id for type, id in _references(focus, door.base) if type == "Patient")
        async for resource in _beside(door, who, focus, subjects):
            names |= {(resource.type, resource.id), *_references(resource, door.base)}
        names -= members
    names = {name for name in names if name[0] in types and name[0] in TYPE_NUMBER}
    for position, (type, id) in sorted(((_position(name), name) for name in names), reverse=True):
        if position >= after:
            continue
        resource_ = await _outside(door, who, type, id, persons if type == "Binary" else subjects)
        if resource_ is None or (asked.since is not None and resource_.last_updated < asked.since):
            continue
        if len(found) >= count:
            return f"{_OUTSIDE}{after}", ()
        found.append(resource_)
        after = position
    if focus.type == "Patient":
        read = {type: who.policy.permits(type, "r") for type, _ in names if type not in MEMBERS}
        closed = {type for type, some in read.items() if not (some if type == "Binary" else unbound(some))}
    else:
        closed = {type for type, _ in names if not who.policy.permits(type, "r")}
    return None, tuple(sorted(closed))


async def _beside(door: Door, who: Principal, focus: Resource, subjects: frozenset[str]) -> AsyncIterator[Resource]:
    """What tells of the encounter in the record of its patient, besides its own compartment."""
    types = tuple(name for name in _BESIDE if who.policy.permits(name, "s"))
    if types and subjects:
        owners = tuple(("Patient", id) for id in sorted(subjects))
        async for resource in _all(door, _query(who, owners, types, None)):
            if (focus.type, focus.id) in _references(resource, door.base):
                yield resource


def _position(name: Name) -> int:
    return _FIRST - 1 - (xxh3_64_intdigest("/".join(name).encode()) >> 2)


def _references(resource: Resource, base: str) -> set[Name]:
    found = {(type.decode(), id.decode()) for type, id in _REFERENCE.findall(resource.raw)}
    before = (b"", f"{base}/".encode())
    return found | {("Binary", id.decode()) for where, id in _ATTACHED.findall(resource.raw) if where in before}


async def _all(door: Door, query: Query) -> AsyncIterator[Resource]:
    query = replace(query, count=_AT_ONCE)
    while True:
        page = await door.store.search(query)
        for resource in page.resources:
            yield resource
        if page.next is None:
            return
        query = replace(query, after=page.next)


async def _outside(door: Door, who: Principal, type: str, id: str, subjects: frozenset[str]) -> Resource | None:
    """A resource that may be read and is in no patient's compartment but that of the `subjects`.

    A Binary lies where its securityContext does.
    """
    allowed = who.policy.permits(type, "r")
    found = await placed(door, who, allowed, type, id) if allowed else None
    if found is None or found.resource.deleted:
        return None
    owners = await lent(door, who, found.resource.body) if type == "Binary" else found.compartments
    if any(kind == "Patient" and owner not in subjects for kind, owner in owners):
        return None
    return found.resource
