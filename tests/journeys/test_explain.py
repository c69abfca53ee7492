"""How a search was done: `Prefer: explain` and `hilum explain`; who may know it; full text on and off."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from tests.journeys.cli import hilum
from tests.journeys.conftest import Create
from tests.journeys.server import Server

EXPLAIN = {"Prefer": "explain"}


def told(answer: httpx.Response) -> list[str]:
    """What the outcome entry of a searchset says."""
    assert answer.status_code == 200, answer.text
    (entry,) = [one for one in answer.json().get("entry", ()) if one["search"]["mode"] == "outcome"]
    return [issue["diagnostics"] for issue in entry["resource"]["issue"]]


def test_prefer_explain_tells_the_plan_and_no_value(fhir: httpx.Client, create: Create) -> None:
    create("Patient", name=[{"family": "Explained"}], birthDate="1970-01-01")
    answer = fhir.get("Patient?family=explained&birthdate=1970&_sort=-birthdate", headers=EXPLAIN)
    lines = told(answer)
    assert lines[0].startswith("Patient: family drives")
    assert any("probed for birthdate" in line for line in lines)
    assert any(line.startswith("page: 1 resource") for line in lines)
    assert "1970" not in " ".join(lines)
    assert "explained" not in " ".join(lines)
    assert "outcome" not in fhir.get("Patient?family=explained").text


def test_a_plan_is_not_for_those_who_see_a_part(server: Server, create: Create) -> None:
    made = create("Patient", name=[{"family": "Secretive"}])
    with server.client("patient/*.rs", patient=made["id"]) as patient:
        (line,) = told(patient.get("Patient?_count=1", headers=EXPLAIN))
        assert line.startswith("Prefer: explain is for tokens that may search all")
    with server.client("system/Patient.rs patient/Observation.rs", patient=made["id"]) as partly:
        (line,) = told(partly.get("Patient?_has:Observation:subject:code=x", headers=EXPLAIN))
        assert line.startswith("Prefer: explain is for tokens that may search all")
        (line,) = told(partly.get("Patient?family=secretive", headers=EXPLAIN))
        assert line.startswith("Prefer: explain is for tokens that may search all")
    with server.client("user/*.s") as all_of_it:
        assert told(all_of_it.get("Patient?family=secretive", headers=EXPLAIN))[0].startswith("Patient: family drives")


def test_the_command_tells_the_same_beside_a_running_server(server: Server, fhir: httpx.Client, create: Create) -> None:
    create("Patient", name=[{"family": "Beside"}])
    done = hilum("explain", "Patient?family=beside&_count=1", "--data", server.data)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Patient: family drives")
    done = hilum("explain", "Patient?family=beside", "--json", "--data", server.data)
    steps: list[dict[str, Any]] = json.loads(done.stdout)["steps"]
    assert steps[0]["step"] == "driver"
    assert [step["resources"] for step in steps if step["step"] == "page"] == [1]
    wrong = hilum("explain", "Pateint?family=x", "--data", server.data)
    assert (wrong.returncode, "Did you mean Patient" in wrong.stderr) == (1, True)


def test_without_full_text_its_parameters_are_neither_listed_nor_taken(start: Callable[..., Server]) -> None:
    running = start("--no-full-text")
    with running.client() as client:
        names = {one["name"] for one in client.get("metadata").json()["rest"][0]["searchParam"]}
        assert names.isdisjoint(("_text", "_content"))
        refused = client.get("Patient?_content=x")
        assert refused.status_code == 400
        assert "full_text" in refused.text
        ignored = client.get("Patient?_text=x", headers={"Prefer": "handling=lenient"})
        assert "full_text" in told(ignored)[0]
