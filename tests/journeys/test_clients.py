"""FHIR clients that others wrote, unchanged, against a real server: PyPI fhirpy and fhirclient, npm fhir-kit-client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fhirclient import client as smart_client
from fhirclient.models.fhirdate import FHIRDate
from fhirclient.models.humanname import HumanName
from fhirclient.models.patient import Patient
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound
from tests.journeys.server import Server

NODE = Path(__file__).parent / "node"


def test_fhirpy_creates_reads_searches_updates_patches_and_deletes(server: Server) -> None:
    client = SyncFHIRClient(server.base, authorization=f"Bearer {server.token()}")
    patient = client.resource("Patient", name=[{"family": "Fhirpy", "given": ["Ana"]}], birthDate="1980-02-29")
    patient.save()
    assert patient["meta"]["versionId"] == "1"
    observation = client.resource(
        "Observation",
        status="final",
        code={"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        subject=patient.to_reference(),
        valueQuantity={"value": 70.5, "unit": "kg"},
    )
    observation.save()
    found = client.resources("Observation").search(subject=patient.to_reference().reference, code="29463-7").fetch_all()
    assert [one.id for one in found] == [observation.id]
    assert found[0]["subject"].to_resource().id == patient.id
    patient["gender"] = "female"
    patient.save()
    assert client.reference("Patient", patient.id).to_resource()["gender"] == "female"
    same, created = (
        client.resources("Patient")
        .search(identifier="urn:fhirpy|1")
        .update(client.resource("Patient", identifier=[{"system": "urn:fhirpy", "value": "1"}]))
    )
    again, created_again = (
        client.resources("Patient")
        .search(identifier="urn:fhirpy|1")
        .update(client.resource("Patient", identifier=[{"system": "urn:fhirpy", "value": "1"}], active=True))
    )
    assert (created, created_again, same.id, again["active"]) == (True, False, again.id, True)
    observation.delete()
    with pytest.raises((ResourceNotFound, OperationOutcome)):
        client.reference("Observation", observation.id).to_resource()


async def test_fhirpy_pages_through_a_search_asynchronously(server: Server) -> None:
    client = AsyncFHIRClient(server.base, authorization=f"Bearer {server.token()}")
    for number in range(7):
        await client.resource("Patient", name=[{"family": f"Paged{number}"}]).save()
    names = [one["name"][0]["family"] async for one in client.resources("Patient").search(family="Paged").limit(3)]
    assert sorted(names) == [f"Paged{number}" for number in range(7)]
    assert await client.resources("Patient").search(family="Paged").count() == 7


def test_fhirclient_creates_reads_searches_updates_and_deletes(server: Server) -> None:
    smart = smart_client.FHIRClient(settings={"app_id": "journey", "api_base": server.base})
    smart.server.session.headers["Authorization"] = f"Bearer {server.token()}"
    patient = Patient()
    patient.name = [HumanName({"family": "Fhirclient", "given": ["Bo"]})]
    patient.birthDate = FHIRDate("1990-12-31")
    made = patient.create(smart.server)
    read = Patient.read(made["id"], smart.server)
    assert (read.name[0].family, read.birthDate.isostring) == ("Fhirclient", "1990-12-31")
    read.gender = "male"
    assert read.update(smart.server)["meta"]["versionId"] == "2"
    found = Patient.where(struct={"family": "Fhirclient", "birthdate": "1990-12-31"}).perform_resources(smart.server)
    assert [(one.id, one.gender) for one in found] == [(made["id"], "male")]
    read.delete(smart.server)
    assert Patient.where(struct={"_id": made["id"]}).perform_resources(smart.server) == []


@pytest.mark.skipif(shutil.which("node") is None and not os.environ.get("CI"), reason="node is not installed")
def test_fhir_kit_client_makes_a_whole_trip(server: Server) -> None:
    if not (NODE / "node_modules").is_dir() and not os.environ.get("CI"):
        pytest.skip("run `make node` first: fhir-kit-client is not installed")
    done = subprocess.run(
        ["node", str(NODE / "trip.mjs"), server.base, server.token()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "fhirVersion": "4.0.1",
        "created": "1",
        "family": "Kit",
        "updated": "2",
        "history": 2,
        "searched": 1,
        "pages": 3,
        "patched": "female",
        "transaction": ["201", "201"],
        "deleted": 410,
    }
