"""A release is imported beside two workers that serve, and is used by searches, validation and operations at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from tests.journeys.both import flags, place
from tests.journeys.cli import hilum, postgres_database
from tests.journeys.server import FHIR_JSON, Server
from tests.unit.cli import releases

__all__ = ["flags", "postgres_database"]

SNOMED = "http://snomed.info/sct"
HEART = f"{SNOMED}|56265001"


def codes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return sorted(one["code"] for one in answer.json()["expansion"].get("contains", []))


def found(client: httpx.Client, **parameters: str) -> int:
    answer = client.get("Condition", params=parameters)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["total"])


def test_what_is_imported_is_used_by_every_worker_at_once(
    start: Callable[..., Server], flags: tuple[str, ...], tmp_path: Path
) -> None:
    running = start(*flags, "--workers", "2")
    release = releases.snomed(tmp_path / "SnomedCT")
    implied = {"url": f"{SNOMED}?fhir_vs=isa/404684003"}
    with running.client() as client:
        client.put("Patient/p", json={"resourceType": "Patient", "id": "p"}, headers=FHIR_JSON)
        infarction: dict[str, Any] = {"coding": [{"system": SNOMED, "code": "22298006"}]}
        body = {"resourceType": "Condition", "id": "c", "code": infarction, "subject": {"reference": "Patient/p"}}
        assert client.put("Condition/c", json=body, headers=FHIR_JSON).status_code == 201
        assert client.get("Condition", params={"code:below": HEART}).status_code == 400
        assert client.get("ValueSet/$expand", params=implied).status_code == 400

        done = hilum("terminology", "import", release, *place(running, flags), "--json")
        assert done.returncode == 0, done.stderr
        (told,) = json.loads(done.stdout)["imported"]
        assert (told["outcome"], told["concepts"]) == ("created", 8)
        for _ in range(8):  # of both workers
            with running.client() as another:
                assert found(another, **{"code:below": HEART}) == 1
                assert found(another, **{"code:in": implied["url"]}) == 1
                assert codes(another.get("ValueSet/$expand", params=implied | {"filter": "heart"})) == [
                    "22298006", "56265001",
                ]  # fmt: skip
        asked = [
            {"request": {"method": "GET", "url": f"CodeSystem/$validate-code?url={SNOMED}&code={code}"}}
            for code in ("22298006", "1")
        ]
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": asked}
        answers = client.post("", json=bundle, headers=FHIR_JSON).json()["entry"]
        assert [one["resource"]["parameter"][0]["valueBoolean"] for one in answers] == [True, False]
        read = client.get(f"CodeSystem/{told['id']}").json()
        assert (read["content"], read["count"], "concept" in read) == ("complete", 8, False)

        listed = json.loads(hilum("terminology", "list", *place(running, flags), "--json").stdout)["code_systems"]
        assert [(one["url"], one["concepts"]) for one in listed] == [(SNOMED, 8)]
        assert hilum("terminology", "remove", SNOMED, *place(running, flags)).returncode == 0
        assert hilum("terminology", "remove", SNOMED, *place(running, flags)).returncode == 1
        assert client.get("Condition", params={"code:below": HEART}).status_code == 400
        assert client.get("ValueSet/$expand", params=implied).status_code == 400
