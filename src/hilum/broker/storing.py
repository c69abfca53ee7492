"""What was gathered, into hilum's own store: one transaction with its Provenance, of what has changed and nothing else.

What hilum does not take (it is not valid, or does not conform to a profile) is left out and told, and the rest goes in.
Without its patient nothing does: it would lie in nobody's record. What stood here from an earlier gather and is not
there any more is told, and stays: a record here is not emptied by what an EHR stops to say.
"""

from __future__ import annotations

import asyncio
import binascii
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

from hilum.access.policy import Principal
from hilum.broker.connection import Connection
from hilum.broker.copies import Body, copy, id_of, links, meant, origin
from hilum.broker.gathered import Gathered
from hilum.broker.provenance import Authority, provenance
from hilum.broker.recipes import PATIENT, Ask, Recipe, placeholders
from hilum.broker.shown import GATHER
from hilum.broker.whose import Name, named
from hilum.fhir import json
from hilum.fhir.resource import Draft, Resource, draft
from hilum.interactions import contents, granting
from hilum.interactions.build import apart
from hilum.interactions.conforming import judged
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry
from hilum.interactions.search import search, understood
from hilum.interactions.transaction import transaction
from hilum.problems import Busy, Conflict, Invalid, PreconditionFailed, Problem, Unprocessable
from hilum.search.parse import parse_query

_RACES: Final = 8
"""So often another gather of the same patient may come first."""
_AT_ONCE: Final = 64
_BREATH: Final = 64
"""After so many resources others get their turn on the event loop."""
_ISSUES: Final = 3
_OURS: Final = {"Consent": f'"{granting.SYSTEM}"'.encode(), "Task": f'"{GATHER}"'.encode()}
"""By what hilum knows its own ones, and writes as itself here: an EHR may not make any."""


class Refused(msgspec.Struct, frozen=True):
    """What hilum itself did not take, by its id here, and why: our words, in which there is no patient's data."""

    type: str
    id: str
    issues: tuple[str, ...]


class Stored(msgspec.Struct, frozen=True):
    """What became of a gather here. `patient`: the id here, "" when nothing was stored. `provenance`: that of this
    gather, "" when nothing has changed. The counts are by type, without the Provenance.

    `vanished`: what stands here (`Type/id`) and did not come any more in those parts, of the ones that were whole, that
    can be compared: `compared` names them.
    """

    patient: str = ""
    provenance: str = ""
    created: dict[str, int] = {}
    updated: dict[str, int] = {}
    unchanged: dict[str, int] = {}
    refused: tuple[Refused, ...] = ()
    vanished: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keeper:
    """Whose store it is, who stores, and for what connection and recipe. `who` must be one who may read, search, create
    and update all types that a recipe names, and create a Provenance.
    """

    door: Door
    who: Principal
    connection: Connection
    recipe: Recipe
    authority: Authority

    async def store(self, gathered: Gathered, now: int) -> Stored:
        """Store it. `now`: microseconds since 1970. Raises Busy, Forbidden, and Invalid for what is another EHR's."""
        if gathered.base != self.connection.base:
            raise Invalid("What was gathered is not from the EHR of this connection.")
        if not gathered.patient:
            return Stored()
        stored = await self._stored(gathered, now)
        if not stored.patient:
            return stored
        vanished, compared = await self._vanished(gathered, stored.patient)
        return msgspec.structs.replace(stored, vanished=vanished, compared=compared)

    async def _stored(self, gathered: Gathered, now: int) -> Stored:
        refused: dict[Name, tuple[str, ...]] = {}
        races = 0
        while True:
            plan = await self._plan(gathered, refused)
            if plan is None:
                return Stored(refused=self._told(refused))
            changed = [one for one in plan if not one.same]
            patient = self._id((PATIENT, gathered.patient))
            stored = Stored(
                patient,
                created=_counted(one for one in changed if not one.stands),
                updated=_counted(one for one in changed if one.stands),
                unchanged=_counted(one for one in plan if one.same),
                refused=self._told(refused),
            )
            if not changed:
                return stored
            try:
                outcomes = await transaction(self.door, self.who, self._entries(changed, plan, patient, now))
            except (Invalid, Unprocessable) as problem:
                refused |= await self._refusals(problem, changed)
                continue
            except (Conflict, PreconditionFailed):  # another one has written some of it meanwhile
                races += 1
                if races == _RACES:
                    raise Busy("Too many gathers of one patient at once. Try again in a moment.") from None
                continue
            made = outcomes[-1].resource
            assert made is not None
            return msgspec.structs.replace(stored, provenance=made.id)

    # --- what is to be written ----------------------------------------------------------------------------------------

    async def _plan(self, gathered: Gathered, refused: dict[Name, tuple[str, ...]]) -> list[_Copy] | None:
        """The copies as they are to stand here, beside what stands; None when the patient can't be among them."""
        base, own = gathered.base, f"{self.door.base}/".lower()
        itself = f"{base}/".lower() == own  # a client of itself speaks for what is here
        patient = PATIENT, gathered.patient
        taken: dict[Name, Mapping[str, Any]] = {}
        asked = {patient}
        for number, one in enumerate(gathered.resources):
            if number % _BREATH == 0:
                await asyncio.sleep(0)
            name = one["resourceType"], one["id"]
            asked.add(name)
            try:
                texts = links(one, base)
                posing = name[0] in _OURS and _OURS[name[0]] in json.encode(one)
            except RecursionError:
                refused.setdefault(name, ("It is nested too deeply.",))
                continue
            if not itself and any(meant(text, base).lower().startswith(own) for text in texts):
                refused.setdefault(name, ("It links to a resource of this server, for which no EHR can speak.",))
            if posing:
                refused.setdefault(name, ("It is what only hilum itself writes: an app's grant, or an order.",))
            if name not in refused:
                taken[name] = one
                targets = (named(text, base) for text in texts)
                asked.update(other for other in targets if other is not None and other[0] != PATIENT)
        ids = {name: self._id(name) for name in asked}
        standing = await self._standing(ids)
        here = {name: id for name, id in ids.items() if name in taken or _stands(standing[name])}
        if patient not in here:
            for name in taken:
                refused[name] = ("The patient that it is about is not here.",)
            return None
        plan = []
        for number, (name, one) in enumerate(taken.items()):
            if number % _BREATH == 0:
                await asyncio.sleep(0)
            body = copy(one, base, here)
            made, current = draft(body, body["id"]), standing[name]
            plan.append(_Copy(name, body, made, current, await _unchanged(self.door, made, current)))
        return plan

    def _id(self, name: Name) -> str:
        return id_of(self.connection, *name)

    async def _standing(self, ids: Mapping[Name, str]) -> dict[Name, Resource | None]:
        """What stands here under these ids, by the names of the EHR."""
        listed = list(ids)
        found: dict[Name, Resource | None] = {}
        for begin in range(0, len(listed), _AT_ONCE):
            some = listed[begin : begin + _AT_ONCE]
            read = await asyncio.gather(*(self.door.store.read(name[0], ids[name]) for name in some))
            found.update(zip(some, read, strict=True))
        return found

    def _entries(self, changed: Sequence[_Copy], plan: Sequence[_Copy], patient: str, now: int) -> list[Entry]:
        """Each holds for the state that was looked at: what is new is created, the rest updated by If-Match."""
        entries = [one.entry(index) for index, one in enumerate(changed)]
        about = next((one for one in plan if one.name[0] == PATIENT and one.same and one.current), None)
        targets = [one.version for one in changed]
        if about is not None:
            targets.insert(0, about.version)  # so that it lies in the patient's record
        elif not any(one.name[0] == PATIENT for one in changed):
            targets.insert(0, f"{PATIENT}/{patient}")
        body = provenance(targets, self.connection, self.recipe.name, self.authority, self.door.base, now)
        return [*entries, Entry("POST", "Provenance", body, index=len(entries))]

    # --- what is not taken --------------------------------------------------------------------------------------------

    async def _refusals(self, problem: Problem, changed: Sequence[_Copy]) -> dict[Name, tuple[str, ...]]:
        """Why which of these were refused. Raises the problem itself when it is about none of them."""
        found: dict[Name, list[str]] = {}
        for issue in problem.issues:
            place = _ENTRY.match(issue.expression or "")
            if place is not None and int(place[1]) < len(changed) and issue.severity in ("error", "fatal"):
                found.setdefault(changed[int(place[1])].name, []).append(_text(issue.expression, issue.diagnostics))
        if not found:
            raise problem
        if isinstance(problem, Unprocessable):  # profiles are judged one after the other, and the first one raises
            for one in changed:
                try:
                    await judged(self.door, one.name[0], one.body, len(one.made.tail))
                except Unprocessable as other:
                    issues = (each for each in other.issues if each.severity in ("error", "fatal"))
                    found[one.name] = [_text(each.expression, each.diagnostics) for each in issues]
        return {name: tuple(texts[:_ISSUES]) for name, texts in found.items()}

    def _told(self, refused: Mapping[Name, tuple[str, ...]]) -> tuple[Refused, ...]:
        return tuple(Refused(name[0], self._id(name), issues) for name, issues in sorted(refused.items()))

    # --- what is not there any more -----------------------------------------------------------------------------------

    async def _vanished(self, gathered: Gathered, patient: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the same searches find here, as copies of this connection, and did not find there; in which parts."""
        whole = {part.name for part in gathered.parts if part.state == "whole"}
        vanished: set[str] = set()
        compared: list[str] = []
        for ask in self.recipe.asks:
            if ask.name in whole and (pairs := _comparable(ask, patient)):
                try:
                    vanished |= await self._missing(ask.type, pairs, gathered)
                except Problem:  # a parameter that only the EHR knows
                    continue
                compared.append(ask.name)
        return tuple(sorted(vanished)), tuple(compared)

    async def _missing(self, type: str, pairs: list[tuple[str, str]], gathered: Gathered) -> set[str]:
        parsed = await understood(
            self.door,
            pairs,
            lambda registry: parse_query(type, [*pairs, ("_count", "1000")], base=self.door.base, registry=registry),
        )
        found: set[str] = set()
        while True:
            page = await search(self.door, self.who, parsed)
            for one in page.resources:
                name = origin(one.body, gathered.base)
                if name is not None and name not in gathered.origins and one.id == self._id(name):
                    found.add(f"{one.type}/{one.id}")
            if page.next is None:
                return found
            query = msgspec.structs.replace(parsed.query, after=page.next, kept=False)
            parsed = msgspec.structs.replace(parsed, query=query, kept=False)


@dataclass(frozen=True, slots=True)
class _Copy:
    """A copy that is to stand here, and what stands. `same`: there is nothing to write."""

    name: Name
    body: Body
    made: Draft
    current: Resource | None
    same: bool

    @property
    def stands(self) -> bool:
        return _stands(self.current)

    @property
    def version(self) -> str:
        """The reference to the version that stands after the transaction."""
        number = 0 if self.current is None else self.current.version
        return f"{self.name[0]}/{self.body['id']}/_history/{number if self.same else number + 1}"

    def entry(self, index: int) -> Entry:
        type, id = self.name[0], self.body["id"]
        size = len(self.made.tail)
        if self.current is None:
            return Entry("POST", type, self.body, index=index, new_id=id, size=size)
        return Entry("PUT", f"{type}/{id}", self.body, if_match=f'W/"{self.current.version}"', index=index, size=size)


_ENTRY: Final = re.compile(r"Bundle\.entry\[(\d+)\]")
_WITHIN: Final = re.compile(r"Bundle\.entry\[\d+\]\.resource\.?")


def _text(expression: str | None, diagnostics: str) -> str:
    path = _WITHIN.sub("", expression or "")
    return f"{path}: {diagnostics}" if path else diagnostics


def _counted(copies: Iterable[_Copy]) -> dict[str, int]:
    return dict(sorted(Counter(one.name[0] for one in copies).items()))


def _stands(current: Resource | None) -> bool:
    return current is not None and not current.deleted


async def _unchanged(door: Door, made: Draft, current: Resource | None) -> bool:
    """Whether a copy says what stands here, byte for byte; the content of a Binary may lie beside the store."""
    if current is None or current.deleted:
        return False
    blob = await contents.held(door, current)
    if blob is not None:
        data = str(made.body.get("data", ""))
        if await apart(len(data), _content, data) != (blob.size, blob.digest):
            return False
        made = draft(contents.parted(made.body), made.id)
    return made.tail_of(current) == made.tail


def _content(data: str) -> tuple[int, bytes] | None:
    """Length and SHA-256 of what is in base64; None where it is none."""
    try:
        content = binascii.a2b_base64(data)
    except binascii.Error:
        return None
    return len(content), sha256(content).digest()


_APART: Final = ("_include", "_revinclude", "_count", "_sort")
"""Parameters that don't say what matches."""


def _comparable(ask: Ask, patient: str) -> list[tuple[str, str]]:
    """The search with the patient's id here; empty for what can't be asked here in the same words."""
    pairs = [(name, value) for name, value in ask.search if name.partition(":")[0] not in _APART]
    words = {word for _, value in pairs for word in placeholders(value)}
    if words != {"patient"} or any(name.startswith("_") for name, _ in pairs):
        return []
    return [(name, value.replace("{patient}", patient)) for name, value in pairs]
