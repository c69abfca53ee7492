"""A patient's record to write scripts of: one visit, one medicine, one procedure to come; each test changes what it is
about.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.video import templates
from hilum.video.script import Refused, Script
from hilum.video.writing import write

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCT = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
ME = {"reference": "Patient/p1"}

Bodies = dict[str, dict[str, Any]]
Change = Callable[[Bodies], object]

_BODIES: Bodies = {
    "patient": {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": "urn:mrn", "value": "4711"}],
        "name": [{"use": "official", "family": "Quimby", "given": ["Amy", "Lou"]}, {"use": "old", "given": ["Em"]}],
        "birthDate": "1980-05-02",
    },
    "visit": {
        "resourceType": "Encounter",
        "id": "v1",
        "status": "finished",
        "class": {"code": "AMB"},
        "type": [{"text": "Check-up"}],
        "subject": ME,
        "period": {"start": "2026-11-20T23:30:00-07:00", "end": "2026-11-20T23:50:00-07:00"},
        "reasonCode": [{"text": "Cough"}],
        "participant": [{"individual": {"reference": "Practitioner/dr"}}],
        "location": [{"location": {"reference": "Location/clinic"}}],
        "serviceProvider": {"reference": "Organization/org"},
    },
    "medicine": {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "subject": ME,
        "encounter": {"reference": "Encounter/v1"},
        "authoredOn": "2026-11-20",
        "medicationCodeableConcept": {
            "coding": [{"system": RXNORM, "code": "314076", "display": "lisinopril 10 MG Oral Tablet"}],
            "text": "Lisinopril 10 mg tablet",
        },
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                "route": {"coding": [{"system": SCT, "code": "26643006"}]},
                "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
            }
        ],
    },
    "order": {
        "resourceType": "ServiceRequest",
        "id": "s1",
        "status": "active",
        "intent": "order",
        "subject": ME,
        "code": {"text": "Surgery on the left knee"},
        "bodySite": [{"text": "Left knee"}],
        "occurrenceDateTime": "2026-12-01",
        "patientInstruction": "Do not eat after midnight. Bring a friend.",
        "locationReference": [{"reference": "Location/clinic"}],
    },
    "appointment": {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "start": "2026-12-01T09:30:00-07:00",
        "end": "2026-12-01T10:00:00-07:00",
        "description": "Surgery on the left knee",
        "basedOn": [{"reference": "ServiceRequest/s1"}],
        "participant": [{"actor": ME, "status": "accepted"}],
    },
    "place": {
        "resourceType": "Location",
        "id": "clinic",
        "name": "Bend Clinic",
        "telecom": [{"system": "fax", "value": "1"}, {"system": "phone", "value": "+1-928-555-0110"}],
    },
    "doctor": {
        "resourceType": "Practitioner",
        "id": "dr",
        "name": [{"use": "official", "family": "Walsh", "given": ["Fiona"], "prefix": ["Dr."]}],
    },
}


def bodies() -> Bodies:
    """The record, to be changed."""
    return copy.deepcopy(_BODIES)


def resources(of: Bodies) -> list[Resource]:
    """As they are stored: third versions."""
    return [Resource(one["resourceType"], one["id"], 3, 1, json.encode(one)) for one in of.values()]


def script(change: Change = lambda record: None, template: str = "after-visit", language: str = "en") -> Script:
    """The script of the record with a change."""
    record = bodies()
    change(record)
    return write(templates.packaged()[template], language, resources(record), NOW)


def texts(of: Script, scene: str = "") -> list[str]:
    """The sentences of a script, or of its scenes whose ids begin so."""
    return [said.text for one in of.scenes if one.id.startswith(scene) for said in one.sentences]


def refusal(change: Change, template: str = "after-visit", language: str = "en") -> Refused:
    """How a changed record is refused."""
    with pytest.raises(Refused) as found:
        script(change, template, language)
    return found.value


def dosage(**changed: Any) -> Change:
    """Changes elements of the dosage; None takes one away."""

    def change(record: Bodies) -> None:
        one = record["medicine"]["dosageInstruction"][0]
        one.update(changed)
        for name in [name for name, value in one.items() if value is None]:
            del one[name]

    return change


def dose(**quantity: Any) -> Change:
    """Another dose."""
    return dosage(doseAndRate=[{"doseQuantity": quantity}])


def repeat(**elements: Any) -> Change:
    """Another timing."""
    return dosage(timing={"repeat": elements})
