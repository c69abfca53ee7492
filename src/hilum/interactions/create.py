"""FHIR create, plain and conditional. https://hl7.org/fhir/R4/http.html#create"""

from __future__ import annotations

from collections.abc import Sequence

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions import contents
from hilum.interactions import criteria as conditional
from hilum.interactions.build import Body, checked, put
from hilum.interactions.door import Door, Written
from hilum.interactions.ids import uuid7
from hilum.interactions.permit import Permits, permits, visible
from hilum.interactions.retrying import retrying
from hilum.oauth.ledger import Put
from hilum.problems import Conflict, Forbidden, Issue
from hilum.store.blobs.blob import Blob
from hilum.store.interface import Resolves


async def create(
    door: Door,
    who: Principal,
    type: str,
    body: Body,
    criteria: str | None = None,
    size: int = 0,
    blob: Blob | None = None,
    once: Sequence[Put] = (),
    id: str = "",
) -> Written:
    """A new resource with an id that the server makes; an id in the body is ignored.

    `criteria` (If-None-Exist): with no match the resource is created, with one match that resource is the answer
    (created and changed False). `size`: bytes of the body as it came, if it may be large. `blob`: of a Binary, where
    its content is already. `once`: records that are written with the resource; of several creates that write the same
    one is made, and the others are a Conflict. `id`: what the server has made already (`uuid7`), where a record names
    it (without criteria). Raises Invalid, Forbidden, MultipleMatches, Conflict (integrity), Busy.
    """
    allowed = permits(who, type, "c")
    if type != contents.TYPE:
        told = await checked(door, type, body, size)
        return await _created(door, who, allowed, type, body, criteria, size, None, told, once, id)
    async with contents.stowing(door) as stow:
        if blob is not None:
            await stow.aside(type, body, blob)
        told = await checked(door, type, body, size)
        body, blob = await stow.aside(type, body, blob)
        found = await _created(door, who, allowed, type, body, criteria, size, blob, told, once, id)
        stow.settle(blob, found.changed)
        return found


async def _created(
    door: Door,
    who: Principal,
    allowed: Permits,
    type: str,
    body: Body,
    criteria: str | None,
    size: int,
    blob: Blob | None,
    told: tuple[Issue, ...],
    once: Sequence[Put],
    id: str,
) -> Written:
    puts = tuple(once)
    if criteria is None:
        id = id or uuid7()

        async def attempt() -> Written:
            for one in puts:
                row = await door.store.ledger.get(one.kind, one.key)
                if (None if row is None else row.version) != one.version:
                    raise Conflict("What this may be created by, once, was used by another request meanwhile.")
            return await put(
                door, who, allowed, "create", "POST", type, id, body, None, size=size, blob=blob, told=told, puts=puts
            )

        return await retrying(attempt)

    async def attempt_unless_found() -> Written:
        query = conditional.parse(door, who, type, criteria)
        match = await conditional.single(door, query)
        if match is not None:
            await readable(door, who, match)
            return Written(match, created=False, changed=False)
        return await put(
            door,
            who,
            allowed,
            "create",
            "POST",
            type,
            uuid7(),
            body,
            None,
            (Resolves(query, ()),),
            size=size,
            blob=blob,
            told=told,
            puts=puts,
        )

    return await retrying(attempt_unless_found)


async def readable(door: Door, who: Principal, match: Resource) -> None:
    """Raises Forbidden unless the token may read what its criteria found: the answer shows it."""
    allowed = who.policy.permits(match.type, "r")
    if not allowed or not await visible(door, who, allowed, match):
        raise Forbidden(f"The criteria match a {match.type} that the token does not allow to read.")
