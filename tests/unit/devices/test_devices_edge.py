"""Devices over HTTP: tokens, media types, envelopes, receipts, and what is audited of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.devices.world import METER, Body, Links, person, reading, sent, stored, uuid, values

from hilum.access.seal import Seal
from hilum.access.tokens import Granted, Issuer
from hilum.app.application import Application
from hilum.app.devices import Devices, is_push
from hilum.app.settings import Settings
from hilum.audit.recording import Silent
from hilum.devices.bundles import Name
from hilum.devices.gateway import Gateway
from hilum.devices.receipts import key
from hilum.devices.records import Agent
from hilum.fhir import json
from hilum.oauth import envelope
from hilum.oauth.ledger import DEVICE_AGENT, Client, Put, write
from hilum.rest.edge import Limits
from hilum.smart.apps import clients

SCOPES = "system/Observation.c system/Device.c"
FHIR = "application/fhir+json"
MOST = 200_000


class Noting(Silent):
    """What was noted: who, interaction, status."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str, int]] = []

    def note(self, who: Any, interaction: str, *rest: Any) -> int:
        self.noted.append((who.client, interaction, rest[3]))
        return 0


@dataclass
class World:
    app: Application
    devices: Devices
    links: Links
    trail: Noting
    interactions: list[str] = field(default_factory=list)

    def token(self, client: str = "agent-1", scopes: str = SCOPES) -> str:
        assert self.app._authorizing is not None
        issuer = Issuer(self.app._authorizing.ring, self.app.settings.fhir_base, time.time)
        return issuer.access(Granted(client, scopes))[0]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        response, request = await self.devices.respond(scope, dict(scope["headers"]), receive)
        self.interactions.append(request.interaction)
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    app = Application(Settings(data=tmp_path, log_level="error"))
    await app.start()
    assert app._edge is not None
    assert app._authorizing is not None
    door, links, trail = app._edge._service.door, Links(), Noting()
    gateway = Gateway(door, links, Seal(app._authorizing.ring.root))
    pushed = Devices(gateway, app._authorizing.verifier, Limits(MOST, MOST, MOST), trail, "sandbox")
    for name in ("agent-1", "agent-2"):
        jwks = {"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "kid": name}]}
        client = Client("Agent", "private_key_jwt", SCOPES, ("client_credentials",), jwks=jwks)
        assert await door.store.ledger.add(Put(1, name.encode(), write(client)))
    links.known[f"{METER.system_id}#"] = await person(pushed.gateway)
    yield World(app, pushed, links, trail)
    await app.stop()


@pytest.fixture
async def asking(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(world), base_url="http://hilum.test") as client:  # type: ignore[arg-type]
        client.headers["authorization"] = f"Bearer {world.token()}"
        yield client


async def post(asking: httpx.AsyncClient, body: Body | bytes, type: str = FHIR, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.encode(body)
    return await asking.post("/devices/bundles", content=content, headers={"content-type": type, **headers})


async def test_a_bundle_is_answered_entry_by_entry(world: World, asking: httpx.AsyncClient) -> None:
    body = sent()
    answer = await post(asking, body)
    said = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+json; charset=utf-8")
    assert (said["type"], said["identifier"]) == ("transaction-response", body["identifier"])
    assert [one["response"]["status"] for one in said["entry"]] == ["201", "200", "201", "201", "201"]
    assert "idempotency-replayed" not in answer.headers
    assert await values(world.devices.gateway) == ["104"]


async def test_the_same_again_is_the_same_answer_that_says_so(asking: httpx.AsyncClient) -> None:
    first, again = await post(asking, sent()), await post(asking, sent())
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotency-replayed"] == "true"


async def test_held_is_202(world: World, asking: httpx.AsyncClient) -> None:
    world.links.known.clear()
    answers = [await post(asking, sent()) for _ in range(2)]
    assert [one.status_code for one in answers] == [202, 202]
    assert answers[0].content == answers[1].content


async def test_other_content_is_422(asking: httpx.AsyncClient) -> None:
    await post(asking, sent())
    answer = await post(asking, sent(reading("105")))
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Bundle.identifier"]


async def test_a_sealed_bundle_is_the_same_as_a_plain_one(world: World, asking: httpx.AsyncClient) -> None:
    """Each time in another envelope: what counts is its content."""
    (jwk,) = (await asking.get("/devices/jwks.json")).json()["keys"]
    to = envelope.recipient(jwk)
    content = json.encode(sent())
    first, again = [await post(asking, envelope.sealed(content, to).encode(), "application/jose") for _ in range(2)]
    plain = await post(asking, content)
    assert [one.status_code for one in (first, again, plain)] == [200, 200, 200]
    assert first.content == again.content == plain.content
    assert again.headers["idempotency-replayed"] == plain.headers["idempotency-replayed"] == "true"
    assert await values(world.devices.gateway) == ["104"]


async def test_an_envelope_that_does_not_open_is_400(asking: httpx.AsyncClient) -> None:
    answer = await post(asking, b"a.b.c.d.e", "application/jose")
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")


async def test_keys_are_for_everybody(world: World, asking: httpx.AsyncClient) -> None:
    del asking.headers["authorization"]
    answer = await asking.get("/devices/jwks.json")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=300")
    assert world.trail.noted == []


REFUSED = {
    "no-media-type": ({"content-type": ""}, 415),
    "another-media-type": ({"content-type": "text/plain"}, 415),
    "compressed": ({"content-encoding": "gzip"}, 415),
    "no-token": ({"authorization": ""}, 401),
    "a-token-that-is-none": ({"authorization": "Bearer x"}, 401),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
async def test_what_is_not_taken_is_an_operation_outcome(asking: httpx.AsyncClient, case: str) -> None:
    headers, status = REFUSED[case]
    answer = await asking.post("/devices/bundles", content=b"{}", headers={"content-type": FHIR, **headers})
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


async def test_a_body_over_the_limit_is_413(asking: httpx.AsyncClient) -> None:
    assert (await post(asking, b" " * (MOST + 1))).status_code == 413


async def test_a_token_in_the_address_is_refused(asking: httpx.AsyncClient) -> None:
    assert (await asking.get("/devices/me?access_token=x")).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/devices/bundles", 405), ("POST", "/devices/me", 405), ("GET", "/devices/me/more", 404)],
    ids=["reading-bundles", "posting-to-me", "below-me"],
)
async def test_no_other_method_or_path(asking: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    assert (await asking.request(method, path)).status_code == status


@pytest.mark.parametrize(
    ("path", "here"),
    [
        (b"/devices/bundles", True),
        (b"/devices/receipts/7", True),
        (b"/devices/me", True),
        (b"/devices/jwks.json", True),
        (b"/devices", False),
        (b"/devices/", False),
        (b"/devices/patients/7", False),
        (b"/devices/meter", False),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else "",
)
def test_pages_lie_beside(path: bytes, here: bool) -> None:
    assert is_push(path) is here


async def test_a_revoked_client_is_refused_at_once(world: World, asking: httpx.AsyncClient) -> None:
    assert (await post(asking, sent())).status_code == 200
    assert world.app._store is not None
    assert world.app._authorizing is not None
    found = await clients.get(world.app._store.ledger, "agent-1")
    assert found is not None
    await clients.revoke(world.app._store.ledger, found, time.time())
    await world.app._authorizing._watch.look()
    assert (await post(asking, sent())).status_code == 401
    assert (await post(asking, sent(reading("105", 1), number=2))).status_code == 401
    assert await values(world.devices.gateway) == ["104"]


async def test_a_revoked_device_is_403_and_named(world: World, asking: httpx.AsyncClient) -> None:
    world.links.revoked.add(METER.system_id)
    answer = await post(asking, sent())
    assert answer.status_code == 403
    assert METER.system_id in answer.json()["issue"][0]["diagnostics"]


# --- receipts ---------------------------------------------------------------------------------------------------------


async def test_a_receipt_is_asked_for_by_the_uuid_of_its_bundle(world: World, asking: httpx.AsyncClient) -> None:
    body = sent()
    await post(asking, body)
    answer = await asking.get(f"/devices/receipts/{uuid(1).removeprefix('urn:uuid:')}")
    said = answer.json()
    assert (answer.status_code, said["status"], said["identifier"]) == (200, "stored", body["identifier"])
    there = {f"Observation/{one.id}" for one in await stored(world.devices.gateway)}
    assert {one["reference"] for one in said["entries"] if one["reference"].startswith("Observation")} == there


async def test_of_a_bundle_with_another_identifier_by_its_digest(asking: httpx.AsyncClient) -> None:
    body = sent()
    body["identifier"] = {"system": "http://ward.example", "value": "7"}
    await post(asking, body)
    id = key("agent-1", Name("http://ward.example", "7")).hex()
    assert (await asking.get(f"/devices/receipts/{id}")).json()["id"] == id


async def test_a_held_one_says_why(world: World, asking: httpx.AsyncClient) -> None:
    world.links.known.clear()
    await post(asking, sent())
    said = (await asking.get(f"/devices/receipts/{uuid(1).removeprefix('urn:uuid:')}")).json()
    assert (said["status"], said["why"], said["entries"]) == ("held", "Nobody has said whose these are.", [])


async def test_nobody_sees_receipts_of_others(world: World, asking: httpx.AsyncClient) -> None:
    await post(asking, sent())
    path = f"/devices/receipts/{uuid(1).removeprefix('urn:uuid:')}"
    asking.headers["authorization"] = f"Bearer {world.token('agent-2')}"
    assert (await asking.get(path)).status_code == 404


@pytest.mark.parametrize("id", ["nothing", "0" * 64, "00000000-0000-4000-8000-000000000099"])
async def test_there_is_no_receipt_of_what_never_came(asking: httpx.AsyncClient, id: str) -> None:
    assert (await asking.get(f"/devices/receipts/{id}")).status_code == 404


# --- who asks, and what is noted --------------------------------------------------------------------------------------


async def test_an_agent_is_told_what_it_is_enrolled_as(world: World, asking: httpx.AsyncClient) -> None:
    assert (await asking.get("/devices/me")).json() == {"client": "agent-1", "enrolled": False}
    record = Agent("Ward 3", patients=("1", "2"))
    await world.devices.gateway.door.store.ledger.add(Put(DEVICE_AGENT, b"agent-1", write(record)))
    assert (await asking.get("/devices/me")).json() == {
        "client": "agent-1",
        "enrolled": True,
        "name": "Ward 3",
        "patients": ["1", "2"],
        "anyone": False,
        "default": "",
    }


async def test_what_no_commit_tells_of_is_noted(world: World, asking: httpx.AsyncClient) -> None:
    await post(asking, sent())  # the commit tells
    await post(asking, sent())
    world.links.known.clear()
    await post(asking, sent(reading("105", 1), number=2))
    await post(asking, b"{")
    await asking.get("/devices/me")
    assert world.trail.noted == [
        ("agent-1", "device-bundle", 200),
        ("agent-1", "device-bundle", 202),
        ("agent-1", "device-bundle", 400),
        ("agent-1", "device-me", 200),
    ]
    assert set(world.interactions) == {"device-bundle", "device-me"}
