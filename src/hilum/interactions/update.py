"""FHIR update, update as create, and conditional update. https://hl7.org/fhir/R4/http.html#update

A PUT of what is stored already, byte for byte but for meta.versionId and meta.lastUpdated, makes no new version:
senders that repeat themselves nightly would otherwise fill the history with nothing. Only for who may read it: to
others the unchanged ETag would say that they guessed what is stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions import contents
from hilum.interactions import criteria as conditional
from hilum.interactions.auditing import refuse_own
from hilum.interactions.build import Body, check_id, check_match, checked, put
from hilum.interactions.door import Door, Written
from hilum.interactions.ids import uuid7
from hilum.interactions.permit import Permits, absent, permits, seen, unlimited, visible
from hilum.interactions.retrying import retrying
from hilum.interactions.state import refuse_blind
from hilum.problems import Conflict, Forbidden, Invalid, Issue, PreconditionFailed
from hilum.store.blobs.blob import Blob
from hilum.store.interface import Resolves


async def update(
    door: Door,
    who: Principal,
    type: str,
    id: str,
    body: Body,
    if_match: str | None = None,
    *,
    only_new: bool = False,
    size: int = 0,
    blob: Blob | None = None,
) -> Written:
    """The next version of a resource, or its first (created True) where there was none or a deleted one.

    `only_new` (If-None-Match: *): there may be none yet. `size`: bytes of the body as it came, if it may be large.
    `blob`: of a Binary, where its content is already. A principal that is bound to a compartment never chooses ids:
    what is absent or hidden is NotFound for it. Raises Invalid (the body's id too), Forbidden, NotFound,
    PreconditionFailed, Conflict (integrity), Busy.
    """
    allowed = permits(who, type, "u")
    refuse_own(type, id)
    check_id(type, id, body)

    async def attempt(body: Body, blob: Blob | None, told: tuple[Issue, ...]) -> Written:
        current = await seen(door, who, allowed, type, id)
        if type == "Basic":
            await refuse_blind(door, who, current, if_match, body)
        check_match(if_match, current)
        check_new(only_new, current)
        if current is None and not unlimited(allowed):
            raise absent(type, id)
        return await put(door, who, allowed, "update", "PUT", type, id, body, current, size=size, blob=blob, told=told)

    return await _stowed(door, type, body, size, blob, attempt)


async def _stowed(
    door: Door,
    type: str,
    body: Body,
    size: int,
    blob: Blob | None,
    attempt: Callable[[Body, Blob | None, tuple[Issue, ...]], Awaitable[Written]],
) -> Written:
    """Check the body; the content of a large Binary is put aside before it is attempted."""
    if type != contents.TYPE:
        told = await checked(door, type, body, size)
        return await retrying(lambda: attempt(body, None, told))
    async with contents.stowing(door) as stow:
        if blob is not None:
            await stow.aside(type, body, blob)
        told = await checked(door, type, body, size)
        kept, blob = await stow.aside(type, body, blob)
        found = await retrying(lambda: attempt(kept, blob, told))
        stow.settle(blob, found.changed)
        return found


async def conditional_update(
    door: Door,
    who: Principal,
    type: str,
    criteria: str,
    body: Body,
    if_match: str | None = None,
    *,
    only_new: bool = False,
    size: int = 0,
    blob: Blob | None = None,
) -> Written:
    """Update what the criteria find. https://hl7.org/fhir/R4/http.html#cond-update

    No match: created, under the body's id if it has one and that is free (otherwise Conflict). One match: updated;
    Invalid if the body has another id. Raises MultipleMatches, and what `update` raises.
    """
    allowed = permits(who, type, "u")
    refuse_own(type, body.get("id"))

    async def attempt(body: Body, blob: Blob | None, told: tuple[Issue, ...]) -> Written:
        query = conditional.parse(door, who, type, criteria)
        match = await conditional.single(door, query)
        if type == "Basic":
            await refuse_blind(door, who, match, if_match, body)
        check_match(if_match, match)
        check_new(only_new, match)
        if match is None:
            id = body.get("id")
            current = None if id is None else await free(door, allowed, type, id)
            nothing = (Resolves(query, ()),)
            return await put(
                door,
                who,
                allowed,
                "update",
                "PUT",
                type,
                id or uuid7(),
                body,
                current,
                nothing,
                size=size,
                blob=blob,
                told=told,
            )
        if body.get("id", match.id) != match.id:
            raise Invalid(f"The body has another id than the {type} that the criteria match.", expression=f"{type}.id")
        if not await visible(door, who, allowed, match):
            raise Forbidden(f"The criteria match a {type} that the token does not allow to update.")
        same = (Resolves(query, (match.id,)),)
        return await put(
            door, who, allowed, "update", "PUT", type, match.id, body, match, same, size=size, blob=blob, told=told
        )

    return await _stowed(door, type, body, size, blob, attempt)


def check_new(only_new: bool, current: Resource | None) -> None:
    """`If-None-Match: *` against the current version. Raises PreconditionFailed when one exists.

    A race is decided by the commit: a first version can't be made twice, and the next attempt sees the winner's.
    """
    if only_new and current is not None and not current.deleted:
        raise PreconditionFailed("If-None-Match: * asks that no such resource exists, but it does.")


async def free(door: Door, allowed: Permits, type: str, id: str) -> Resource | None:
    """What stands under an id that a client chose for a new resource: nothing (None), or a deletion.

    Raises Conflict when it is taken, Forbidden when this principal may not choose ids.
    """
    if not unlimited(allowed):
        raise Forbidden("A token that is bound to a compartment can't choose ids: leave the id out of the body.")
    current = await door.store.read(type, id)
    if current is not None and not current.deleted:
        raise Conflict(f"The criteria match nothing, but the id in the body is that of another {type}.")
    return current
