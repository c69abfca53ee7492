"""`hilum ig` as it is used: beside a running server, killed in the middle, on both stores."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli import hilum, postgres_database
from tests.journeys.server import FHIR_JSON, Server
from tests.packages import PROFILE, packed, parameter, profile, value_set

from hilum.cli.loading.door import OWNER
from hilum.interactions import guides
from hilum.interactions.door import Door
from hilum.store.postgres import open_postgres
from hilum.store.sqlite import open_sqlite

FULL = os.environ.get("HILUM_FULL") == "1"

__all__ = ["postgres_database"]

FIT: dict[str, Any] = {"resourceType": "Patient", "name": [{"family": "Doe"}]}
UNFIT: dict[str, Any] = {"resourceType": "Patient", "name": [{"given": ["Kim"]}]}


def told(*arguments: object) -> Any:
    done = hilum("ig", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=["sqlite", "postgresql"])
def flags(request: pytest.FixtureRequest) -> list[str]:
    return [] if request.param == "sqlite" else ["--store", request.getfixturevalue("postgres_database")]


def within(seconds: float, holds: Any) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_guide_is_added_required_and_removed_beside_a_running_server(tmp_path: Path, flags: list[str]) -> None:
    file = tmp_path / "example.tgz"
    file.write_bytes(packed(profile(), value_set(), parameter()))
    server = Server(tmp_path, *flags, "--workers", "2" if flags else "1")
    place = ["--data", server.data, *flags]
    try:
        with server.client() as fhir:

            def writes(body: dict[str, Any]) -> int:
                return fhir.post("Patient", json=body, headers=FHIR_JSON).status_code

            claiming = {**UNFIT, "meta": {"profile": [PROFILE]}}
            assert writes(claiming) == 201
            (report,) = told("add", file, *place)["packages"]
            assert report["created"] == {
                "ImplementationGuide": 1,
                "SearchParameter": 1,
                "StructureDefinition": 1,
                "ValueSet": 1,
            }
            within(5, lambda: writes(claiming) == 422)
            assert writes(UNFIT) == 201
            assert fhir.get("StructureDefinition", params={"url": PROFILE}).json()["total"] == 1
            within(20, lambda: fhir.get("Patient", params={"tribe": "x"}).status_code == 200)
            said = fhir.get("metadata").json()
            assert said["implementationGuide"] == ["http://example.org/ig/ImplementationGuide/example.ig|1.0.0"]
            (patient,) = [one for one in said["rest"][0]["resource"] if one["type"] == "Patient"]
            assert patient["supportedProfile"] == [PROFILE]
            assert "tribe" in [one["name"] for one in patient["searchParam"]]
            assert told("require", "Patient", PROFILE, *place) == {"required": {"Patient": [PROFILE]}}
            within(5, lambda: writes(UNFIT) == 422)
            answer = fhir.post("Patient", json=UNFIT, headers=FHIR_JSON).json()
            assert any("Patient.name[0]" in str(one.get("expression")) for one in answer["issue"])
            assert "Kim" not in json.dumps(answer)
            assert writes(FIT) == 201
            listed = told("list", *place)
            assert ([one["name"] for one in listed["packages"]], listed["required"]) == (
                *(["example.ig"], {"Patient": [PROFILE]}),
            )
            refused = hilum("ig", "remove", "example.ig", *place)
            assert (refused.returncode != 0, "required" in refused.stderr) == (True, True)
            told("require", "Patient", PROFILE, "--remove", *place)
            assert told("remove", "example.ig#1.0.0", *place) == {"removed": ["example.ig#1.0.0"]}
            within(5, lambda: writes(claiming) == 201)
            assert "implementationGuide" not in fhir.get("metadata").json()
    finally:
        server.stop()


def test_documents_loads_and_what_is_no_package(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.stop()
    place = ["--data", server.data]
    file, patients = tmp_path / "example.tgz", tmp_path / "patients.ndjson"
    for content, why in ((b"", "no package"), (packed(fhirVersions=["5.0.0"]), "R5 (5.0.0)")):
        file.write_bytes(content)
        refused = hilum("ig", "add", file, *place)
        assert (refused.returncode != 0, why in refused.stderr, "Traceback" in refused.stderr) == (True, True, False)
    file.write_bytes(packed(profile()))
    told("add", file, *place)
    written = told("docs", "example.ig", "--out", tmp_path / "docs", *place)["written"]
    assert [str(Path(path).relative_to(tmp_path)) for path in written] == [
        f"docs/example.ig-1.0.0/{name}.md" for name in ("named-patient", "README")
    ]
    page, index = (Path(path).read_text() for path in written)
    assert "| `name` | **S** | 1..* | HumanName |" in page
    assert "`name.family` |  | 1..1 | string |" in page
    assert "[Named patient](named-patient.md) | Patient | 1 |" in index
    told("require", "Patient", PROFILE, *place)
    patients.write_text("".join(json.dumps({**one, "id": f"p{n}"}) + "\n" for n, one in enumerate((FIT, UNFIT, FIT))))
    done = hilum("load", patients, *place, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["created"]) == (1, {"Patient": 2})
    assert [one["position"] for one in report["refusals"]][:1] == [2]


def test_what_is_told_of_guides_is_whole_and_in_order(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.stop()
    place = ["--data", server.data]
    none = hilum("ig", "list", *place)
    assert (none.returncode, none.stdout, "`hilum ig add FILE.tgz` adds it" in none.stderr) == (0, "", True)
    file = tmp_path / "example.tgz"
    examples = [{"resourceType": "Patient", "id": f"p{n}"} for n in reversed(range(10, 40))]
    clashes = [{**parameter("gender"), "id": f"c{n}", "url": f"http://x/c{n}"} for n in range(10, 40)]
    file.write_bytes(packed(profile(), parameter(), *clashes, *examples))
    done = hilum("ig", "add", file, *place)
    assert (done.returncode, done.stdout) == (0, "example.ig#1.0.0\n")
    lines = [line.split() for line in done.stderr.splitlines()]
    left = [line[0] for line in lines if line and line[0].startswith("Patient-p")]
    assert left == [f"Patient-p{n}.json" for n in range(10, 40)]
    assert len([line for line in lines if line[:1] == ["gender"]]) == 30
    for text in ("Files left out: 30", "kept, and not used: 30", "Patient  tribe", "in all               33"):
        assert text in done.stderr
    again = hilum("ig", "list", *place)
    assert (again.stdout, again.stderr.split()[-1]) == ("example.ig#1.0.0\n", "33")


WHOLE = {"ImplementationGuide": 1, "StructureDefinition": 1, "ValueSet": 250}


async def loaded(place: Path, flags: list[str], *, remove: bool = False) -> tuple[list[str], dict[str, int]]:
    """The guides of a store and what it has by type; then they are removed, if that is asked for."""
    store = await open_postgres(flags[1]) if flags else await open_sqlite(str(place / "hilum.sqlite"))
    try:
        door = Door(store, "http://localhost/fhir")
        found = [one.label for one in await guides.guides(door)]
        count = {type: n for type, n in (await store.counts()).types.items() if type in WHOLE}
        if remove and found:
            await guides.remove(door, OWNER, "example.ig")
        return found, count
    finally:
        await store.close()


def test_killed_at_any_moment_all_of_a_package_is_there_or_nothing(tmp_path: Path, flags: list[str]) -> None:
    server = Server(tmp_path, *flags)
    server.stop()
    package = tmp_path / "example.tgz"
    package.write_bytes(packed(profile(), *(value_set(f"v{n}", "1.0.0", *map(str, range(40))) for n in range(250))))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HILUM_")}
    command = [sys.executable, "-m", "hilum.cli", "ig", "add", package, "--data", str(server.data), *flags]
    began = time.monotonic()
    assert subprocess.run(command, capture_output=True, env=environ, check=False, timeout=120).returncode == 0
    took = time.monotonic() - began
    for part in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0) if FULL else (0.8,):
        asyncio.run(loaded(server.data, flags, remove=True))
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ)
        time.sleep(took * part)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert asyncio.run(loaded(server.data, flags)) in (([], {}), (["example.ig#1.0.0"], WHOLE))
