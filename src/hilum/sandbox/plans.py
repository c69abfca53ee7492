"""What is planned for a patient of the sandbox: a procedure that was ordered and booked, and a medicine at fixed times.

SNOMED CT codes were checked 2026-11-23 against HL7 Terminology 7.0.1 and lists of body sites that implementation guides
publish. https://hl7.org/fhir/R4/servicerequest.html
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

_SNOMED: Final = "http://snomed.info/sct"
_RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
_FORMS: Final = "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm"
AHEAD: Final = timedelta(days=10)
"""From the day on which the sandbox's people live."""


def planned(bundle: dict[str, Any], today: date) -> dict[str, Any]:
    """A Bundle with the record of a patient, and in it a procedure on the left knee that is ten days ahead, and what to
    take for the pain: of the latest visit.
    """
    patient = _of(bundle, "Patient")[0]
    visit = max(_of(bundle, "Encounter"), key=lambda one: str(one["period"]["start"]))
    subject = {"reference": f"Patient/{patient['id']}"}
    order, day = f"{patient['id']}-planned-order", today + AHEAD
    surgeon = {"reference": "Practitioner/demo-dr-stone", "display": "Dr. Gabriel Stone"}
    hospital = {"reference": "Location/demo-loc-hospital", "display": "Saguaro Bend Community Hospital"}
    request = {
        "resourceType": "ServiceRequest",
        "id": order,
        "meta": patient["meta"],
        "status": "active",
        "intent": "order",
        "code": _concept("309431009", "Arthroscopy of knee joint", "Arthroscopy of left knee"),
        "subject": subject,
        "occurrenceDateTime": day.isoformat(),
        "authoredOn": (today - timedelta(days=6)).isoformat(),
        "requester": surgeon,
        "performer": [surgeon],
        "reasonCode": [{"text": "Knee pain"}],
        "bodySite": [_concept("82169009", "Structure of left knee region", "Left knee")],
        "patientInstruction": "Do not eat after midnight. Drink only water until you leave home. "
        "Have someone drive you home.",
    }
    appointment = {
        "resourceType": "Appointment",
        "id": f"{patient['id']}-planned-appointment",
        "meta": patient["meta"],
        "status": "booked",
        "description": "Arthroscopy of left knee",
        "start": f"{day.isoformat()}T09:30:00-07:00",
        "end": f"{day.isoformat()}T11:00:00-07:00",
        "created": f"{(today - timedelta(days=6)).isoformat()}T11:05:00-07:00",
        "basedOn": [{"reference": f"ServiceRequest/{order}"}],
        "participant": [
            {"actor": actor, "required": "required", "status": "accepted"} for actor in (subject, surgeon, hospital)
        ],
    }
    medicine = {
        "resourceType": "MedicationRequest",
        "id": f"{patient['id']}-planned-medicine",
        "meta": patient["meta"],
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": _RXNORM, "code": "313782", "display": "acetaminophen 325 MG Oral Tablet"}],
            "text": "Acetaminophen 325 mg tablet",
        },
        "subject": subject,
        "encounter": {"reference": f"Encounter/{visit['id']}"},
        "authoredOn": visit["period"]["end"],
        "requester": visit["participant"][0]["individual"],
        "reasonCode": [{"text": "Knee pain"}],
        "dosageInstruction": [
            {
                "timing": {"repeat": {"timeOfDay": ["08:00:00", "20:00:00"]}},
                "route": _concept("26643006", "Oral route", "Oral route"),
                "doseAndRate": [{"doseQuantity": {"value": 2, "unit": "tablet", "system": _FORMS, "code": "TAB"}}],
            }
        ],
    }
    base = bundle["entry"][0]["fullUrl"].split("/Patient/")[0]
    bundle["entry"] += [_entry(base, one) for one in (request, appointment, medicine)]
    return bundle


def _of(bundle: dict[str, Any], type: str) -> list[dict[str, Any]]:
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == type]


def _concept(code: str, display: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": _SNOMED, "code": code, "display": display}], "text": text}


def _entry(base: str, resource: dict[str, Any]) -> dict[str, Any]:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": f"{base}/{url}", "resource": resource, "request": {"method": "PUT", "url": url}}
