"""A bundle of a device that nobody has linked yet: held, and stored when somebody has said whose it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
from tests.journeys.cli import hilum
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_pages_of_devices import AGENT, METER, glucose, taken
from tests.journeys.test_smart_backend import ask, assertion, new_key, public

from hilum.fhir import json as bytes_of
from hilum.phd.fhir.bundles import bundle
from hilum.phd.fhir.devices import telling
from hilum.phd.fhir.patients import Patient


def devices(served: Server, *words: str) -> Any:
    done = hilum("devices", *words, "--data", served.data, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_held_is_stored_when_its_device_is_linked_and_a_revoked_one_is_refused(tmp_path: Path) -> None:
    served = Server(tmp_path)
    try:
        with served.client() as fhir:
            patient = fhir.post("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON).json()["id"]
        invited, key = devices(served, "invite", "--name", "Home"), new_key("ES384")
        document = {
            "client_name": "Box", "token_endpoint_auth_method": "private_key_jwt",
            "grant_types": ["client_credentials"], "scope": "system/Observation.cs system/Device.cs",
            "jwks": {"keys": [public(key)]},
        }  # fmt: skip
        headers = {"authorization": f"Bearer {invited['initial_access_token']}"}
        id = httpx.post(f"{served.url}/auth/register", json=document, headers=headers).json()["client_id"]
        asked = ask(served, assertion(key, id, f"{served.url}/auth/token"), "system/Observation.c system/Device.c")
        sends = {"authorization": f"Bearer {asked.json()['access_token']}", **FHIR_JSON}
        value = telling(METER).value
        subject = Patient(system=f"{served.url}/devices/person", value=f"{value}#")

        def push(n: int, *values: str) -> httpx.Response:
            some = [glucose(n + day, one) for day, one in enumerate(values)]
            body = bundle(taken(METER, *some), AGENT, subject, f"urn:uuid:00000000-0000-4000-8000-{n:012}")
            return httpx.post(f"{served.url}/devices/bundles", content=bytes_of.encode(body), headers=sends, timeout=30)

        first = push(1, "6.1", "18.9")
        assert first.status_code == 202, first.text
        assert push(1, "6.1", "18.9").headers["idempotency-replayed"] == "true"
        (waits,) = devices(served, "held")["held"]
        assert waits["agent"] == id
        devices(served, "link", "|".join(telling(METER)), patient)
        assert devices(served, "held") == {"held": []}
        with served.client() as fhir:
            found = fhir.get(f"Observation?patient={patient}&code=160184").json()["entry"]
        assert sorted(one["resource"]["valueQuantity"]["value"] for one in found) == [6.1, 18.9]
        assert push(20, "7.0").status_code == 200
        devices(served, "revoke", value)
        refused = push(30, "7.1")
        assert refused.status_code == 403
        assert value in refused.text
        served.stop()  # which writes the last contacts
        (known,) = devices(served, "list")["devices"]
        assert (known["agent"], known["battery"], known["model"], known["revoked"]) == (id, 80, "Gluco 2", True)
    finally:
        if served.process.poll() is None:
            served.stop()
