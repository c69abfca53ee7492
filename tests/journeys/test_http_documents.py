"""`Composition/$document` over HTTP, and Bundles of documents and messages, which are stored as they are."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server

from hilum.validation import validate

RED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


@pytest.fixture(scope="module")
def record(fhir: httpx.Client, create: Create) -> dict[str, str]:
    """A patient with a Composition of two observations, one of them with a focus on another patient's."""
    patient, other = (f"Patient/{create('Patient')['id']}" for _ in range(2))
    organization = f"Organization/{create('Organization', name='x')['id']}"
    practitioner = f"Practitioner/{create('Practitioner')['id']}"
    role = create(
        "PractitionerRole", practitioner={"reference": practitioner}, organization={"reference": organization}
    )
    role = f"PractitionerRole/{role['id']}"
    base: dict[str, Any] = {"status": "final", "code": {"text": "x"}, "subject": {"reference": patient}}
    theirs = f"Observation/{create('Observation', **base | {'subject': {'reference': other}})['id']}"
    seen = [{"reference": role}]
    first = create("Observation", **base, performer=seen, focus=[{"reference": theirs}], meta={"security": [RED]})
    second = create("Observation", **base)
    entries = [{"reference": f"Observation/{one['id']}"} for one in (first, second, first)]
    names = {"patient": patient, "other": other, "practitioner": practitioner, "organization": organization}
    names |= {"role": role, "theirs": theirs, "first": entries[0]["reference"], "second": entries[1]["reference"]}
    content = compose(patient, practitioner, entries)
    return names | {"composition": f"Composition/{create('Composition', **content)['id']}"}


def compose(patient: str, author: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "status": "final",
        "type": {"text": "Note"},
        "subject": {"reference": patient},
        "date": "2026-01-01",
        "author": [{"reference": author}],
        "title": "Note",
        "section": [{"title": "One", "entry": entries}],
    }


def held(bundle: dict[str, Any]) -> list[str]:
    return [f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in bundle["entry"]]


def test_a_document_is_the_composition_and_what_it_refers_to(
    server: Server, fhir: httpx.Client, record: dict[str, str]
) -> None:
    answer = fhir.get(f"{record['composition']}/$document")
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert [issue for issue in validate(bundle) if issue.severity == "error"] == []
    assert bundle["type"] == "document"
    assert bundle["identifier"]["value"].startswith("urn:uuid:")
    assert bundle["timestamp"] == bundle["meta"]["lastUpdated"]
    assert "id" not in bundle
    found = held(bundle)
    assert found[:5] == [record[one] for one in ("composition", "patient", "practitioner", "first", "second")]
    assert set(found[5:]) == {
        record["role"],
        record["organization"],
    }  # what those refer to; nothing of the other patient
    assert len(found) == len(set(found))
    assert bundle["entry"][0]["fullUrl"] == f"{server.base}/{record['composition']}"
    assert bundle["meta"]["security"] == [RED]
    again = fhir.get("Composition/$document", params={"id": record["composition"].partition("/")[2]}).json()
    assert held(again) == found
    assert again["identifier"] != bundle["identifier"]  # "globally unique for this instance of the document"


def test_a_document_can_be_kept(fhir: httpx.Client, record: dict[str, str]) -> None:
    path = f"{record['composition']}/$document"
    refused = fhir.get(f"{path}?persist=true")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    sent = {"resourceType": "Parameters", "parameter": [{"name": "persist", "valueBoolean": True}]}
    answer = fhir.post(path, json=sent, headers=FHIR_JSON)
    assert answer.status_code == 200, answer.text
    kept = fhir.get(answer.headers["location"])
    assert kept.content == answer.content
    value = answer.json()["identifier"]
    listed = fhir.get("Bundle", params={"identifier": f"{value['system']}|{value['value']}"}).json()
    assert [entry["resource"]["id"] for entry in listed["entry"]] == [answer.json()["id"]]


def test_what_is_lacking_is_named_and_nothing_else_is_told(
    server: Server, fhir: httpx.Client, create: Create, record: dict[str, str]
) -> None:
    entries = [{"reference": record["first"]}, {"reference": "Observation/never-was"}, {"reference": record["theirs"]}]
    elsewhere = {"reference": "https://elsewhere.example/fhir/Practitioner/1"}
    content = compose(record["patient"], record["practitioner"], entries)
    made = create("Composition", **content | {"author": [{"reference": record["role"]}, elsewhere]})
    path = f"Composition/{made['id']}/$document"

    def lacking(client: httpx.Client) -> list[str]:
        answer = client.get(path)
        assert answer.status_code == 422, answer.text
        return [issue["expression"][0] for issue in answer.json()["issue"]]

    entry = "Composition.section[0].entry"
    assert lacking(fhir) == ["Composition.author[1]", f"{entry}[1]"]
    with server.client("patient/*.rs", patient=record["patient"].partition("/")[2]) as client:
        assert lacking(client) == ["Composition.author[1]", f"{entry}[1]", f"{entry}[2]"]
        texts = {issue["diagnostics"] for issue in client.get(path).json()["issue"][1:]}
        assert len(texts) == 1  # absent or hidden: the same words


def test_a_document_holds_what_the_token_may_read(server: Server, record: dict[str, str]) -> None:
    path = f"{record['composition']}/$document"
    own, other = (record[one].partition("/")[2] for one in ("patient", "other"))
    with server.client("patient/*.rs", patient=own) as client:
        assert held(client.get(path).json())[:2] == [record["composition"], record["patient"]]
    with server.client("patient/*.rs", patient=other) as client:
        assert client.get(path).status_code == 404
    with server.client("patient/Composition.r patient/Patient.r patient/Observation.r", patient=own) as client:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["Composition.author[0]"])
    named = "patient/Composition.r patient/Patient.r patient/Observation.r system/Practitioner.r"
    with server.client(named, patient=own) as client:
        five = [record[one] for one in ("composition", "patient", "practitioner", "first", "second")]
        assert held(client.get(path).json()) == five
        assert client.post(f"{path}?persist=true").status_code == 403
    with server.client("patient/Observation.rs", patient=own) as client:
        assert client.get(path).status_code == 403


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("Composition/$document", 400, "id is missing"),
        ("Composition/$document?id=https://elsewhere.example/fhir/Composition/1", 400, "of this server"),
        ("Composition/$document?id=never-was", 404, "does not exist"),
        ("{composition}/$document?id=x", 400, "here the path says it"),
        ("{composition}/$document?persist=maybe", 400, "persist must be true or false"),
        ("{composition}/$document?graph=urn:x", 400, "'graph' is not known"),
    ],
)
def test_what_is_refused(fhir: httpx.Client, record: dict[str, str], path: str, status: int, said: str) -> None:
    answer = fhir.get(path.format(**record))
    assert (answer.status_code, said in diagnostics(answer)) == (status, True), answer.text


# --- Bundles as they are ----------------------------------------------------------------------------------------------

MESSAGE = {
    "resourceType": "Bundle",
    "identifier": {"system": "urn:messages", "value": "m-1"},
    "type": "message",
    "timestamp": "2026-01-01T00:00:00Z",
    "entry": [
        {
            "fullUrl": "urn:uuid:b6c1a4e0-1f0e-4f3c-9d5a-000000000001",
            "resource": {
                "resourceType": "MessageHeader",
                "id": "h",
                "eventCoding": {"system": "urn:events", "code": "x"},
                "source": {"endpoint": "urn:source"},
            },
        }
    ],
}


def test_a_message_is_stored_as_it_is(fhir: httpx.Client) -> None:
    made = fhir.post("Bundle", json=MESSAGE, headers=FHIR_JSON)
    assert made.status_code == 201, made.text
    path = f"Bundle/{made.json()['id']}"
    assert fhir.get(path).content == made.content
    assert {name: value for name, value in made.json().items() if name not in ("id", "meta")} == MESSAGE
    for query in ("identifier=urn:messages|m-1", "type=message&identifier=m-1", "timestamp=2026-01-01&identifier=m-1"):
        assert [entry["resource"]["id"] for entry in fhir.get(f"Bundle?{query}").json()["entry"]] == [made.json()["id"]]
    assert fhir.get("MessageHeader/h").status_code == 404  # nothing was taken out of it


@pytest.mark.parametrize("kind", ["document", "message", "collection", "searchset", "history"])
def test_what_asks_for_nothing_is_not_processed(fhir: httpx.Client, kind: str) -> None:
    answer = fhir.post("", json=MESSAGE | {"type": kind}, headers=FHIR_JSON)
    assert answer.status_code == 400
    assert f"One of type {kind} is not taken apart: to store it as it is, POST it to" in diagnostics(answer)
    assert answer.json()["issue"][0]["expression"] == ["Bundle.type"]
    assert "/Bundle." not in diagnostics(fhir.post("", json=MESSAGE | {"type": "nonsense"}, headers=FHIR_JSON))


def test_messages_are_not_processed(fhir: httpx.Client) -> None:
    assert fhir.post("$process-message", json=MESSAGE, headers=FHIR_JSON).status_code == 404
    assert "process-message" not in fhir.get("metadata").text


def test_what_lies_beside_the_store_is_in_no_document(
    fhir: httpx.Client, create: Create, record: dict[str, str]
) -> None:
    pdf = {"content-type": "application/pdf"}
    binary = fhir.post("Binary", content=bytes(3 << 20), headers=pdf).headers["location"].split("/")[-3]
    content = compose(record["patient"], record["practitioner"], [{"reference": f"Binary/{binary}"}])
    answer = fhir.get(f"Composition/{create('Composition', **content)['id']}/$document")
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["Composition.section[0].entry[0]"])
    assert "too long for a document" in diagnostics(answer)
    assert fhir.put(f"Binary/{binary}", content=bytes(4 << 20), headers=pdf).status_code == 200
    assert "not compared" in diagnostics(fhir.get(f"Binary/{binary}/$diff"))
    sent = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}
    assert fhir.post(f"Binary/{binary}/$meta-add", json=sent, headers=FHIR_JSON).status_code == 200
    (meta,) = fhir.get(f"Binary/{binary}/$meta").json()["parameter"]
    assert (meta["valueMeta"]["tag"], meta["valueMeta"]["versionId"]) == ([{"code": "x"}], "3")
    assert len(fhir.get(f"Binary/{binary}", headers={"accept": "application/pdf"}).content) == 4 << 20
