"""Whose measurement it is. HL7's PHD guide, "PhdPatientProfile".

The far side gives the gateway the patient's logical id, or an identifier; names never come near a device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hilum.phd.fhir.concepts import PROFILE, Body, by_identifier, concept

_TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"


@dataclass(frozen=True, slots=True)
class Patient:
    """`id`: the logical id; where there is one, no Patient is made. Or an identifier. `type`: of it, by HL7's 0203."""

    id: str = ""
    system: str = ""
    value: str = ""
    type: str = "MR"

    def __post_init__(self) -> None:
        if not self.id and not (self.system and self.value):
            raise ValueError("a patient without a logical id, and without an identifier that has a system")

    @property
    def told(self) -> str:
        """As it is written into identifiers of measurements."""
        return self.id or f"{self.value}-{self.system}"

    @property
    def query(self) -> str:
        """The condition of its conditional create."""
        return by_identifier(self.system, self.value)

    def body(self) -> Body:
        """A PhdPatient: the identifier, and nothing else."""
        return {
            "resourceType": "Patient",
            "meta": {"profile": [PROFILE + "PhdPatient"]},
            "identifier": [{"type": concept(_TYPES, self.type), "system": self.system, "value": self.value}],
        }
