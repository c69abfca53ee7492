"""FHIR patch, plain and conditional. https://hl7.org/fhir/R4/http.html#patch

The patch is applied to the current version, the result is judged as an update: same permits, same validation. Whether
a patch applies tells what the resource holds (`test`, a path with a condition), so that it takes the right to read too.
"""

from __future__ import annotations

from dataclasses import replace

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions import contents
from hilum.interactions import criteria as conditional
from hilum.interactions.auditing import refuse_own
from hilum.interactions.build import apart, check_match, checked, put
from hilum.interactions.door import Door, Written
from hilum.interactions.fhirpath_patch import parse_fhirpath_patch
from hilum.interactions.json_patch import parse_json_patch
from hilum.interactions.patches import Patch
from hilum.interactions.permit import Permits, absent, permits, seen, visible
from hilum.interactions.retrying import retrying
from hilum.interactions.state import refuse_blind
from hilum.interactions.xml_patch import parse_xml_patch
from hilum.problems import Forbidden, Gone, Invalid, Issue, NotFound
from hilum.store.interface import Precondition, Resolves

__all__ = ["Patch", "conditional_patch", "parse_fhirpath_patch", "parse_json_patch", "parse_xml_patch", "patch"]


async def patch(door: Door, who: Principal, type: str, id: str, patch: Patch, if_match: str | None = None) -> Written:
    """The next version of a resource, made by a patch; changed False when it changed nothing.

    Raises NotFound (absent or hidden), Gone, Forbidden, PreconditionFailed, Unprocessable (the patch doesn't apply),
    Invalid (what comes out is not valid), Conflict, Busy.
    """
    allowed, reading = permits(who, type, "u"), permits(who, type, "r")
    refuse_own(type, id)

    async def attempt() -> Written:
        current = await seen(door, who, allowed, type, id)
        if current is not None and not await visible(door, who, reading, current):
            current = None
        if type == "Basic":
            await refuse_blind(door, who, current, if_match)
        check_match(if_match, current)
        if current is None:
            raise absent(type, id)
        return await _patched(door, who, allowed, current, patch)

    return await retrying(attempt)


async def conditional_patch(
    door: Door, who: Principal, type: str, criteria: str, patch: Patch, if_match: str | None = None
) -> Written:
    """Patch what the criteria find: NotFound without a match, MultipleMatches with several, else as `patch`."""
    allowed, reading = permits(who, type, "u"), permits(who, type, "r")

    async def attempt() -> Written:
        query = conditional.parse(door, who, type, criteria)
        match = await conditional.single(door, query)
        if type == "Basic":
            await refuse_blind(door, who, match, if_match)
        check_match(if_match, match)
        if match is None:
            raise NotFound(f"The conditional criteria match no {type}.")
        if not (await visible(door, who, allowed, match) and await visible(door, who, reading, match)):
            raise Forbidden(f"The criteria match a {type} that the token does not allow to update and read.")
        return await _patched(door, who, allowed, match, patch, (Resolves(query, (match.id,)),))

    return await retrying(attempt)


async def _patched(
    door: Door,
    who: Principal,
    allowed: Permits,
    current: Resource,
    patch: Patch,
    preconditions: tuple[Precondition, ...] = (),
) -> Written:
    if current.deleted:
        raise Gone(f"{current.type}/{current.id} was deleted; there is nothing to patch.")
    size = len(current.raw)
    body = await apart(size, patch.applied, current.raw)
    try:
        told = await checked(door, current.type, body, size)
    except Invalid as problem:
        raise Invalid(issues=tuple(map(_advised, problem.issues))) from None
    blob = None
    if current.type == contents.TYPE:
        body, blob = await contents.carried(door, current, body)
    return await put(
        door,
        who,
        allowed,
        "patch",
        "PATCH",
        current.type,
        current.id,
        body,
        current,
        preconditions,
        told=told,
        blob=blob,
    )


def _advised(issue: Issue) -> Issue:
    """FHIR has no empty arrays, so that a patch can't leave one where it removes the last item."""
    if "is an empty array" not in issue.diagnostics:
        return issue
    advice = "To remove the last item remove the whole list: its path without the index."
    return replace(issue, diagnostics=f"{issue.diagnostics} {advice}")
