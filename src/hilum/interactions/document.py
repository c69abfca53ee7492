"""Composition/$document: a Composition and all that it refers to, as one Bundle. https://hl7.org/fhir/R4/documents.html

What the Composition itself refers to "SHALL be included": if one of these is absent, hidden from who asks (which is
the same to them), or on another server, there is no document, rather than one that lacks what it says it has. What
those refer to in turn comes along as far as who asks may read it, and only if it lies in the record of the subject or
in nobody's: one patient's document must not take in another patient's record.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from hilum.access.policy import Principal
from hilum.fhir import json
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.interactions import contents
from hilum.interactions.door import Door
from hilum.interactions.labels import identity
from hilum.interactions.links import references
from hilum.interactions.permit import placed
from hilum.interactions.read import read, vread
from hilum.problems import Forbidden, Gone, Issue, NotFound, Unprocessable

MOST: Final = 2000
"""Resources in one document."""
MOST_BYTES: Final = 1 << 26
"""Of all of them together."""
MOST_SOUGHT: Final = 10 * MOST
"""Different references that are followed, to whatever end."""
MOST_ISSUES: Final = 100
"""References that are told of where they can't be put in."""
_PLACE: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?")

Name = tuple[str, str, str]
"""Type, id, and version where a reference names one, else ""."""


@dataclass(frozen=True, slots=True)
class Document:
    """The resources, the Composition first, each once; `identifier`: of this document and no other (urn:uuid)."""

    resources: tuple[Resource, ...]
    identifier: str

    def raw(self, base: str, instant: str) -> bytes:
        """The Bundle, of the stored bytes. https://hl7.org/fhir/R4/bundle.html: bdl-9, bdl-10 and bdl-11

        `instant`: when it was put together. Its security labels are all that the resources in it have.
        """
        meta: dict[str, Any] = {"lastUpdated": instant}
        found = {identity(one): one for resource in self.resources for one in resource.body["meta"].get("security", ())}
        if found:
            meta["security"] = [found[name] for name in sorted(found)]
        head = {
            "resourceType": "Bundle",
            "meta": meta,
            "identifier": {"system": "urn:ietf:rfc:3986", "value": self.identifier},
            "type": "document",
            "timestamp": instant,
        }
        entries = (
            b'{"fullUrl":"%b/%b/%b","resource":%b}' % (base.encode(), one.type.encode(), one.id.encode(), one.raw)
            for one in self.resources
        )
        return b'%b,"entry":[%b]}' % (json.encode(head)[:-1], b",".join(entries))


async def document(door: Door, who: Principal, id: str) -> Document:
    """The document of a Composition as it is now.

    Needs 'r' on all that is in it. Raises NotFound, Gone, Forbidden about the Composition, and Unprocessable, by
    element, for what it refers to and can't be put in; too costly where that is too much.
    """
    composition = await read(door, who, "Composition", id)
    found = _Gathered()
    own = ("Composition", composition.id, "")
    found.sought(own)
    found.add(own, composition)
    issues: list[Issue] = []
    direct: list[Resource] = []
    missed: dict[Name, tuple[str, str]] = {}
    for place, text in _referring(composition.body, "Composition"):
        if text.startswith("#"):
            continue
        name = _name(text, door.base)
        if name in found.resources:
            continue
        wrong = ("not-found", _ELSEWHERE) if name is None else missed.get(name)
        if name is not None and wrong is None:
            found.sought(name)
            resource = await _readable(door, who, name)
            if resource is None:
                wrong = missed[name] = ("not-found", _LACKING)
            elif await contents.held(door, resource) is not None:
                wrong = missed[name] = ("too-long", _ASIDE)
            else:
                found.add(name, resource)
                direct.append(resource)
        if wrong is not None:
            issues.append(Issue("error", *wrong, place))
            if len(issues) == MOST_ISSUES:
                break
    if issues:
        raise Unprocessable(issues=tuple(issues))
    await _indirect(door, who, found, direct)
    once = {(one.type, one.id, one.version): one for one in found.resources.values()}
    return Document(tuple(once.values()), uuid4().urn)


class _Gathered:
    """What is in the document so far, by the names by which it was referred to; `met`: those that were looked for."""

    def __init__(self) -> None:
        self.resources: dict[Name, Resource] = {}
        self.met: set[Name] = set()
        self._size = 0

    def sought(self, name: Name) -> None:
        """One more that is looked for. Raises Unprocessable (too costly)."""
        self.met.add(name)
        if len(self.met) > MOST_SOUGHT:
            raise _too_costly(f"The document would need more than {MOST_SOUGHT} references to be followed.")

    def add(self, name: Name, resource: Resource) -> None:
        """One more. Raises Unprocessable (too costly)."""
        self.resources[name] = resource
        self._size += len(resource.raw)
        if len(self.resources) > MOST or self._size > MOST_BYTES:
            raise _too_costly(f"The document would hold more than {MOST} resources or {MOST_BYTES >> 20} MB.")


def _too_costly(text: str) -> Unprocessable:
    return Unprocessable(issues=(Issue("error", "too-costly", text),))


_LACKING: Final = (
    "What is referred to here does not exist, or the token does not allow to read it: a document holds all that its "
    "Composition refers to."
)
_ASIDE: Final = "The content of this Binary lies beside the store: it is too long for a document."
_ELSEWHERE: Final = "What is referred to here is on no record of this server, which asks no other for it."


async def _indirect(door: Door, who: Principal, found: _Gathered, direct: list[Resource]) -> None:
    """Add to `found` what the resources refer to, and those in turn."""
    subjects = frozenset(id for type, id, _ in found.resources if type == "Patient")
    waiting = deque(direct)
    while waiting:
        resource = waiting.popleft()
        for text in references(resource.body):
            name = _name(text, door.base)
            if name is None or name in found.met:
                continue
            found.sought(name)
            other = await _beside(door, who, name, subjects)
            if other is not None and await contents.held(door, other) is None:
                found.add(name, other)
                waiting.append(other)


def _referring(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """(element, reference) of each literal reference, in order."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "reference" and isinstance(part, str):
                yield path, part
            elif name != "contained":
                yield from _referring(part, f"{path}.{name}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _referring(part, f"{path}[{number}]")


def _name(reference: str, base: str) -> Name | None:
    """What a reference names on this server; None: nothing of it."""
    match = _PLACE.fullmatch(reference.removeprefix(f"{base}/"))
    if match is None or match[1] not in TYPE_NUMBER:
        return None
    return match[1], match[2], match[3] or ""


async def _readable(door: Door, who: Principal, name: Name) -> Resource | None:
    type, id, version = name
    try:
        return await vread(door, who, type, id, version) if version else await read(door, who, type, id)
    except (NotFound, Gone, Forbidden):
        return None


async def _beside(door: Door, who: Principal, name: Name, subjects: frozenset[str]) -> Resource | None:
    """What may be read and lies in no patient's record but the subject's; a version by where it lies now."""
    type, id, version = name
    allowed = who.policy.permits(type, "r")
    place = await placed(door, who, allowed, type, id) if allowed else None
    if place is None or any(kind == "Patient" and owner not in subjects for kind, owner in place.compartments):
        return None
    if version:
        return await _readable(door, who, name)
    return None if place.resource.deleted else place.resource
