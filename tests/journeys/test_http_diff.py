"""`$diff` over HTTP: what it tells, and a PATCH with it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server


def content(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("id", "meta")}


@pytest.fixture
def versions(fhir: httpx.Client, create: Create) -> str:
    """A patient of three versions."""
    patient = create("Patient", active=True, name=[{"family": "X", "given": ["A"]}])
    path = f"Patient/{patient['id']}"
    for more in ({"active": False}, {"gender": "other", "meta": {"tag": [{"code": "t"}]}}):
        patient = fhir.put(path, json=patient | more, headers=FHIR_JSON).json()
    return path


def test_a_patch_with_the_difference_makes_the_one_into_the_other(fhir: httpx.Client, versions: str) -> None:
    first, last = fhir.get(f"{versions}/_history/1").json(), fhir.get(versions).json()
    back = fhir.get(f"{versions}/$diff?fromVersion=3&toVersion=1").json()
    assert back["resourceType"] == "Parameters"
    assert content(fhir.patch(versions, json=back, headers=FHIR_JSON).json()) == content(first)
    forth = fhir.get(f"{versions}/$diff?fromVersion=1&toVersion=3&includeMeta=true").json()
    assert "Patient.meta" in str(forth)
    assert content(fhir.patch(versions, json=forth, headers=FHIR_JSON).json()) == content(last)


def test_by_default_from_the_version_before_to_the_present_one(fhir: httpx.Client, versions: str) -> None:
    by_post = fhir.post(f"{versions}/$diff")
    (only,) = by_post.json()["parameter"]
    said = [part.get("valueString", part.get("valueCode")) for part in only["part"]]
    assert said == ["add", "Patient", "gender", "other"]
    assert fhir.get(f"{versions}/$diff").json() == by_post.json()
    assert fhir.get(f"{versions}/$diff?fromVersion=3").json() == {"resourceType": "Parameters"}


def test_between_any_two_of_a_type(server: Server, fhir: httpx.Client, create: Create, versions: str) -> None:
    other = create("Patient", active=True)["id"]
    found = fhir.get("$diff", params={"from": f"{server.base}/{versions}/_history/1", "to": f"Patient/{other}"}).json()
    assert [part["valueString"] for one in found["parameter"] for part in one["part"][1:]] == ["Patient.name[0]"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("{0}/$diff?fromVersion=9", 404, "no such version"),
        ("{0}/$diff?fromVersion=0", 400, "fromVersion must be a whole number, 1 or more"),
        ("{0}/$diff?from=Patient/1", 400, "from is for $diff of the system"),
        ("$diff?fromVersion=1", 400, "fromVersion is for $diff of one resource"),
        ("$diff?from={0}", 400, "to is missing"),
        ("$diff?from={0}&to=http://elsewhere/Patient/1", 400, "to must name a resource of this server"),
        ("$diff?from={0}&to=Patient/never", 404, "does not exist"),
        ("$diff?from={0}&to=Nothing/1", 404, "no resource type"),
        ("Patient/never/$diff", 404, "does not exist"),
    ],
)
def test_what_is_refused(fhir: httpx.Client, versions: str, path: str, status: int, said: str) -> None:
    answer = fhir.get(path.format(versions))
    assert (answer.status_code, said in diagnostics(answer)) == (status, True), answer.text


def test_both_versions_are_judged(server: Server, fhir: httpx.Client, create: Create) -> None:
    own, other = create("Patient")["id"], create("Patient")["id"]
    body: dict[str, Any] = {"status": "final", "code": {"text": "x"}, "subject": {"reference": f"Patient/{other}"}}
    observation = create("Observation", **body)
    path = f"Observation/{observation['id']}"
    moved = observation | {"subject": {"reference": f"Patient/{own}"}}
    assert fhir.put(path, json=moved, headers=FHIR_JSON).status_code == 200
    assert fhir.get(f"{path}/$diff").status_code == 200
    with server.client("patient/*.rs", patient=own) as client:
        assert client.get(path).status_code == 200
        assert client.get(f"{path}/_history/1").status_code == 404  # it was somebody else's
        assert client.get(f"{path}/$diff").status_code == 404
        assert client.get(f"$diff?from=Patient/{other}&to=Patient/{own}").status_code == 404
    with server.client("patient/Patient.rs", patient=own) as client:
        assert client.get(f"{path}/$diff").status_code == 403


def test_a_deletion_is_no_version_to_compare(fhir: httpx.Client, versions: str) -> None:
    fhir.delete(versions)
    assert fhir.get(f"{versions}/$diff").status_code == 410
    assert fhir.get(f"{versions}/$diff?fromVersion=1&toVersion=2").status_code == 200
