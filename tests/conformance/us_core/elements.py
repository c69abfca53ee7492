"""Reading and writing the elements that Inferno's metadata names, over raw JSON, without any FHIRPath engine.

A path is `target.dueDate`, `performed` (whatever type it has) or `extension.where(url='...').value`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Body = dict[str, Any]

_STEP = re.compile(r"extension\.where\(url ?= ?'([^']*)'\)|([A-Za-z]+)")

LISTS = frozenset(
    (
        "CarePlan.category",
        "CareTeam.participant",
        "CareTeam.participant.role",
        "Condition.category",
        "DiagnosticReport.category",
        "DocumentReference.category",
        "Encounter.identifier",
        "Encounter.location",
        "Encounter.type",
        "Goal.target",
        "Location.alias",
        "Observation.category",
        "Organization.address",
        "Organization.alias",
        "Patient.identifier",
        "Patient.name",
        "Practitioner.identifier",
        "Practitioner.name",
        "PractitionerRole.specialty",
        "RelatedPerson.name",
        "ServiceRequest.category",
    )
)
"""Elements on searched paths that may repeat in R4."""


def steps(path: str) -> list[tuple[str, str | None]]:
    """(element, url of the extension or None) per step."""
    return [("extension", url) if url else (name, None) for url, name in _STEP.findall(path)]


def read(resource: Body, path: str) -> list[Any]:
    """The values at a path."""
    found: list[Any] = [resource]
    for name, url in steps(path):
        found = [child for value in found for child in _children(value, name) if url is None or child["url"] == url]
    return found


def _children(value: Any, name: str) -> Iterator[Any]:
    if not isinstance(value, dict):
        return
    for key, child in value.items():
        if key == name or (key.startswith(name) and key[len(name)].isupper() and name not in value):
            yield from child if isinstance(child, list) else [child]


def write(resource: Body, path: str, value: Any, key: str | None = None) -> None:
    """Put one value at a path in the place of what is there. `key`: what the last element is called in JSON."""
    place = resource
    *way, (last, _) = steps(path)
    walked = resource["resourceType"]
    for name, url in way:
        walked += f".{name}"
        if url is not None:
            extensions = place.setdefault("extension", [])
            extensions[:] = [one for one in extensions if one["url"] != url] + [{"url": url}]
            place = extensions[-1]
        elif walked in LISTS:
            place[name] = place.get(name) or [{}]
            place = place[name][0]
        else:
            place = place.setdefault(name, {})
    choice = last.removesuffix("DateTime").removesuffix("Period")
    for old in [one for one in place if one == last or re.fullmatch(rf"{choice}[A-Z]\w*", one)]:
        del place[old]
    place[key or last] = [value] if f"{walked}.{last}" in LISTS else value
