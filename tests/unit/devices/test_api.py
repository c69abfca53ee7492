"""Agents, devices, links and what is held, by the API at its edge."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.unit.devices.enrolled import AGENT, AMY, DOCTOR, NOW, OWNER, World, world

from hilum.app.api import Api
from hilum.audit.recording import Silent
from hilum.devices.contacts import Contacts, Seen
from hilum.devices.inviting import SCOPES
from hilum.devices.waiting import Waiting

PEOPLE = {"owner": OWNER, "doctor": DOCTOR, "amy": AMY, "agent": AGENT}
DEVICES = "/api/v1/devices"


@dataclass
class Here:
    world: World
    api: Api

    async def ask(self, method: str, path: str, body: Any = None, token: str = "owner") -> tuple[int, Any]:
        raw = b"" if body is None else json.dumps(body).encode()
        sent = {b"authorization": token.encode()}
        if raw:
            sent |= {b"content-type": b"application/json", b"content-length": b"%d" % len(raw)}
        place, _, query = path.partition("?")
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": place, "raw_path": place.encode(),
            "query_string": query.encode(), "headers": list(sent.items()), "scheme": "https",
            "server": ("hilum.test", 443),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        response, _ = await self.api.respond(scope, sent, receive)
        return response.status, json.loads(response.body)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    async def authenticate(headers: Mapping[bytes, bytes]) -> Any:
        return PEOPLE[headers[b"authorization"].decode()]

    async with world(tmp_path) as found:
        broker = SimpleNamespace(
            authenticate=authenticate, trail=Silent(), connections=SimpleNamespace(environment="sandbox")
        )
        yield Here(found, Api(cast(Any, broker), None, found.registry))


async def test_an_agent_is_invited_shown_and_revoked(here: Here) -> None:
    status, made = await here.ask("POST", f"{DEVICES}/invitations", {"name": "Home", "patients": ["Patient/amy"]})
    assert (status, made["scope"], made["expires_in"]) == (201, SCOPES, 604_800)
    assert made["token"].startswith("hit_")
    from hilum.devices.inviting import Invited

    id = await here.world.enrol(Invited("Home", ("amy",), default="amy"))
    shown = {
        "id": id, "name": "Home", "patients": ["Patient/amy"], "anyone": False, "default": "Patient/amy",
        "device": None, "version": None, "invited_by": "ada", "enrolled": "2027-01-15T08:00:00Z", "last_contact": None,
        "revoked": False,
    }  # fmt: skip
    assert await here.ask("GET", f"{DEVICES}/agents", token="doctor") == (200, {"agents": [shown]})
    assert await here.ask("GET", f"{DEVICES}/agents/{id}") == (200, shown)
    assert await here.ask("POST", f"{DEVICES}/agents/{id}/revoke") == (200, shown | {"revoked": True})


async def test_a_device_is_linked_unlinked_revoked_and_restored(here: Here) -> None:
    contacts = Contacts(here.world.registry.ledger)
    contacts.device(Seen("urn:mac", "AA-BB", NOW, "agent", serial="1204", battery=7))
    await contacts.flush()
    status, known = await here.ask("GET", f"{DEVICES}/1204", token="doctor")
    assert (status, known["battery"], known["last_contact"], known["links"]) == (200, 7, "2027-01-15T08:00:00Z", [])
    place = f"{DEVICES}/{known['id']}"
    status, linked = await here.ask("POST", f"{place}/link", {"patient": "Patient/amy", "person": "2"}, "doctor")
    made = {"person": "2", "patient": "Patient/amy", "by": "doc", "at": "2027-01-15T08:00:00Z"}
    assert (status, linked) == (200, known | {"links": [made]})
    assert (await here.ask("POST", f"{place}/link", {"patient": "ben", "person": "2"}))[0] == 409
    assert await here.ask("POST", f"{place}/revoke") == (200, linked | {"revoked": True})
    assert await here.ask("POST", f"{place}/restore") == (200, linked)
    assert await here.ask("POST", f"{place}/unlink", {"person": "2"}) == (200, known)
    assert await here.ask("GET", DEVICES) == (200, {"devices": [known]})


async def test_a_device_that_was_never_seen_is_linked_by_its_identifier(here: Here) -> None:
    status, made = await here.ask("POST", DEVICES, {"system": "urn:mac", "value": "CC", "patient": "ben"})
    assert (status, made["value"], made["last_contact"]) == (201, "CC", None)


async def test_what_is_held_is_listed_and_tried_again(here: Here) -> None:
    here.world.waits.some = [Waiting("r1", "agent", NOW, "Nobody has said whose these are.", 3)]
    held = {
        "id": "r1", "agent": "agent", "since": "2027-01-15T08:00:00Z", "why": "Nobody has said whose these are.",
        "entries": 3,
    }  # fmt: skip
    assert await here.ask("GET", f"{DEVICES}/held") == (200, {"held": [held]})
    assert await here.ask("POST", f"{DEVICES}/held/release?id=r1") == (200, {"released": 1})
    assert here.world.waits.tried == ["r1"]


@pytest.mark.parametrize("token", ["amy", "agent"])
@pytest.mark.parametrize("path", ["", "/agents", "/held", "/agents/x", "/x"])
async def test_who_may_not_see_all_devices_sees_none(here: Here, token: str, path: str) -> None:
    assert (await here.ask("GET", DEVICES + path, token=token))[0] == 403


async def test_a_clinician_does_not_enrol_agents(here: Here) -> None:
    assert (await here.ask("POST", f"{DEVICES}/invitations", {}, "doctor"))[0] == 403
    assert (await here.ask("POST", f"{DEVICES}/agents/x/revoke", None, "doctor"))[0] == 403


@pytest.mark.parametrize(
    "body", [{"patient": "a/b"}, {"patient": "amy", "person": "x"}, {}], ids=["id", "user", "none"]
)
async def test_links_that_are_no_links_are_refused(here: Here, body: Any) -> None:
    assert (await here.ask("POST", f"{DEVICES}/x/link", body))[0] == 400
