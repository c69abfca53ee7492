"""FHIR transaction: all entries or none, as one commit. https://hl7.org/fhir/R4/http.html#transaction

The order of processing (DELETE, POST, PUT and PATCH, then conditional references) decides what criteria mean, and the
order of the entries nothing: criteria of entries are judged on the state before the transaction, less what it deletes,
and nothing else that it writes may match them too; conditional references mean what there is after it. Two POSTs with
the same criteria make one resource. The entries that read (GET) follow the commit, but are judged before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from typing import Final

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions import contents, state
from hilum.interactions import criteria as conditional
from hilum.interactions.auditing import refuse_own
from hilum.interactions.build import (
    LARGE,
    check_id,
    image,
    integrity,
    removal,
    targets,
    unchanged,
    valid,
)
from hilum.interactions.conforming import judged
from hilum.interactions.defining import commit
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
from hilum.interactions.foreseen import Foreseen
from hilum.interactions.known import NONE, extensions, unknown
from hilum.interactions.linking import Links
from hilum.interactions.naming import NAME, Plan, Step, at, refuse_doubles, refuse_overlaps, size
from hilum.interactions.permit import Lent, audit, covers, judged_by, lying, may_hold, permits, refuse_hidden
from hilum.interactions.referring import link
from hilum.interactions.retrying import retrying
from hilum.interactions.terminology.knowledge import Knowledge
from hilum.oauth.ledger import Lost, Put
from hilum.problems import Conflict, Issue, Problem, VersionChanged
from hilum.store.blobs.blob import Blob
from hilum.store.interface import Write

__all__ = ["Entry", "EntryOutcome", "Judge", "Once", "Standing", "transaction"]

Judge = Callable[[Door], Awaitable[None]]
"""Raises when what follows the commit would fail on the door it is shown."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the entry at `index` names once all is committed. `written`: this transaction makes that version; `created`:
    and the resource with it. `found`: what a conditional create answers with instead.
    """

    index: int
    type: str
    id: str
    version: int
    written: bool
    created: bool
    found: Resource | None = None


Once = Callable[[Sequence[Standing]], Sequence[Put]]
"""Which records are written with the entries, in the order of the request, that leave something standing. It is called
before each attempt to commit; what it raises refuses all.
"""

Content = tuple[Blob, bool] | None
"""Where the content of a Binary is if not in its body, and whether it is what the version that stands has."""

Puts = Callable[[Sequence[Standing]], Awaitable[tuple[Put, ...]]]

LETTER: Final = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
ORDER: Final = ("DELETE", "POST", "PUT", "PATCH")
_BREATH: Final = 64
"""After so many entries others get their turn on the event loop: a bundle may hold thousands."""


async def transaction(
    door: Door, who: Principal, entries: Sequence[Entry], judge: Judge | None = None, once: Once | None = None
) -> tuple[EntryOutcome, ...]:
    """Commit all entries; their outcomes in the order of the request.

    `judge` is shown, before each attempt to commit, a door on what will be stored after it; what it raises refuses all.
    `once`: records that are written in the same commit, also where no entry changes anything; of several transactions
    that write the same one is made, and the others are a Conflict.

    What is wrong with the entries by themselves is raised together (paths such as `Bundle.entry[3].resource.name[0]`),
    in the category of the first. Raises what the single interactions raise, and Invalid when two entries write one
    resource; then nothing was written.
    """
    steps = await _understood(door, who, entries)
    if not any(step.target.type == contents.TYPE and step.entry.body is not None for step in steps):
        return await _tried(door, who, entries, steps, {}, judge, once)
    async with contents.stowing(door) as stow:
        entries, blobs = await _aside(stow, entries)
        if blobs:
            steps = await _understood(door, who, entries)
        outcomes = await _tried(door, who, entries, steps, blobs, judge, once)
        for number, outcome in enumerate(outcomes):
            stow.settle(blobs.get(number), outcome.changed)
        return outcomes


async def _aside(stow: contents.Stow, entries: Sequence[Entry]) -> tuple[Sequence[Entry], dict[int, Blob]]:
    """The entries as they are stored, and by their numbers the blobs of Binaries whose content is large."""
    blobs: dict[int, Blob] = {}
    out = list(entries)
    for number, entry in enumerate(entries):
        if entry.body is None or entry.method not in ("POST", "PUT"):
            continue
        where = f"Bundle.entry[{entry.index}].resource"
        body, blob = await stow.aside(entry.body.get("resourceType", ""), entry.body, entry.blob, where)
        if body is not entry.body:
            out[number] = replace(entry, body=body)
        if blob is not None:
            blobs[number] = blob
    return out, blobs


async def _tried(
    door: Door,
    who: Principal,
    entries: Sequence[Entry],
    steps: list[Step],
    blobs: Mapping[int, Blob],
    judge: Judge | None,
    once: Once | None,
) -> tuple[EntryOutcome, ...]:
    """Until it is committed. `blobs`: by the number of the step."""
    generation = door.store.catalogue.generation
    tried = False

    async def attempt() -> tuple[EntryOutcome, ...]:
        nonlocal generation, steps, tried
        first, tried = not tried, True
        if not first:
            await _refuse_made(door, steps)
        if door.store.catalogue.generation != generation:  # criteria may name a search parameter that is gone
            generation = door.store.catalogue.generation
            steps = await _understood(door, who, entries)
        return await _attempt(door, who, steps, blobs, judge, None if once is None else _unused(door, once, first))

    return await retrying(attempt)


async def _understood(door: Door, who: Principal, entries: Sequence[Entry]) -> list[Step]:
    """All that does not depend on what is stored, in the order of processing."""
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
            if unknown(problem):
                try:
                    known = await extensions(door)
                    steps.append(await asyncio.to_thread(_understand, door, who, number, entry, known))
                    continue
                except Problem as further:
                    problem = further
            problems.append(again(problem, placed(problem.issues, entry.index)))
    raise_together(problems)
    steps.sort(key=lambda step: ORDER.index(step.entry.method))
    return steps


def _understand(door: Door, who: Principal, number: int, entry: Entry, known: Container[str] = NONE) -> Step:
    check_conditions(entry)
    asked = target(entry, door.base)
    allowed = permits(who, asked.type, LETTER[entry.method])
    if entry.method != "POST":
        refuse_own(asked.type, asked.id or (entry.body or {}).get("id"))
    if entry.method == "PATCH":
        permits(who, asked.type, "r")  # see patch.py
    patch = None
    told: tuple[Issue, ...] = ()
    if entry.method == "PATCH":
        patch = patch_of(entry)
    elif entry.body is not None:
        told = valid(asked.type, entry.body, known)
        if asked.id is not None:
            check_id(asked.type, asked.id, entry.body)
    query = None if asked.criteria is None else conditional.parse(door, who, asked.type, asked.criteria)
    return Step(number, entry, asked, allowed, query, patch, told)


async def _refuse_made(door: Door, steps: list[Step]) -> None:
    """What is to be created under a given id may be what another load of the same file has created meanwhile.

    Raises Conflict: to try again would come to nothing.
    """
    for step in steps:
        if step.entry.new_id is not None and await door.store.read(step.target.type, step.entry.new_id) is not None:
            raise Conflict(f"Another one has created the {step.target.type} with this id meanwhile.")


def _unused(door: Door, once: Once, first: bool) -> Puts:
    """The records that `once` wants. They are looked at where an attempt has failed, perhaps because of one of them:
    then what they raise is Conflict.
    """

    async def puts(standing: Sequence[Standing]) -> tuple[Put, ...]:
        wanted = tuple(once(standing))
        for one in () if first else wanted:
            row = await door.store.ledger.get(one.kind, one.key)
            if (None if row is None else row.version) != one.version:
                raise Conflict("What this may be written by, once, was used by another request meanwhile.")
        return wanted

    return puts


async def _attempt(
    door: Door,
    who: Principal,
    steps: list[Step],
    blobs: Mapping[int, Blob],
    judge: Judge | None,
    puts: Puts | None,
) -> tuple[EntryOutcome, ...]:
    plan = Plan(Links(door.base), catalogue=door.store.catalogue)
    for number, step in enumerate(steps):
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        plan.tell(step.number, step.told)
        await at(step, NAME[step.entry.method](door, who, step, plan))
    refuse_overlaps(steps, plan)
    await link(door, who, steps, plan)
    await refuse_doubles(steps, plan)
    return await _commit(door, who, steps, plan, blobs, judge, puts)


# --- the commit -------------------------------------------------------------------------------------------------------


async def _commit(
    door: Door,
    who: Principal,
    steps: list[Step],
    plan: Plan,
    blobs: Mapping[int, Blob],
    judge: Judge | None,
    puts: Puts | None,
) -> tuple[EntryOutcome, ...]:
    writes: dict[int, tuple[Write, ...]] = {}
    for number, step in enumerate(steps):
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        if step.number in plan.names or step.number in plan.removals:
            large = size(step, plan) > LARGE
            lent: list[Lent] = []
            content: Content = None
            if step.target.type == contents.TYPE:
                content = await _content(door, step, plan, blobs.get(step.number))
                lent = await _lent(door, who, step, plan)
            if large:
                made = await asyncio.to_thread(_writes, door, who, step, plan, lent, content)
            else:
                made = _writes(door, who, step, plan, lent, content)
            if made:
                writes[step.number] = made
                if step.number in plan.bodies:
                    type, _ = plan.names[step.number]
                    more = await at(step, judged(door, type, plan.bodies[step.number], size(step, plan)))
                    plan.tell(step.number, more)
    versions: dict[int, tuple[Resource, ...]] = {}
    if writes:
        await _refuse_hidden(door, who, steps, plan, writes)
        bodies = [plan.bodies[number] for number in writes if number in plan.bodies]
        conditions = (*dict.fromkeys(plan.preconditions), *integrity(door, bodies, sorted(plan.deleted)))
        flat = tuple(write for some in writes.values() for write in some)
        if judge is not None:
            await judge(replace(door, store=Foreseen(door.store, flat), codes=Knowledge()))
        records = () if puts is None else await puts(_standing(steps, plan, writes))
        stored = iter(await commit(door, plan.catalogue, flat, audit(who, "transaction"), conditions, puts=records))
        versions = {number: tuple(islice(stored, len(some))) for number, some in writes.items()}
    else:
        if judge is not None:
            await judge(door)
        if puts is not None:
            try:
                await door.store.ledger.many(await puts(_standing(steps, plan, writes)))
            except Lost:
                raise VersionChanged("A record to be written is another by now.") from None
    return tuple(_outcome(step, plan, versions) for step in sorted(steps, key=lambda step: step.number))


def _standing(steps: list[Step], plan: Plan, writes: Container[int]) -> list[Standing]:
    found: list[Standing] = []
    for step in sorted(steps, key=lambda step: step.number):
        number = step.number
        stands, name = plan.found.get(number), plan.names.get(plan.same.get(number, number))
        if stands is not None:
            found.append(Standing(step.entry.index, stands.type, stands.id, stands.version, False, False, stands))
        elif name is not None:
            current = plan.current[plan.same.get(number, number)]
            written = number in writes
            version = plan.links.versions[name] if written or current is None else current.version
            created = written and (current is None or current.deleted)
            found.append(Standing(step.entry.index, *name, version, written, created))
    return found


async def _refuse_hidden(door: Door, who: Principal, steps: list[Step], plan: Plan, writes: Container[int]) -> None:
    """With referential integrity: a reference must not tell whether a hidden resource exists."""
    if not door.integrity:
        return
    here = set(plan.names.values())
    for step in steps:
        number = step.number
        if number in writes and number in plan.bodies:
            present = targets(integrity(door, [plan.bodies[number]], []))
            await at(step, refuse_hidden(door, who, step.allowed, present, here, plan.current[number]))


async def _lent(door: Door, who: Principal, step: Step, plan: Plan) -> list[Lent]:
    """What the writes of Binaries are judged by; what this transaction itself makes can't be a securityContext yet."""
    number = step.number
    if step.entry.method == "DELETE":
        return [await judged_by(door, who, step.allowed, resource) for resource in plan.removals[number]]
    return [await judged_by(door, who, step.allowed, plan.current[number], plan.bodies[number])]


async def _content(door: Door, step: Step, plan: Plan, blob: Blob | None) -> Content:
    """The blob of what an entry makes of a Binary, and whether that is what stands; a patch keeps what there is."""
    number = step.number
    current = plan.current.get(number)
    if step.entry.method == "PATCH" and current is not None:
        plan.bodies[number], blob = await contents.carried(door, current, plan.bodies[number])
    return None if blob is None else (blob, await contents.same(door, current, blob))


def _writes(
    door: Door, who: Principal, step: Step, plan: Plan, lent: Sequence[Lent] = (), content: Content = None
) -> tuple[Write, ...]:
    """The writes of an entry; none when it would change nothing. `lent`: of each of them, see `permit`."""
    number, method = step.number, step.entry.method
    try:
        if method == "DELETE":
            return tuple(
                removal(step.allowed, resource, plan.catalogue.registry, owners)
                for resource, owners in zip_longest(plan.removals[number], lent)
            )
        current = plan.current[number]
        type, id = plan.names[number]
        if type == "Basic":
            state.check(door, who, method, plan.bodies[number], current)
        write = image(
            door, method, type, id, plan.bodies[number], current, plan.catalogue.registry, plan.drafts.rows(number)
        )
        if content is not None:
            write = replace(write, blob=content[0])
        owners = lent[0] if lent else None
        new = lying(write.rows, owners, 1)
        may_hold(step.allowed, write.id, new, lying(write.old, owners, 0))
    except Problem as problem:
        raise again(problem, placed(problem.issues, step.entry.index)) from None
    readable = covers(who, type, write.id, new)
    if (
        readable
        and unchanged(write, current)
        and (content is None or content[1])
        and (type, id) not in plan.links.pinned
    ):
        return ()
    return (write,)


def _outcome(step: Step, plan: Plan, made: dict[int, tuple[Resource, ...]]) -> EntryOutcome:
    number, method = step.number, step.entry.method
    told = plan.told.get(number, ())
    if method == "DELETE":
        gone = made.get(number, ())
        one = gone[0] if gone and not step.target.multiple else None
        return EntryOutcome(step.entry.index, method, one, False, bool(gone))
    if number in made:
        current = plan.current[number]
        return EntryOutcome(step.entry.index, method, made[number][0], current is None or current.deleted, True, told)
    if number in plan.same:
        return EntryOutcome(step.entry.index, method, made[plan.same[number]][0], False, False)
    if number in plan.found:
        return EntryOutcome(step.entry.index, method, plan.found[number], False, False)
    return EntryOutcome(step.entry.index, method, plan.current.get(number), False, False, told)
