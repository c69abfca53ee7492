"""What US Core asks of search per profile: Inferno's metadata of 6.1.0 and 7.0.0, and the guide's own parameters.

https://hl7.org/fhir/us/core/capability-statements.html. Nothing here comes from hilum.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from tests.oracle.definitions import r4
from tests.shared_data import DATA

VERSIONS = ("6.1.0", "7.0.0")
PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")


class Parameter(NamedTuple):
    """One search parameter as a profile uses it. `systems`: code -> system, as far as the profile fixes them."""

    code: str
    paths: tuple[str, ...]
    type: str
    values: tuple[str, ...]
    multiple_or: str
    chain: tuple[str, ...]
    systems: dict[str, str]


class Profile(NamedTuple):
    """A profile with what must be searchable on its resources."""

    version: str
    name: str
    resource: str
    url: str
    parameters: dict[str, Parameter]
    searches: tuple[tuple[str, ...], ...]
    includes: tuple[str, ...]
    revincludes: tuple[str, ...]
    interactions: tuple[str, ...]
    """What SHALL or SHOULD be there, by its FHIR code."""

    def __str__(self) -> str:
        return f"{self.version}-{self.name}"

    @property
    def key(self) -> str:
        """Short and fit for an id."""
        return f"{self.version[0]}-{self.name.removeprefix('us_core_').replace('_', '-')}"


class Case(NamedTuple):
    """One entry of a profile's `searches`."""

    profile: Profile
    names: tuple[str, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(self.profile.parameters[name] for name in self.names)

    def __str__(self) -> str:
        return f"{self.profile}-{'+'.join(self.names)}"


@cache
def profiles() -> tuple[Profile, ...]:
    """Every profile of both versions."""
    found = []
    for version in VERSIONS:
        published = json.loads((DATA / "us-core-searches" / f"us-core-v{version}.json").read_text())
        for group in published["groups"]:
            systems = dict(_systems(group))
            parameters = {
                code: Parameter(
                    code,
                    tuple(one["paths"]),
                    one["type"],
                    tuple(one["values"]),
                    one["multiple_or"],
                    tuple(link["chain"] for link in one.get("chain", ())),
                    systems,
                )
                for code, one in group["search_definitions"].items()
            }
            found.append(
                Profile(
                    version,
                    group["name"],
                    group["resource"],
                    group["profile_url"],
                    parameters,
                    tuple(tuple(search["names"]) for search in group["searches"]),
                    tuple(group["include_params"]),
                    tuple(group["revincludes"]),
                    tuple(one["code"] for one in group["interactions"] if one["expectation"] in ("SHALL", "SHOULD")),
                )
            )
    return tuple(found)


def _systems(part: Any) -> Iterator[tuple[str, str]]:
    """Every {code, system} of a profile's metadata; slices by value name them as two entries."""
    if isinstance(part, list):
        by_path = {one.get("path"): one.get("value") for one in part if isinstance(one, dict)}
        code, system = by_path.get("coding.code"), by_path.get("coding.system")
        if code and system:
            yield code, system
        for one in part:
            yield from _systems(one)
    elif isinstance(part, dict):
        if isinstance(part.get("code"), str) and isinstance(part.get("system"), str):
            yield part["code"], part["system"]
        for one in part.values():
            yield from _systems(one)


def cases() -> list[Case]:
    """Every search of every profile."""
    return [Case(profile, names) for profile in profiles() for names in profile.searches]


def package(version: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of the JSON files of the guide's package."""
    with tarfile.open(DATA / "igs" / f"hl7.fhir.us.core-{version}.tgz") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.name.endswith(".json") else None
            if stream is not None:
                yield member.name, json.load(stream)


@cache
def own_parameters() -> dict[tuple[str, str], dict[str, Any]]:
    """(type, code) -> the SearchParameters that the guide defines because R4 has none; as 7.0.0 publishes them."""
    found = {}
    for name, body in package("7.0.0"):
        if name.startswith("package/SearchParameter-"):
            for base in body["base"]:
                if r4().parameter(base, body["code"]) is None:
                    found[base, body["code"]] = body
    return found
