"""A bundle with its patients found: what the registry says of each, and the entries that are written then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

from hilum.access.policy import Grant, Policy, Principal
from hilum.devices import bundles
from hilum.devices.bundles import Bundle, Part
from hilum.devices.resolving import Found, Hold, Identifier, Subject, Whose
from hilum.fhir import json
from hilum.interactions.door import Door
from hilum.interactions.links import rewritten
from hilum.interactions.transaction import Entry
from hilum.phd.reading import NO_SYSTEM_ID
from hilum.problems import Unprocessable

Identifiers = tuple[Identifier, ...]

STAND_IN: Final = "not-known-yet"
"""The id of a Patient that nobody has found, where a bundle is only looked at."""

_LOOKS: Final = 8
"""For so many names the bytes of an entry are looked through; a walk is cheaper than more."""


class Estimate(NamedTuple):
    """What stands for a value that was preliminary, and is replaced by its last word."""

    id: str
    version: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """`patients`: of each entry that says whose it is, by its index. `named`: whom each Patient entry was found to be.

    `hold`: why nobody can say so yet of some, and `devices`: of which, as `holding.Waiting` has them.
    """

    bundle: Bundle
    patients: Mapping[int, str]
    hold: str = ""
    devices: tuple[str, ...] = ()
    named: Mapping[int, frozenset[str]] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, ...]:
        """All patients, each once."""
        return tuple(sorted(set(self.patients.values())))


async def resolved(door: Door, whose: Whose, who: Principal, bundle: Bundle) -> Resolved:
    """Ask for each device and patient once. Raises Forbidden, Unprocessable."""
    asked: dict[tuple[Identifiers, Subject], Found | Hold] = {}
    patients: dict[int, str] = {}
    why: dict[str, None] = {}
    waits: dict[str, None] = {}
    stored: dict[str, Identifiers] = {}
    named: dict[int, frozenset[str]] = {}
    for part in bundle.parts:
        if part.type == "Patient" or (part.type == "Device" and "patient" not in part.body):
            continue
        key = (await _devices(door, bundle, part, stored), bundles.subject(bundle, part))
        if key not in asked:
            asked[key] = await whose(who, *key)
        answer = asked[key]
        if isinstance(answer, Hold):
            why[answer.why] = None
            waits |= dict.fromkeys(_named(*key))
            patients[part.index] = STAND_IN
        else:
            patients[part.index] = answer.patient
        entry = bundles.patient(bundle, part)
        if entry is not None:
            named[entry.index] = named.get(entry.index, frozenset()) | {patients[part.index]}
    return Resolved(bundle, patients, " ".join(why), tuple(waits), named)


def _named(devices: Sequence[Identifier], subject: Subject) -> Iterator[str]:
    """The device, by the identifier that the placeholder has for it, or by its first."""
    for one in subject.identifiers:
        value, sign, person = one.value.rpartition("#")
        system = next((known.system for known in devices if known.value == value), None)
        if sign and system is not None:
            yield f"{system}|{value}" + (f"#{person}" if person else "")
            return
    telling = [one for one in devices if one.value != NO_SYSTEM_ID]
    if telling:
        yield f"{telling[0].system}|{telling[0].value}"


async def _devices(door: Door, bundle: Bundle, part: Part, stored: dict[str, Identifiers]) -> Identifiers:
    """All identifiers of what measured. `stored`: those of Devices that were read for others. Raises Unprocessable."""
    if part.type == "Device":
        return bundles.identifiers(part.body)
    meant = bundles.device(bundle, part)
    if meant is None:
        return ()
    if isinstance(meant, Part):
        return bundles.identifiers(meant.body)
    if meant not in stored:
        known = await door.store.read("Device", meant.removeprefix("Device/"))
        if known is None or known.deleted:
            raise Unprocessable("There is no such Device.", expression=f"{part.where}.resource.device.reference")
        stored[meant] = bundles.identifiers(known.body)
    return stored[meant]


# --- what is written --------------------------------------------------------------------------------------------------


def entries(found: Resolved, doubles: Mapping[int, int], estimates: Mapping[int, Estimate]) -> list[Entry]:
    """The entries of the transaction. `estimates`: those that replace what stands there. Raises Unprocessable."""
    return list(_entries(found, doubles, estimates))


def _entries(found: Resolved, doubles: Mapping[int, int], estimates: Mapping[int, Estimate]) -> Iterator[Entry]:
    urls = {part.index: part.full_url for part in found.bundle.parts}
    for double, kept in doubles.items():  # what stands for others needs a name that they can be referred to by
        urls[kept] = urls[kept] or urls[double]
    seldom = _seldom(found.bundle, doubles)
    for part in found.bundle.parts:
        if part.type == "Patient" or part.index in doubles:
            continue
        body = _of(part, found.patients.get(part.index))
        if seldom is None or _mentions(body, seldom):
            body = rewritten(body, _Rewriting(found, part, doubles, urls))
        estimate = estimates.get(part.index)
        url = urls[part.index]
        if estimate is None:
            yield Entry("POST", part.type, body, url, if_none_exist=part.if_none_exist, index=part.index)
        else:
            yield Entry(
                "PUT",
                f"{part.type}/{estimate.id}",
                {**body, "id": estimate.id},
                url,
                if_match=f'W/"{estimate.version}"',
                index=part.index,
            )


def _of(part: Part, patient: str | None) -> dict[str, Any]:
    """The body with the patient that was found."""
    if patient is None:
        return part.body
    element = bundles.OF[part.type]
    return {**part.body, element: {**part.body.get(element, {}), "reference": f"Patient/{patient}"}}


def _seldom(bundle: Bundle, doubles: Mapping[int, int]) -> list[bytes] | None:
    """How an entry refers to what is not written under its fullUrl, so that a look at the bytes tells whether it does,
    beside its own subject; None: there are other ways, too.
    """
    urls = [part.full_url for part in bundle.parts if part.type == "Patient" or part.index in doubles]
    named = [url for url in urls if url is not None]
    if len(named) > _LOOKS or not all(url.startswith("urn:") for url in named):
        return None
    return [json.encode(url) for url in named]


def _mentions(body: Mapping[str, Any], urls: Sequence[bytes]) -> bool:
    raw = json.encode(body)
    return any(url in raw for url in urls)


class _Rewriting:
    """What a reference of one entry becomes: the patient that was found, or the entry that stands for what it names."""

    def __init__(self, found: Resolved, part: Part, doubles: Mapping[int, int], urls: Mapping[int, str | None]) -> None:
        self._found, self._part, self._doubles, self._urls = found, part, doubles, urls

    def __call__(self, reference: str) -> str:
        meant = self._found.bundle.meant(self._part, reference)
        if not isinstance(meant, Part):
            return reference
        if meant.type == "Patient":
            return f"Patient/{self._patient(meant)}"
        return self._urls[self._doubles.get(meant.index, meant.index)] or reference

    def _patient(self, meant: Part) -> str:
        """Who the Patient entry is: of this entry's own subject, or else as others of the bundle have it."""
        own = self._found.patients.get(self._part.index)
        ids = self._found.named.get(meant.index, frozenset())
        if own in ids:
            return str(own)
        if len(ids) == 1:
            return next(iter(ids))
        raise Unprocessable(
            "A reference to this Patient is not clear: nothing of this bundle is measured of just one patient by it.",
            expression=self._part.where,
        )


# --- who writes it ----------------------------------------------------------------------------------------------------


def acting(who: Principal, patients: Sequence[str]) -> Principal:
    """Who pushes, with what that takes: their own right to create, and the gateway's to find what is there already, of
    these patients alone, so that a device's client needs no right to read or to change anything.
    """
    return replace(who, policy=_policy(who.policy, tuple(patients)))


@lru_cache(maxsize=4096)
def _policy(policy: Policy, patients: tuple[str, ...]) -> Policy:
    own = tuple(
        replace(grant, interactions=kept) for grant in policy.grants if (kept := grant.interactions & frozenset("cr"))
    )
    owners = tuple(("Patient", id) for id in patients)
    beside = (
        Grant("Device", frozenset("rs")),
        *((Grant("Observation", frozenset("rsu"), owners), Grant("Patient", frozenset("r"), owners)) if owners else ()),
    )
    return Policy(own + beside, policy.named, policy.beyond)
