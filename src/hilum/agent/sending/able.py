"""What a FHIR server can do of what the agent needs. https://hl7.org/fhir/R4/capabilitystatement.html"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from hilum.agent.batch import Stopped
from hilum.agent.http import Answer

VERSIONS: Final = ("4.0.", "4.3.")
"""R4, and R4B, which has the same Device, Observation and Patient."""
NEEDED: Final = ("Device", "Observation")


class _Interaction(msgspec.Struct, frozen=True):
    code: str = ""


class _Parameter(msgspec.Struct, frozen=True):
    name: str = ""


class _Resource(msgspec.Struct, frozen=True):
    type: str = ""
    interaction: list[_Interaction] = []
    conditionalCreate: bool = False
    searchParam: list[_Parameter] = []


class _Rest(msgspec.Struct, frozen=True):
    mode: str = ""
    interaction: list[_Interaction] = []
    resource: list[_Resource] = []


class _Statement(msgspec.Struct, frozen=True):
    resourceType: str
    fhirVersion: str = ""
    rest: list[_Rest] = []


@dataclass(frozen=True, slots=True)
class Able:
    """`creates`, `conditionally`, `searches`: the types that it creates, creates unless they are there, and finds by
    identifier.
    """

    transactions: bool
    creates: frozenset[str]
    conditionally: frozenset[str]
    searches: frozenset[str]

    def at_once(self, types: frozenset[str]) -> bool:
        """Whether a transaction of these types can be sent twice, and is stored once."""
        return self.transactions and types <= self.creates & self.conditionally


def read(answer: Answer) -> Able | Stopped | None:
    """Of /metadata. Stopped: nothing can be sent there; None: it is no CapabilityStatement."""
    found = answer.json(_Statement)
    if found is None or found.resourceType != "CapabilityStatement":
        return None
    if not found.fhirVersion.startswith(VERSIONS):
        return Stopped("The far side speaks another version of FHIR: the agent sends R4.")
    rest = next((one for one in found.rest if one.mode == "server"), _Rest())
    types = {one.type: one for one in rest.resource}
    able = Able(
        "transaction" in _codes(rest.interaction),
        frozenset(name for name, one in types.items() if "create" in _codes(one.interaction)),
        frozenset(name for name, one in types.items() if one.conditionalCreate),
        frozenset(
            name
            for name, one in types.items()
            if "search-type" in _codes(one.interaction) and any(param.name == "identifier" for param in one.searchParam)
        ),
    )
    if lacking := [name for name in NEEDED if name not in able.creates]:
        return Stopped(
            f"The far side creates no {' and no '.join(lacking)}: readings are kept here. Send to hilum's gateway, or "
            'by `way = "pcd01"`, or ask the people who run it.'
        )
    if lost := [name for name in NEEDED if name not in able.conditionally | able.searches]:
        return Stopped(
            f"The far side neither creates {' and '.join(lost)} conditionally nor finds them by identifier: a reading "
            "that is sent twice would be there twice, so that readings are kept here."
        )
    return able


def _codes(interactions: list[_Interaction]) -> set[str]:
    return {one.code for one in interactions}
