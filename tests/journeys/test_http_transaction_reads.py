"""What a transaction reads is asked twice, before its commit and after it: of every kind, on both stores.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.journeys.both import flags
from tests.journeys.cli import postgres_database
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_http_audit import of, queries
from tests.journeys.test_http_batch import entry, post, statuses

__all__ = ["flags", "postgres_database"]


@pytest.fixture
def running(start: Callable[..., Server], flags: tuple[str, ...]) -> Server:
    return start(*flags)


def following(running: Server, answer: httpx.Response) -> str:
    """Where the next page is, below the base."""
    (url,) = [link["url"] for link in answer.json()["link"] if link["relation"] == "next"]
    return str(url).removeprefix(running.base + "/")


def ids(bundle: Any) -> list[str]:
    return [one["resource"]["id"] for one in bundle.get("entry", ())]


def test_every_kind_of_read_answers_within_a_transaction_as_by_itself(running: Server) -> None:
    with running.client("system/*.cruds system/AuditEvent.rs") as client:
        for id in ("a", "b", "c"):
            client.put(f"Patient/{id}", json={"resourceType": "Patient", "id": id}, headers=FHIR_JSON)
            body = {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}}
            body["subject"] = {"reference": "Patient/a"}
            client.put(f"Observation/{id}", json=body, headers=FHIR_JSON)
        posted = client.post("Observation/_search", data={"_count": "1", "subject": "Patient/a"})
        everyone = client.get("Patient/$everything?_count=1")
        record = client.get("Patient/a/$everything?_count=1")
        urls = [
            "Patient/a",
            "Patient/a/_history",
            "Patient?_sort=_id",
            "Patient/a/Observation",
            "Patient/a/Observation?status=final&_count=2",
            "Patient/a/*?_id=a,b",
            following(running, posted),
            following(running, everyone),
            following(running, record),
            following(running, client.get("Observation?_count=1&status=final")),
            following(running, client.get("_history?_count=2")),
        ]
        alone = [client.get(url) for url in urls]
        assert {one.status_code for one in alone} == {200}
        note = {"resourceType": "Basic", "code": {"text": "note"}}
        answer = post(client, "transaction", [entry("POST", "Basic", note), *(entry("GET", url) for url in urls)])
        assert statuses(answer) == ["201", *["200"] * len(urls)], answer.text
        within = [one["resource"] for one in answer.json()["entry"][1:]]
        for url, one, two in zip(urls, alone, within, strict=True):
            assert ids(one.json()) == ids(two) or url == "Patient/a", url
        assert within[0] == alone[0].json()


def test_the_audit_tells_once_and_in_full_what_was_asked_within_a_transaction(running: Server) -> None:
    with running.client() as client:
        for id in ("a", "b"):
            client.put(f"Patient/{id}", json={"resourceType": "Patient", "id": id}, headers=FHIR_JSON)
        url = following(running, client.post("Patient/_search", data={"_count": "1", "_id": "a,b"}))
        entries = [entry("GET", url), entry("GET", "Patient/a/*?_count=3")]
        client.headers["x-request-id"] = "within"
        assert statuses(post(client, "transaction", entries)) == ["200", "200"]
    said = [query for event in of(running, "within") for query in queries(event)]
    assert len(said) == 2, said
    assert sorted(said)[0] == "Patient/a/*?_count=3"
    assert sorted(said)[1].startswith(url) and sorted(said)[1].endswith("&_count=1&_id=a,b"), said
