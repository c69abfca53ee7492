"""How many resources there are, of those that the principal may search."""

from __future__ import annotations

from hilum.access.policy import Principal
from hilum.fhir.definitions import TYPES
from hilum.interactions.door import Door
from hilum.interactions.permit import types_permitted, unlimited
from hilum.search.clauses import Part
from hilum.search.query import Query


async def counts(door: Door, who: Principal) -> dict[str, int]:
    """Type -> current resources, sorted by type, without the types of which there is none. Raises Forbidden."""
    types = types_permitted(who, TYPES, "s")
    everything = (await door.store.counts()).types
    found: dict[str, int] = {}
    for type in types:
        permits = who.policy.permits(type, "s")
        number = everything.get(type, 0)
        if number and not unlimited(permits):
            page = await door.store.search(Query((Part(type, (), permits),), count=0, total="accurate"))
            number = page.total or 0
        if number:
            found[type] = number
    return found
