"""What hilum answers by itself is valid: Bundles, outcomes, statements, definitions, Parameters, Tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.errors import errors

from hilum.access.policy import EVERYTHING, Principal
from hilum.fhir import json
from hilum.interactions.door import Door
from hilum.rest import router
from hilum.rest.links import Links
from hilum.rest.message import Request
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.sqlite import open_sqlite

OWNER = Principal("owner", "test", "j", EVERYTHING, 1 << 62)
PATIENT = {"resourceType": "Patient", "id": "a", "active": True, "meta": {"tag": [{"code": "x"}]}}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
    "subject": {"reference": "Patient/a"},
    "effectiveDateTime": "2020-01-01",
}
PARAMETER = {
    "resourceType": "SearchParameter",
    "url": "http://example.org/x",
    "name": "x",
    "status": "active",
    "description": "x",
    "code": "x",
    "base": ["Patient"],
    "type": "token",
    "expression": "Patient.active",
}


def entries(*wanted: tuple[str, str, Any]) -> list[dict[str, Any]]:
    return [
        {"request": {"method": method, "url": url}} | ({} if body is None else {"resource": body})
        for method, url, body in wanted
    ]


BATCH = entries(("GET", "Patient/a", None), ("GET", "Patient/none", None), ("POST", "Patient", PATIENT))
ASKED: list[tuple[str, str, str, Any]] = [
    ("GET", "metadata", "", None),
    ("GET", "metadata", "mode=terminology", None),
    ("GET", "Patient", "_total=accurate", None),
    ("GET", "Observation", "_include=*&nonsense=1", None),
    ("GET", "Patient/a/_history", "", None),
    ("GET", "_history", "", None),
    ("GET", "Patient/none", "", None),
    ("POST", "Patient", "", {"resourceType": "Patient", "gender": "x", "contact": [{}]}),
    ("POST", "", "", {"resourceType": "Bundle", "type": "batch", "entry": BATCH}),
    ("POST", "", "", {"resourceType": "Bundle", "type": "transaction", "entry": BATCH[2:]}),
    ("GET", "Patient/a/$everything", "", None),
    ("GET", "Patient/a/$meta", "", None),
    ("GET", "Patient/a/$validate", "", None),
    ("GET", "Observation/$lastn", "patient=a", None),
    ("POST", "SearchParameter", "", PARAMETER),
    ("GET", "Task", "", None),
    ("GET", "AuditEvent", "", None),
    ("GET", "OperationDefinition/hilum-Resource-validate", "", None),
]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    store = await open_sqlite(str(tmp_path / "store.db"))
    yield Service(Door(store, "http://hilum.test/fhir"), Links(bytes(32)), Router(ROUTES))
    await store.close()


async def ask(service: Service, method: str, path: str, query: str = "", body: Any = None) -> dict[str, Any] | None:
    sent = b"" if body is None else json.encode(body)
    headers = {b"content-type": b"application/fhir+json"}
    steps = tuple(path.split("/")) if path else ()
    answer = await router.answer(service, Request(method, steps, query, headers, sent, OWNER))
    return json.parse(answer.body) if answer.body else None


async def test_every_answer_is_a_valid_resource(service: Service) -> None:
    for body in (PATIENT, OBSERVATION):
        await ask(service, "PUT", f"{body['resourceType']}/{body['id']}", "", body)
    seen = set()
    for method, path, query, body in ASKED:
        answer = await ask(service, method, path, query, body)
        assert answer is not None
        seen.add(answer["resourceType"])
        assert [(path, issue.diagnostics) for issue in errors(answer)] == []
    assert {"CapabilityStatement", "TerminologyCapabilities", "Bundle", "OperationOutcome", "Parameters"} <= seen
