"""`hilum migrate` of a store of the first layout with real patients: as if it had never been old."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests import first_layout
from tests.durability.index_truth import TABLES
from tests.journeys.both import compared_at, flags, told_at
from tests.journeys.cli import hilum, postgres_database
from tests.journeys.server import FHIR_JSON, Server
from tests.shared_data import DATA, needs_data

__all__ = ["flags", "postgres_database"]

INDEX = TABLES | {"term": "param, value, folded", "unit": "param, unit, system, code, display"}
SEARCHES = (
    "Patient?name=a&_sort=birthdate&_count=50",
    "Patient?address-city:contains=o&gender=female",
    "Observation?code=http://loinc.org|8302-2&value-quantity=gt1.5|http://unitsofmeasure.org|m&_count=200",
    "Observation?date=ge2010-01-01&_sort=-date&_count=100",
    "Observation?component-code-value-quantity=http://loinc.org|8480-6$gt100&_count=200",
    "Condition?subject:Patient.gender=male&clinical-status=active&_count=200",
    "Encounter?_has:Condition:encounter:code:missing=false&_count=100",
    "Claim?_include=Claim:patient&_count=20",
    "Patient?_content=street&_count=50",
    "Location?near=42.3|-71.1|50|km&_count=50",
    "Observation?value-quantity:missing=true&_total=accurate&_count=5",
    "Immunization?vaccine-code:text=influenza&_count=100",
)


def everything(data: Path, flags: tuple[str, ...]) -> dict[str, Any]:
    """What searches go by."""
    found = {table: told_at(data, flags, f"SELECT {columns} FROM {table}") for table, columns in INDEX.items()}
    shapes = "SELECT r.rid, s.type, s.params FROM resource r JOIN shape s ON s.id = r.shape"
    found["shape"] = told_at(data, flags, shapes)
    found["tally"] = told_at(data, flags, "SELECT type, cast(sum(n) AS bigint) FROM tally GROUP BY type")
    found["versions"] = told_at(data, flags, "SELECT rid, version, seq, method, body FROM resource")
    return {table: sorted(map(repr, rows)) for table, rows in found.items()}


def answers(running: Server) -> list[Any]:
    with running.client() as client:
        found = [client.get(query, headers={"Prefer": "handling=strict"}) for query in SEARCHES]
        assert [one.status_code for one in found] == [200] * len(found)
        bodies = [one.json() for one in found]
        return [
            (body.get("total"), [(e["search"]["mode"], e["resource"]) for e in body.get("entry", ())])
            for body in bodies
        ]


@needs_data
@pytest.mark.timeout(600)
def test_a_store_of_the_first_layout_is_migrated_with_all_its_patients(tmp_path: Path, flags: tuple[str, ...]) -> None:
    data = tmp_path / "data"
    files = sorted((DATA / "synthea" / "smart-generated").glob("*.json.gz"))
    files = [file for file in files if "Information" in file.name] + sorted(files, key=lambda f: f.stat().st_size)[5:9]
    assert hilum("load", *files, "--data", data, *flags, "--json").returncode == 0
    running = Server(tmp_path, *flags)
    with running.client() as client:  # versions that ended, a deletion, a deletion undone
        some = [e["resource"] for e in client.get("Patient?_count=10").json()["entry"]]
        assert client.put(f"Patient/{some[0]['id']}", json=some[0] | {"gender": "other"}, headers=FHIR_JSON).is_success
        for n in range(2):
            one = {"resourceType": "Patient", "id": f"gone{n}", "name": [{"family": "Gone"}]}
            assert client.put(f"Patient/gone{n}", json=one, headers=FHIR_JSON).is_success
            assert client.delete(f"Patient/gone{n}").is_success
        assert client.put("Patient/gone1", json=one, headers=FHIR_JSON).is_success
    before = answers(running)
    assert sum(len(entries) for _, entries in before) > 100
    running.stop()
    was = everything(data, flags)

    if flags:
        asyncio.run(first_layout.postgres(flags[1], "hilum"))
    else:
        first_layout.sqlite(str(data / "hilum.sqlite"))
    refused = hilum("check", "--data", data, *flags, "--port", 0)
    assert (refused.returncode, "Run `hilum migrate` first" in refused.stdout) == (1, True)
    done = hilum("migrate", "--data", data, *flags, "--json")
    assert (done.returncode, json.loads(done.stdout)["schema"]) == (0, 6), done.stderr
    assert everything(data, flags) == was
    assert compared_at(data, flags)["state"] == "ok"
    again = Server(tmp_path, *flags)
    assert answers(again) == before
    again.stop()
