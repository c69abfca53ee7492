"""FHIR search, by type, system or compartment. https://hl7.org/fhir/R4/http.html#search"""

from __future__ import annotations

from dataclasses import replace

from hilum.access.policy import Principal
from hilum.interactions.door import Door
from hilum.interactions.permit import permits_for
from hilum.search.parse import Parsed
from hilum.store.interface import Page

__all__ = ["permits_for", "search"]


async def search(door: Door, who: Principal, parsed: Parsed) -> Page:
    """One page of what matches and `who` may search. Raises Forbidden when none of the types may be searched at all.

    The permits of the query are made here once more: whoever parsed it, nobody else's policy gets in.
    """
    query = parsed.query
    permits = permits_for(who, query.types, "s")
    return await door.store.search(query if query.permits == permits else replace(query, permits=permits))
