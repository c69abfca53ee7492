"""FHIR transaction: all entries or none, as one commit. https://hl7.org/fhir/R4/http.html#transaction

Criteria, conditional references among them, are judged on the state before the transaction, less what it deletes, as
the order of processing (DELETE, POST, PUT and PATCH) asks; two POSTs with the same criteria make one resource. The
entries that read (GET) are no part of this: they follow the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions import criteria as conditional
from hilum.interactions.build import (
    LARGE,
    Body,
    check_id,
    findings,
    image,
    integrity,
    referred,
    removal,
    targets,
    unchanged,
)
from hilum.interactions.door import Door
from hilum.interactions.entries import (
    Entry,
    EntryOutcome,
    again,
    check_conditions,
    patch_of,
    placed,
    raise_together,
    target,
)
from hilum.interactions.linking import Links, path_of, root
from hilum.interactions.naming import NAME, Plan, Step, refuse_overlaps
from hilum.interactions.permit import audit, may_hold, permits, refuse_hidden
from hilum.interactions.retrying import retrying
from hilum.problems import Invalid, Issue, MultipleMatches, PreconditionFailed, Problem
from hilum.store.interface import Commit, Resolves, Write

__all__ = ["Entry", "EntryOutcome", "transaction"]

LETTER: Final = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
ORDER: Final = ("DELETE", "POST", "PUT", "PATCH")
_BREATH: Final = 64
"""After so many entries others get their turn on the event loop: a bundle may hold thousands."""


async def transaction(door: Door, who: Principal, entries: Sequence[Entry]) -> tuple[EntryOutcome, ...]:
    """Commit all entries; their outcomes in the order of the request.

    What is wrong with the entries by themselves is raised together (paths such as `Bundle.entry[3].resource.name[0]`),
    in the category of the first. Raises what the single interactions raise, and Invalid when two entries write one
    resource; then nothing was written.
    """
    steps: list[Step] = []
    problems: list[Problem] = []
    for number, entry in enumerate(entries):
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        try:
            if entry.size > LARGE:
                steps.append(await asyncio.to_thread(_understand, door, who, number, entry))
            else:
                steps.append(_understand(door, who, number, entry))
        except Problem as problem:
            problems.append(again(problem, placed(problem.issues, entry.index)))
    raise_together(problems)
    steps.sort(key=lambda step: ORDER.index(step.entry.method))
    return await retrying(lambda: _attempt(door, who, steps))


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
    for number, step in enumerate(steps):
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        await _at(step, NAME[step.entry.method](door, who, step, plan))
    refuse_overlaps(steps, plan)
    await _link(door, who, steps, plan)
    return await _commit(door, who, steps, plan)


async def _at(step: Step, work: Any) -> None:
    try:
        await work
    except Problem as problem:
        raise again(problem, placed(problem.issues, step.entry.index)) from None


# --- what they refer to -----------------------------------------------------------------------------------------------


async def _link(door: Door, who: Principal, steps: list[Step], plan: Plan) -> None:
    """Make the body of every entry that writes one: patches applied, links replaced."""
    links = plan.links
    writing = [step for step in steps if step.number in plan.names and step.entry.method != "DELETE"]
    owners: dict[str, Step] = {}
    for number, step in enumerate(writing):
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        known = len(links.pending)
        try:
            large = _size(step, plan) > LARGE
            plan.bodies[step.number] = await asyncio.to_thread(_body, step, plan) if large else _body(step, plan)
        except Problem as problem:
            raise again(problem, placed(problem.issues, step.entry.index)) from None
        owners |= dict.fromkeys(islice(links.pending, known, None), step)
    for reference, step in owners.items():
        await _at(step, _resolve(door, who, reference, step, plan))
    if links.pending:
        for number, step in enumerate(writing):
            if number % _BREATH == 0:
                await asyncio.sleep(0)
            plan.bodies[step.number] = links.body(plan.bodies[step.number], root(step.entry.full_url))


def _size(step: Step, plan: Plan) -> int:
    """How many bytes there are to work on."""
    current = plan.current[step.number]
    return step.entry.size if current is None else max(step.entry.size, len(current.raw))


def _body(step: Step, plan: Plan) -> Body:
    body = step.entry.body
    if step.patch is not None:
        current = plan.current[step.number]
        assert current is not None
        body = step.patch.applied(current.raw)
        found = findings(step.target.type, body)
        if found:
            raise Invalid(issues=found)
    assert body is not None
    return plan.links.body(body, root(step.entry.full_url))


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
    for number, step in enumerate(steps):
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        write = None
        if step.number in plan.names:
            large = _size(step, plan) > LARGE
            write = await asyncio.to_thread(_write, door, step, plan) if large else _write(door, step, plan)
        if write is not None:
            writes[step.number] = write
    made: dict[int, Resource] = {}
    if writes:
        await _refuse_hidden(door, who, steps, plan, writes)
        bodies = [plan.bodies[number] for number in writes if number in plan.bodies]
        conditions = (*dict.fromkeys(plan.preconditions), *integrity(door, bodies, sorted(plan.deleted)))
        versions = await door.store.commit(Commit(tuple(writes.values()), audit(who, "transaction"), conditions))
        made = dict(zip(writes, versions, strict=True))
    return tuple(_outcome(step, plan, made) for step in sorted(steps, key=lambda step: step.number))


async def _refuse_hidden(door: Door, who: Principal, steps: list[Step], plan: Plan, writes: dict[int, Write]) -> None:
    """With referential integrity: a reference must not tell whether a hidden resource exists."""
    if not door.integrity:
        return
    here = set(plan.names.values())
    for step in steps:
        number = step.number
        if number in writes and number in plan.bodies:
            present = targets(integrity(door, [plan.bodies[number]], []))
            known = referred(plan.current[number]) | here
            await _at(step, refuse_hidden(door, who, step.allowed, present, known))


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
        may_hold(step.allowed, write.id, write.rows, write.old)
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
