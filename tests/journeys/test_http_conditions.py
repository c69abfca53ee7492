"""Conditions on writes: honoured or refused, never passed over."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server

NEW = FHIR_JSON | {"if-none-match": "*"}


def patient(id_: str, **content: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, **content}


def test_put_with_if_none_match_makes_only_what_is_not_there(fhir: httpx.Client) -> None:
    first = fhir.put("Patient/only-new", json=patient("only-new", active=True), headers=NEW)
    assert first.status_code == 201
    second = fhir.put("Patient/only-new", json=patient("only-new", active=False), headers=NEW)
    assert second.status_code == 412
    assert "If-None-Match" in diagnostics(second)
    assert fhir.get("Patient/only-new").json() == first.json()
    same = fhir.put("Patient/only-new", json=patient("only-new", active=True), headers=NEW)
    assert same.status_code == 412
    assert fhir.delete("Patient/only-new").status_code == 204
    again = fhir.put("Patient/only-new", json=patient("only-new"), headers=NEW)
    assert (again.status_code, again.headers["etag"]) == (201, 'W/"3"')


def test_conditional_put_with_if_none_match_makes_only_what_is_not_found(fhir: httpx.Client) -> None:
    identifier = [{"system": "urn:only", "value": "new"}]
    path = "Patient?identifier=urn:only|new"
    body = {"resourceType": "Patient", "identifier": identifier}
    assert fhir.put(path, json=body, headers=NEW).status_code == 201
    assert fhir.put(path, json=body | {"active": True}, headers=NEW).status_code == 412
    assert fhir.put(path, json=body | {"active": True}, headers=FHIR_JSON).status_code == 200


def test_a_batch_honours_if_none_match(fhir: httpx.Client) -> None:
    def entry(active: bool) -> dict[str, Any]:
        request = {"method": "PUT", "url": "Patient/only-new-batch", "ifNoneMatch": "*"}
        return {"resource": patient("only-new-batch", active=active), "request": request}

    def status(active: bool) -> str:
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry(active)]}
        return str(fhir.post("", json=bundle, headers=FHIR_JSON).json()["entry"][0]["response"]["status"])

    assert (status(True), status(False)) == ("201", "412")
    assert fhir.get("Patient/only-new-batch").json()["active"] is True


async def test_of_many_that_put_at_once_one_makes_it(server: Server) -> None:
    headers = FHIR_JSON | {"authorization": f"Bearer {server.token()}"}
    async with httpx.AsyncClient(base_url=server.base + "/", headers=headers, timeout=30) as client:
        for turn in range(5):
            id_ = f"race-{turn}"
            bodies = [patient(id_, name=[{"family": f"n{number}"}]) for number in range(16)]
            answers = await asyncio.gather(*(client.put(f"Patient/{id_}", json=body, headers=NEW) for body in bodies))
            assert sorted(answer.status_code for answer in answers) == [201] + [412] * 15
            stored = (await client.get(f"Patient/{id_}")).json()
            assert stored["name"] == next(answer.json()["name"] for answer in answers if answer.status_code == 201)
            assert stored["meta"]["versionId"] == "1"


@pytest.mark.parametrize("value", ['W/"1"', '"1"', "1", '*, W/"1"', ""])
def test_another_if_none_match_on_a_put_is_400(fhir: httpx.Client, value: str) -> None:
    answer = fhir.put("Patient/other-value", json=patient("other-value"), headers=FHIR_JSON | {"if-none-match": value})
    assert answer.status_code == 400
    assert "If-None-Match" in diagnostics(answer)
    assert fhir.get("Patient/other-value").status_code == 404


@pytest.mark.parametrize(
    "condition", [{"if-none-match": "*"}, {"if-unmodified-since": "Wed, 21 Oct 2015 07:28:00 GMT"}]
)
def test_a_condition_that_is_not_judged_is_400(fhir: httpx.Client, create: Create, condition: dict[str, str]) -> None:
    id_ = create(identifier=[{"system": "urn:judged", "value": next(iter(condition))}])["id"]
    criteria = f"Patient?identifier=urn:judged|{next(iter(condition))}"
    headers = FHIR_JSON | condition
    patch = headers | {"content-type": "application/json-patch+json"}
    step = [{"op": "add", "path": "/active", "value": True}]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": []}
    answers = [
        fhir.post("Patient", json={"resourceType": "Patient"}, headers=headers),
        fhir.patch(f"Patient/{id_}", json=step, headers=patch),
        fhir.patch(criteria, json=step, headers=patch),
        fhir.delete(f"Patient/{id_}", headers=headers),
        fhir.delete(criteria, headers=headers),
        fhir.post("", json=bundle, headers=headers),
    ]
    if "if-unmodified-since" in condition:
        answers.append(fhir.put(f"Patient/{id_}", json=patient(id_), headers=headers))
        answers.append(fhir.put(criteria, json={"resourceType": "Patient"}, headers=headers))
    for answer in answers:
        assert answer.status_code == 400, answer.request.method
        assert next(iter(condition)) in diagnostics(answer).lower()
    assert fhir.get(f"Patient/{id_}").json()["meta"]["versionId"] == "1"


def test_every_answer_says_nosniff(fhir: httpx.Client, server: Server, create: Create) -> None:
    id_ = create()["id"]
    answers = [
        fhir.get(f"Patient/{id_}"),
        fhir.get("Patient?_count=1"),
        fhir.get("Patient/none"),
        fhir.get("metadata"),
        fhir.put(f"Patient/{id_}", json=patient(id_, active=True), headers=FHIR_JSON),
        fhir.post("Patient", content=b"{", headers=FHIR_JSON),
        httpx.get(server.base + "/Patient"),
        httpx.post(server.base + "/Patient", content=b"{}"),
    ]
    assert [answer.headers.get_list("x-content-type-options") for answer in answers] == [["nosniff"]] * len(answers)
