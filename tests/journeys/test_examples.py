"""HL7's own examples through a real server: accepted, and read back equal to the last digit.

A seeded sample here; all 5,306 by `HILUM_FULL=1 pytest tests/journeys/test_examples.py`.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

import httpx
import pytest

from tests.conformance.test_examples_validate import WRONG, examples, package
from tests.journeys.server import FHIR_JSON, Server

__all__ = ["examples"]

SAMPLE = 300


def _exact(raw: bytes) -> Any:
    """Numbers as they are written."""
    return json.loads(raw, parse_float=str, parse_int=str)


def _without_stamp(body: dict[str, Any]) -> dict[str, Any]:
    meta = {name: value for name, value in body.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    rest = {name: value for name, value in body.items() if name not in ("meta", "id")}
    return rest | ({"meta": meta} if meta else {})


@pytest.mark.timeout(1800)
def test_the_examples_of_hl7_are_stored_and_read_back_equal(examples: Any, server: Server) -> None:
    everything = [(name, raw) for name, raw in package(examples) if name not in WRONG]
    chosen = everything if os.environ.get("HILUM_FULL") else random.Random(4).sample(everything, SAMPLE)
    different: list[str] = []
    with server.client() as client:
        for name, raw in chosen:
            sent = _exact(raw)
            different += _difference(client, name, raw, sent)
    assert different == []


def _difference(client: httpx.Client, name: str, raw: bytes, sent: dict[str, Any]) -> list[str]:
    type, id = sent["resourceType"], sent.get("id")
    if id is None:
        written = client.post(type, content=raw, headers=FHIR_JSON)
    else:
        written = client.put(f"{type}/{id}", content=raw, headers=FHIR_JSON)
    if written.status_code not in (200, 201):
        return [f"{name}: {written.status_code} {written.text[:200]}"]
    read = client.get(f"{type}/{written.json()['id']}")
    if read.content != written.content:
        return [f"{name}: read is not what was answered"]
    if _without_stamp(_exact(read.content)) != _without_stamp(sent):
        return [f"{name}: not equal to what was sent"]
    return []
