"""What the leak suite (tests/oracle/leaks) can't see, since it is beside the FHIR API's own door: over real HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.journeys.both import flags
from tests.journeys.cli import postgres_database
from tests.journeys.server import FHIR_JSON, Server

__all__ = ["flags", "postgres_database"]

EVERYTHING = "system/*.cruds"
AUDITOR = "system/AuditEvent.rs"


@pytest.fixture
def running(start: Callable[..., Server], flags: tuple[str, ...]) -> Server:
    made = start(*flags)
    with made.client(EVERYTHING) as client:
        for patient in ("me", "other"):
            put(client, {"resourceType": "Patient", "id": patient})
            for number in range(3):
                put(client, observation(f"{patient}-{number}", patient))
        assert client.get("Patient/me").status_code == client.get("Patient/other").status_code == 200
    return made


def put(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = client.put(f"{body['resourceType']}/{body['id']}", json=body, headers=FHIR_JSON)
    assert answer.status_code in (200, 201), answer.text


def observation(id: str, patient: str, **said: Any) -> dict[str, Any]:
    subject = {"reference": f"Patient/{patient}"}
    body = {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, "subject": subject}
    return body | said


def settled(running: Server) -> list[str]:
    """The ids of the audit's events, once the reads are among them."""
    ends = time.monotonic() + 60
    with running.client(AUDITOR) as auditor:
        while True:
            answer = auditor.get("AuditEvent?_count=200")
            assert answer.status_code == 200, answer.text
            events = [one["resource"] for one in answer.json().get("entry", ())]
            if any(one["subtype"][0]["code"] == "read" for one in events) or time.monotonic() > ends:
                return [one["id"] for one in events]
            time.sleep(0.2)


def of_the_audit(event: str) -> Iterator[tuple[str, str, Any]]:
    """Requests by which one might come by an event: method, URL, body."""
    for path in (
        f"AuditEvent/{event}",
        f"AuditEvent/{event}/_history",
        f"AuditEvent/{event}/_history/1",
        "AuditEvent",
        f"AuditEvent?_id={event}",
        "AuditEvent?_total=accurate&_count=0",
        "AuditEvent?_summary=count",
        "AuditEvent?patient=Patient/me",
        "AuditEvent?entity=Patient/me",
        "AuditEvent/_history",
        "_history?_count=200",
        "?_type=AuditEvent",
        "?_type=AuditEvent,Patient",
        f"?_id={event}",
        "Patient/me/AuditEvent",
        "Patient/me/*?_count=200",
        "Patient/me/$everything",
        "Patient/me/$everything?_type=AuditEvent",
        "Patient?_revinclude=AuditEvent:entity",
        "Patient?_revinclude=*",
        "Patient?_has:AuditEvent:entity:_id:not=x",
        "Patient?_has:AuditEvent:patient:_id:not=x",
        "$graphql?query={AuditEventList{id}}",
        f'$graphql?query={{AuditEvent(id:"{event}"){{id}}}}',
        "$graphql?query={PatientList{AuditEventList(_reference:entity){id}}}",
        f"AuditEvent/{event}/$graphql?query={{id}}",
    ):
        yield "GET", path, None
        entry = {"request": {"method": "GET", "url": path}}
        if "$graphql" not in path:
            for kind in ("batch", "transaction"):
                yield "POST", "", {"resourceType": "Bundle", "type": kind, "entry": [entry]}


@pytest.mark.parametrize(
    ("scope", "patient"),
    [
        ("patient/*.cruds", "me"),
        ("patient/*.rs patient/AuditEvent.rs", "me"),
        (EVERYTHING, None),
        ("user/*.rs", None),
        (f"user/*.rs {AUDITOR}?outcome=0", None),
    ],
)
def test_the_audit_is_for_who_was_given_it_by_name(running: Server, scope: str, patient: str | None) -> None:
    events = settled(running)
    assert len(events) > 8
    with running.client(scope, patient=patient) as client:
        for method, path, body in of_the_audit(events[0]):
            headers = {} if body is None else FHIR_JSON
            answer = client.request(method, path, json=body, headers=headers)
            asked = f"{path}{body}"
            said = [event for event in events if event in answer.text and event not in asked]
            assert not said and '"subtype"' not in answer.text, (path, answer.text)
            assert '"count":' not in answer.text
            assert answer.status_code < 500, (path, answer.text)
        total = client.get("AuditEvent?_total=accurate&_count=0")
        assert total.status_code == 403 or total.json()["total"] == 0


def test_counts_are_of_what_may_be_searched(running: Server) -> None:
    where = httpx.URL(running.url).join("/api/v1/counts")
    for scope, patient, wanted in (
        (EVERYTHING, None, {"Observation": 6, "Patient": 2}),
        ("patient/*.rs", "me", {"Observation": 3, "Patient": 1}),
        ("user/Patient.rs", None, {"Patient": 2}),
        ("user/Observation.rs?status=amended user/Patient.r", None, {}),
        ("patient/Observation.r", "me", None),
    ):
        with running.client(scope, patient=patient) as client:
            answer = client.get(where)
        assert answer.status_code == (403 if wanted is None else 200), answer.text
        assert wanted is None or answer.json()["counts"] == wanted


def test_a_link_holds_for_nobody_else(running: Server) -> None:
    with running.client(EVERYTHING) as client:
        pages = [
            client.get("Observation?_count=1"),
            client.post("Observation/_search", data={"_count": "1"}),
            client.get("Observation/_history?_count=1"),
            client.get("Patient/me/$everything?_count=1"),
            client.get("Patient/$everything?_count=1"),
        ]
        query = "{ObservationConnection(_count:1){next}}"
        graph = client.get("$graphql", params={"query": query}).json()["data"]["ObservationConnection"]["next"]
        links = [link["url"] for page in pages for link in page.json()["link"] if link["relation"] == "next"]
        assert len(links) == len(pages)
        assert {client.get(link).status_code for link in links} == {200}
    for scope, patient in (("patient/*.rs", "me"), ("patient/*.rs", "other")):
        with running.client(scope, patient=patient) as client:
            assert {client.get(link).status_code for link in links} == {400}
            query = f'{{ObservationConnection(_count:1,_cursor:"{graph}"){{edges{{resource{{id}}}}}}}}'
            assert client.get("$graphql", params={"query": query}).status_code == 400


@pytest.mark.parametrize("letters", ["u", "ud", "cud"])
def test_who_changes_and_does_not_read_learns_no_value(running: Server, letters: str) -> None:
    """Neither by a test of a patch, nor by a condition, nor by what comes back."""
    secret = observation("me-0", "me", valueString="secret")
    with running.client(EVERYTHING) as client:
        put(client, secret)
    with running.client(f"patient/Observation.{letters}", patient="me") as client:
        for value in ("secret", "wrong"):
            for body in ([{"op": "test", "path": "/valueString", "value": value}], []):
                patched = client.patch(
                    "Observation/me-0", json=body, headers={"content-type": "application/json-patch+json"}
                )
                assert patched.status_code == 403, patched.text
        versions = []
        for said in (secret, secret, observation("me-0", "me", valueString="wrong")):
            answer = client.put("Observation/me-0", json=said, headers=FHIR_JSON | {"prefer": "return=representation"})
            assert (answer.status_code, answer.content) == (200, b"")
            versions.append(int(answer.headers["etag"].strip('W/"')))
        assert versions == [versions[0], versions[0] + 1, versions[0] + 2]
        for criteria in ("value-string=secret", "_id=me-0"):
            answer = client.put(f"Observation?{criteria}", json=secret, headers=FHIR_JSON)
            assert answer.status_code == 403
        for path in ("Observation/me-0", "Observation", "Observation/me-0/_history", "Observation/me-0/_history/1"):
            assert client.get(path).status_code == client.head(path).status_code == 403


def test_a_narrow_scope_moves_nothing_into_its_reach_nor_out_of_it(running: Server) -> None:
    """https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters"""
    with running.client("user/Observation.cruds?status=amended user/Observation.rs") as client:
        final, amended = observation("", "me"), observation("", "me", status="amended")
        made = client.post("Observation", json=amended | {"id": "x"}, headers=FHIR_JSON)
        assert made.status_code == 201
        id = made.json()["id"]
        refused = {
            "created outside": client.post("Observation", json=final | {"id": "x"}, headers=FHIR_JSON),
            "moved out": client.put(f"Observation/{id}", json=final | {"id": id}, headers=FHIR_JSON),
            "patched out": client.patch(
                f"Observation/{id}",
                json=[{"op": "replace", "path": "/status", "value": "final"}],
                headers={"content-type": "application/json-patch+json"},
            ),
            "conditionally out": client.put(f"Observation?_id={id}", json=final | {"id": id}, headers=FHIR_JSON),
        }
        assert {name: one.status_code for name, one in refused.items()} == dict.fromkeys(refused, 403)
        moved_in = client.put("Observation/me-0", json=amended | {"id": "me-0"}, headers=FHIR_JSON)
        assert moved_in.status_code == 404
        by_criteria = client.put("Observation?_id=me-0", json=amended | {"id": "me-0"}, headers=FHIR_JSON)
        assert by_criteria.status_code == 403
        assert client.delete("Observation/me-0").status_code == 204  # as of what was never there
        assert client.delete("Observation?_id=me-0").status_code == 403
        entries = [
            {"request": {"method": "PUT", "url": f"Observation/{id}"}, "resource": amended | {"id": id}},
            {"request": {"method": "PUT", "url": "Observation/me-1"}, "resource": amended | {"id": "me-1"}},
        ]
        whole = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert client.post("", json=whole, headers=FHIR_JSON).status_code == 404
        seen = [client.get(f"Observation/me-{n}").json() for n in (0, 1)]
        assert [(one["status"], one["meta"]["versionId"]) for one in seen] == [("final", "1")] * 2
