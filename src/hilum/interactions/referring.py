"""The bodies that a transaction writes: patches applied, links replaced, conditional references resolved.

https://hl7.org/fhir/R4/http.html#transaction: conditional references are resolved last, so they mean what there is
after everything that this transaction deletes, creates and updates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from hilum.access.policy import Principal
from hilum.interactions import criteria as conditional
from hilum.interactions.build import LARGE, Body, apart, checked
from hilum.interactions.door import Door
from hilum.interactions.drafts import Drafts
from hilum.interactions.entries import again, placed
from hilum.interactions.linking import path_of, root
from hilum.interactions.links import rewritten
from hilum.interactions.naming import Plan, Step, at, size
from hilum.problems import Invalid, Issue, MultipleMatches, PreconditionFailed, Problem
from hilum.search.clauses import AllClause, AnyClause, ChainClause, Clause, HasClause, NotClause
from hilum.search.query import Query
from hilum.store.interface import Resolves

_BREATH: Final = 64
_ROUNDS: Final = 16
"""A reference may mean what only another resolved reference makes a match: so long a chain of those is followed."""


class _Asked(NamedTuple):
    """A conditional reference: what it looks for, and the ids that the store has and this transaction leaves alone."""

    query: Query
    stored: tuple[str, ...]


async def link(door: Door, who: Principal, steps: list[Step], plan: Plan) -> None:
    """Make the body of every entry that writes one, and the plan's drafts."""
    links = plan.links
    owners: dict[str, Step] = {}
    waiting: dict[int, frozenset[str]] = {}
    sizes: dict[int, int] = {}
    writing = [step for step in steps if step.number in plan.names]
    for turn, step in enumerate(writing):
        if turn % _BREATH == 0:
            await asyncio.sleep(0)
        number = step.number
        sizes[number] = size(step, plan)
        links.pending.clear()
        large = sizes[number] > LARGE
        try:
            if step.patch is not None:
                await _patched(door, step, plan, sizes[number])
            plan.bodies[number] = await asyncio.to_thread(_body, step, plan) if large else _body(step, plan)
        except Problem as problem:
            raise again(problem, placed(problem.issues, step.entry.index)) from None
        if links.pending:
            waiting[number] = frozenset(links.pending)
            for reference in links.pending:
                owners.setdefault(reference, step)
    plan.drafts = Drafts(plan.names, plan.bodies, sizes, plan.catalogue.registry)
    if owners:
        await _resolve(door, who, owners, waiting, plan)


async def _patched(door: Door, step: Step, plan: Plan, size: int) -> None:
    """What a patch makes of what stands."""
    current = plan.current[step.number]
    assert current is not None and step.patch is not None
    body = await apart(size, step.patch.applied, current.raw)
    plan.tell(step.number, await checked(door, step.target.type, body, size))
    plan.bodies[step.number] = body


def _body(step: Step, plan: Plan) -> Body:
    body = step.entry.body if step.patch is None else plan.bodies[step.number]
    assert body is not None
    return plan.links.body(body, root(step.entry.full_url))


async def _resolve(
    door: Door, who: Principal, owners: dict[str, Step], waiting: dict[int, frozenset[str]], plan: Plan
) -> None:
    """Each reference must mean exactly one resource, judged on what all of them come to."""
    asked = {reference: await at(step, _ask(door, who, reference, step, plan)) for reference, step in owners.items()}
    types = {one.query.types[0] for one in asked.values()}
    await plan.drafts.index(types)
    resolved = plan.links.resolved
    left = asked
    for _ in range(_ROUNDS):
        found = {reference: await _found(one, plan) for reference, one in left.items()}
        new = {reference: names[0] for reference, names in found.items() if len(names) == 1}
        if not new:
            break
        resolved.update(new)
        left = {reference: one for reference, one in left.items() if reference not in new}
        for number, references in waiting.items():
            if not references.isdisjoint(new):
                plan.bodies[number] = rewritten(plan.bodies[number], lambda text: resolved.get(text, text))
                plan.drafts.forget(number)
        await plan.drafts.index(types)
    for reference, one in asked.items():
        names = await _found(one, plan)
        if names != [resolved.get(reference)]:
            await at(owners[reference], _refuse(reference, owners[reference], len(names), plan))


async def _found(asked: _Asked, plan: Plan) -> list[str]:
    """`Type/id` of all that the criteria find now."""
    (type,) = asked.query.types
    written = [plan.names[number][1] for number in await plan.drafts.matching(asked.query)]
    return [f"{type}/{id}" for id in (*asked.stored, *written)]


async def _ask(door: Door, who: Principal, reference: str, step: Step, plan: Plan) -> _Asked:
    """What the store says: a precondition of the commit."""
    type, _, criteria = reference.partition("?")
    try:
        query = conditional.parse(door, who, type, criteria)
    except Problem as problem:
        where = _where(reference, step, plan)
        raise again(problem, (Issue("error", problem.code, str(problem), where),)) from None
    touched = {kind for kind, _ in (*plan.names.values(), *plan.deleted)}
    if not touched.isdisjoint(_beyond(query.parts[0].clauses)):
        text = "The conditional reference asks by a chain or _has for resources of a type that this transaction writes."
        raise Invalid(text, expression=_where(reference, step, plan))
    written = plan.replaced(type)
    found = await conditional.resolve(door, replace(query, count=query.count + len(written)))
    plan.preconditions.append(Resolves(query, tuple(match.id for match in found)))
    stored = tuple(match.id for match in found if match.id not in written)
    if len(stored) > 1:
        await _refuse(reference, step, len(stored), plan)
    return _Asked(query, stored)


def _beyond(clauses: Iterable[Clause]) -> set[str]:
    """The types of other resources that decide whether the clauses hold: after this transaction they may say more."""
    found: set[str] = set()
    for clause in clauses:
        match clause:
            case NotClause(inner):
                found |= _beyond((inner,))
            case AnyClause(some) | AllClause(some):
                found |= _beyond(some)
            case ChainClause(_, targets):
                for target in targets:
                    found |= {target.type} | _beyond(target.clauses)
            case HasClause(source, _):
                found |= {source.type} | _beyond(source.clauses)
    return found


async def _refuse(reference: str, step: Step, found: int, plan: Plan) -> None:
    type, where = reference.partition("?")[0], _where(reference, step, plan)
    if found > 1:
        raise MultipleMatches(f"The conditional reference matches several {type} resources.", expression=where)
    if found:
        text = f"The conditional reference matches one {type} before it is resolved and another after."
        raise PreconditionFailed(text, expression=where)
    raise PreconditionFailed(f"The conditional reference matches no {type}.", expression=where)


def _where(reference: str, step: Step, plan: Plan) -> str:
    return "resource" + (path_of(plan.bodies[step.number], reference) or "")
