"""A bundle of readings, as it is sent. https://hl7.org/fhir/R4/http.html#transaction, HL7's PHD guide, "bundleExample".

A transaction that creates Devices and Observations, whose patient is named by a Patient entry, or by `Patient/id`. No
Patient is ever made of an entry: it says by which identifier one is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from hilum.devices.resolving import Identifier, Subject
from hilum.fhirpath.references import local
from hilum.interactions.linking import root
from hilum.problems import Issue, Unprocessable

Body = Mapping[str, Any]

TYPES: Final = ("Patient", "Device", "Observation")
LONGEST_NAME: Final = 1024
"""Characters of a bundle's identifier."""
_REQUEST: Final = frozenset(("method", "url", "ifNoneExist", "id", "extension"))


class Name(NamedTuple):
    """By what a bundle is known, of one client: Bundle.identifier, or MSH-3 and MSH-10."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class Part:
    """An entry. `index`: its place, for the receipt and for what is wrong with it."""

    index: int
    type: str
    body: dict[str, Any]
    full_url: str | None
    if_none_exist: str | None

    @property
    def where(self) -> str:
        """Its path."""
        return f"Bundle.entry[{self.index}]"


@dataclass(frozen=True)
class Bundle:
    """The entries in their order, and what references between them mean. `base`: of FHIR here."""

    parts: tuple[Part, ...]
    base: str

    @cached_property
    def _named(self) -> dict[str, Part]:
        return {part.full_url: part for part in self.parts if part.full_url is not None}

    def meant(self, part: Part, reference: str) -> Part | str | None:
        """The entry that a reference of this one means, or Type/id of what is here; None: it is another."""
        found = self._named.get(reference)
        if found is not None:
            return found
        reference = reference.removeprefix(f"{self.base}/")
        plain = local(reference)
        if plain is None:
            return None
        server = root(part.full_url)
        return self._named.get(f"{server}/{reference}") or "/".join(plain) if server else "/".join(plain)


def name(bundle: Body) -> Name:
    """Bundle.identifier. Raises Unprocessable."""
    said = bundle.get("identifier")
    value = said.get("value") if type(said) is dict else None
    system = said.get("system", "") if type(said) is dict else None
    if type(value) is not str or type(system) is not str or not value or len(value) + len(system) > LONGEST_NAME:
        text = "The Bundle needs an identifier with a value, by which it is known again when it is sent again."
        raise Unprocessable(text, expression="Bundle.identifier")
    return Name(system, value)


def parsed(bundle: Body, base: str) -> Bundle:
    """Its entries, of which everything is checked but the resources. Raises Unprocessable, with all that is wrong."""
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "transaction":
        raise Unprocessable("Readings come as a Bundle of type transaction.", expression="Bundle.type")
    entries = bundle.get("entry")
    if type(entries) is not list or not entries:
        raise Unprocessable("The Bundle needs entries.", expression="Bundle.entry")
    parts: list[Part] = []
    wrong: list[Issue] = []
    for index, entry in enumerate(entries):
        found = _part(index, entry, base)
        if isinstance(found, Part):
            parts.append(found)
        else:
            wrong.append(found)
    seen: set[str] = set()
    for part in parts:
        if part.full_url is not None and part.full_url in seen:
            wrong.append(_issue("Another entry has the same fullUrl.", f"{part.where}.fullUrl"))
        seen.add(part.full_url or "")
    if wrong:
        raise Unprocessable(issues=tuple(wrong))
    return Bundle(tuple(parts), base)


def _part(index: int, entry: Any, base: str) -> Part | Issue:
    where = f"Bundle.entry[{index}]"
    body = entry.get("resource") if type(entry) is dict else None
    request = entry.get("request") if type(entry) is dict else None
    if type(body) is not dict or type(request) is not dict:
        return _issue("An entry needs a resource and a request.", where)
    kind = body.get("resourceType")
    if kind not in TYPES:
        return _issue(f"Devices send resources of type {', '.join(TYPES)}, and no others.", f"{where}.resource")
    if request.get("method") != "POST":
        return _issue("Devices create: the method is POST.", f"{where}.request.method")
    if request.get("url") not in (kind, f"{base}/{kind}"):
        return _issue(f"The url of this entry is {kind}.", f"{where}.request.url")
    if set(request) - _REQUEST:
        return _issue("Beside method and url a request has ifNoneExist, and nothing else.", f"{where}.request")
    condition, full_url = request.get("ifNoneExist"), entry.get("fullUrl")
    if condition is not None and type(condition) is not str:
        return _issue("The condition must be a text.", f"{where}.request.ifNoneExist")
    if full_url is not None and type(full_url) is not str:
        return _issue("The fullUrl must be a text.", f"{where}.fullUrl")
    return Part(index, kind, body, full_url, condition)


# --- who and what is named --------------------------------------------------------------------------------------------


def identifiers(body: Body) -> tuple[Identifier, ...]:
    """Those of a resource that have a value."""
    said = body.get("identifier")
    return tuple(_identifiers(said if type(said) is list else []))


def _identifiers(some: Iterable[Any]) -> Iterator[Identifier]:
    for one in some:
        if type(one) is dict and type(one.get("value")) is str and one["value"]:
            system = one.get("system", "")
            yield Identifier(system if type(system) is str else "", one["value"])


OF: Final = {"Observation": "subject", "Device": "patient"}
"""Type -> the element that says whose it is."""


def subject(bundle: Bundle, part: Part) -> Subject:
    """The patient of an Observation, or of a Device, as it names one. Raises Unprocessable."""
    where = f"{part.where}.resource.{OF[part.type]}"
    said = part.body.get(OF[part.type])
    if said is None:
        return Subject()
    reference, known = (said.get("reference"), said.get("identifier")) if type(said) is dict else (None, None)
    if reference is None and type(known) is dict:
        return Subject(identifiers=tuple(_identifiers([known])))
    meant = bundle.meant(part, reference) if type(reference) is str else None
    if isinstance(meant, Part) and meant.type == "Patient":
        found = identifiers(meant.body)
        if not found:
            text = "A Patient entry needs an identifier: it says who is meant, and makes nobody."
            raise Unprocessable(text, expression=f"{meant.where}.resource.identifier")
        return Subject(identifiers=found)
    if isinstance(meant, str) and meant.startswith("Patient/"):
        return Subject(meant.removeprefix("Patient/"))
    text = f"The {OF[part.type]} must be a Patient: by the fullUrl of an entry, or as Patient/[id]."
    raise Unprocessable(text, expression=f"{where}.reference")


def patient(bundle: Bundle, part: Part) -> Part | None:
    """The Patient entry by which an Observation or a Device says whose it is; None: it says it otherwise."""
    said = part.body.get(OF[part.type])
    reference = said.get("reference") if type(said) is dict else None
    meant = bundle.meant(part, reference) if type(reference) is str else None
    return meant if isinstance(meant, Part) and meant.type == "Patient" else None


def device(bundle: Bundle, part: Part) -> Part | str | None:
    """The Device that an Observation names: an entry, or Device/id; None: none. Raises Unprocessable."""
    said = part.body.get("device")
    if said is None:
        return None
    reference, known = (said.get("reference"), said.get("identifier")) if type(said) is dict else (None, None)
    meant = bundle.meant(part, reference) if type(reference) is str else None
    if (isinstance(meant, Part) and meant.type == "Device") or (isinstance(meant, str) and meant[:7] == "Device/"):
        return meant
    text = "The device must be a Device: by the fullUrl of an entry, or as Device/[id]."
    if reference is None and type(known) is dict:
        text = "The device must be there as an entry of its own, not by an identifier alone."
    raise Unprocessable(text, expression=f"{part.where}.resource.device.reference")


# --- what stands in it twice ------------------------------------------------------------------------------------------

UNFINISHED: Final = ("registered", "preliminary")
FINISHED: Final = ("final", "amended", "corrected")
"""Observation.status before the last word and after it. https://hl7.org/fhir/R4/valueset-observation-status.html"""


def doubles(parts: Sequence[Part]) -> dict[int, int]:
    """Entries that are created by the same condition as another one, which stands for all of them: index -> its index.

    An early estimate and the final value that confirms it have the same identifier: the final one stands for both.
    """
    first: dict[tuple[str, str], Part] = {}
    for part in parts:
        if part.if_none_exist is None:
            continue
        kept = first.setdefault((part.type, part.if_none_exist), part)
        if supersedes(part.body, kept.body):
            first[part.type, part.if_none_exist] = part
    return {
        part.index: kept.index
        for part in parts
        if part.if_none_exist is not None and (kept := first[part.type, part.if_none_exist]) is not part
    }


def supersedes(body: Body, other: Body) -> bool:
    """Whether it is the last word on what the other only estimates."""
    return (
        body.get("resourceType") == "Observation"
        and body.get("status") in FINISHED
        and other.get("status") in UNFINISHED
    )


def _issue(text: str, where: str) -> Issue:
    return Issue("error", Unprocessable.code, text, where)
