"""What hilum's store has of a patient that a video may tell: the clinical part of the record, and what it refers to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.fhirpath.references import local
from hilum.interactions import granting
from hilum.interactions.door import Door
from hilum.interactions.links import references
from hilum.interactions.search import search, understood
from hilum.problems import Conflict, Invalid, NotFound, TooLarge
from hilum.search.parse import parse_query

PATIENT: Final = "Patient"
OF_PATIENT: Final = (
    "AllergyIntolerance",
    "Appointment",
    "CarePlan",
    "Condition",
    "Encounter",
    "MedicationRequest",
    "MedicationStatement",
    "Procedure",
    "ServiceRequest",
)
"""Types of the patient's own resources; all have the search parameter `patient`."""
BESIDE: Final = frozenset(
    ("HealthcareService", "Location", "Medication", "Organization", "Practitioner", "PractitionerRole")
)
"""Types of what those may refer to, and be told by name."""
TYPES: Final = (PATIENT, *OF_PATIENT, *sorted(BESIDE))
MOST: Final = 5000
"""Resources of one patient."""
_DEPTH: Final = 3
"""A request, who asked for it, in which role, for which organization."""
_AT_ONCE: Final = 64


async def sources(door: Door, patient: str) -> list[Resource]:
    """All of it, each in the version that stands. `patient`: `Patient/17`. Raises NotFound, TooLarge, Busy."""
    who = granting.server()
    name = local(patient)
    found = None if name is None else await door.store.read(*name)
    if found is None or found.deleted:
        raise NotFound("The patient is not in hilum's store any more.")
    all = {(found.type, found.id): found}
    for type in OF_PATIENT:
        async for one in every(door, who, type, [("patient", patient)]):
            all[one.type, one.id] = one
            if len(all) > MOST:
                raise TooLarge(f"The record has more than {MOST:,} resources that a video may tell.")
    await _beside(door, all)
    return list(all.values())


async def every(door: Door, who: Principal, type: str, wanted: Sequence[tuple[str, str]]) -> AsyncIterator[Resource]:
    """All that a search finds, page after page. Raises Busy."""
    pairs = [*wanted, ("_count", "500")]
    parsed = await understood(door, pairs, lambda registry: parse_query(type, pairs, base=door.base, registry=registry))
    while True:
        page = await search(door, who, parsed)
        for one in page.resources:
            yield one
        if page.next is None:
            return
        query = msgspec.structs.replace(parsed.query, after=page.next, kept=False)
        parsed = msgspec.structs.replace(parsed, query=query, kept=False)


async def _beside(door: Door, all: dict[tuple[str, str], Resource]) -> None:
    """Put what they refer to among them."""
    news = list(all.values())
    for _ in range(_DEPTH):
        wanted = sorted({name for one in news for name in _named(one.body, door.base)} - all.keys())
        news = []
        for begin in range(0, len(wanted), _AT_ONCE):
            some = wanted[begin : begin + _AT_ONCE]
            read = await asyncio.gather(*(door.store.read(*name) for name in some))
            news += [one for one in read if one is not None and not one.deleted]
        all.update(((one.type, one.id), one) for one in news)
        if not news:
            return


def _named(body: Mapping[str, Any], base: str) -> Iterator[tuple[str, str]]:
    for text in references(body):
        name = local(text.removeprefix(f"{base}/"))
        if name is not None and name[0] in BESIDE:
            yield name


async def whom(door: Door, who: Principal, said: str) -> str:
    """The reference to the Patient here that is meant: `Patient/17`, or who has this number (`system|number`, or the
    number alone). Raises NotFound, Conflict (several), Forbidden, Invalid.
    """
    name = local(said)
    if name is not None and name[0] == PATIENT:
        pairs = [("_id", name[1])]
    elif name is not None or not said.strip():
        raise Invalid("The patient is named by Patient/ID, or by a medical record number.", expression="patient")
    else:
        escaped = said.replace("\\", "\\\\").replace(",", "\\,").replace("$", "\\$")
        pairs = [("identifier", escaped)]
    pairs.append(("_count", "2"))
    parsed = await understood(
        door, pairs, lambda registry: parse_query(PATIENT, pairs, base=door.base, registry=registry)
    )
    page = await search(door, who, parsed)
    if not page.resources:
        written = "" if name is not None else " This was read as a medical record number; an id is written Patient/ID."
        text = f"hilum's store has no such patient, or none that this token may see.{written}"
        raise NotFound(text, expression="patient")
    if len(page.resources) > 1:
        raise Conflict(
            "Several patients have this number: name its system too, as system|number, or Patient/ID.",
            expression="patient",
        )
    return f"{PATIENT}/{page.resources[0].id}"
