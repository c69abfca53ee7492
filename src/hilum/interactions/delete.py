"""FHIR delete, plain and conditional. https://hl7.org/fhir/R4/http.html#delete"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions import criteria as conditional
from hilum.interactions.auditing import refuse_own
from hilum.interactions.build import check_match, integrity, removal
from hilum.interactions.defining import commit
from hilum.interactions.door import Door
from hilum.interactions.permit import Permits, audit, judged_by, permits, seen, visible
from hilum.interactions.retrying import retrying
from hilum.interactions.state import refuse_blind
from hilum.problems import Forbidden, MultipleMatches
from hilum.search.query import Query
from hilum.store.interface import Precondition, Resolves

MOST: Final = 1000
"""A conditional delete removes this many resources at most, in one commit."""


async def delete(door: Door, who: Principal, type: str, id: str, if_match: str | None = None) -> Resource | None:
    """Delete; the deletion, or None when there was nothing to delete: absent, hidden, or deleted before.

    Raises Forbidden, PreconditionFailed (If-Match), Conflict (integrity: something still refers to it), Busy.
    """
    allowed = permits(who, type, "d")
    refuse_own(type, id)

    async def attempt() -> Resource | None:
        current = await seen(door, who, allowed, type, id)
        if type == "Basic":
            await refuse_blind(door, who, current, if_match)
        check_match(if_match, current)
        if current is None or current.deleted:
            return None
        return (await _remove(door, who, allowed, (current,)))[0]

    return await retrying(attempt)


async def conditional_delete(door: Door, who: Principal, type: str, criteria: str, multiple: bool) -> list[Resource]:
    """Delete what the criteria match; the deletions, none when nothing matched.

    Raises MultipleMatches when there are several and `multiple` is False, or more than `MOST` of them.
    """
    allowed = permits(who, type, "d")

    async def attempt() -> list[Resource]:
        query = conditional.parse(door, who, type, criteria)
        found = await doomed(door, who, allowed, query, multiple=multiple)
        if not found:
            return []
        # Several: each write holds only for the version that was looked at, which is all that is promised.
        same = (Resolves(query, (found[0].id,)),) if not multiple else ()
        return list(await _remove(door, who, allowed, found, same))

    return await retrying(attempt)


async def doomed(door: Door, who: Principal, allowed: Permits, query: Query, *, multiple: bool) -> tuple[Resource, ...]:
    """What a conditional delete means: one resource at most, or with `multiple` as many as `MOST`.

    Raises MultipleMatches when there are more, Forbidden when one of them may not be deleted.
    """
    found = await conditional.resolve(door, replace(query, count=MOST + 1) if multiple else query)
    if not multiple and len(found) > 1:
        raise conditional.several()
    if len(found) > MOST:
        raise MultipleMatches(f"The criteria match more than {MOST} resources. Delete them in smaller parts.")
    for match in found:
        if not await visible(door, who, allowed, match):
            raise Forbidden(f"The criteria match a {match.type} that the token does not allow to delete.")
        await refuse_blind(door, who, match, None)
    return found


async def _remove(
    door: Door,
    who: Principal,
    allowed: Permits,
    found: tuple[Resource, ...],
    preconditions: tuple[Precondition, ...] = (),
) -> tuple[Resource, ...]:
    conditions = preconditions + integrity(door, [], [(resource.type, resource.id) for resource in found])
    catalogue = door.store.catalogue
    writes = tuple(
        [
            removal(allowed, resource, catalogue.registry, await judged_by(door, who, allowed, resource))
            for resource in found
        ]
    )
    return await commit(door, catalogue, writes, audit(who, "delete"), conditions)
