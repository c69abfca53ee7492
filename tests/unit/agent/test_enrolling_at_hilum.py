"""The agent at a real `hilum serve`: it registers itself, gets tokens, and sends each reading once (way `fhir`)."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli import hilum
from tests.journeys.server import FHIR_JSON, Server
from tests.unit.agent.sending.far_sides import BATCH, Notes, batch
from tests.unit.phd.fhir.making import CUFF, glucose, pressure, taken

from hilum.agent import identity
from hilum.agent.batch import Stopped, Stored
from hilum.agent.enrolling import SCOPE, Enrolled, Wanted, enroll
from hilum.agent.identity import Identity
from hilum.agent.sending import way
from hilum.problems import Misconfigured


@dataclass
class File:
    data: Path
    table: dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("hilum"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def invitation(server: Server) -> str:
    done = hilum("clients", "invite", "--scopes", SCOPE, "--data", server.data)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agent")


@pytest.fixture(scope="module")
def enrolled(server: Server, invitation: str, folder: Path) -> Enrolled:
    return asyncio.run(enroll(folder, Wanted(server.url, invitation, name="Kitchen")))


@pytest.fixture
def patient(server: Server) -> str:
    with server.client() as client:
        made = client.post("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON)
    return str(made.json()["id"])


def sends(server: Server, patient: str, one: Identity) -> Any:
    send = {"to": server.base, "way": "fhir"}
    whose = [{"device": CUFF.key, "id": patient}]
    return way(File(one.folder, {"send": send, "patient": whose}), one, Notes())


def observations(server: Server, patient: str) -> list[dict[str, Any]]:
    with server.client() as client:
        found = client.get("Observation", params={"patient": patient, "_count": "50"})
        return [one["resource"] for one in found.json(parse_float=Decimal).get("entry", [])]


async def test_it_is_registered_for_what_the_invitation_allows(
    enrolled: Enrolled, server: Server, folder: Path
) -> None:
    assert (enrolled.waits, enrolled.identity.fhir, enrolled.identity.issuer) == ("", server.base, server.url)
    assert enrolled.identity.scope == SCOPE
    assert identity.read(folder).client_id == enrolled.identity.client_id
    assert tomllib.loads((folder / "agent.toml").read_text())["send"]["to"] == enrolled.to


async def test_an_invitation_is_good_for_one(
    enrolled: Enrolled, server: Server, invitation: str, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured, match="used up"):
        await enroll(tmp_path, Wanted(server.url, invitation))


async def test_a_batch_that_is_sent_twice_is_there_once_with_its_digits(
    enrolled: Enrolled, server: Server, patient: str
) -> None:
    one = batch(taken(glucose("18.90"), pressure(), glucose("5.0", stamp=None), battery=80))
    for again in (one, one, replace(one, id=BATCH, tries=1)):
        sending = sends(server, patient, enrolled.identity)
        fate = await sending.send(again)
        await sending.close()
        assert isinstance(fate, Stored), fate
    found = observations(server, patient)
    assert len(found) == 5, "what the clock said, three measurements, the battery"
    values = sorted(str(one["valueQuantity"]["value"]) for one in found if "valueQuantity" in one)
    assert values == ["18.90", "5.0", "80"]


async def test_an_agent_that_was_shut_out_is_told_to_a_person(server: Server, patient: str, tmp_path: Path) -> None:
    token = hilum("clients", "invite", "--scopes", SCOPE, "--data", server.data).stdout.strip()
    one = (await enroll(tmp_path, Wanted(server.url, token))).identity
    done = hilum("clients", "revoke", one.client_id, "--data", server.data)
    assert done.returncode == 0, done.stderr
    sending = sends(server, patient, one)
    fate = await sending.send(batch(taken(glucose())))
    await sending.close()
    assert isinstance(fate, Stopped) and "enroll it again" in fate.why
