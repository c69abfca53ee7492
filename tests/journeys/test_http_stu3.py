"""Clients of FHIR 3.0 (STU3), by the fhirVersion parameter. https://hl7.org/fhir/R4/http.html#version-parameter"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.journeys.conftest import Create

from hilum.fhir import xml
from hilum.versions import xml_of_r3

JSON3 = "application/fhir+json; fhirVersion=3.0"
SENT, WANTED = {"content-type": JSON3}, {"accept": JSON3}
IS_JSON3 = "application/fhir+json; charset=utf-8; fhirVersion=3.0"
IS_XML3 = "application/fhir+xml; charset=utf-8; fhirVersion=3.0"
OLD: dict[str, Any] = {
    "resourceType": "Condition",
    "clinicalStatus": "active",
    "verificationStatus": "confirmed",
    "subject": {"display": "someone"},
    "assertedDate": "2017",
    "abatementBoolean": False,
}


def told(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The first issue of an OperationOutcome."""
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    return dict(answer.json()["issue"][0])


def test_what_is_sent_in_3_is_kept_in_4_and_read_in_either(fhir: httpx.Client) -> None:
    made = fhir.post("Condition", json=OLD, headers=SENT)
    assert (made.status_code, made.headers["content-type"]) == (201, IS_JSON3), made.text
    assert made.headers["vary"] == "Accept"
    where = made.headers["location"]
    old = fhir.get(where, headers=WANTED).json()
    assert {name: value for name, value in old.items() if name not in ("id", "meta")} == OLD
    new = fhir.get(where).json()
    assert new["clinicalStatus"]["coding"][0]["code"] == "active"
    assert new["recordedDate"] == "2017"
    assert "assertedDate" not in new
    assert new["meta"] == old["meta"]


WHO, SOME = {"display": "someone"}, {"text": "something"}
TYPICAL: list[dict[str, Any]] = [
    {"resourceType": "Patient", "active": True, "animal": {"species": SOME}, "link": [{"other": WHO, "type": "refer"}]},
    {"resourceType": "Practitioner", "qualification": [{"code": SOME}]},
    {"resourceType": "PractitionerRole", "practitioner": WHO, "code": [SOME]},
    {"resourceType": "Organization", "name": "Clinic", "type": [SOME]},
    {"resourceType": "Location", "status": "active", "type": SOME},
    {"resourceType": "RelatedPerson", "patient": WHO, "relationship": SOME},
    {
        "resourceType": "Encounter",
        "status": "finished",
        "reason": [SOME],
        "incomingReferral": [WHO],
        "appointment": WHO,
        "diagnosis": [{"condition": WHO, "role": SOME, "rank": 1}],
    },
    {
        "resourceType": "Observation",
        "status": "final",
        "code": SOME,
        "context": {"reference": "EpisodeOfCare/1"},
        "comment": "a\nb",
        "interpretation": SOME,
        "related": [{"type": "sequel-to", "target": WHO}, {"target": WHO}],
        "valueAttachment": {"contentType": "text/plain", "data": "AAAA"},
    },
    {"resourceType": "Procedure", "status": "aborted", "notDone": False, "subject": WHO, "performer": [{"actor": WHO}]},
    {"resourceType": "Procedure", "status": "suspended", "notDone": True, "notDoneReason": SOME, "subject": WHO},
    {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": "active",
        "verificationStatus": "confirmed",
        "patient": WHO,
        "assertedDate": "2017",
    },
    {
        "resourceType": "Immunization",
        "status": "completed",
        "notGiven": True,
        "vaccineCode": SOME,
        "patient": WHO,
        "primarySource": True,
        "explanation": {"reasonNotGiven": [SOME]},
    },
    {
        "resourceType": "Immunization",
        "status": "completed",
        "notGiven": False,
        "vaccineCode": SOME,
        "patient": WHO,
        "primarySource": False,
        "date": "2013-01-10",
        "practitioner": [{"role": SOME, "actor": WHO}],
        "explanation": {"reason": [SOME]},
        "vaccinationProtocol": [
            {"doseSequence": 1, "description": "x", "targetDisease": [SOME], "doseStatus": SOME, "seriesDoses": 2}
        ],
    },
    {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": SOME,
        "category": SOME,
        "performer": [{"role": SOME, "actor": WHO}],
        "image": [{"comment": "x", "link": WHO}],
        "codedDiagnosis": [SOME],
    },
    {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": SOME,
        "class": SOME,
        "created": "2005-12-24",
        "indexed": "2005-12-24T09:43:41+11:00",
        "content": [{"attachment": {"contentType": "text/plain", "data": "AAAA"}}],
        "context": {"encounter": WHO, "related": [{"identifier": {"value": "1"}, "ref": WHO}]},
    },
    {
        "resourceType": "Device",
        "udi": {"deviceIdentifier": "1", "name": "pump", "carrierHRF": "x"},
        "status": "active",
        "model": "M",
        "version": "2",
    },
    {"resourceType": "Binary", "contentType": "text/plain", "content": "AAAA"},
    {"resourceType": "Medication", "code": SOME, "isBrand": True, "ingredient": [{"itemCodeableConcept": SOME}]},
    {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": SOME,
        "subject": WHO,
        "requester": {"agent": WHO},
        "dosageInstruction": [{"doseQuantity": {"value": 1}, "rateQuantity": {"value": 2}}],
        "substitution": {"allowed": True},
    },
    {
        "resourceType": "MedicationStatement",
        "status": "active",
        "taken": "y",
        "medicationCodeableConcept": SOME,
        "subject": WHO,
    },
    {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": SOME,
        "subject": WHO,
        "effectiveDateTime": "2017",
        "prescription": WHO,
    },
    {"resourceType": "MedicationDispense", "medicationCodeableConcept": SOME},
    {
        "resourceType": "Appointment",
        "status": "proposed",
        "reason": [SOME],
        "indication": [WHO],
        "incomingReferral": [WHO],
        "participant": [{"status": "accepted", "actor": WHO}],
    },
    {"resourceType": "Schedule", "serviceCategory": SOME, "actor": [WHO]},
    {
        "resourceType": "Slot",
        "serviceCategory": SOME,
        "schedule": WHO,
        "status": "free",
        "start": "2017-01-01T00:00:00Z",
        "end": "2017-01-01T01:00:00Z",
    },
    {"resourceType": "Parameters", "parameter": [{"name": "x", "valueUri": "urn:x"}]},
    {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": {"reference": "urn:x"},
        "context": WHO,
    },
    {
        "resourceType": "Questionnaire",
        "status": "draft",
        "item": [
            {"linkId": "1", "type": "boolean", "initialBoolean": True},
            {
                "linkId": "2",
                "type": "group",
                "item": [
                    {
                        "linkId": "2.1",
                        "type": "choice",
                        "enableWhen": [
                            {"question": "1", "answerBoolean": True},
                            {"question": "2.2", "hasAnswer": False},
                        ],
                        "options": {"reference": "http://example.org/ValueSet/x"},
                    },
                    {
                        "linkId": "2.2",
                        "type": "choice",
                        "enableWhen": [{"question": "1", "answerUri": "urn:x"}],
                        "option": [{"valueCoding": {"code": "a"}}, {"valueString": "b"}],
                    },
                ],
            },
        ],
    },
    {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "priority": "urgent",
        "definitionUri": "urn:x",
        "context": WHO,
        "requester": {"agent": WHO, "onBehalfOf": WHO},
        "reason": SOME,
        "input": [{"type": SOME, "valueReference": WHO}],
    },
    {
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": WHO,
        "payor": [WHO],
        "grouping": {"group": "1", "groupDisplay": "one", "subPlan": "2", "classDisplay": "three"},
        "sequence": "4",
    },
    {"resourceType": "Account", "status": "active", "subject": WHO, "period": {"start": "2017"}},
    {
        "resourceType": "Communication",
        "status": "suspended",
        "notDone": True,
        "notDoneReason": SOME,
        "topic": [WHO],
        "context": WHO,
        "payload": [{"contentString": "x"}],
    },
    {
        "resourceType": "DetectedIssue",
        "status": "final",
        "category": SOME,
        "date": "2017",
        "identifier": {"value": "1"},
    },
    {"resourceType": "DeviceMetric", "identifier": {"value": "1"}, "type": SOME, "category": "measurement"},
    {"resourceType": "DocumentManifest", "status": "current", "content": [{"pReference": WHO}]},
    {
        "resourceType": "HealthcareService",
        "category": SOME,
        "eligibility": SOME,
        "eligibilityNote": "x",
        "programName": ["a", "b"],
        "availableTime": [{"daysOfWeek": ["mon"], "availableStartTime": "08:00:00"}],
    },
    {
        "resourceType": "Media",
        "type": "photo",
        "subtype": SOME,
        "occurrenceDateTime": "2017",
        "context": WHO,
        "duration": 3,
        "content": {"contentType": "image/png", "data": "AAAA"},
    },
    {
        "resourceType": "MessageHeader",
        "event": {"system": "urn:x", "code": "y"},
        "timestamp": "2017-01-01T00:00:00Z",
        "receiver": WHO,
        "source": {"endpoint": "http://example.org"},
    },
    {
        "resourceType": "RiskAssessment",
        "status": "final",
        "subject": WHO,
        "context": WHO,
        "reasonReference": WHO,
        "prediction": [{"outcome": SOME, "probabilityDecimal": 0.5}],
        "comment": "x",
    },
    {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "x",
        "criteria": "Observation?status=final",
        "channel": {"type": "rest-hook", "endpoint": "https://example.org/x", "payload": "application/fhir+json"},
        "tag": [{"code": "x"}],
    },
    {
        "resourceType": "FamilyMemberHistory",
        "status": "completed",
        "notDone": True,
        "notDoneReason": SOME,
        "patient": WHO,
        "relationship": SOME,
    },
    {"resourceType": "SupplyDelivery", "status": "completed", "patient": WHO, "identifier": {"value": "1"}},
]


@pytest.mark.parametrize("body", TYPICAL, ids=lambda body: body["resourceType"])
def test_what_clients_of_3_write_is_given_back_as_it_was(fhir: httpx.Client, body: dict[str, Any]) -> None:
    made = fhir.post(body["resourceType"], json=body, headers=SENT)
    assert made.status_code == 201, made.text
    old = fhir.get(made.headers["location"], headers=WANTED)
    assert old.status_code == 200, old.text
    assert {name: value for name, value in old.json().items() if name not in ("id", "meta")} == body
    as_xml = fhir.get(made.headers["location"], headers={"accept": "application/fhir+xml; fhirVersion=3.0"})
    assert xml.parse(as_xml.content, None, xml_of_r3()) == old.json()


def test_what_is_kept_in_4_is_read_and_updated_in_3(fhir: httpx.Client, create: Create) -> None:
    new = create("Location", name="Ward", availabilityExceptions="never", type=[{"text": "a"}, {"text": "b"}])
    url = f"Location/{new['id']}"
    old = fhir.get(url, headers=WANTED).json()
    assert old["type"] == {"text": "a"}
    changed = fhir.put(url, json={**old, "name": "Ward 2"}, headers={**SENT, "if-match": 'W/"1"'})
    assert (changed.status_code, changed.json()["name"]) == (200, "Ward 2")
    assert fhir.get(url).json() == {**new, "name": "Ward 2", "meta": changed.json()["meta"]}


def test_format_and_xml(fhir: httpx.Client, create: Create) -> None:
    id_ = create("Encounter", status="planned", **{"class": {"code": "IMP"}}, reasonCode=[{"text": "x"}])["id"]
    by_format = fhir.get(f"Encounter/{id_}", params={"_format": "application/fhir+json;fhirVersion=3.0"})
    assert (by_format.headers["content-type"], by_format.json()["reason"]) == (IS_JSON3, [{"text": "x"}])
    as_xml = fhir.get(f"Encounter/{id_}", headers={"accept": "application/fhir+xml; fhirVersion=3.0"})
    assert as_xml.headers["content-type"] == IS_XML3
    assert xml.parse(as_xml.content, None, xml_of_r3()) == by_format.json()
    sent = fhir.put(
        f"Encounter/{id_}",
        content=as_xml.content.replace(b'"planned"', b'"finished"'),
        headers={"content-type": "application/fhir+xml; fhirVersion=3.0"},
    )
    assert (sent.status_code, sent.headers["content-type"]) == (200, IS_XML3), sent.text
    assert fhir.get(f"Encounter/{id_}").json()["status"] == "finished"


def test_the_version_of_accept_is_that_of_the_body(fhir: httpx.Client) -> None:
    made = fhir.post("Condition", json=OLD, headers={"content-type": "application/json", **WANTED})
    assert made.status_code == 201, made.text
    new = {"resourceType": "Condition", "subject": {"display": "x"}}
    two = fhir.post("Condition", json=new, headers={"content-type": "application/fhir+json; fhirVersion=4.0", **WANTED})
    assert "both must be the same" in told(two, 400)["diagnostics"]


def test_search_history_and_bundles(fhir: httpx.Client) -> None:
    mark = uuid4().hex
    body = {**OLD, "identifier": [{"value": mark}]}
    entries = [
        {"fullUrl": f"urn:uuid:{uuid4()}", "resource": body, "request": {"method": "POST", "url": "Condition"}}
        for _ in range(2)
    ]
    for kind in ("transaction", "batch"):
        bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
        done = fhir.post("", json=bundle, headers={**SENT, "prefer": "return=representation"})
        assert (done.status_code, done.headers["content-type"]) == (200, IS_JSON3), done.text
        assert {one["response"]["status"] for one in done.json()["entry"]} == {"201"}
        assert done.json()["entry"][0]["resource"]["clinicalStatus"] == "active"
    found = fhir.get("Condition", params={"identifier": mark}, headers=WANTED).json()
    assert [one["resource"]["assertedDate"] for one in found["entry"]] == ["2017"] * 4
    past = fhir.get(f"Condition/{found['entry'][0]['resource']['id']}/_history", headers=WANTED).json()
    assert past["entry"][0]["resource"]["clinicalStatus"] == "active"
    summary = fhir.get("Condition", params={"identifier": mark, "_summary": "true"}, headers=WANTED)
    assert summary.status_code == 200, summary.text


def test_searches_take_the_names_of_3(fhir: httpx.Client) -> None:
    code = {"text": "asserted"}
    ids = {
        fhir.post("Condition", json={**OLD, "code": code, "assertedDate": "1951"}, headers=SENT).json()["id"]
        for _ in range(2)
    }
    found = fhir.get("Condition?asserted-date=1951&_sort=asserted-date&_count=1", headers=WANTED).json()
    (following,) = [link["url"] for link in found["link"] if link["relation"] == "next"]
    then = fhir.get(following, headers=WANTED).json()
    assert {one["resource"]["id"] for page in (found, then) for one in page["entry"]} == ids
    posted = fhir.post("Condition/_search", data={"asserted-date": "1951"}, headers=WANTED).json()
    assert {one["resource"]["id"] for one in posted["entry"]} == ids
    assert fhir.get("Condition?context=Encounter/1", headers=WANTED).status_code == 200
    assert fhir.get("Condition?context=Encounter/1").status_code == 400
    assert fhir.get("Condition?asserted-date=1951").json()["total"] == 0, "in 4.0 it is that of an extension"


def test_types_that_are_not_converted_are_406_saying_why(fhir: httpx.Client, create: Create) -> None:
    body = {"status": "active", "intent": "order", "patient": {"display": "someone"}, "dateTime": "2020"}
    rest = {name: value for name, value in body.items() if name != "intent"}
    sent = fhir.post("NutritionOrder", json={"resourceType": "NutritionOrder", **rest}, headers=SENT)
    assert "NutritionOrder can't be converted" in told(sent, 406)["diagnostics"]
    for answer in (fhir.get("NutritionOrder/1", headers=WANTED), fhir.get("Patient/1/NutritionOrder", headers=WANTED)):
        assert "NutritionOrder can't be converted" in told(answer, 406)["diagnostics"]
    within = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": {"resourceType": "NutritionOrder", **rest}}],
    }
    assert told(fhir.post("Bundle", json=within, headers=SENT), 422)["expression"] == ["Bundle.entry[0].resource"]
    id_ = create("NutritionOrder", **body)["id"]
    mixed = fhir.get("", params={"_type": "NutritionOrder", "_id": id_}, headers=WANTED)
    issue = told(mixed, 406)
    assert issue["expression"] == ["Bundle.entry[0].resource"]


def test_what_cannot_be_carried_is_refused_by_its_element(fhir: httpx.Client) -> None:
    wrong = fhir.post("Condition", json={**OLD, "recordedDate": "2017"}, headers=SENT)
    issue = told(wrong, 400)
    assert (issue["expression"], "no element of FHIR 3.0" in issue["diagnostics"]) == (["Condition.recordedDate"], True)
    bad = fhir.post("Condition", json={**OLD, "clinicalStatus": "nonsense"}, headers=SENT)
    assert bad.status_code == 400
    lost = {**OLD, "contained": [{"resourceType": "ReferralRequest", "id": "r"}]}
    assert told(fhir.post("Condition", json=lost, headers=SENT), 422)["expression"] == ["Condition.contained[0]"]


def test_patches_are_of_4_only(fhir: httpx.Client, create: Create) -> None:
    id_ = create("Patient", active=True)["id"]
    patch = {"content-type": "application/json-patch+json", **WANTED}
    assert "FHIR 3.0" in told(fhir.patch(f"Patient/{id_}", content="[]", headers=patch), 406)["diagnostics"]


def test_errors_are_told_in_3(fhir: httpx.Client, create: Create) -> None:
    answer = fhir.get("Patient/none", headers=WANTED)
    assert (answer.status_code, answer.headers["content-type"]) == (404, IS_JSON3)
    id_ = create("Patient")["id"]
    fhir.delete(f"Patient/{id_}")
    gone = told(fhir.get(f"Patient/{id_}", headers=WANTED), 410)
    assert gone["code"] == "not-found"  # 3.0 has no code for what was deleted
    wrong = fhir.post("Condition", json={**OLD, "recordedDate": "2017"}, headers=SENT)
    assert (wrong.status_code, wrong.headers["content-type"]) == (400, IS_JSON3), (
        "by the body, where nothing is asked for"
    )


def test_the_capability_statement_of_3(fhir: httpx.Client) -> None:
    answer = fhir.get("metadata", headers=WANTED)
    assert (answer.status_code, answer.headers["content-type"]) == (200, IS_JSON3), answer.text
    body = answer.json()
    assert (body["fhirVersion"], body["acceptUnknown"]) == ("3.0.2", "no")
    types = {one["type"] for one in body["rest"][0]["resource"]}
    assert "Condition" in types
    assert "NutritionOrder" not in types
    patient = next(one for one in body["rest"][0]["resource"] if one["type"] == "Patient")
    assert patient["profile"] == {"reference": "http://hl7.org/fhir/StructureDefinition/Patient"}
    as_xml = fhir.get("metadata", headers={"accept": "application/fhir+xml; fhirVersion=3.0"})
    assert xml.parse(as_xml.content, None, xml_of_r3()) == body


def test_the_versions_that_may_be_named(fhir: httpx.Client) -> None:
    expected = [("version", "3.0"), ("version", "4.0"), ("default", "4.0")]
    for answer in (fhir.get("$versions"), fhir.post("$versions"), fhir.get("$versions", headers=WANTED)):
        assert answer.status_code == 200, answer.text
        assert [(one["name"], one["valueCode"]) for one in answer.json()["parameter"]] == expected
    told_of = fhir.get("metadata").json()["rest"][0]["operation"]
    assert "versions" in {one["name"] for one in told_of}


@pytest.mark.parametrize("version", ["1.0", "5.0", "3", "nonsense"])
def test_other_versions_are_not_there(fhir: httpx.Client, version: str) -> None:
    kind = f"application/fhir+json; fhirVersion={version}"
    assert fhir.get("metadata", headers={"accept": kind}).status_code == 406
    assert fhir.get("metadata", params={"_format": kind}).status_code == 406
    assert fhir.post("Patient", content="{}", headers={"content-type": kind}).status_code == 415
