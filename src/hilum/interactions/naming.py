"""Which resource each entry of a transaction means, on one state of the store. https://hl7.org/fhir/R4/http.html#transaction"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions import criteria as conditional
from hilum.interactions.build import (
    Body,
    check_match,
)
from hilum.interactions.create import readable
from hilum.interactions.door import Door
from hilum.interactions.entries import (
    Entry,
    Target,
)
from hilum.interactions.ids import uuid7
from hilum.interactions.linking import Links, Name
from hilum.interactions.patches import Patch
from hilum.interactions.permit import Permits, absent, seen, unlimited, visible
from hilum.interactions.update import free
from hilum.problems import Forbidden, Gone, Invalid, NotFound
from hilum.search.query import Query
from hilum.store.interface import Precondition, Resolves


@dataclass(frozen=True, slots=True)
class Step:
    """An entry, understood and found valid by itself: all that does not depend on the state of the store."""

    number: int
    entry: Entry
    target: Target
    allowed: Permits
    query: Query | None
    patch: Patch | None


@dataclass(slots=True)
class Plan:
    """What the entries come to on one state of the store; built anew for every attempt.

    By the number of the step: `names`, the identity that it writes; `current`, what stands there now; `found`, the
    resource that a conditional create answers with instead; `same`, the step with the same criteria, which creates it.
    """

    links: Links
    names: dict[int, Name] = field(default_factory=dict)
    current: dict[int, Resource | None] = field(default_factory=dict)
    found: dict[int, Resource] = field(default_factory=dict)
    same: dict[int, int] = field(default_factory=dict)
    bodies: dict[int, Body] = field(default_factory=dict)
    preconditions: list[Precondition] = field(default_factory=list)
    deleted: set[Name] = field(default_factory=set)


async def _matched(door: Door, step: Step, plan: Plan) -> Resource | None:
    """What the criteria of the entry find, less what this transaction deletes; a precondition of the commit.

    A DELETE looks at the state before all others, so that the order of several makes no difference.
    """
    query = step.query
    assert query is not None
    deleted = frozenset() if step.entry.method == "DELETE" else plan.deleted
    # As many more as are deleted here; the precondition looks at the first two, and whatever is created comes first.
    found = await conditional.resolve(door, replace(query, count=query.count + len(deleted)))
    plan.preconditions.append(Resolves(query, tuple(match.id for match in found[:2])))
    kept = [match for match in found if (match.type, match.id) not in deleted]
    if len(kept) > 1:
        raise conditional.several()
    return kept[0] if kept else None


async def _name_delete(door: Door, who: Principal, step: Step, plan: Plan) -> None:
    number, asked = step.number, step.target
    current = await _existing(door, step, plan, "delete")
    check_match(step.entry.if_match, current)
    plan.current[number] = current
    if current is not None and not current.deleted:
        plan.names[number] = (asked.type, current.id)
        plan.deleted.add((asked.type, current.id))


async def _name_create(door: Door, who: Principal, step: Step, plan: Plan) -> None:
    number = step.number
    if step.query is not None:
        match = await _matched(door, step, plan)
        if match is not None:
            await readable(door, who, match)
            plan.found[number] = match
            _stands_for(step, plan, (match.type, match.id), match.version)
            return
    plan.names[number] = (step.target.type, step.entry.new_id or uuid7())
    plan.current[number] = None
    _stands_for(step, plan, plan.names[number], 1)


async def _name_update(door: Door, who: Principal, step: Step, plan: Plan) -> None:
    asked, body = step.target, step.entry.body
    assert body is not None
    current = await _existing(door, step, plan, "update")
    check_match(step.entry.if_match, current)
    id = asked.id
    if id is None:
        id = body.get("id")
        if current is not None and id is not None and id != current.id:
            text = f"The body has another id than the {asked.type} that the criteria match."
            raise Invalid(text, expression=f"{asked.type}.id")
        if current is not None:
            id = current.id
        elif id is not None:
            current = await free(door, step.allowed, asked.type, id)
    elif current is None and not unlimited(step.allowed):
        raise absent(asked.type, id)
    _writes(step, plan, (asked.type, id or uuid7()), current)


async def _name_patch(door: Door, who: Principal, step: Step, plan: Plan) -> None:
    asked = step.target
    current = await _existing(door, step, plan, "update")
    check_match(step.entry.if_match, current)
    if current is None:
        raise absent(asked.type, asked.id) if asked.id else NotFound(f"The criteria match no {asked.type}.")
    if current.deleted:
        raise Gone(f"{current.type}/{current.id} was deleted; there is nothing to patch.")
    _writes(step, plan, (asked.type, current.id), current)


async def _existing(door: Door, step: Step, plan: Plan, word: str) -> Resource | None:
    asked = step.target
    if asked.id is not None:
        return await seen(door, step.allowed, asked.type, asked.id)
    match = await _matched(door, step, plan)
    if match is not None and not await visible(door, step.allowed, match):
        raise Forbidden(f"The criteria match a {asked.type} that the token does not allow to {word}.")
    return match


NAME: Final = {"DELETE": _name_delete, "POST": _name_create, "PUT": _name_update, "PATCH": _name_patch}
"""method -> what finds its identity: each fills the plan, or raises what the single interaction raises."""


def _writes(step: Step, plan: Plan, name: Name, current: Resource | None) -> None:
    plan.names[step.number] = name
    plan.current[step.number] = current
    _stands_for(step, plan, name, 1 if current is None else current.version + 1)


def _stands_for(step: Step, plan: Plan, name: Name, version: int) -> None:
    """Let the entry's fullUrl mean this identity."""
    plan.links.versions[name] = version
    full_url = step.entry.full_url
    if full_url is None:
        return
    if not plan.links.name(full_url, name):
        raise Invalid("Another entry has the same fullUrl, but is another resource.", expression="fullUrl")


def refuse_overlaps(steps: list[Step], plan: Plan) -> None:
    """No two entries may write one resource; two POSTs with the same criteria create it once."""
    taken: dict[Name, int] = {}
    creates: dict[tuple[Any, ...], int] = {}
    for step in steps:
        number = step.number
        if step.query is not None and step.entry.method == "POST" and number in plan.names:
            first = creates.setdefault((step.target.type, step.query.parts), number)
            if first != number:
                plan.same[number] = first
                full_url = step.entry.full_url
                if full_url is not None:
                    plan.links.names[full_url] = plan.names[first]
                del plan.names[number]
        name = plan.names.get(number)
        if name is not None and taken.setdefault(name, number) != number:
            other = next(one for one in steps if one.number == taken[name])
            raise Invalid(
                f"Bundle.entry[{other.entry.index}] writes the same {name[0]}; "
                "a resource can be in a transaction only once.",
                expression=f"Bundle.entry[{step.entry.index}]",
            )
