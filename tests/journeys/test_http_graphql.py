"""`$graphql` over HTTP: the forms of a request, answers and errors, and one patient's token."""

from __future__ import annotations

from typing import Any

import httpx
from tests.journeys.conftest import Create
from tests.journeys.server import Server

JSON = "application/json; charset=utf-8"


def data(answer: httpx.Response) -> Any:
    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON), answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["data"]


def message(answer: httpx.Response, status: int) -> str:
    assert (answer.status_code, answer.headers["content-type"]) == (status, JSON), answer.text
    body = answer.json()
    assert body["data"] is None
    for error in body["errors"]:
        outcome = error["extensions"]["resource"]
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"][0]["diagnostics"] == error["message"]
    return str(body["errors"][0]["message"])


def test_a_query_comes_by_get_or_in_two_kinds_of_body(fhir: httpx.Client, create: Create) -> None:
    id = create(active=True)["id"]
    query = "query one($id: ID){Patient(id: $id){id active}}"
    expected = {"Patient": {"id": id, "active": True}}
    body = {"query": query, "variables": {"id": id}, "operationName": "one"}
    assert data(fhir.post("$graphql", json=body)) == expected
    given = {"query": query, "variables": f'{{"id": "{id}"}}'}
    assert data(fhir.get("$graphql", params=given)) == expected
    graphql = {"content-type": "application/graphql"}
    text = f'{{Patient(id: "{id}"){{id active}}}}'
    assert data(fhir.post("$graphql", content=text, headers=graphql)) == expected
    assert data(fhir.get(f"Patient/{id}/$graphql", params={"query": "{id active}"})) == expected["Patient"]
    assert data(fhir.post(f"Patient/{id}/$graphql", json={"query": "{id active}"})) == expected["Patient"]


def test_errors_say_where_and_carry_an_operation_outcome(fhir: httpx.Client, create: Create) -> None:
    id = create()["id"]
    wrong = fhir.get(f"Patient/{id}/$graphql", params={"query": "{\n  naem { family }\n}"})
    assert "naem" in message(wrong, 400)
    assert wrong.json()["errors"][0]["locations"] == [{"line": 2, "column": 3}]
    assert "does not exist" in message(fhir.get("$graphql", params={"query": "{Patient(id: absent){id}}"}), 404)
    assert "does not exist" in message(fhir.get("Patient/absent/$graphql", params={"query": "{id}"}), 404)
    assert "no query" in message(fhir.get("$graphql"), 400)
    assert "not known" in message(fhir.post("$graphql", json={"query": "{id}", "qery": 1}), 400)
    assert message(fhir.post("$graphql", content="{}", headers={"content-type": "text/csv"}), 415)


def test_a_batch_refuses_it(fhir: httpx.Client) -> None:
    entry = {"request": {"method": "GET", "url": "$graphql?query={__typename}"}}
    answer = fhir.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    assert answer.json()["entry"][0]["response"]["status"].startswith("400")


def test_the_capability_statement_lists_it(fhir: httpx.Client) -> None:
    operation = {"name": "graphql", "definition": "http://hl7.org/fhir/OperationDefinition/Resource-graphql"}
    rest = fhir.get("metadata").json()["rest"][0]
    assert operation in rest["operation"]
    assert all(operation in resource["operation"] for resource in rest["resource"])


def test_one_patients_token_leads_to_nobody_else(server: Server, create: Create) -> None:
    mine, other = create(name=[{"family": "Mine"}])["id"], create(name=[{"family": "Hidden"}])["id"]
    for subject in (mine, other):
        create(
            "Observation",
            status="final",
            code={"text": "x"},
            subject={"reference": f"Patient/{subject}"},
            focus=[{"reference": f"Patient/{mine}"}, {"reference": f"Patient/{other}"}],
        )
    with server.client("patient/*.rs", patient=mine) as client:
        focus = "focus{resource(optional: true, type: Patient){id name{family}}}"
        shown = [{"resource": {"id": mine, "name": [{"family": "Mine"}]}}, {}]
        query = f"{{ObservationList{{{focus}}} PatientList{{id ObservationList(_reference: focus){{{focus}}}}}}}"
        found = data(client.get("$graphql", params={"query": query}))
        assert found == {
            "ObservationList": [{"focus": shown}],
            "PatientList": [{"id": mine, "ObservationList": [{"focus": shown}]}],
        }
        count = "{ObservationConnection(_count: 0){count}}"
        assert data(client.get("$graphql", params={"query": count})) == {"ObservationConnection": {"count": 1}}
        for query in (f'{{Patient(id: "{other}"){{id}}}}', "{ObservationList{focus{resource{id}}}}"):
            answer = client.get("$graphql", params={"query": query})
            assert answer.status_code in (404, 422)
            assert "Hidden" not in answer.text
        assert client.get(f"Patient/{other}/$graphql", params={"query": "{id}"}).status_code == 404
    assert httpx.get(f"{server.base}/$graphql", params={"query": "{__typename}"}).status_code == 401
