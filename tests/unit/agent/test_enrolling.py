"""Enrolment at a far side: what is written, what is registered, and what a person is told where it can't be."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.sending.far_sides import Reply, Side, far_side
from tests.unit.agent.smart_server import SmartServer

from hilum.agent import identity
from hilum.agent.enrolling import SCOPE, Enrolled, Wanted, enroll
from hilum.agent.sending import settings
from hilum.problems import Misconfigured


@pytest.fixture
def server() -> SmartServer:
    return SmartServer()


@pytest.fixture
async def side(tmp_path: Path, server: SmartServer) -> AsyncIterator[Side]:
    async with far_side(tmp_path, server) as side:
        server.url = side.url
        yield side


async def enrolled(tmp_path: Path, side: Side, path: str = "", token: str = "hit_1", **more: Any) -> Enrolled:
    return await enroll(tmp_path / "agent", Wanted(side.url + path, token, name="Kitchen", ca=side.ca, **more))


async def test_an_agent_enrolls_at_a_gateway(tmp_path: Path, side: Side, server: SmartServer) -> None:
    found = await enrolled(tmp_path, side)
    kept = identity.read(tmp_path / "agent")
    assert (found.way, found.to, found.waits, found.wrote) == ("gateway", side.url, "", True)
    assert replace(kept, key=found.identity.key) == found.identity
    assert (kept.client_id, kept.fhir, kept.gateway) == ("c1", f"{side.url}/fhir", side.url)
    assert kept.envelope == server.sealing
    assert server.registered == {
        "client_name": "Kitchen",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES384",
        "jwks": {"keys": [kept.jwk]},
        "scope": SCOPE,
        "software_id": "hilum-agent",
        "software_version": server.registered["software_version"],
    }


async def test_what_it_writes_is_for_its_owner_alone_and_no_key_is_sent(
    tmp_path: Path, side: Side, server: SmartServer
) -> None:
    await enrolled(tmp_path, side)
    folder = tmp_path / "agent"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()}
    assert modes == dict.fromkeys(("agent.toml", "ca.pem", "identity.json", "key.pem"), 0o600)
    assert "d" not in server.registered["jwks"]["keys"][0]
    assert "hit_1" not in "".join(one.read_text() for one in folder.iterdir())


async def test_its_first_settings_can_be_read(tmp_path: Path, side: Side) -> None:
    await enrolled(tmp_path, side)
    table = tomllib.loads((tmp_path / "agent" / "agent.toml").read_text())
    assert table == {"send": {"to": side.url, "way": "gateway", "ca": "ca.pem"}}
    assert settings.read(table, tmp_path / "agent").ca == tmp_path / "agent" / "ca.pem"


async def test_settings_that_are_there_are_left(tmp_path: Path, side: Side) -> None:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "agent.toml").write_text("# mine\n")
    assert not (await enrolled(tmp_path, side)).wrote
    assert (tmp_path / "agent" / "agent.toml").read_text() == "# mine\n"


async def test_a_fhir_server_is_sent_to_as_such(tmp_path: Path, side: Side, server: SmartServer) -> None:
    server.gateway, server.base = False, "/r4"
    found = await enrolled(tmp_path, side, "/r4/")
    assert (found.way, found.to, found.identity.gateway, found.identity.envelope) == (
        "fhir",
        f"{side.url}/r4",
        "",
        None,
    )


async def test_it_asks_for_what_it_was_registered_for(tmp_path: Path, side: Side, server: SmartServer) -> None:
    server.scope = "system/Observation.c"
    assert (await enrolled(tmp_path, side)).identity.scope == "system/Observation.c"


async def test_an_agent_is_enrolled_once(tmp_path: Path, side: Side, server: SmartServer) -> None:
    first = await enrolled(tmp_path, side)
    with pytest.raises(Misconfigured, match="--again"):
        await enrolled(tmp_path, side)
    server.invitation = "hit_2"
    again = await enrolled(tmp_path, side, token="hit_2", again=True)
    assert again.identity.jwk == first.identity.jwk
    assert again.identity.system_id == first.identity.system_id


async def test_by_hand_it_waits_until_somebody_has_registered_its_key(
    tmp_path: Path, side: Side, server: SmartServer
) -> None:
    found = await enrolled(tmp_path, side, token="", client_id="c1")
    assert "does not know this agent" in found.waits
    server.keys = {"keys": [found.identity.jwk]}
    found = await enrolled(tmp_path, side, token="", client_id="c1", again=True)
    assert (found.waits, found.way) == ("", "gateway")


TROUBLES: dict[str, tuple[dict[str, Any], str]] = {
    "an invitation that is used up": ({"invitation": "hit_other"}, "used up"),
    "no registration": ({"says": {"registration_endpoint": None}}, "--client-id"),
    "no keys": ({"says": {"token_endpoint_auth_methods_supported": ["client_secret_basic"]}}, "private_key_jwt"),
    "other signatures": ({"says": {"token_endpoint_auth_signing_alg_values_supported": ["RS384"]}}, "ES384"),
    "no backend services": ({"says": {"grant_types_supported": ["authorization_code"]}}, "client_credentials"),
    "a token endpoint without TLS": ({"says": {"token_endpoint": "http://far.example/token"}}, "https"),
    "no configuration": ({"base": "/elsewhere"}, "no SMART configuration"),
    "closed": ({"registering": Reply(403, {"error": "access_denied"})}, "by hand"),
    "other metadata": ({"registering": Reply(400, {"error": "invalid_client_metadata"})}, "--scope"),
    "a busy server": ({"registering": Reply(503)}, "later"),
    "no client id": ({"registering": Reply(201, {})}, "without a client id"),
    "no token": ({"token": Reply(400, {"error": "invalid_scope"})}, "is registered, and gets no token"),
}


@pytest.mark.parametrize(("said", "told"), TROUBLES.values(), ids=TROUBLES.keys())
async def test_what_a_person_is_told(
    tmp_path: Path, side: Side, server: SmartServer, said: dict[str, Any], told: str
) -> None:
    for name, value in said.items():
        setattr(server, name, value)
    with pytest.raises(Misconfigured, match=told) as error:
        await enrolled(tmp_path, side)
    assert "hit_" not in str(error.value)
    assert not (tmp_path / "agent" / "agent.toml").exists()


async def test_without_an_invitation_it_is_asked_for(tmp_path: Path, side: Side) -> None:
    with pytest.raises(Misconfigured, match="--token"):
        await enrolled(tmp_path, side, token="")


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("https://localhost:1", "hit_1", client_id="c1"),
        Wanted("https://localhost:1", "hit_1\r\nX: 1"),
        Wanted("http://far.example", "hit_1"),
        Wanted("https://localhost:1", "hit_1"),
        Wanted("https://localhost:1", "hit_1", ca=Path("nowhere.pem")),
    ],
    ids=["two ways at once", "a token of two lines", "no TLS", "nobody there", "no authority"],
)
async def test_what_can_not_be_asked_for(tmp_path: Path, wanted: Wanted) -> None:
    with pytest.raises(Misconfigured):
        await enroll(tmp_path / "agent", wanted)
