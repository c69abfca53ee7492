"""FHIR transaction: all entries or none, as one commit. https://hl7.org/fhir/R4/http.html#transaction

Criteria, conditional references among them, are judged on the state before the transaction, less what it deletes, as
the order of processing (DELETE, POST, PUT and PATCH) asks; two POSTs with the same criteria make one resource. The
entries that read (GET) are no part of this: they follow the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, TypeVar

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions import criteria as conditional
from hilum.interactions.build import (
    Body,
    check_id,
    check_match,
    findings,
    image,
    integrity,
    removal,
    unchanged,
)
from hilum.interactions.create import readable
from hilum.interactions.door import Door
from hilum.interactions.entries import (
    Entry,
    EntryOutcome,
    Target,
    again,
    check_conditions,
    patch_of,
    placed,
    raise_together,
    target,
)
from hilum.interactions.ids import uuid7
from hilum.interactions.linking import Links, Name, path_of, root
from hilum.interactions.patches import Patch
from hilum.interactions.permit import Permits, absent, audit, may_hold, permits, seen, unlimited, visible
from hilum.interactions.retrying import retrying
from hilum.interactions.update import free
from hilum.problems import Forbidden, Gone, Invalid, Issue, MultipleMatches, NotFound, PreconditionFailed, Problem
from hilum.search.query import Query
from hilum.store.interface import Commit, Precondition, Resolves, Write

__all__ = ["Entry", "EntryOutcome", "transaction"]

LETTER: Final = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
ORDER: Final = ("DELETE", "POST", "PUT", "PATCH")
_BREATH: Final = 64

T = TypeVar("T")


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


async def transaction(door: Door, who: Principal, entries: Sequence[Entry]) -> tuple[EntryOutcome, ...]:
    """Commit all entries; their outcomes in the order of the request.

    What is wrong with the entries by themselves is raised together (paths such as `Bundle.entry[3].resource.name[0]`),
    in the category of the first. Raises what the single interactions raise, and Invalid when two entries write one
    resource; then nothing was written.
    """
    steps: list[Step] = []
    problems: list[Problem] = []
    async for number, entry in _in_turns(entries):
        try:
            steps.append(_understand(door, who, number, entry))
        except Problem as problem:
            problems.append(again(problem, placed(problem.issues, entry.index)))
    raise_together(problems)
    steps.sort(key=lambda step: ORDER.index(step.entry.method))
    return await retrying(lambda: _attempt(door, who, steps))


async def _in_turns(items: Sequence[T]) -> AsyncIterator[tuple[int, T]]:
    """The items, numbered; between them others get their turn on the event loop: a bundle may hold thousands."""
    for number, item in enumerate(items):
        yield number, item
        if number % _BREATH == _BREATH - 1:
            await asyncio.sleep(0)


def _understand(door: Door, who: Principal, number: int, entry: Entry) -> Step:
    check_conditions(entry)
    asked = target(entry, door.base)
    allowed = permits(who, asked.type, LETTER[entry.method])
    patch = None
    if entry.method == "PATCH":
        patch = patch_of(entry)
    elif entry.body is not None:
        found = findings(asked.type, entry.body)
        if found:
            raise Invalid(issues=found)
        if asked.id is not None:
            check_id(asked.type, asked.id, entry.body)
    query = None if asked.criteria is None else conditional.parse(door, who, asked.type, asked.criteria)
    return Step(number, entry, asked, allowed, query, patch)


async def _attempt(door: Door, who: Principal, steps: list[Step]) -> tuple[EntryOutcome, ...]:
    plan = Plan(Links(door.base))
    async for _, step in _in_turns(steps):
        await _at(step, _NAME[step.entry.method](door, who, step, plan))
    _refuse_overlaps(steps, plan)
    await _link(door, who, steps, plan)
    return await _commit(door, who, steps, plan)


async def _at(step: Step, work: Any) -> None:
    try:
        await work
    except Problem as problem:
        raise again(problem, placed(problem.issues, step.entry.index)) from None


# --- which resource each entry means ----------------------------------------------------------------------------------


async def _matched(door: Door, step: Step, plan: Plan) -> Resource | None:
    """What the criteria of the entry find, less what this transaction deletes; a precondition of the commit."""
    query = step.query
    assert query is not None
    # As many more as are deleted here; the precondition looks at the first two, and whatever is created comes first.
    found = await conditional.resolve(door, replace(query, count=query.count + len(plan.deleted)))
    plan.preconditions.append(Resolves(query, tuple(match.id for match in found[:2])))
    kept = [match for match in found if (match.type, match.id) not in plan.deleted]
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
    plan.names[number] = (step.target.type, uuid7())
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


_NAME: Final = {"DELETE": _name_delete, "POST": _name_create, "PUT": _name_update, "PATCH": _name_patch}


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


def _refuse_overlaps(steps: list[Step], plan: Plan) -> None:
    """No two entries may write one resource; two POSTs with the same criteria create it once."""
    taken: dict[Name, int] = {}
    creates: dict[tuple[Any, ...], int] = {}
    for step in steps:
        number = step.number
        if step.query is not None and step.entry.method == "POST" and number in plan.names:
            first = creates.setdefault((step.target.type, step.query.clauses), number)
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


# --- what they refer to -----------------------------------------------------------------------------------------------


async def _link(door: Door, who: Principal, steps: list[Step], plan: Plan) -> None:
    """Make the body of every entry that writes one: patches applied, links replaced."""
    links = plan.links
    writing = [step for step in steps if step.number in plan.names and step.entry.method != "DELETE"]
    owners: dict[str, Step] = {}
    async for _, step in _in_turns(writing):
        known = len(links.pending)
        await _at(step, _body(step, plan))
        owners |= dict.fromkeys(islice(links.pending, known, None), step)
    for reference, step in owners.items():
        await _at(step, _resolve(door, who, reference, step, plan))
    if links.pending:
        async for _, step in _in_turns(writing):
            number = step.number
            plan.bodies[number] = links.body(plan.bodies[number], root(step.entry.full_url))


async def _body(step: Step, plan: Plan) -> None:
    number = step.number
    body = step.entry.body
    if step.patch is not None:
        current = plan.current[number]
        assert current is not None
        body = step.patch.applied(current.raw)
        found = findings(step.target.type, body)
        if found:
            raise Invalid(issues=found)
    assert body is not None
    plan.bodies[number] = plan.links.body(body, root(step.entry.full_url))


async def _resolve(door: Door, who: Principal, reference: str, step: Step, plan: Plan) -> None:
    """A conditional reference must mean exactly one resource."""
    type, _, criteria = reference.partition("?")
    where = "resource" + (path_of(plan.bodies[step.number], reference) or "")
    try:
        query = conditional.parse(door, who, type, criteria)
    except Problem as problem:
        raise again(problem, (Issue("error", problem.code, str(problem), where),)) from None
    found = await conditional.resolve(door, query)
    plan.preconditions.append(Resolves(query, tuple(match.id for match in found)))
    if len(found) > 1:
        raise MultipleMatches(f"The conditional reference matches several {type} resources.", expression=where)
    if not found or (type, found[0].id) in plan.deleted:
        raise PreconditionFailed(f"The conditional reference matches no {type}.", expression=where)
    plan.links.resolved[reference] = f"{type}/{found[0].id}"


# --- the commit -------------------------------------------------------------------------------------------------------


async def _commit(door: Door, who: Principal, steps: list[Step], plan: Plan) -> tuple[EntryOutcome, ...]:
    writes: dict[int, Write] = {}
    async for _, step in _in_turns(steps):
        write = _write(door, step, plan) if step.number in plan.names else None
        if write is not None:
            writes[step.number] = write
    made: dict[int, Resource] = {}
    if writes:
        bodies = [plan.bodies[number] for number in writes if number in plan.bodies]
        conditions = (*dict.fromkeys(plan.preconditions), *integrity(door, bodies, sorted(plan.deleted)))
        versions = await door.store.commit(Commit(tuple(writes.values()), audit(who, "transaction"), conditions))
        made = dict(zip(writes, versions, strict=True))
    return tuple(_outcome(step, plan, made) for step in sorted(steps, key=lambda step: step.number))


def _write(door: Door, step: Step, plan: Plan) -> Write | None:
    """The write of an entry; None when it would change nothing."""
    number, method = step.number, step.entry.method
    current = plan.current[number]
    if method == "DELETE":
        assert current is not None
        return removal(current)
    type, id = plan.names[number]
    write = image(door, method, type, id, plan.bodies[number], current)
    try:
        may_hold(step.allowed, write.rows, write.old)
    except Problem as problem:
        raise again(problem, placed(problem.issues, step.entry.index)) from None
    if unchanged(write, current) and (type, id) not in plan.links.pinned:
        return None
    return write


def _outcome(step: Step, plan: Plan, made: dict[int, Resource]) -> EntryOutcome:
    number, method = step.number, step.entry.method
    if number in made:
        current = plan.current[number]
        created = method != "DELETE" and (current is None or current.deleted)
        return EntryOutcome(step.entry.index, method, made[number], created, True)
    if number in plan.same:
        return EntryOutcome(step.entry.index, method, made[plan.same[number]], False, False)
    resource = plan.found.get(number) or plan.current.get(number)
    return EntryOutcome(step.entry.index, method, None if method == "DELETE" else resource, False, False)
