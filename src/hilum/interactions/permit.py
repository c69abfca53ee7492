"""Who may do what: a Policy applied to one interaction.

What a principal may not see is as if it were absent: the same answer, so that ids can't be probed. A type that no grant
names at all is Forbidden. https://hl7.org/fhir/R4/security.html#AccessDenied
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Any

from hilum.access.policy import Principal, allows
from hilum.audit.event import detail
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.interactions.links import local_references, relative
from hilum.problems import Conflict, Forbidden, NotFound
from hilum.search.clauses import IdClause, Permit
from hilum.search.index import index
from hilum.search.matches import lies
from hilum.search.rows import NO_ROWS, Rows
from hilum.store.interface import Audit, Placed

Permits = tuple[Permit, ...]
Owners = tuple[tuple[str, str], ...]
"""Compartments: (type, id) of whose they are."""
Lent = tuple[Owners, Owners] | None
"""The compartments of a Binary's old and new image; None: the rows of the images say it."""
WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}


def permits(who: Principal, type: str, letter: str) -> Permits:
    """The alternatives under which this is allowed on this type, at least one. Raises Forbidden, NotFound."""
    if type not in TYPE_NUMBER:
        raise NotFound("FHIR R4 has no resource type of this name; see /metadata for those it has.")
    found = who.policy.permits(type, letter)
    if not found:
        raise Forbidden(f"The token does not allow to {WORDS[letter]} {type}: no scope names it for '{letter}'.")
    return found


def permits_for(who: Principal, types: tuple[str, ...], letter: str) -> tuple[Permits, ...]:
    """For `Query.permits`: one entry per type, empty where nothing of the type is allowed.

    Raises Forbidden when nothing of any of the types is.
    """
    found = tuple(who.policy.permits(type, letter) for type in types)
    if not any(found):
        what = types[0] if len(types) == 1 else "any of these types"
        raise Forbidden(f"The token does not allow to {WORDS[letter]} {what}: no scope names it for '{letter}'.")
    return found


def unlimited(allowed: Permits) -> bool:
    """Whether every resource of the type is within these permits."""
    return any(permit.owners is None and not permit.clauses for permit in allowed)


def unbound(allowed: Permits) -> bool:
    """Whether one of these permits reaches beyond compartments."""
    return any(permit.owners is None for permit in allowed)


async def visible(door: Door, who: Principal, allowed: Permits, resource: Resource) -> bool:
    """Whether this very version is within these permits."""
    if unlimited(allowed):
        return True
    placed = await door.store.placed(resource.type, resource.id, resource.version)
    return placed is not None and await _shows(door, who, allowed, placed)


async def _shows(door: Door, who: Principal, allowed: Permits, placed: Placed) -> bool:
    """Whether a version, by its content and the compartments it was committed in, is within permits that limit.

    A deletion is judged by what it deleted.
    """
    resource, owners = placed
    clauses = [clause for permit in allowed for clause in permit.clauses]
    if not clauses and resource.type != "Binary":
        return any(lies(permit, owners) for permit in allowed)
    said = any(clause.__class__ is not IdClause for clause in clauses)
    content: Resource | None = resource
    if resource.deleted and (said or resource.type == "Binary"):
        content = await door.store.read(resource.type, resource.id, resource.version - 1)
    if resource.type == "Binary":
        owners = () if content is None or content.deleted else await lent(door, who, content.body)
    rows = Rows(compartments=owners)
    if said:
        if content is None or content.deleted:
            allowed = tuple(permit for permit in allowed if not permit.clauses)
        else:
            rows = replace(index(content.type, content.body), compartments=rows.compartments)
    return allows(allowed, rows, resource.id)


async def lent(door: Door, who: Principal, body: dict[str, Any]) -> Owners:
    """The compartments that a Binary lies in: those of what its securityContext refers to, if `who` may read that.

    A Binary says nothing about whom it is: "this element identifies another resource that can be used as a proxy".
    https://hl7.org/fhir/R4/binary.html#security
    """
    context = body.get("securityContext")
    names = local_references(relative({"": context}, door.base)) if type(context) is dict else set()
    if len(names) != 1:
        return ()
    ((kind, id),) = names
    allowed = who.policy.permits(kind, "r") if kind != "Binary" else ()
    target = await placed(door, who, allowed, kind, id) if allowed else None
    return () if target is None or target.resource.deleted else target.compartments


async def judged_by(
    door: Door, who: Principal, allowed: Permits, current: Resource | None, body: dict[str, Any] | None = None
) -> Lent:
    """What a write of a Binary is judged by, besides its rows: what its images (the new one: `body`) lie in.

    None for all other types, and where there is nothing to judge.
    """
    if unlimited(allowed) and unlimited(who.policy.permits("Binary", "r")):
        return None
    kind = current.type if current is not None else (body or {}).get("resourceType")
    if kind != "Binary":
        return None
    old = () if current is None or current.deleted else await lent(door, who, current.body)
    return old, () if body is None else await lent(door, who, body)


def lying(rows: Rows, lent: Lent, image: int) -> Rows:
    """Index rows with the compartments that were lent to the old (0) or the new (1) image."""
    return rows if lent is None else replace(rows, compartments=lent[image])


async def seen(
    door: Door, who: Principal, allowed: Permits, type: str, id: str, version: int | None = None
) -> Resource | None:
    """The current version or that one, perhaps a deletion; None when it is absent or hidden."""
    if unlimited(allowed):
        return await door.store.read(type, id, version)
    found = await door.store.placed(type, id, version)
    return found.resource if found is not None and await _shows(door, who, allowed, found) else None


async def placed(door: Door, who: Principal, allowed: Permits, type: str, id: str) -> Placed | None:
    """As `seen`, with the compartments that it lies in."""
    found = await door.store.placed(type, id)
    return found if found is not None and (unlimited(allowed) or await _shows(door, who, allowed, found)) else None


def covers(who: Principal, type: str, id: str, rows: Rows) -> bool:
    """Whether the principal may read the resource of this type and id that has these index rows."""
    return allows(who.policy.permits(type, "r"), rows, id)


async def refuse_hidden(
    door: Door,
    who: Principal,
    allowed: Permits,
    targets: Iterable[tuple[str, str]],
    made: Container[tuple[str, str]],
    current: Resource | None,
) -> None:
    """With referential integrity: what a principal bound to a compartment may not see counts as missing.

    Otherwise a reference would tell whether a resource exists. `allowed`: the permits of the write. No secret is what
    the same request makes (`made`), and what the version before (`current`) refers to for who may read that. Raises
    Conflict, in the same words for what is hidden and for what is not there.
    """
    if unlimited(allowed):
        return
    known = {owner for permit in allowed for owner in permit.owners or ()}
    if current is not None and not current.deleted:
        reading = who.policy.permits(current.type, "r")
        if reading and await visible(door, who, reading, current):
            known |= local_references(current.body)
    for type, id in targets:
        if (type, id) in known or (type, id) in made:
            continue
        seeing = who.policy.permits(type, "r") + who.policy.permits(type, "s")
        if unlimited(seeing):  # the commit looks whether it exists
            continue
        found = await seen(door, who, seeing, type, id) if seeing else None
        if found is None or found.deleted:
            raise Conflict(f"The reference {type}/{id} points to nothing that exists here.")


def may_hold(allowed: Permits, id: str, new: Rows, old: Rows = NO_ROWS) -> None:
    """Judge a write by both images: it must stay within a permit, and enter and leave no other compartment of its kind.

    Otherwise a token for one patient could put content into the record of another, as a second participant say, or take
    what they share out of it. Compartments that both images lie in are no news. Raises Forbidden.
    """
    if unlimited(allowed):
        return
    holding = tuple(permit for permit in allowed if allows((permit,), new, id))
    if any(permit.owners is None for permit in holding):
        return
    if not holding or _foreign(allowed, old) != _foreign(allowed, new):
        raise _outside(allowed)


def may_remove(allowed: Permits, id: str, old: Rows) -> None:
    """Judge a deletion: what lies in another compartment of that kind as well is not this principal's to delete.

    Raises Forbidden.
    """
    if unlimited(allowed) or any(permit.owners is None and allows((permit,), old, id) for permit in allowed):
        return
    if _foreign(allowed, old):
        raise _outside(allowed)


def _foreign(allowed: Permits, rows: Rows) -> set[tuple[str, str]]:
    """The compartments that the permits don't name, of the kinds that they do."""
    owners = {owner for permit in allowed for owner in permit.owners or ()}
    kinds = {kind for kind, _ in owners}
    return {item for item in rows.compartments if item[0] in kinds} - owners


def _outside(allowed: Permits) -> Forbidden:
    if any(permit.clauses for permit in allowed):
        return Forbidden("The token is bound by search constraints, and this write reaches outside of them.")
    kinds = ", ".join(sorted({kind for permit in allowed for kind, _ in permit.owners or ()}))
    return Forbidden(f"The token is bound to one compartment ({kinds}), and this write reaches outside of it.")


def absent(type: str, id: str) -> NotFound:
    """The one answer for what does not exist and for what this principal may not see."""
    return NotFound(f"{type}/{id[:64]} does not exist.")


def audit(who: Principal, interaction: str) -> Audit:
    """The audit value of a commit."""
    return Audit(who.agent, who.client, interaction, who.token, detail(who))


def types_permitted(who: Principal, types: Iterable[str], letter: str) -> tuple[str, ...]:
    """Those of the types of which anything is allowed. Raises Forbidden when there is none."""
    found = tuple(type for type in types if who.policy.permits(type, letter))
    if not found:
        raise Forbidden(f"The token does not allow to {WORDS[letter]} any resource type.")
    return found
