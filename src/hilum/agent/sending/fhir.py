"""To a FHIR server: a transaction, or, where there are none, one resource at a time. https://hl7.org/fhir/R4/http.html

Whatever is sent can be sent again: everything is created on the condition that it is not there. What has no
identifier of its own gets one for that. In a transaction it is made of the batch and the entry, which stay as they are.
One by one, a batch may be refused when half of it is there, and its halves come in batches of their own: there the
identifier is made of what the resource says.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID, uuid5

import msgspec

from hilum.agent.batch import Batch, Fate, Keeps, Later, Refused, Stopped, Stored
from hilum.agent.http import Answer
from hilum.agent.sending import able as capabilities
from hilum.agent.sending import answered
from hilum.agent.sending.able import Able
from hilum.agent.sending.far import Far, unknown
from hilum.agent.sending.judging import judged
from hilum.agent.sending.tokens import Halted
from hilum.phd.fhir import Patient, bundle

Body = dict[str, Any]

FHIR: Final = "application/fhir+json"
KNOWN_SECONDS: Final = 3600.0
"""How long it is believed what a server said of itself."""
_OURS: Final = "urn:ietf:rfc:3986"
_CONTENT: Final = UUID("c7b0a3f2-54f6-5a55-8d1c-7b2f0b9d2a10")
"""Of the names of what is created one by one; ours, by chance."""


class _Identifier(msgspec.Struct, frozen=True):
    system: str = ""
    value: str = ""


class _Resource(msgspec.Struct, frozen=True):
    resourceType: str = ""
    id: str = ""
    identifier: list[_Identifier] = []


class _Found(msgspec.Struct, frozen=True):
    resource: _Resource = _Resource()


class _Searchset(msgspec.Struct, frozen=True):
    resourceType: str
    entry: list[_Found] = []


class Fhir:
    """A Way."""

    def __init__(self, far: Far, keeps: Keeps, ticking: Callable[[], float] = time.monotonic) -> None:
        self._far, self._keeps, self._ticking = far, keeps, ticking
        self._able: Able | None = None
        self._until = 0.0

    async def send(self, batch: Batch) -> Fate:
        """Try once."""
        patient = self._far.whose(batch)
        if patient is None:
            return unknown(batch)
        try:
            fate = await self._sent(batch, patient)
            if isinstance(fate, Refused) and patient.id and await self._is_not(patient.id):
                return Stopped(f"The far side has no Patient with the `id` that [[patient]] gives {batch.device}.")
            return fate
        except Halted as halted:
            return halted.fate

    async def close(self) -> None:
        """Let go of connections."""
        await self._far.close()

    async def _sent(self, batch: Batch, patient: Patient) -> Fate:
        able = await self._can()
        made = bundle(batch.taken, self._far.identity.device, patient, batch.id)
        types = frozenset(entry["resource"]["resourceType"] for entry in made["entry"])
        if not able.at_once(types) or batch.done:
            return await self._one_by_one(batch, made["entry"], able)
        for entry in made["entry"]:
            _named(entry, entry["fullUrl"])
        answer = await self._post(self._far.sending.to, made)
        said = answered.read(answer) if answer.status in (200, 201) else None
        if said is not None and said.stored(len(made["entry"])):
            return Stored(answered.receipt(batch.id, said.locations))
        if answer.status == 412:  # something is there several times, and only one by one it shows what
            return await self._one_by_one(batch, made["entry"], able)
        return judged(answer, self._far.clock(), batch.tries)

    async def _is_not(self, id: str) -> bool:
        """Whether no patient has this id: if so, it is the settings that were refused, not what was measured."""
        answer = await self._far.ask("GET", f"{self._far.sending.to}/Patient/{id}?_elements=id", accept=FHIR)
        return answer.status in (404, 410)

    async def _can(self) -> Able:
        if self._able is None or self._until <= self._ticking():
            answer = await self._far.ask("GET", f"{self._far.sending.to}/metadata", accept=FHIR)
            found = capabilities.read(answer) if answer.status == 200 else None
            if isinstance(found, Stopped):
                raise Halted(found)
            if found is None:
                fate = judged(answer, self._far.clock())
                raise Halted(Stopped(fate.why) if isinstance(fate, Refused) else fate)
            self._able, self._until = found, self._ticking() + KNOWN_SECONDS
        return self._able

    async def _one_by_one(self, batch: Batch, entries: list[Body], able: Able) -> Fate:
        """Each after what it refers to, as they stand. What was created before is not sent again."""
        done, seen = dict(batch.done), Counter[str]()
        for entry in entries:
            url, body = entry["fullUrl"], _resolved(entry["resource"], done)
            if "ifNoneExist" not in entry["request"]:
                text = answered.written(body).decode()
                seen[text] += 1
                entry = {**entry, "resource": body}
                _named(entry, uuid5(_CONTENT, f"{seen[text]}#{text}").urn)
            if url in done:
                continue
            found = await self._created({**entry, "resource": _resolved(entry["resource"], done)}, able, batch.tries)
            if not isinstance(found, str):
                return found
            done[url] = found
            await self._keeps.note(batch.id, url, found)
        return Stored(answered.receipt(batch.id, tuple(done[entry["fullUrl"]] for entry in entries)))

    async def _created(self, entry: Body, able: Able, tries: int) -> str | Fate:
        """Where it is."""
        body, condition = entry["resource"], entry["request"]["ifNoneExist"]
        type_ = body["resourceType"]
        conditional = type_ in able.conditionally
        if not conditional or type_ not in able.creates:
            found = await self._find(body, condition)
            if found:
                return _only(type_, found)
        if type_ not in able.creates:
            return Stopped(f"The far side has no such {type_}, and creates none: put its `id` into [[patient]].")
        url, more = f"{self._far.sending.to}/{type_}", {"if_none_exist": condition} if conditional else {}
        answer = await self._post(url, body, **more)
        if answer.status in (200, 201, 304):
            where = answered.location(answer.headers.get("location", "")) or _said(answer)
            if where.startswith(f"{type_}/"):
                return where
            found = await self._find(body, condition)
            return found[0] if found else Later(f"The far side did not say where it put a {type_}, and can't find it.")
        if answer.status == 412:
            found = await self._find(body, condition)
            return _only(type_, found) if found else judged(answer, self._far.clock(), tries)
        fate = judged(answer, self._far.clock(), tries)
        if isinstance(fate, Refused) and type_ != "Observation":  # of which all readings would become dead letters
            return Stopped(f"The far side does not take the {type_}. {fate.why}")
        return fate

    async def _find(self, body: Body, condition: str) -> list[str]:
        """What is there with the identifier: what a search that paid no heed to it found is not."""
        type_ = body["resourceType"]
        query = f"{condition}&{urlencode({'_elements': 'identifier', '_count': '5'})}"
        answer = await self._far.ask("GET", f"{self._far.sending.to}/{type_}?{query}", accept=FHIR)
        found = answer.json(_Searchset) if answer.status == 200 else None
        if found is None or found.resourceType != "Bundle":
            fate = judged(answer, self._far.clock())
            raise Halted(Stopped(fate.why) if isinstance(fate, Refused) else fate)
        ours = {(one.get("system", ""), one["value"]) for one in body["identifier"]}
        return [
            f"{type_}/{one.resource.id}"
            for one in found.entry
            if one.resource.resourceType == type_
            and one.resource.id
            and any((each.system, each.value) in ours for each in one.resource.identifier)
        ]

    async def _post(self, url: str, body: Mapping[str, Any], **headers: str) -> Answer:
        return await self._far.ask(
            "POST", url, answered.written(body), content_type=FHIR, accept=FHIR, prefer="return=minimal", **headers
        )


def _named(entry: Body, urn: str) -> None:
    """Give it an identifier to be created once by, unless it has one."""
    if "ifNoneExist" in entry["request"]:
        return
    body = entry["resource"]
    entry["resource"] = {**body, "identifier": [*body.get("identifier", []), {"system": _OURS, "value": urn}]}
    entry["request"] = {**entry["request"], "ifNoneExist": urlencode({"identifier": f"{_OURS}|{urn}"})}


def _resolved(value: Any, done: Mapping[str, str]) -> Any:
    """References to entries as references to what they became."""
    if isinstance(value, dict):
        return {
            name: done.get(one, one) if name == "reference" and isinstance(one, str) else _resolved(one, done)
            for name, one in value.items()
        }
    return [_resolved(one, done) for one in value] if isinstance(value, list) else value


def _only(type_: str, found: list[str]) -> str | Stopped:
    """A measurement that is there twice is there. Of two devices or patients nobody guesses which."""
    if len(found) > 1 and type_ != "Observation":
        return Stopped(
            f"The far side has several of one {type_}, with one identifier: people there have to merge them."
        )
    return found[0]


def _said(answer: Answer) -> str:
    """Where it is, by the body of the answer."""
    body = answer.json(_Resource) or _Resource()
    return f"{body.resourceType}/{body.id}" if body.id else ""
