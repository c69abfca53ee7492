"""The data of one patient, as US Core's capability statement has it, asked for with that patient's token.

https://hl7.org/fhir/us/core/STU6.1/CapabilityStatement-us-core-server.html. That the searches answer as US Core says is
tested beside, in tests/conformance/us_core: here, that a token of a patient gets all of one record, and no more.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.conformance.smart.backend import service
from tests.conformance.smart.ground import App, Ground, ids
from tests.conformance.smart.people import ADA, CATEGORY
from tests.conformance.smart.visitor import Choices
from tests.journeys.server import FHIR_JSON

NOTE = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"


def subject(id: str) -> dict[str, str]:
    return {"reference": f"Patient/{id}"}


def _about(id: str, number: str) -> list[dict[str, Any]]:
    """What stands in a record, for `p1` and once more for `p2`."""
    concept = {"coding": [{"system": "http://loinc.org", "code": "34133-9"}]}
    return [
        {"resourceType": "DocumentReference", "id": f"d{number}", "status": "current", "type": concept,
         "category": [{"coding": [{"system": NOTE, "code": "clinical-note"}]}], "subject": subject(id),
         "date": "2026-03-01T10:00:00Z", "content": [{"attachment": {"url": f"Binary/b{number}"}}]},
        {"resourceType": "Binary", "id": f"b{number}", "contentType": "text/plain",
         "data": base64.b64encode(f"note {number}".encode()).decode(),
         "securityContext": {"reference": f"DocumentReference/d{number}"}},
        {"resourceType": "DiagnosticReport", "id": f"r{number}", "status": "final", "code": concept,
         "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "LAB"}]}],
         "subject": subject(id), "effectiveDateTime": "2026-03-01"},
        {"resourceType": "Immunization", "id": f"i{number}", "status": "not-done", "vaccineCode": concept,
         "statusReason": {"text": "declined"}, "patient": subject(id), "occurrenceDateTime": "2026-03-01"},
        {"resourceType": "Procedure", "id": f"x{number}", "status": "completed", "code": concept,
         "subject": subject(id), "performedDateTime": "2026-03-01"},
        {"resourceType": "Goal", "id": f"g{number}", "lifecycleStatus": "active", "description": {"text": "walk"},
         "subject": subject(id)},
        {"resourceType": "Provenance", "id": f"v{number}",
         "target": [{"reference": f"Immunization/i{number}"}, subject(id)],
         "recorded": "2026-03-01T10:00:00Z", "agent": [{"who": {"reference": "Practitioner/kim"}}]},
        {"resourceType": "Observation", "id": f"missing{number}", "status": "final", "subject": subject(id),
         "category": [{"coding": [{"system": CATEGORY, "code": "survey"}]}], "code": {"text": "Smoking"},
         "dataAbsentReason": {"coding": [{
             "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}},
    ]  # fmt: skip


TYPES = (
    "AllergyIntolerance", "Condition", "DiagnosticReport", "DocumentReference", "Encounter", "Goal", "Immunization",
    "MedicationRequest", "Observation", "Procedure", "Provenance",
)  # fmt: skip


@pytest.fixture(scope="module")
def own(ground: Ground, app: App) -> Iterator[httpx.Client]:
    """An app of Ada's, whose record is `p1`."""
    with ground.server.client() as fhir:
        for one in [*_about("p1", "1"), *_about("p2", "9")]:
            done = fhir.put(f"{one['resourceType']}/{one['id']}", json=one, headers=FHIR_JSON)
            assert done.status_code in (200, 201), done.text
    answer = ground.tokens(app, "launch/patient patient/*.rs", ADA, Choices(patient="p1"))
    with ground.fhir(answer) as client:
        yield client


SEARCHES = (
    "AllergyIntolerance?patient=p1",
    "Condition?patient=p1&category=http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item",
    "DiagnosticReport?patient=p1&category=LAB",
    "DiagnosticReport?patient=Patient/p1&code=http://loinc.org|34133-9&date=ge2026-01-01",
    "DocumentReference?patient=p1",
    "DocumentReference?patient=p1&category=clinical-note&date=ge2026-01-01",
    "DocumentReference?patient=p1&type=34133-9",
    "Encounter?patient=p1&date=ge2026-01-01",
    "Goal?patient=p1&lifecycle-status=active",
    "Immunization?patient=p1&status=not-done",
    "MedicationRequest?patient=p1&intent=order",
    "MedicationRequest?patient=p1&intent=order&status=active",
    "Observation?patient=p1&category=laboratory",
    "Observation?patient=p1&category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs",
    "Patient?_id=p1",
    "Patient?identifier=urn:example:number|p1",
    "Patient?name=Stone&birthdate=1980-12-31",
    "Procedure?patient=p1&date=ge2026-01-01",
)


@pytest.mark.parametrize("search", SEARCHES)
def test_g10_SH_PAT_2_DAT_PAT_1_18_searches_of_us_core_answer_with_that_patients_data(
    ground: Ground, own: httpx.Client, search: str
) -> None:
    type, _, query = search.partition("?")
    by_get, by_post = (
        own.get(search),
        own.post(f"{type}/_search", data=dict(pair.split("=") for pair in query.split("&"))),
    )
    found = ids(by_get)
    assert found == ids(by_post)
    assert found
    with ground.server.client() as everything:
        whole = everything.get(search).json().get("entry", [])
    allowed = [one["resource"] for one in whole if "p2" not in str(one["resource"]) and one["resource"]["id"] != "p3"]
    assert found == sorted(one["id"] for one in allowed)


def test_g10_SH_PAT_1_the_capability_statement_is_open(ground: Ground) -> None:
    answer = httpx.get(f"{ground.base}/metadata")
    rest = answer.json()["rest"][0]
    assert answer.status_code == 200
    assert {"Patient", *TYPES} <= {one["type"] for one in rest["resource"]}
    by_type = {one["type"]: {p["name"] for p in one["searchParam"]} for one in rest["resource"]}
    assert {"patient", "category", "code", "date", "status"} <= by_type["Observation"]
    assert all("_revinclude" in " ".join(one.keys()) or "searchRevInclude" in one for one in rest["resource"])


def test_g10_SH_PAT_3_DAT_PAT_3_provenance_comes_along(own: httpx.Client) -> None:
    answer = own.get("Immunization", params={"patient": "p1", "_revinclude": "Provenance:target"})
    assert ids(answer) == ["i1", "v1"]
    assert {one["search"]["mode"] for one in answer.json()["entry"]} == {"match", "include"}
    assert ids(own.get("Provenance")) == ["v1"]
    assert own.get("Provenance/v9").status_code == 404


def test_g10_DAT_PAT_4_notes_and_their_text_are_the_patients(own: httpx.Client) -> None:
    (note,) = [one["resource"] for one in own.get("DocumentReference?patient=p1").json()["entry"]]
    url = note["content"][0]["attachment"]["url"]
    assert own.get(url).content == b"note 1"
    as_resource = own.get(url, headers={"Accept": "application/fhir+json"}).json()
    assert base64.b64decode(as_resource["data"]) == b"note 1"
    assert own.get("Binary/b9").status_code == 404
    assert own.get("DocumentReference/d9").status_code == 404


def test_g10_DAT_PAT_5_medications_come_with_what_was_prescribed(ground: Ground, own: httpx.Client) -> None:
    answer = own.get("MedicationRequest", params={"patient": "p1", "_include": "MedicationRequest:medication"})
    assert ids(answer) == ["m1", "mr1"]
    assert own.get("Medication/m1").json()["code"] == {"text": "Aspirin"}
    with ground.server.client() as everything:
        assert "m1" in ids(everything.get("Medication"))
    assert ids(own.get("Medication")) == [], "by name, and not by looking"
    assert ids(own.get("Medication?_id=m1")) == ["m1"]


def test_g10_DAT_PAT_2_6_what_is_missing_is_said_and_not_made_up(own: httpx.Client) -> None:
    found = own.get("Observation", params={"patient": "p1", "category": "survey"}).json()["entry"]
    (one,) = [entry["resource"] for entry in found]
    assert one["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert not [name for name in one if name.startswith("value")]
    assert own.get("Immunization/i1").json()["statusReason"] == {"text": "declined"}


def test_g10_DAT_PAT_7_a_patients_token_gets_all_of_the_record(ground: Ground, own: httpx.Client) -> None:
    def seen(fhir: httpx.Client) -> dict[str, list[str]]:
        return {type: ids(fhir.get(f"Patient/p1/{type}", params={"_count": 500})) for type in TYPES}

    with ground.fhir(service(ground).token()) as everything:
        whole = seen(everything)
    assert seen(own) == whole
    assert all(whole.values())
    by_search = {type: ids(own.get(type, params={"_count": 500})) for type in TYPES}
    assert by_search == whole, "a search without a patient is a search of this record"
    assert [own.get(f"{type}?patient=p2").json()["total"] for type in TYPES if type != "Provenance"] == [0] * 10
