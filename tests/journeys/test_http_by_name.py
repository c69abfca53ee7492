"""A token for one patient, on both stores: what the record refers to is shown by name, and can not be looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.journeys.both import flags, place
from tests.journeys.cli import hilum, postgres_database
from tests.journeys.conftest import diagnostics
from tests.journeys.server import FHIR_JSON, Server

__all__ = ["flags", "postgres_database"]

LOINC, CATEGORY = "http://loinc.org", "http://terminology.hl7.org/CodeSystem/observation-category"


def refers(name: str) -> dict[str, str]:
    return {"reference": name}


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def record(one: str) -> list[dict[str, Any]]:
    """A small record of this patient: what it prescribes, who did, where."""
    return [
        {"resourceType": "Patient", "id": one, "generalPractitioner": [refers(f"Practitioner/p-{one}")]},
        {"resourceType": "Practitioner", "id": f"p-{one}", "name": [{"family": f"Doctor{one}"}]},
        {"resourceType": "Medication", "id": f"m-{one}", "code": coded("http://rx", f"drug-{one}")},
        {"resourceType": "Location", "id": f"l-{one}", "name": "Ward"},
        {"resourceType": "Location", "id": f"home-{one}", "name": "Home", "type": [coded("http://l", "PTRES")]},
        {
            "resourceType": "MedicationRequest", "id": f"r-{one}", "status": "active", "intent": "order",
            "subject": refers(f"Patient/{one}"), "requester": refers(f"Practitioner/p-{one}"),
            "medicationReference": refers(f"Medication/m-{one}"),
        },
        {
            "resourceType": "Encounter", "id": f"e-{one}", "status": "finished", "class": {"code": "AMB"},
            "subject": refers(f"Patient/{one}"),
            "location": [{"location": refers(f"Location/{place}-{one}")} for place in ("l", "home")],
        },
        {"resourceType": "Device", "id": f"d-{one}", "patient": refers(f"Patient/{one}")},
        *(
            {
                "resourceType": "Observation", "id": f"o-{kind}-{one}", "status": "final", "code": coded(LOINC, "1-8"),
                "subject": refers(f"Patient/{one}"), "category": [coded(CATEGORY, kind)],
            }
            for kind in ("laboratory", "vital-signs")
        ),
        {
            "resourceType": "DocumentReference", "id": f"doc-{one}", "status": "current",
            "subject": refers(f"Patient/{one}"),
            "content": [{"attachment": {"contentType": "text/plain", "url": f"Binary/x-{one}"}}],
        },
        {
            "resourceType": "Binary", "id": f"x-{one}", "contentType": "text/plain", "data": "aGk=",
            "securityContext": refers(f"DocumentReference/doc-{one}"),
        },
    ]  # fmt: skip


@pytest.fixture
def running(start: Callable[..., Server], flags: tuple[str, ...]) -> Server:
    """A server with the records of two patients, a and b."""
    served = start(*flags)
    with served.client() as client:
        for body in [*record("a"), *record("b")]:
            answer = client.put(f"{body['resourceType']}/{body['id']}", json=body, headers=FHIR_JSON)
            assert answer.status_code == 201, answer.text
    return served


@pytest.fixture
def mine(running: Server) -> Iterator[httpx.Client]:
    with running.client("patient/*.rs", patient="a") as client:
        yield client


def found(client: httpx.Client, query: str) -> list[str]:
    answer = client.get(query)
    assert answer.status_code == 200, answer.text
    return sorted(f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in answer.json().get("entry", ()))


def test_what_a_record_refers_to_is_shown_by_name(mine: httpx.Client) -> None:
    """US Core: `_include=MedicationRequest:medication` brings the Medication."""
    answer = mine.get("MedicationRequest?patient=a&_include=MedicationRequest:medication").json()
    assert [(e["resource"]["id"], e["search"]["mode"]) for e in answer["entry"]] == [
        ("r-a", "match"),
        ("m-a", "include"),
    ]
    assert found(mine, "MedicationRequest?_include=*") == [
        "Medication/m-a", "MedicationRequest/r-a", "Patient/a", "Practitioner/p-a",
    ]  # fmt: skip
    assert found(mine, "Encounter?_include=Encounter:location") == ["Encounter/e-a", "Location/l-a"]
    for url, status in (
        ("Medication/m-a", 200),
        ("Medication/m-a/_history", 200),
        ("Medication/m-a/_history/1", 200),
        ("Medication/m-b", 200),  # of nobody in particular
        ("Practitioner/p-a", 200),
        ("Location/l-a", 200),
        ("Location/home-a", 404),
        ("Device/d-a", 200),
        ("Device/d-b", 404),
        ("MedicationRequest/r-b", 404),
        ("Patient/b", 404),
    ):
        assert mine.get(url).status_code == status, url
    assert found(mine, "Medication?_id=m-a") == ["Medication/m-a"]
    assert found(mine, "Practitioner?_id=p-a,p-b&name=doctora") == ["Practitioner/p-a"]
    assert found(mine, "Location?_id=l-a,home-a") == ["Location/l-a"]
    assert found(mine, "MedicationRequest?medication.code=drug-a") == ["MedicationRequest/r-a"]
    assert found(mine, "MedicationRequest?requester:Practitioner.name=doctora") == ["MedicationRequest/r-a"]
    assert found(mine, "Device") == ["Device/d-a"]


def test_nothing_of_it_can_be_looked_for(mine: httpx.Client) -> None:
    for query in (
        "Medication",
        "Medication?code=drug-a",
        "Medication?_lastUpdated=gt2000-01-01",
        "Practitioner?name=doctora",
        "Practitioner?_has:MedicationRequest:requester:status=active",
        "Location?name=Ward",
        "Medication/_history",
        "Practitioner/_history",
    ):
        answer = mine.get(query).json()
        assert answer["type"] in ("searchset", "history")
        assert "entry" not in answer, query
        assert answer.get("total", 0) == 0, query
    assert found(mine, "MedicationRequest?medication.code=drug-b") == []
    assert not [one for one in found(mine, "_history") if one.startswith(("Medication/", "Practitioner/", "Location/"))]


def test_everything_and_graphql_name_it_too(mine: httpx.Client) -> None:
    whole = found(mine, "Patient/a/$everything")
    assert {"Medication/m-a", "Practitioner/p-a", "Location/l-a"} <= set(whole)
    assert not [one for one in whole if one.endswith("-b")]
    query = '{MedicationRequest(id: "r-a") {requester {resource {... on Practitioner {name {family}}}}}}'
    answer = mine.get("$graphql", params={"query": query}).json()
    assert answer["data"]["MedicationRequest"]["requester"]["resource"] == {"name": [{"family": "Doctora"}]}
    answer = mine.get("$graphql", params={"query": "{PractitionerList {id}}"}).json()
    assert answer == {"data": {}}


def test_a_scope_must_cover_the_type(running: Server) -> None:
    query = "MedicationRequest?_include=MedicationRequest:medication"
    with running.client("patient/MedicationRequest.rs", patient="a") as narrow:
        assert found(narrow, query) == ["MedicationRequest/r-a"]
        assert narrow.get("Medication/m-a").status_code == 403
    with running.client("patient/MedicationRequest.rs patient/Medication.rs", patient="a") as wide:
        assert found(wide, query) == ["Medication/m-a", "MedicationRequest/r-a"]
        assert wide.get("Medication/m-a").status_code == 200
    with running.client("patient/MedicationRequest.rs patient/Medication.r", patient="a") as reads:
        assert found(reads, query) == ["MedicationRequest/r-a"]
        assert reads.get("Medication/m-a").status_code == 200


def test_a_binary_goes_with_what_it_is_about(running: Server, mine: httpx.Client) -> None:
    assert mine.get("Binary/x-a").status_code == 200
    assert mine.get("Binary/x-b").status_code == 404
    assert mine.get("Binary").status_code == 403
    with running.client("patient/Binary.rs", patient="a") as narrow:
        assert narrow.get("Binary/x-a").status_code == 404


def test_a_minted_token_may_be_limited_by_search_parameters(running: Server, flags: tuple[str, ...]) -> None:
    scope = f"patient/Observation.rs?category={CATEGORY}|laboratory"
    where = ("--port", running.port, *place(running, flags)[:2])
    made = hilum("token", "--scope", scope, "--patient", "a", *where)
    assert made.returncode == 0, made.stderr
    headers = {"authorization": f"Bearer {made.stdout.strip()}"}
    with httpx.Client(base_url=running.base + "/", headers=headers, timeout=30) as client:
        assert found(client, "Observation") == ["Observation/o-laboratory-a"]
        assert found(client, f"Observation?category={CATEGORY}|vital-signs") == []
        assert client.get("Observation/o-laboratory-a").status_code == 200
        assert client.get("Observation/o-vital-signs-a").status_code == 404
        assert client.get("Observation/o-laboratory-b").status_code == 404
        assert client.get("Observation/_history").json().get("total") == 1
    refused = hilum("token", "--scope", "patient/Observation.rs?patient.name=x", "--patient", "a", *where)
    assert refused.returncode != 0
    assert "can't be limited so" in refused.stderr


def test_a_page_link_is_for_the_one_who_got_it(running: Server) -> None:
    with running.client("patient/*.rs", patient="a") as one, running.client("system/*.rs") as other:
        page = one.get("Observation?_count=1").json()
        (after,) = [link["url"] for link in page["link"] if link["relation"] == "next"]
        assert one.get(after).status_code == 200
        refused = other.get(after)
        assert refused.status_code == 400
        assert "_cursor" in diagnostics(refused)
        posted = one.post("Observation/_search", data={"_count": "1"}).json()
        (after,) = [link["url"] for link in posted["link"] if link["relation"] == "next"]
        assert one.get(after).status_code == 200
        assert other.get(after).status_code == 400
    with running.client("patient/*.rs", patient="a") as renewed:
        assert renewed.get(after).status_code == 200
