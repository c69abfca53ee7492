"""What a document means to a load: entries to be written together or one by one.

| document                               | becomes                                                       |
|----------------------------------------|---------------------------------------------------------------|
| Bundle of type transaction             | one unit, all or nothing                                      |
| Bundle of type batch                   | its entries, each for itself                                  |
| Bundle of type collection or searchset | its resources, each for itself; all or nothing if they refer  |
|                                        | to one another by `urn:uuid:`                                 |
| another Bundle, another resource       | itself                                                        |

https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hilum.problems import Malformed

Entry = dict[str, Any]

CONDITIONAL = re.compile(rb'"reference"\s*:\s*"[A-Z][A-Za-z]*\?')
"""A conditional reference: it resolves only when what it names is in the store."""

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_TOGETHER = 100
"""Entries per commit where each stands for itself: large enough to share a flush, small enough to leave others room."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Bundle entries, each with a request, for one commit. `numbers`: which of the file's entries, or lines, from 0.

    `atomic`: all or nothing, else one by one if refused. `bare`: resources that stand in no Bundle.
    `digest`: that of the file, if new resources get ids from it; then `witness` is one that surely exists once the unit
    was written: (type, id).
    """

    entries: tuple[Entry, ...]
    numbers: tuple[int, ...]
    atomic: bool = False
    bare: bool = False
    digest: bytes = b""
    witness: tuple[str, str] | None = None

    @property
    def positions(self) -> tuple[int, ...]:
        """What can be refused, and tried again, by itself: each entry, or position 0 for all together."""
        return (0,) if self.atomic else self.numbers

    def only(self, wanted: Callable[[int], bool]) -> Unit:
        """The part of it at the positions that are wanted."""
        if self.atomic:
            return self if wanted(0) else replace(self, entries=(), numbers=())
        chosen = [n for n, number in enumerate(self.numbers) if wanted(number)]
        return self if len(chosen) == len(self.numbers) else self.part(chosen)

    def part(self, chosen: Sequence[int]) -> Unit:
        """Some of its entries, counted within it."""
        entries, numbers = tuple(self.entries[n] for n in chosen), tuple(self.numbers[n] for n in chosen)
        return replace(self, entries=entries, numbers=numbers)


def of_document(body: dict[str, Any], digest: bytes, raw: bytes) -> list[Unit]:
    """The units of one JSON document with SHA-256 `digest`. Raises Malformed when it is no resource."""
    if body.get("resourceType") == "Bundle":
        entries = body.get("entry", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise Malformed("Bundle.entry must be an array of objects.")
        kind = body.get("type")
        if kind == "transaction":
            witness = next((_new(e["resource"], digest, n) for n, e in enumerate(entries) if creates(e)), None)
            return [Unit(tuple(entries), tuple(range(len(entries))), atomic=True, digest=digest, witness=witness)]
        if kind == "batch":
            return _each([_identified(entry, digest, n) for n, entry in enumerate(entries)])
        if kind in ("collection", "searchset"):
            requests = [_put(entry, digest, n) for n, entry in enumerate(entries)]
            together = Unit(tuple(requests), tuple(range(len(requests))), atomic=True)
            return [together] if b"urn:uuid:" in raw else _each(requests)
    return [_unit([(0, _put({"resource": body}, digest, 0))], bare=True)]


def of_lines(bodies: Sequence[tuple[int, dict[str, Any]]], digest: bytes) -> Iterator[Unit]:
    """The units of some lines, (number, resource) each; the lines of a unit name different resources."""
    together: list[tuple[int, Entry]] = []
    names: set[str] = set()
    for number, body in bodies:
        entry = _put({"resource": body}, digest, number)
        url = entry["request"]["url"]
        if url in names:
            yield _unit(together, bare=True)
            together, names = [], set()
        names.add(url)
        together.append((number, entry))
    if together:
        yield _unit(together, bare=True)


def derived_id(digest: bytes, position: int) -> str:
    """The id of the resource at this place of the file with this digest (UUID version 8, RFC 9562 §5.8).

    A POST makes a new resource each time; with an id that follows from the file, loading a file again, or going on
    after a kill, makes nothing twice. The file leads and the position ends it, so that an index takes a file in order.
    """
    bits = int.from_bytes(digest[:12], "big") << 32 | position
    text = f"{bits & ~(0xF << 76) & ~(0x3 << 62) | (0x8 << 76) | (0x2 << 62):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _each(entries: list[Entry]) -> list[Unit]:
    numbered = list(enumerate(entries))
    return [_unit(numbered[n : n + _TOGETHER]) for n in range(0, len(numbered), _TOGETHER)]


def _unit(numbered: list[tuple[int, Entry]], *, bare: bool = False) -> Unit:
    return Unit(tuple(entry for _, entry in numbered), tuple(number for number, _ in numbered), bare=bare)


def creates(entry: Entry) -> bool:
    """Whether the entry makes a new resource each time it is sent."""
    request, resource = entry.get("request"), entry.get("resource")
    if not isinstance(request, dict) or not isinstance(resource, dict):
        return False
    return request.get("method") == "POST" and "ifNoneExist" not in request and _typed(resource)


def _identified(entry: Entry, digest: bytes, position: int) -> Entry:
    """A PUT under an id that follows from the file in place of a POST; all else as it is, for the door to judge."""
    if not creates(entry) or entry["request"].get("url") != entry["resource"]["resourceType"]:
        return entry
    type, id = _new(entry["resource"], digest, position)
    return {**entry, "resource": {**entry["resource"], "id": id}, "request": {"method": "PUT", "url": f"{type}/{id}"}}


def _put(entry: Entry, digest: bytes, position: int) -> Entry:
    """An entry that stores the resource under its own id, or where it has none under one that follows from the file."""
    resource = entry.get("resource")
    if not isinstance(resource, dict) or not _typed(resource):
        raise Malformed("No resourceType: not a FHIR resource.")
    id = resource.get("id")
    if not (isinstance(id, str) and _ID.match(id)):
        _, id = _new(resource, digest, position)
        resource = {**resource, "id": id}
    kept = {"fullUrl": entry["fullUrl"]} if "fullUrl" in entry else {}
    return {**kept, "resource": resource, "request": {"method": "PUT", "url": f"{resource['resourceType']}/{id}"}}


def _typed(resource: dict[str, Any]) -> bool:
    return isinstance(resource.get("resourceType"), str)


def _new(resource: dict[str, Any], digest: bytes, position: int) -> tuple[str, str]:
    return resource["resourceType"], derived_id(digest, position)
