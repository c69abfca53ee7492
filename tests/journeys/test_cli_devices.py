"""`hilum devices`: an agent is invited and registers, a device is linked, both are shut out; on a store of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.journeys.cli import hilum
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_smart_backend import ask, assertion, new_key, public

METER = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680|00-E5-DE-AD-77-C3-00-01"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("devices"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def patient(served: Server) -> str:
    with served.client() as fhir:
        return str(fhir.post("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON).json()["id"])


def devices(served: Server, *words: str) -> Any:
    done = hilum("devices", *words, "--data", served.data, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_agent_is_invited_registers_gets_a_token_and_is_shut_out(served: Server, patient: str) -> None:
    made = devices(served, "invite", "--patient", patient, "--default", "--name", "Home")
    key = new_key("ES384")
    document = {
        "client_name": "Box", "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"],
        "scope": "system/Observation.cs system/Device.cs", "jwks": {"keys": [public(key)]},
    }  # fmt: skip
    headers = {"authorization": f"Bearer {made['initial_access_token']}"}
    registered = httpx.post(f"{served.url}/auth/register", json=document, headers=headers)
    assert (registered.status_code, registered.json()["scope"]) == (201, "system/Observation.c system/Device.c")
    again = httpx.post(f"{served.url}/auth/register", json=document, headers=headers)
    assert again.status_code == 401
    id = registered.json()["client_id"]
    (agent,) = devices(served, "list", "--agents")["agents"]
    assert (agent["id"], agent["name"], agent["default"], agent["revoked"]) == (id, "Home", f"Patient/{patient}", False)
    audience, scope = f"{served.url}/auth/token", "system/Observation.c"
    assert ask(served, assertion(key, id, audience), scope).status_code == 200
    assert devices(served, "revoke", id)["revoked"]
    assert devices(served, "list", "--agents")["agents"][0]["revoked"]
    assert ask(served, assertion(key, id, audience), scope).status_code in (400, 401)


def test_a_device_is_linked_revoked_restored_and_unlinked(served: Server, patient: str) -> None:
    linked = devices(served, "link", METER, patient, "--person", "2")
    assert [(one["person"], one["patient"]) for one in linked["links"]] == [("2", f"Patient/{patient}")]
    assert devices(served, "revoke", "00-E5-DE-AD-77-C3-00-01")["revoked"]
    assert not devices(served, "restore", linked["id"])["revoked"]
    assert devices(served, "list") == {"devices": [linked]}
    assert devices(served, "unlink", METER, "--person", "2")["links"] == []
    assert devices(served, "held") == {"held": []}
    assert devices(served, "release") == {"released": 0}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("invite", "--default"), "--default needs one --patient"),
        (("invite", "--patient", "nobody"), "nobody"),
        (("show", "nothing"), "No such device"),
        (("unlink", "nothing"), "No such device"),
    ],
    ids=["default of none", "unknown patient", "unknown", "unlinked"],
)
def test_what_can_not_be_is_told(served: Server, words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = hilum("devices", *words, "--data", served.data)
    assert done.returncode == 1
    assert said in done.stderr
