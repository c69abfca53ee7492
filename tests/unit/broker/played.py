"""An EHR in memory to try gathers against: `Far` without a network, answers in pages, faults on demand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hilum.broker.far import Failed, Note, Page

Body = dict[str, Any]
BASE = "https://ehr.example/fhir/R4"
MRN = "urn:oid:1.2.36.146.595.217.0.1"

WHERE = {"patient": ("subject", "patient", "beneficiary"), "subject": ("subject",), "encounter": ("encounter",)}
"""Search parameter -> the elements whose references it looks at; others are looked at as codes."""


def patient(id: str = "p1", mrn: str | None = "1234", **more: Any) -> Body:
    body: Body = {"resourceType": "Patient", "id": id}
    if mrn is not None:
        body["identifier"] = [{"system": MRN, "value": mrn}]
    return body | more


def encounter(id: str, subject: str | None = "Patient/p1", **more: Any) -> Body:
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    return _about({"resourceType": "Encounter", "id": id, "status": "finished", "class": kind}, subject) | more


def observation(id: str, subject: str | None = "Patient/p1", **more: Any) -> Body:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    return _about({"resourceType": "Observation", "id": id, "status": "final", "code": code}, subject) | more


def practitioner(id: str, **more: Any) -> Body:
    return {"resourceType": "Practitioner", "id": id, "name": [{"family": "Lind"}]} | more


def _about(body: Body, subject: str | None) -> Body:
    return body if subject is None else body | {"subject": {"reference": subject}}


@dataclass
class Ehr:
    """`resources`: what it has. `size`: matches per page. `faults`: by type, what is raised, after so many pages.

    `notes`: by type, what is said on each page. `says_more`: types whose last page says that another one follows.
    `order`: answers take their turns by it. `heeds`: False for an EHR that ignores every search parameter.
    """

    resources: Sequence[Mapping[str, Any]]
    base: str = BASE
    patient: str = ""
    size: int = 2
    faults: Mapping[str, tuple[int, Failed]] = field(default_factory=dict)
    notes: Mapping[str, tuple[Note, ...]] = field(default_factory=dict)
    says_more: frozenset[str] = frozenset()
    order: int | None = None
    heeds: bool = True
    requests: int = 0
    asked: list[tuple[str, tuple[tuple[str, str], ...]]] = field(default_factory=list)
    read_: list[str] = field(default_factory=list)
    open: int = 0
    most_open: int = 0

    def __post_init__(self) -> None:
        self._dice = random.Random(self.order)

    async def search(self, type: str, parameters: Sequence[tuple[str, str]]) -> AsyncIterator[Page]:
        self.asked.append((type, tuple(parameters)))
        found = [one for one in self._here(type) if not self.heeds or all(_is(one, *two) for two in parameters)]
        pages = [found[n : n + self.size] for n in range(0, len(found), self.size)] or [[]]
        after, failed = self.faults.get(type, (len(pages), None))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            for number, matches in enumerate(pages):
                await self._turn()
                if failed is not None and number >= after:
                    raise failed
                more = number + 1 < len(pages) or type in self.says_more
                yield Page(tuple(matches), self._included(matches, parameters), self.notes.get(type, ()), more)
            if failed is not None:
                raise failed
        finally:
            self.open -= 1

    async def read(self, type: str, id: str) -> Mapping[str, Any]:
        self.read_.append(f"{type}/{id}")
        await self._turn()
        if type in self.faults:
            raise self.faults[type][1]
        for one in self._here(type):
            if one["id"] == id:
                return one
        raise Failed("absent", "The EHR has no such resource.", status=404)

    async def _turn(self) -> None:
        self.requests += 1
        for _ in range(1 if self.order is None else self._dice.randrange(8)):
            await asyncio.sleep(0)

    def _here(self, type: str) -> list[Mapping[str, Any]]:
        found = [one for one in self.resources if one["resourceType"] == type]
        if self.order is not None:
            self._dice.shuffle(found)
        return found

    def _included(self, matches: Sequence[Mapping[str, Any]], parameters: Sequence[tuple[str, str]]) -> tuple[Any, ...]:
        wanted = [value.split(":")[1] for name, value in parameters if name == "_include"]
        names = {
            str(one[element]["reference"])
            for one in matches
            for element in wanted
            if "reference" in one.get(element, {})
        }
        return tuple(one for one in self.resources if f"{one['resourceType']}/{one['id']}" in names)


def _is(one: Mapping[str, Any], name: str, value: str) -> bool:
    if name.startswith("_"):
        return True
    if name == "identifier":
        return any(value in (f"{each.get('system')}|{each['value']}", each["value"]) for each in one["identifier"])
    if name in WHERE:
        wanted = {part.split("/")[-1] for part in value.split(",")}
        texts = [str(one[element].get("reference", "")) for element in WHERE[name] if element in one]
        return any(text.split("/_history")[0].split("/")[-1] in wanted for text in texts)
    codings = [coding for each in one.get(name, []) for coding in each.get("coding", [])]
    return any(coding.get("code") == value for coding in codings)
