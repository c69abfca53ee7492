"""What is planned for the sandbox's first patient: it refers to what is there, and lies ahead."""

from __future__ import annotations

from datetime import date

from hilum.demo import population
from hilum.demo.population import TODAY
from hilum.sandbox.plans import planned


def test_a_procedure_an_appointment_and_a_medicine_are_added() -> None:
    town, bundle = population(1)
    before = len(bundle["entry"])
    made = planned(bundle, TODAY)
    added = [entry["resource"] for entry in made["entry"][before:]]
    assert [one["resourceType"] for one in added] == ["ServiceRequest", "Appointment", "MedicationRequest"]
    assert [entry["request"]["url"] for entry in made["entry"][before:]] == [
        f"{one['resourceType']}/{one['id']}" for one in added
    ]
    known = {f"{one['resourceType']}/{one['id']}" for b in (town, made) for one in (e["resource"] for e in b["entry"])}
    assert set(references(added)) <= known
    order, appointment, medicine = added
    assert order["occurrenceDateTime"] == appointment["start"][:10] == date(2026, 12, 2).isoformat()
    latest = max(
        e["resource"]["period"]["start"] for e in made["entry"] if e["resource"]["resourceType"] == "Encounter"
    )
    assert medicine["authoredOn"] > latest


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [found for one in value.values() for found in references(one)]
    if isinstance(value, list):
        return [found for one in value for found in references(one)]
    return []
