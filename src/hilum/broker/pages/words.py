"""What orders come to, in the words of people who are no programmers. A code that has none here is told as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from hilum.broker.recipes import Recipe

_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

TYPES: Final[Mapping[str, str]] = {
    "Patient": "Personal details",
    "Encounter": "Visits and stays",
    "Condition": "Diagnoses and problems",
    "AllergyIntolerance": "Allergies",
    "Procedure": "Procedures",
    "Immunization": "Vaccinations",
    "MedicationRequest": "Prescriptions",
    "MedicationStatement": "Medicines taken",
    "Medication": "Medicines",
    "Observation": "Measurements and results",
    "DiagnosticReport": "Reports",
    "DocumentReference": "Documents",
    "Binary": "Content of documents",
    "CarePlan": "Care plans",
    "CareTeam": "Care teams",
    "Goal": "Goals",
    "Device": "Devices",
    "Appointment": "Appointments",
    "Coverage": "Insurance",
    "Practitioner": "Clinicians",
    "PractitionerRole": "Clinicians' roles",
    "Organization": "Organizations",
    "Location": "Places",
    "RelatedPerson": "Relatives",
    "Specimen": "Samples",
    "ServiceRequest": "Orders of tests and care",
    "QuestionnaireResponse": "Answered questionnaires",
    "Provenance": "Where entries come from",
}

STOPPED: Final = "Stopped"
"""Of an order that somebody has ended, in whichever of FHIR's words."""
STEPS: Final[Mapping[str, str]] = {
    "requested": "Waiting to begin",
    "signing-in": "Signing in at the EHR",
    "gathering": "Gathering",
    "storing": "Storing what came",
    "delivering": "Sending",
    "waiting": "Waiting for the next try",
    "delivered": "Sent",
    "stored": "Stored here",
    "dead-letter": "Gathered, but it could not be sent",
    "failed": "It did not work",
    "cancelled": STOPPED,
}
"""Codes of `urn:hilum:gather-step`."""

WHY: Final[Mapping[str, str]] = {
    "unreachable": "the EHR was not reached",
    "unauthorized": "the sign-in has ended",
    "forbidden": "the EHR does not allow it",
    "break-the-glass": "the EHR wants a reason from a person first",
    "absent": "the EHR does not have it",
    "refused": "the EHR did not take the request",
    "throttled": "the EHR was asked too often",
    "broken": "the EHR had trouble of its own",
    "ambiguous": "it is not clear which patient is meant",
    "gone": "the EHR ended the list halfway",
    "limit": "there is more than is taken at once",
    "partial": "the EHR left some of it out",
}
"""Kinds of `hilum.broker.far.Failed`, and what a note of the EHR says."""

TRIES: Final[Mapping[str, str]] = {
    "delivered": "received",
    "refused": "refused by the receiver",
    "unanswered": "no answer",
    "interrupted": "interrupted",
    "under-way": "under way",
}


def types(all: Iterable[str]) -> list[str]:
    """What kinds of entries these are."""
    return [type(one) for one in all]


def type(name: str) -> str:
    """What a resource type holds."""
    return TYPES.get(name) or _CAPITAL.sub(" ", name).capitalize()


def fields(recipe: Recipe) -> list[str]:
    """What is sent of all that is gathered: names of fields."""
    found = recipe.payload.get("fields")
    return [name.replace("_", " ") for name in found] if isinstance(found, Mapping) else []
