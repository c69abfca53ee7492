"""Which resource each entry of a transaction means, on one state of the store. https://hl7.org/fhir/R4/http.html#transaction"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions import criteria as conditional
from hilum.interactions.build import (
    Body,
    check_match,
)
from hilum.interactions.create import readable
from hilum.interactions.delete import doomed
from hilum.interactions.door import Door
from hilum.interactions.drafts import Drafts
from hilum.interactions.entries import (
    Entry,
    Target,
    again,
    placed,
)
from hilum.interactions.ids import uuid7
from hilum.interactions.linking import Links, Name
from hilum.interactions.patches import Patch
from hilum.interactions.permit import Permits, absent, permits, seen, unlimited, visible
from hilum.interactions.state import refuse_blind
from hilum.interactions.update import free
from hilum.problems import Forbidden, Gone, Invalid, Issue, NotFound, Problem
from hilum.search.catalogue import EMPTY, Catalogue
from hilum.search.parameters import R4
from hilum.search.query import Query
from hilum.store.interface import Precondition, Resolves

T = TypeVar("T")

_TOLD: Final = 10_000
"""So many findings that refuse nothing are told of one transaction."""


@dataclass(frozen=True, slots=True)
class Step:
    """An entry, understood and found valid by itself: all that does not depend on the state of the store.

    `told`: what validation said of its body.
    """

    number: int
    entry: Entry
    target: Target
    allowed: Permits
    query: Query | None
    patch: Patch | None
    told: tuple[Issue, ...] = ()


@dataclass(slots=True)
class Plan:
    """What the entries come to on one state of the store; built anew for every attempt.

    By the number of the step: `names`, the identity that it writes; `current`, what stands there now; `found`, the
    resource that a conditional create answers with instead; `same`, the step with the same criteria, which creates it;
    `removals`, what it deletes. `deleted` names all of that. `drafts`: what is written, once the bodies are made.
    `catalogue`: by which all of it is indexed. `told`: what validation said of the bodies; `tell` adds to it.
    """

    links: Links
    names: dict[int, Name] = field(default_factory=dict)
    current: dict[int, Resource | None] = field(default_factory=dict)
    found: dict[int, Resource] = field(default_factory=dict)
    same: dict[int, int] = field(default_factory=dict)
    removals: dict[int, tuple[Resource, ...]] = field(default_factory=dict)
    bodies: dict[int, Body] = field(default_factory=dict)
    preconditions: list[Precondition] = field(default_factory=list)
    deleted: set[Name] = field(default_factory=set)
    told: dict[int, tuple[Issue, ...]] = field(default_factory=dict)
    catalogue: Catalogue = EMPTY
    drafts: Drafts = field(default_factory=lambda: Drafts({}, {}, {}, R4))
    _replaced: dict[str, frozenset[str]] | None = None
    _telling: int = 0

    def tell(self, number: int, found: tuple[Issue, ...]) -> None:
        """This is to be said of an entry, as long as not too much is said of all of them."""
        left = max(0, _TOLD - self._telling)
        more = len(found) - left
        if more > 0:
            text = f"{more} findings are not shown: a transaction tells {_TOLD} of all its entries."
            found = (*found[:left], Issue("information", "informational", text))
        if found:
            self.told[number] = self.told.get(number, ()) + found
            self._telling += len(found)

    def replaced(self, type: str) -> frozenset[str]:
        """The ids of this type of which the version that is stored now won't be current: changed or deleted here."""
        if self._replaced is None:
            names: dict[str, set[str]] = {}
            changed = [name for number, name in self.names.items() if self.current[number] is not None]
            for kind, id in (*changed, *self.deleted):
                names.setdefault(kind, set()).add(id)
            self._replaced = {kind: frozenset(ids) for kind, ids in names.items()}
        return self._replaced.get(type, frozenset())


async def at(step: Step, work: Awaitable[T]) -> T:
    """The result of some work on this entry; its problems name their place in the Bundle."""
    try:
        return await work
    except Problem as problem:
        raise again(problem, placed(problem.issues, step.entry.index)) from None


def size(step: Step, plan: Plan) -> int:
    """How many bytes there are to work on."""
    if step.entry.method == "DELETE":
        return sum(len(resource.raw) for resource in plan.removals[step.number])
    current = plan.current[step.number]
    return step.entry.size if current is None else max(step.entry.size, len(current.raw))


async def _matched(door: Door, step: Step, plan: Plan) -> Resource | None:
    """What the criteria of the entry find, less what this transaction deletes; a precondition of the commit.

    A DELETE looks at the state before all others, so that the order of several makes no difference. Raises
    MultipleMatches, and Invalid for a PUT or PATCH of what is deleted here: one resource twice, by identity.
    """
    query = step.query
    assert query is not None
    deleted = frozenset() if step.entry.method == "DELETE" else plan.deleted
    found = await conditional.resolve(door, replace(query, count=query.count + len(deleted)))
    plan.preconditions.append(Resolves(query, tuple(match.id for match in found)))
    kept = [match for match in found if (match.type, match.id) not in deleted]
    if len(kept) > 1:
        raise conditional.several()
    if found and not kept and step.entry.method != "POST":
        raise Invalid(f"Another entry deletes the {step.target.type} that the criteria match; {_ONCE}")
    return kept[0] if kept else None


async def _name_delete(door: Door, who: Principal, step: Step, plan: Plan) -> None:
    if step.target.multiple:
        assert step.query is not None
        # As with a DELETE of its own: each deletion holds for the version that was looked at, and no more is promised.
        found = await doomed(door, who, step.allowed, step.query, multiple=True)
    else:
        current = await _existing(door, who, step, plan, "delete")
        if step.target.type == "Basic":
            await refuse_blind(door, who, current, step.entry.if_match)
        check_match(step.entry.if_match, current)
        found = () if current is None or current.deleted else (current,)
    plan.removals[step.number] = found
    plan.deleted.update((resource.type, resource.id) for resource in found)


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
    current = await _existing(door, who, step, plan, "update")
    if asked.type == "Basic":
        await refuse_blind(door, who, current, step.entry.if_match, body)
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
    current = await _existing(door, who, step, plan, "update")
    if current is not None and not await visible(door, who, permits(who, asked.type, "r"), current):
        if asked.id:
            raise absent(asked.type, asked.id)
        raise Forbidden(f"The criteria match a {asked.type} that the token does not allow to update and read.")
    if asked.type == "Basic":
        await refuse_blind(door, who, current, step.entry.if_match)
    check_match(step.entry.if_match, current)
    if current is None:
        raise absent(asked.type, asked.id) if asked.id else NotFound(f"The criteria match no {asked.type}.")
    if current.deleted:
        raise Gone(f"{current.type}/{current.id} was deleted; there is nothing to patch.")
    _writes(step, plan, (asked.type, current.id), current)


async def _existing(door: Door, who: Principal, step: Step, plan: Plan, word: str) -> Resource | None:
    asked = step.target
    if asked.id is not None:
        return await seen(door, who, step.allowed, asked.type, asked.id)
    match = await _matched(door, step, plan)
    if match is not None and not await visible(door, who, step.allowed, match):
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


_ONCE: Final = "a resource can be in a transaction only once."


def refuse_overlaps(steps: list[Step], plan: Plan) -> None:
    """No two entries may write one resource; two POSTs with the same criteria create it once. Raises Invalid."""
    taken: dict[Name, Step] = {}
    asked: dict[tuple[Any, ...], Step] = {}
    for step in steps:
        number, method = step.number, step.entry.method
        if step.query is not None and method != "DELETE" and (method != "POST" or number in plan.names):
            (part,) = step.query.parts
            key = (method == "POST", part.type, frozenset(part.clauses))
            first = asked.setdefault(key, step)
            if first is not step:
                if method != "POST":
                    raise _overlap(first, step)
                plan.same[number] = first.number
                if step.entry.full_url is not None:
                    plan.links.names[step.entry.full_url] = plan.names[first.number]
                del plan.names[number]
        for name in _written(step, plan):
            other = taken.setdefault(name, step)
            if other is not step:
                raise _overlap(other, step)


def _written(step: Step, plan: Plan) -> list[Name]:
    name = plan.names.get(step.number)
    removed = [(resource.type, resource.id) for resource in plan.removals.get(step.number, ())]
    return removed if name is None else [name]


def _overlap(one: Step, other: Step) -> Invalid:
    return Invalid(
        f"Bundle.entry[{one.entry.index}] writes the same {other.target.type}; {_ONCE}",
        expression=f"Bundle.entry[{other.entry.index}]",
    )


async def refuse_doubles(steps: list[Step], plan: Plan) -> None:
    """What one entry creates or changes may not be what the criteria of another one look for.

    Processed one after the other, those would mean that resource, or several; here no order makes a second one of what
    there should be once. Raises Invalid.
    """
    looking = [step for step in steps if step.query is not None and step.entry.method != "DELETE"]
    await plan.drafts.index({step.target.type for step in looking})
    by_number = {step.number: step for step in steps}
    for step in looking:
        assert step.query is not None
        found = plan.found.get(step.number)
        own = plan.names.get(plan.same.get(step.number, step.number)) if found is None else (found.type, found.id)
        for number in await at(step, plan.drafts.matching(step.query, own)):
            other = by_number[number].entry
            raise Invalid(
                f"The criteria match what Bundle.entry[{other.index}] ({other.method}) writes, which would make a "
                f"second {step.target.type} of what they say there is once; {_ONCE}",
                expression=f"Bundle.entry[{step.entry.index}]",
            )
