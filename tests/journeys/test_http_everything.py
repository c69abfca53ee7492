"""`$everything` over HTTP: its parameters, all patients, and what a token leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.journeys.conftest import diagnostics
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_http_history import link

from hilum.validation import validate


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Any:
    running = Server(tmp_path_factory.mktemp("ward"))
    with running.client() as client:
        for name in ("ann", "bob"):
            client.put(f"Patient/{name}", json={"resourceType": "Patient", "id": name}, headers=FHIR_JSON)
            for year in (2019, 2021):
                content = {
                    "resourceType": "Observation",
                    "id": f"{name}-{year}",
                    "status": "final",
                    "code": {"text": "x"},
                    "subject": {"reference": f"Patient/{name}"},
                    "effectiveDateTime": f"{year}-06-01",
                    "performer": [{"reference": "Practitioner/doc"}],
                }
                assert client.put(f"Observation/{name}-{year}", json=content, headers=FHIR_JSON).status_code == 201
        client.put("Practitioner/doc", json={"resourceType": "Practitioner", "id": "doc"}, headers=FHIR_JSON)
    yield running
    running.stop()


def names(bundle: dict[str, Any]) -> list[str]:
    return [e["fullUrl"].split("/fhir/")[1] for e in bundle.get("entry", []) if e["search"]["mode"] == "match"]


def outcomes(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    return [e["resource"] for e in bundle.get("entry", []) if e["search"]["mode"] == "outcome"]


ANN = ["Patient/ann", "Observation/ann-2021", "Observation/ann-2019", "Practitioner/doc"]
BOB = ["Patient/bob", "Observation/bob-2021", "Observation/bob-2019", "Practitioner/doc"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ANN),
        ("?start=2020-01-01", [ANN[0], ANN[1], ANN[3]]),
        ("?end=2019", [ANN[0], ANN[2], ANN[3]]),
        ("?start=2019-06-02&end=2021-05-31", [ANN[0]]),
        ("?_type=Observation&_type=Practitioner", ANN[1:]),
        ("?_type=Observation,Practitioner&start=2021", [ANN[1], ANN[3]]),
    ],
)
def test_the_parameters_of_the_definition(ward: Server, query: str, found: list[str]) -> None:
    with ward.client() as client:
        answer = client.get(f"Patient/ann/$everything{query}")
        assert (answer.status_code, names(answer.json()), outcomes(answer.json())) == (200, found, [])
        parts = httpx.QueryParams(query[1:]).multi_items()
        parameter = [{"name": name, "valueCode" if name == "_type" else "valueDate": value} for name, value in parts]
        parameters = {"resourceType": "Parameters", "parameter": parameter} if parts else {"resourceType": "Parameters"}
        assert names(client.post("Patient/ann/$everything", json=parameters, headers=FHIR_JSON).json()) == found


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("start=2021&end=2020", "start is after end."),
        ("start=soon", "start must be a date"),
        ("end=2020&end=2021", "end may be given once."),
        ("_type=Observation&_type=Obs", "'Obs', which is not a resource type"),
        ("status=final", "'status' is not known to $everything"),
    ],
)
def test_what_is_refused(ward: Server, query: str, said: str) -> None:
    with ward.client() as client:
        for path in ("Patient/ann/$everything", "Patient/$everything"):
            refused = client.get(f"{path}?{query}")
            assert (refused.status_code, said in diagnostics(refused)) == (400, True), refused.text


@pytest.mark.parametrize("count", range(1, 10))
def test_all_patients_page_by_page(ward: Server, count: int) -> None:
    seen: list[str] = []
    with ward.client() as client:
        url: str | None = f"Patient/$everything?_count={count}&_type=Observation,Patient&_elements=id"
        while url:
            answer = client.get(url)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert len(page["entry"]) <= count
            assert not any("effectiveDateTime" in entry["resource"] for entry in page["entry"])
            seen += names(page)
            assert len(seen) < 20
            url = link(page, "next")
    assert seen == [*BOB[:3], *ANN[:3]]


def test_all_patients_at_once_or_by_post(ward: Server) -> None:
    with ward.client() as client:
        page = client.get("Patient/$everything").json()
        assert names(page) == [*BOB, *ANN[:3]]
        assert [i.diagnostics for i in validate(page) if i.severity == "error"] == []
        body = {"resourceType": "Parameters", "parameter": [{"name": "_count", "valueInteger": 5}]}
        first = client.post("Patient/$everything", json=body, headers=FHIR_JSON).json()
        following = link(first, "next")
        assert following is not None
        assert names(first) + names(client.get(following).json()) == [*BOB, *ANN]
        refused = client.get(following + "&_type=Patient")
        assert (refused.status_code, "follow the links" in diagnostics(refused)) == (400, True)
        forged = client.get("Patient/$everything?_cursor=s.AAAA")
        assert forged.status_code == 400


def test_a_record_that_is_not_complete_says_so(ward: Server) -> None:
    with ward.client("patient/*.r", patient="ann") as client:
        page = client.get("Patient/ann/$everything").json()
    assert names(page) == ["Patient/ann"]
    (outcome,) = outcomes(page)
    (issue,) = outcome["issue"]
    assert (issue["severity"], issue["code"]) == ("warning", "suppressed")
    assert "Observation" in issue["diagnostics"]
    assert [i.diagnostics for i in validate(page) if i.severity == "error"] == []
    with ward.client("patient/Patient.rs patient/Observation.rs", patient="ann") as client:
        page = client.get("Patient/ann/$everything?_type=Patient,Observation,Practitioner").json()
    assert names(page) == ANN[:3]
    assert outcomes(page)[0]["issue"][0]["diagnostics"].endswith("'r'): Practitioner.")


def test_all_patients_are_those_of_the_token(ward: Server) -> None:
    with ward.client("patient/*.rs", patient="ann") as client:
        assert names(client.get("Patient/$everything").json()) == ANN
    with ward.client("patient/*.r", patient="ann") as client:
        assert client.get("Patient/$everything").status_code == 403


def test_a_store_without_patients_has_an_empty_record(start: Callable[..., Server]) -> None:
    with start().client() as client:
        page = client.get("Patient/$everything").json()
        assert (page["type"], "entry" in page) == ("searchset", False)


CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
RESOLVED = {"coding": [{"system": CLINICAL, "code": "resolved"}]}


def test_an_illness_that_is_not_over_does_not_drop_out_of_a_later_time(ward: Server) -> None:
    with ward.client() as client:
        client.put("Patient/cas", json={"resourceType": "Patient", "id": "cas"}, headers=FHIR_JSON)
        for name, dates in {
            "asthma": {"onsetDateTime": "2001"},
            "flu": {"onsetDateTime": "2018-01", "abatementDateTime": "2018-02", "clinicalStatus": RESOLVED},
            "later": {"onsetDateTime": "2024"},
        }.items():
            content = {"resourceType": "Condition", "id": name, "subject": {"reference": "Patient/cas"}, **dates}
            assert client.put(f"Condition/{name}", json=content, headers=FHIR_JSON).status_code == 201
        found = client.get("Patient/cas/$everything?start=2020-01-01&end=2020-12-31").json()
        assert names(found) == ["Patient/cas", "Condition/asthma"]


def test_attachments_bring_their_binaries_but_nothing_of_another_patient(start: Callable[..., Server]) -> None:
    running = start()
    with running.client() as client:
        for name in ("ann", "bob"):
            client.put(f"Patient/{name}", json={"resourceType": "Patient", "id": name}, headers=FHIR_JSON)
        text = {"content-type": "text/plain"}
        owners = {"hers": "Patient/ann", "by-note": "DocumentReference/note", "his": "Patient/bob", "nobodys": None}
        note = {
            "resourceType": "DocumentReference",
            "id": "note",
            "status": "current",
            "subject": {"reference": "Patient/ann"},
            "context": {"encounter": [{"reference": "Encounter/visit"}]},
            "content": [
                {"attachment": {"url": url}}
                for url in ("Binary/hers", f"{client.base_url}Binary/nobodys", "Binary/his/_history/1",
                            "Binary/by-note", "https://elsewhere.example/fhir/Binary/none", "Binary/gone")
            ],
        }  # fmt: skip
        visit = {
            "resourceType": "Encounter",
            "id": "visit",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": "Patient/ann"},
        }
        for body in (visit, note):
            put = client.put(f"{body['resourceType']}/{body['id']}", json=body, headers=FHIR_JSON)
            assert put.status_code == 201, put.text
        for id, owner in owners.items():
            headers = text | ({} if owner is None else {"x-security-context": owner})
            assert client.put(f"Binary/{id}", content=b"x", headers=headers).status_code == 201
        hers = {"Binary/hers", "Binary/by-note", "Binary/nobodys"}
        for path in ("Patient/ann", "Encounter/visit"):
            answer = client.get(f"{path}/$everything").json()
            assert {name for name in names(answer) if name.startswith("Binary/")} == hers
            assert outcomes(answer) == []
    with running.client("patient/*.rs", patient="ann") as client:
        answer = client.get("Patient/ann/$everything").json()
        assert {name for name in names(answer) if name.startswith("Binary/")} == hers - {"Binary/nobodys"}
        assert outcomes(answer) == []


def test_what_is_in_no_compartment_of_an_encounter_but_refers_to_it_belongs_to_it(start: Callable[..., Server]) -> None:
    here = {"reference": "Encounter/visit"}
    ann, bob = ({"reference": f"Patient/{name}"} for name in ("ann", "bob"))
    vaccine = {"status": "completed", "vaccineCode": {"text": "x"}, "occurrenceDateTime": "2020"}
    associated = "http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter"
    bodies: dict[str, dict[str, Any]] = {
        "Patient/ann": {},
        "Patient/bob": {},
        "Practitioner/doc": {},
        "Encounter/visit": {"status": "finished", "class": {"code": "AMB"}, "subject": ann},
        "Immunization/here": {**vaccine, "patient": ann, "encounter": here,
                              "performer": [{"actor": {"reference": "Practitioner/doc"}}]},
        "Immunization/his": {**vaccine, "patient": bob, "encounter": here},
        "Immunization/before": {**vaccine, "patient": ann},
        "Goal/by-extension": {"lifecycleStatus": "active", "description": {"text": "x"}, "subject": ann,
                              "extension": [{"url": associated, "valueReference": here}]},
    }  # fmt: skip
    found = ["Encounter/visit", "Goal/by-extension", "Immunization/here", "Patient/ann", "Practitioner/doc"]
    running = start()
    with running.client() as client:
        for place, body in bodies.items():
            type_, _, id = place.partition("/")
            put = client.put(place, json={"resourceType": type_, "id": id, **body}, headers=FHIR_JSON)
            assert put.status_code == 201, put.text
        assert sorted(names(client.get("Encounter/visit/$everything").json())) == found
        seen, url = [], "Encounter/visit/$everything?_count=2"
        while url is not None:
            page = client.get(url).json()
            seen += names(page)
            url = link(page, "next")
        assert sorted(seen) == found
        assert names(client.get("Encounter/visit/$everything?_type=Immunization").json()) == ["Immunization/here"]
    with running.client("patient/Encounter.rs patient/Patient.rs patient/Goal.rs", patient="ann") as client:
        page = client.get("Encounter/visit/$everything").json()
        assert sorted(names(page)) == [found[0], found[1], found[3]]
        assert "Immunization" in outcomes(page)[0]["issue"][0]["diagnostics"]
