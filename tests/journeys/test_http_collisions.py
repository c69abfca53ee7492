"""Over HTTP, on both stores: criteria name one system of identifiers and never act on what is of another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.journeys.both import flags
from tests.journeys.cli import postgres_database
from tests.journeys.server import FHIR_JSON, Server

__all__ = ["flags", "postgres_database"]

OURS, THEIRS = "urn:x:212", "urn:x:1327"
"""The last 20 bits of their XXH3 are the same."""
CHAIN = "Observation?subject:Patient.identifier="


@pytest.fixture
def fhir(start: Callable[..., Server], flags: tuple[str, ...]) -> Any:
    with start(*flags).client() as client:
        made: list[dict[str, Any]] = [
            {"resourceType": "Patient", "id": "v", "identifier": [{"system": OURS, "value": "4711"}]},
            {"resourceType": "Patient", "id": "w", "identifier": [{"system": THEIRS, "value": "other"}]},
            {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
             "subject": {"reference": "Patient/v"}},
        ]  # fmt: skip
        for body in made:
            answer = client.put(f"{body['resourceType']}/{body['id']}", json=body, headers=FHIR_JSON)
            assert answer.status_code == 201, answer.text
        yield client


def test_what_is_written_by_chained_criteria_is_meant(fhir: httpx.Client) -> None:
    observation = fhir.get("Observation/o").json()
    patch = [{"op": "replace", "path": "/status", "value": "amended"}]
    headers = {"content-type": "application/json-patch+json"}
    assert fhir.delete(f"{CHAIN}{THEIRS}|4711").status_code == 204
    assert fhir.patch(f"{CHAIN}{THEIRS}|4711", json=patch, headers=headers).status_code == 404
    assert fhir.get("Observation/o").json() == observation
    body = {key: value for key, value in observation.items() if key not in ("id", "meta")}
    assert fhir.put(f"{CHAIN}{THEIRS}|4711", json=body, headers=FHIR_JSON).status_code == 201
    exists = FHIR_JSON | {"if-none-exist": f"subject:Patient.identifier={THEIRS}|4711"}
    assert fhir.post("Observation", json=body, headers=exists).status_code == 201
    assert fhir.patch(f"{CHAIN}{OURS}|4711&_id=o", json=patch, headers=headers).status_code == 200
    assert fhir.delete(f"{CHAIN}{OURS}|4711&_id=o").status_code == 204
    assert fhir.get("Observation/o").status_code == 410


def test_reverse_chains_and_totals_are_of_what_is_meant(fhir: httpx.Client) -> None:
    for system, found in ((OURS, 1), (THEIRS, 0)):
        assert fhir.get(f"{CHAIN}{system}|4711&_total=accurate&_count=0").json()["total"] == found
        entries = fhir.get(f"Patient?identifier:not={system}|").json()["entry"]
        assert [entry["resource"]["id"] for entry in entries] == ["w" if found else "v"]
