"""Custom search parameters over HTTP: posted, indexed in the background, used, retired. With one worker and two."""

from __future__ import annotations

import json
import signal
import tarfile
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.durability.index_truth import differences
from tests.journeys.conftest import diagnostics
from tests.journeys.server import FHIR_JSON, Server
from tests.shared_data import DATA, needs_data

RACE = "http://example.org/tribe"
Start = Callable[..., Server]


def definition(name: str = "tribe", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "url": f"http://example.org/SearchParameter/{name}",
        "name": name,
        "status": "active",
        "description": "A test",
        "code": name,
        "base": ["Patient"],
        "type": "token",
        "expression": f"Patient.extension.where(url='{RACE}').value.as(code)",
        **more,
    }


def person(code: str, id: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"resourceType": "Patient", "extension": [{"url": RACE, "valueCode": code}]}
    return body if id is None else body | {"id": id}


def post(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(body["resourceType"], json=body, headers=FHIR_JSON)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def batch(client: httpx.Client, bodies: list[dict[str, Any]]) -> None:
    for start in range(0, len(bodies), 500):
        entries = [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in bodies[start : start + 500]
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = client.post("", json=bundle, headers=FHIR_JSON)
        assert answer.status_code == 200, answer.text


def total(client: httpx.Client, query: str) -> int:
    answer = client.get(f"Patient?{query}&_total=accurate&_count=1")
    assert answer.status_code == 200, answer.text
    return int(answer.json()["total"])


def when_ready(client: httpx.Client, url: str, seconds: float = 60) -> dict[str, Any]:
    """The Task of the newest definition of a url, once it has ended."""
    ends = time.monotonic() + seconds
    while True:
        found = client.get("Task", params={"focus:identifier": f"urn:ietf:rfc:3986|{url}"}).json()
        assert "entry" in found, found
        newest = found["entry"][0]["resource"]
        if newest["status"] not in ("requested", "in-progress"):
            return dict(newest)
        assert time.monotonic() < ends, newest
        time.sleep(0.05)


def searched(client: httpx.Client, type: str = "Patient") -> set[str]:
    resources = client.get("metadata").json()["rest"][0]["resource"]
    return {p["name"] for one in resources if one["type"] == type for p in one["searchParam"]}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_posted_parameter_is_indexed_then_answers_then_goes(start: Start, workers: str) -> None:
    running = start("--workers", workers)
    with running.client() as client:
        batch(client, [person(f"r{n % 3}", f"p{n}") for n in range(1500)])
        assert "no search parameter 'tribe'" in diagnostics(client.get("Patient?tribe=r1"))
        made = post(client, definition())
        refused = client.get("Patient?tribe=r1")
        if refused.status_code != 200:
            assert refused.status_code == 400
            assert "is being indexed" in diagnostics(refused)
            assert "Task/" in diagnostics(refused)
        post(client, person("later"))
        task = when_ready(client, made["url"])
        assert task["status"] == "completed"
        assert [one["valueUnsignedInt"] for one in task["output"]] == [1501, 1501]
        for _ in range(8):  # whichever worker answers
            with running.client() as another:
                assert total(another, "tribe=r1") == 500
                assert total(another, "tribe=later") == 1
                assert total(another, "tribe:missing=true") == 0
                assert "tribe" in searched(another)
        client.put("Patient/p1", json=person("r0", "p1"), headers=FHIR_JSON)
        assert (total(client, "tribe=r1"), total(client, "tribe=r0")) == (499, 501)
        retired = client.put(f"SearchParameter/{made['id']}", json=made | {"status": "retired"}, headers=FHIR_JSON)
        assert retired.status_code == 200
        for _ in range(8):
            with running.client() as another:
                assert "no search parameter 'tribe'" in diagnostics(another.get("Patient?tribe=r1"))
                assert "tribe" not in searched(another)
        assert when_ready(client, made["url"])["description"] == "Remove the search parameter tribe of Patient"
    running.stop()
    assert differences(str(running.data / "hilum.sqlite")) == []


def test_kill_in_the_middle_goes_on_and_nothing_that_was_written_meanwhile_is_missed(start: Start, tmp_path) -> None:
    first = Server(tmp_path)
    with first.client() as client:
        batch(client, [person(f"r{n % 3}", f"p{n}") for n in range(6000)])
        made = post(client, definition())
        for n in range(40):
            client.put(f"Patient/p{n * 100}", json=person("moved", f"p{n * 100}"), headers=FHIR_JSON)
        time.sleep(0.1)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    again = Server(tmp_path)
    with again.client() as client:
        for n in range(40, 50):
            client.put(f"Patient/p{n * 100}", json=person("moved", f"p{n * 100}"), headers=FHIR_JSON)
        task = when_ready(client, made["url"])
        assert task["status"] == "completed"
        assert task["output"][0]["valueUnsignedInt"] == 6000
        assert total(client, "tribe=moved") == 50
        assert sum(total(client, f"tribe=r{n}") for n in range(3)) == 5950
    again.stop()
    assert differences(str(again.data / "hilum.sqlite")) == []


REFUSED = [
    ({"code": "gender"}, "SearchParameter.code"),
    ({"code": "_count"}, "SearchParameter.code"),
    ({"type": "date"}, "SearchParameter.type"),
    ({"expression": "Patient.nothing"}, "SearchParameter.expression"),
    ({"expression": "Patient.name.("}, "SearchParameter.expression"),
    ({"expression": "Patient.name.count()"}, "SearchParameter.expression"),
    (
        {"target": ["Location"], "type": "reference", "expression": "Patient.generalPractitioner"},
        "SearchParameter.target[0]",
    ),
    (
        {
            "type": "composite",
            "component": [
                {"definition": "http://x/1", "expression": "a"},
                {"definition": "http://x/2", "expression": "b"},
            ],
        },
        "SearchParameter.component[0].definition",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("more", "element"), REFUSED, ids=lambda one: str(one)[:40])
def test_a_definition_that_can_not_be_used_is_refused_with_the_element(fhir: httpx.Client, more, element) -> None:
    answer = fhir.post("SearchParameter", json=definition("refused", **more), headers=FHIR_JSON)
    assert answer.status_code == 422, answer.text
    assert element in [one for issue in answer.json()["issue"] for one in issue["expression"]], answer.text


def test_a_draft_is_kept_and_not_used(fhir: httpx.Client) -> None:
    made = post(fhir, definition("drafted", status="draft"))
    assert fhir.get(f"SearchParameter/{made['id']}").status_code == 200
    assert "no search parameter 'drafted'" in diagnostics(fhir.get("Patient?drafted=x"))


@needs_data
@pytest.mark.parametrize("version", ["6.1.0", "7.0.0"])
def test_the_search_parameters_of_us_core_load_and_answer(start: Start, version: str) -> None:
    with tarfile.open(DATA / "igs" / f"hl7.fhir.us.core-{version}.tgz") as archive:
        names = [n for n in archive.getnames() if n.startswith("package/SearchParameter-")]
        some = [json.load(archive.extractfile(name)) for name in names]
    running = start()
    us_core = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
    with running.client() as client:
        batch(client, [{"resourceType": "Patient", "id": "p", "extension": [{"url": us_core, "extension": [
            {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3"}},
            {"url": "text", "valueString": "White"}]}]},
            {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"},
             "hospitalization": {"dischargeDisposition": {"coding": [{"code": "home"}]}}},
            {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p"}, "extension": [
                {"url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
                 "valueDateTime": "2024-03-01"}]},
        ])  # fmt: skip
        batch(client, [one for one in some if one["status"] == "active"])
        ends = time.monotonic() + 60
        while (
            "being indexed" in (answer := client.get("Patient?race=2106-3")).text
            or "being" in client.get("Condition?asserted-date=2024").text
            or "being" in client.get("Encounter?discharge-disposition=home").text
        ):
            assert time.monotonic() < ends, answer.text
            time.sleep(0.1)
        assert [one["resource"]["id"] for one in client.get("Patient?race=2106-3").json()["entry"]] == ["p"]
        assert len(client.get("Condition?asserted-date=2024-03").json()["entry"]) == 1
        assert len(client.get("Encounter?discharge-disposition=home").json()["entry"]) == 1
        for one in some:
            for base in one["base"] if one["status"] == "active" else ():
                if base in ("Resource", "DomainResource") or one["code"] in ("_id", "_lastUpdated"):
                    continue
                assert one["code"] in searched(client, base), (base, one["code"])
