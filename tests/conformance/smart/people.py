"""Who is there, and what their records hold: two patients, a third one who is linked to the first, and staff."""

from __future__ import annotations

from typing import Any

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CONDITION = "http://terminology.hl7.org/CodeSystem/condition-category"


def patient(id: str, given: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id,
        "identifier": [{"system": "urn:example:number", "value": id}],
        "name": [{"family": "Stone", "given": [given]}],
        "birthDate": "1980-12-31",
        **more,
    }


def observation(id: str, of: str, category: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": f"an observation {id}"},
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "subject": {"reference": f"Patient/{of}"},
        **more,
    }


def condition(id: str, of: str, category: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": id,
        "category": [{"coding": [{"system": CONDITION, "code": category}]}],
        "code": {"text": f"a condition {id}"},
        "subject": {"reference": f"Patient/{of}"},
    }


def encounter(id: str, of: str, day: str) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": id,
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [{"text": "Check-up"}],
        "period": {"start": day},
        "subject": {"reference": f"Patient/{of}"},
    }


CHART: tuple[dict[str, Any], ...] = (
    {"resourceType": "Organization", "id": "lake", "name": "Lake Clinic"},
    {"resourceType": "Practitioner", "id": "kim", "name": [{"family": "Doe", "given": ["Kim"]}]},
    patient("p1", "Ada"),
    patient("p2", "Ben"),
    patient("p3", "Ada", link=[{"other": {"reference": "Patient/p1"}, "type": "seealso"}]),
    encounter("e1", "p1", "2026-01-05"),
    encounter("e2", "p1", "2026-02-05"),
    encounter("e9", "p2", "2026-02-06"),
    observation("o1", "p1", "laboratory", encounter={"reference": "Encounter/e1"}),
    observation("o2", "p1", "vital-signs", performer=[{"reference": "Practitioner/kim"}]),
    observation("o9", "p2", "laboratory"),
    observation("o3", "p3", "laboratory"),
    condition("c1", "p1", "problem-list-item"),
    condition("c2", "p1", "encounter-diagnosis"),
    condition("c9", "p2", "problem-list-item"),
    {"resourceType": "Medication", "id": "m1", "code": {"text": "Aspirin"}},
    {"resourceType": "MedicationRequest", "id": "mr1", "status": "active", "intent": "order",
     "medicationReference": {"reference": "Medication/m1"}, "subject": {"reference": "Patient/p1"}},
    {"resourceType": "AllergyIntolerance", "id": "a1", "code": {"text": "Nuts"}, "clinicalStatus": {"coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
     "patient": {"reference": "Patient/p1"}},
)  # fmt: skip
"""`p1` is Ada Stone's record, `p2` Ben Stone's; numbers with 9 are Ben's."""

ADA, BEN, PARENT, KIM, GUEST, AUDITOR, ADMIN = (
    "ada.stone", "ben.stone", "par.ent", "kim.doe", "guest.doe", "audrey.doe", "adam.doe",
)  # fmt: skip

PEOPLE: dict[str, dict[str, Any]] = {
    ADA: {"display": "Ada Stone", "roles": ("patient",), "patients": ("p1",), "fhir_user": "Patient/p1"},
    BEN: {"display": "Ben Stone", "roles": ("patient",), "patients": ("p2",), "fhir_user": "Patient/p2"},
    PARENT: {"display": "Pat Stone", "roles": ("patient",), "patients": ("p1", "p2")},
    KIM: {"display": "Kim Doe", "roles": ("practitioner",), "fhir_user": "Practitioner/kim"},
    GUEST: {"display": "Gus Doe", "roles": ("practitioner",)},
    AUDITOR: {"display": "Audrey Doe", "roles": ("auditor",)},
    ADMIN: {"display": "Adam Doe", "roles": ("admin",)},
}
"""Users by name. `par.ent` and those with roles in the office stand for no resource; auditor and administrator have
second factors.
"""
SECOND_FACTOR = (AUDITOR, ADMIN)
