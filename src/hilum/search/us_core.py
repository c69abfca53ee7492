"""Search parameters that US Core asks for and R4 does not have. https://hl7.org/fhir/us/core/

Whoever certifies a server for US Core searches by them, and takes for granted that they are there. Codes, types and
expressions are those of US Core 7.0.0; those of 6.1.0 select the same. Other guides' parameters are POSTed.
"""

from __future__ import annotations

from typing import Final

from hilum.fhir.definitions import SearchParameter

_URL: Final = "http://hl7.org/fhir/us/core/SearchParameter/us-core-"
_EXTENSION: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_ASSERTED: Final = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"

PARAMETERS: Final = tuple(
    SearchParameter(url=_URL + name, code=code, type=type, base=(base,), expression=expression)
    for name, code, type, base, expression in (
        ("careteam-role", "role", "token", "CareTeam", "CareTeam.participant.role"),
        (
            "condition-asserted-date", "asserted-date", "date", "Condition",
            f"Condition.extension.where(url = '{_ASSERTED}').value",
        ),
        (
            "encounter-discharge-disposition", "discharge-disposition", "token", "Encounter",
            "Encounter.hospitalization.dischargeDisposition",
        ),
        ("goal-description", "description", "token", "Goal", "Goal.description"),
        (
            "ethnicity", "ethnicity", "token", "Patient",
            f"Patient.extension.where(url = '{_EXTENSION}ethnicity').extension.value.code",
        ),
        (
            "race", "race", "token", "Patient",
            f"Patient.extension.where(url = '{_EXTENSION}race').extension.value.code",
        ),
        (
            "patient-gender-identity", "gender-identity", "token", "Patient",
            f"Patient.extension.where(url = '{_EXTENSION}genderIdentity').value.coding.code",
        ),
    )
)  # fmt: skip
