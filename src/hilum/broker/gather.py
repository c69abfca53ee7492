"""Gathering: a recipe followed against an EHR, concurrently and within bounds, each part for itself.

Every resource that comes is judged before it is held: whose is it, is it what was asked for, is it all of it. What is
wrong or missing in one part is told there, and takes nothing from the others. In whatever order answers arrive, the
outcome is the same.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Collection, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import replace
from xxhash import xxh3_128_digest

from hilum import fhirpath
from hilum.broker.far import Failed, Far, Note
from hilum.broker.gathered import REFUSALS, Gathered, Missing, Part, Progress, Reason, State, Tell
from hilum.broker.recipes import PATIENT, Ask, Recipe, placeholders
from hilum.broker.starting import Start, find
from hilum.broker.whose import UNCLEAR, Name, Resource, named, subjects
from hilum.fhir import json
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.interactions.contents import SUBSETTED
from hilum.interactions.links import references
from hilum.problems import Invalid, Problem

IN_ONE: Final = 20
"""Ids that one request asks for at most: URLs of some EHRs end at 2,000 characters."""
_Work = Coroutine[Any, Any, None]
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def _nobody(progress: Progress) -> None:
    """Whom nothing is told."""


async def gather(far: Far, recipe: Recipe, start: Start, tell: Tell = _nobody) -> Gathered:
    """What there is of one patient. Never raises for what the EHR does or says: the outcome tells it.

    Raises Invalid when the recipe does not start from what is given.
    """
    if start.kind not in recipe.start:
        raise Invalid(f"The recipe {recipe.name} starts from {' or '.join(recipe.start)}, not from {start.kind}.")
    run = _Run(far, recipe, tell)
    deadline = asyncio.timeout(recipe.limits.seconds)
    try:
        async with deadline:
            await run.all(start)
    except TimeoutError:
        if not deadline.expired():
            raise
        run.out_of_time()
    return run.outcome()


@dataclass(slots=True)
class _Held:
    """A resource, and the numbers of the parts that it matched, and came along with.

    `newness`: by which of two images the later is told; of the same time, always the same one.
    """

    resource: Resource
    newness: tuple[float, bytes]
    matched: set[int] = field(default_factory=set)
    included: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Tally:
    """A part while it is at work. `left`: what came and is not used, by reason."""

    name: str
    type: str
    after: tuple[str, ...] = ()
    left: dict[Reason, set[Name | bytes]] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    notes: set[Note] = field(default_factory=set)
    skipped: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def state(self, anything: bool) -> State:
        """`anything`: whether something came of it that is used."""
        if self.skipped:
            return "skipped"
        if not self.missing and not self.left and not any(note.partial for note in self.notes):
            return "whole"
        if anything or not self.missing:
            return "partial"
        return "refused" if all(one.kind in REFUSALS for one in self.missing) else "failed"


class _Run:
    """One gather at work: what it holds, and what each part has come to so far."""

    def __init__(self, far: Far, recipe: Recipe, tell: Tell) -> None:
        self._far, self._recipe, self._tell = far, recipe, tell
        self._taken = recipe.taken
        self._patient = ""
        self._parts = [_Tally(PATIENT, PATIENT), *(_Tally(ask.name, ask.type, ask.after) for ask in recipe.asks)]
        self._held: dict[Name, _Held] = {}
        self._seen = self._bytes = 0
        self._before = far.requests
        self._slots = asyncio.Semaphore(recipe.limits.at_once)

    async def all(self, start: Start) -> None:
        first = self._parts[0]
        try:
            found = await find(self._far, start)
            self._patient = found.id
            first.notes.update(found.notes)
            self._take(0, found.patient, {(PATIENT, found.id)})
        except Failed as failed:
            first.missing.append(Missing.of(failed))
        first.done.set()
        if (PATIENT, self._patient) not in self._held:
            self._patient = ""
            for part in self._parts[1:]:
                part.skipped = True
                part.done.set()
            self._told(first)
            return
        self._told(first)
        async with asyncio.TaskGroup() as tasks:
            for number, ask in enumerate(self._recipe.asks, 1):
                tasks.create_task(self._part(number, ask))

    def out_of_time(self) -> None:
        """What is not done yet won't be."""
        text = f"The recipe's limit of {self._recipe.limits.seconds} seconds was reached."
        for part in self._parts:
            if not part.done.is_set():
                part.missing.append(Missing("limit", text, "ours", again=True))
                part.done.set()

    # --- one part -----------------------------------------------------------------------------------------------------

    async def _part(self, number: int, ask: Ask) -> None:
        part = self._parts[number]
        basis = [n for n in range(number) if self._parts[n].type in ask.after]
        for n in basis:
            await self._parts[n].done.wait()
        if any(not self._is_whole(n) for n in basis):
            text = f"Not all of {', '.join(ask.after)} came, which this part starts from."
            part.missing.append(Missing("absent", text))
            part.skipped = not any(self._matches(basis))
        if not part.skipped:
            works = self._reads(number, ask, basis) if ask.read else self._searches(number, ask, basis)
            async with asyncio.TaskGroup() as tasks:
                for work in works:
                    tasks.create_task(work)
        part.done.set()
        self._told(part)

    def _is_whole(self, number: int) -> bool:
        return self._parts[number].state(True) == "whole"

    def _matches(self, numbers: Collection[int]) -> Iterator[Resource]:
        """What matched one of these parts, in an order that does not depend on the answers'."""
        for _, held in sorted(self._held.items()):
            if not held.matched.isdisjoint(numbers):
                yield held.resource

    def _searches(self, number: int, ask: Ask, basis: list[int]) -> list[_Work]:
        """One search, or one for each so many ids."""
        words = {word for _, value in ask.search for word in placeholders(value)}
        (type,) = (words - {"patient"}) or {""}
        ids = [one["id"] for one in self._matches(basis)]
        chunks = [ids[n : n + IN_ONE] for n in range(0, len(ids), IN_ONE)] if type else [[]]
        works: list[_Work] = []
        for chunk in chunks:
            by = {(type, id) for id in chunk} | ({(PATIENT, self._patient)} if "patient" in words else set())
            said = {"patient": self._patient, type: ",".join(chunk)}
            works.append(
                self._search(number, ask.type, [(name, _filled(value, said)) for name, value in ask.search], by)
            )
        return works

    async def _search(self, number: int, type: str, parameters: list[tuple[str, str]], by: set[Name]) -> None:
        part = self._parts[number]
        async with self._slots:
            if not self._room(part):
                return
            pages = self._far.search(type, parameters)
            more = False
            try:
                async for page in pages:
                    more = page.more
                    part.notes.update(page.notes)
                    for one in page.matches:
                        self._take(number, one, by)
                    for one in page.included:
                        self._take(number, one, None)
                    self._told(part)
                if more:
                    raise Failed("broken", "The EHR says that more follows, and nothing came.", again=True)
            except Failed as failed:
                part.missing.append(Missing.of(failed))
            finally:
                if isinstance(pages, AsyncGenerator):
                    await pages.aclose()

    def _reads(self, number: int, ask: Ask, basis: list[int]) -> list[_Work]:
        """One read for each resource that is referred to and not held yet."""
        part = self._parts[number]
        select = fhirpath.compile(ask.read, ask.after[0])
        wanted: set[Name] = set()
        for resource in self._matches(basis):
            try:
                values = select(dict(resource))
            except Problem:
                text = f"The path of {ask.name} can't be followed in what came of {ask.after[0]}."
                part.missing.append(Missing("refused", text, "ours"))
                continue
            texts = (one.get("reference") if isinstance(one, Mapping) else one for one in values)
            names = (named(text, self._far.base) for text in texts if type(text) is str)
            wanted.update(name for name in names if name is not None and name[0] == ask.type)
        works: list[_Work] = []
        for name in sorted(wanted):
            if name in self._held:
                self._held[name].matched.add(number)
            else:
                works.append(self._read(number, name))
        return works

    async def _read(self, number: int, name: Name) -> None:
        part = self._parts[number]
        async with self._slots:
            if not self._room(part):
                return
            try:
                self._take(number, await self._far.read(*name), None, name)
            except Failed as failed:
                part.missing.append(Missing.of(failed))
        self._told(part)

    # --- what comes ---------------------------------------------------------------------------------------------------

    def _take(self, number: int, resource: Resource, by: Collection[Name] | None, read: Name | None = None) -> None:
        """Hold a resource, or leave it out and say why. `by`: what a match must be about; None: it is no match of a
        search. `read`: what it should be. Raises Failed at the recipe's limits.
        """
        part, limits = self._parts[number], self._recipe.limits
        try:
            raw = json.encode(resource)
        except RecursionError:  # it could be read further up the stack, and no deeper
            part.left.setdefault("unreadable", set()).add(b"")
            return
        self._seen += 1
        self._bytes += len(raw)
        if self._seen > limits.resources or self._bytes > limits.bytes:
            raise self._full()
        type, id = resource.get("resourceType"), resource.get("id")
        if not isinstance(type, str) or type not in TYPE_NUMBER or not isinstance(id, str) or not _ID.fullmatch(id):
            part.left.setdefault("unreadable", set()).add(raw)
            return
        name = str(type), id
        reason = self._against(part, name, resource, by, read)
        if reason is not None:
            part.left.setdefault(reason, set()).add(name)
            return
        newness = _updated(resource), xxh3_128_digest(raw)
        held = self._held.get(name)
        if held is None:
            held = self._held[name] = _Held(resource, newness)
        elif newness > held.newness:
            held.resource, held.newness = resource, newness
        (held.included if by is None and read is None else held.matched).add(number)

    def _full(self) -> Failed:
        limits = self._recipe.limits
        text = f"The recipe's limit of {limits.resources} resources or {limits.bytes >> 20} megabytes was reached."
        return Failed("limit", text, side="ours")

    def _room(self, part: _Tally) -> bool:
        """Whether anything may still be asked; where not, the part is told so."""
        limits = self._recipe.limits
        if self._seen <= limits.resources and self._bytes <= limits.bytes:
            return True
        part.missing.append(Missing.of(self._full()))
        return False

    def _against(
        self, part: _Tally, name: Name, resource: Resource, by: Collection[Name] | None, read: Name | None
    ) -> Reason | None:
        """Why it is not used."""
        if (
            name[0] not in self._taken
            or (by is not None and name[0] != part.type)
            or (read is not None and name != read)
        ):
            return "unasked"
        if name[0] == PATIENT:
            if name[1] != self._patient:
                return "other-patient"
        else:
            base = self._far.base
            about = subjects(resource, base)
            if about and self._patient not in about:
                return "unproven" if about == {UNCLEAR} else "other-patient"
            if not about and by is not None and not any(named(one, base) in by for one in references(resource)):
                return "unproven"
        meta = resource.get("meta")
        tags = meta.get("tag") if isinstance(meta, Mapping) else None
        if isinstance(tags, list) and any(_is_coding(tag, SUBSETTED) for tag in tags):
            return "incomplete"
        return None

    # --- what it came to ----------------------------------------------------------------------------------------------

    def _told(self, part: _Tally) -> None:
        done = sum(one.done.is_set() for one in self._parts)
        sent = self._far.requests - self._before
        self._tell(Progress(part.name, done, len(self._parts), len(self._held), sent))

    def outcome(self) -> Gathered:
        """All of it, in an order that does not depend on the answers'."""
        came, included = [0] * len(self._parts), [0] * len(self._parts)
        anything = [False] * len(self._parts)
        origins: dict[Name, str] = {}
        names = sorted(self._held, key=lambda name: (name[0] != PATIENT, name))
        for name in names:
            held = self._held[name]
            number = min(held.matched or held.included)
            (came if held.matched else included)[number] += 1
            origins[name] = self._parts[number].name
            for one in held.matched | held.included:
                anything[one] = True
        parts = tuple(
            Part(
                part.name,
                part.type,
                part.state(anything[number]),
                came[number],
                included[number],
                {reason: len(some) for reason, some in sorted(part.left.items())},
                _merged(part.missing),
                tuple(sorted(part.notes, key=lambda note: (note.code, note.severity, note.partial))),
            )
            for number, part in enumerate(self._parts)
        )
        resources = tuple(self._held[name].resource for name in names)
        requests = self._far.requests - self._before
        return Gathered(self._far.base, self._patient, parts, resources, origins, requests)


def _filled(value: str, said: Mapping[str, str]) -> str:
    for word in placeholders(value):
        value = value.replace(f"{{{word}}}", said[word])
    return value


def _is_coding(tag: Any, coding: Mapping[str, str]) -> bool:
    return isinstance(tag, Mapping) and all(tag.get(key) == value for key, value in coding.items())


def _updated(resource: Resource) -> float:
    """meta.lastUpdated in seconds since 1970; minus infinity where it doesn't say."""
    meta = resource.get("meta")
    text = meta.get("lastUpdated") if isinstance(meta, Mapping) else None
    if not isinstance(text, str):
        return float("-inf")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return float("-inf")
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _merged(missing: Iterable[Missing]) -> tuple[Missing, ...]:
    """The same told once, with its count."""
    found: dict[tuple[Any, ...], Missing] = {}
    for one in missing:
        key = one.kind, one.text, one.side, one.status, one.codes
        other = found.get(key)
        if other is None:
            found[key] = one
            continue
        times = [time for time in (one.retry_at, other.retry_at) if time is not None]
        found[key] = replace(
            other,
            count=other.count + one.count,
            retry_at=max(times, default=None),
            again=other.again or one.again,
        )
    return tuple(found[key] for key in sorted(found))
