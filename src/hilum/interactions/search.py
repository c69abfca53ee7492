"""FHIR search, by type, system or compartment. https://hl7.org/fhir/R4/http.html#search"""

from __future__ import annotations

from hilum.access.confine import confine
from hilum.access.policy import Principal
from hilum.interactions.door import Door
from hilum.interactions.resolve import resolve
from hilum.search.parse import Parsed
from hilum.store.interface import Page


async def search(door: Door, who: Principal, parsed: Parsed) -> Page:
    """One page of what matches and `who` may search, with what comes along.

    The permits of the query are made here, whoever parsed it. Raises Forbidden as `confine`, Invalid and TooCostly as
    `resolve` and the store.
    """
    query = await resolve(door, who, confine(parsed.query, who.policy))
    return await door.store.search(query)
