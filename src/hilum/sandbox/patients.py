"""Synthetic patients as a vendor numbers them. https://hl7.org/fhir/R4/patient-definitions.html#Patient.identifier"""

from __future__ import annotations

from typing import Any, Final

from hilum.sandbox.profile import Profile

_KINDS: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"


def renumbered(profile: Profile, bundle: dict[str, Any], number: int) -> dict[str, Any]:
    """A Bundle with the record of the n-th patient (from 1), who gets this vendor's identifiers in place of their own.

    At another site the same person has the number that is the next patient's here: who looks for a number without its
    system finds two.
    """
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Patient":
            resource["identifier"] = identifiers(profile, number)
    return bundle


def identifiers(profile: Profile, number: int) -> list[dict[str, Any]]:
    """The identifiers of the n-th patient."""
    record = profile.record_number
    kind: dict[str, Any] = {"text": record.label}
    if record.code:
        kind["coding"] = [{"system": _KINDS, "code": record.code}]
    return [
        {"use": "usual", "type": kind, "system": record.system, "value": record_number(profile, number)},
        {"use": "usual", "type": kind, "system": record.elsewhere, "value": record_number(profile, number + 1)},
    ]


def record_number(profile: Profile, number: int) -> str:
    """The medical record number of the n-th patient."""
    return str(profile.record_number.first + number)
