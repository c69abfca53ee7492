"""Dynamic client registration. https://www.rfc-editor.org/rfc/rfc7591, https://www.rfc-editor.org/rfc/rfc7592"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from tests.unit.smart.tokens.test_token import GRANT_TYPE, PUBLIC, RSA
from tests.unit.smart.world import REDIRECT, World, error, said, world

from hilum.devices.inviting import SCOPES, enrolled
from hilum.devices.records import Agent
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.oauth.ledger import CLIENT, DEVICE_AGENT, read
from hilum.oauth.scopes import LONGEST
from hilum.smart.apps import clients, invitations
from hilum.smart.smart import ROUTES, Smart
from hilum.web.message import Answer

APP: dict[str, Any] = {
    "client_name": "Growth Chart",
    "redirect_uris": [REDIRECT],
    "token_endpoint_auth_method": "none",
    "scope": "launch/patient patient/*.rs offline_access",
}
MOST = "launch launch/patient openid fhirUser offline_access patient/*.rs system/*.rs"


@pytest.fixture
async def here() -> World:
    return await world()


async def invite(here: World, scopes: str = MOST, uses: int = 1) -> str:
    return await invitations.make(here.site.ledger, scopes, uses, "owner", here.site.clock())


async def register(here: World, token: str, method: str = "POST", path: str = "/auth/register", **other: Any) -> Answer:
    document = {name: value for name, value in (APP | other).items() if value is not None}
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    return await here.ask(path, method=method, headers=headers, body=json.dumps(document).encode())


def set_registration(here: World, registration: str, environment: str = "sandbox") -> None:
    settings = replace(here.site.settings, registration=registration, environment=environment)
    here.site = replace(here.site, settings=settings)
    here.browser.smart = Smart(here.site, ROUTES)


async def test_smart22_24_316_an_app_registers_and_signs_people_in(here: World) -> None:
    answer = await register(here, await invite(here))
    assert (answer.status, answer.header(b"cache-control")) == (201, "no-store")
    found = said(answer)
    client = here.client = found["client_id"]
    assert found.pop("registration_access_token")
    assert found == {
        "client_id": client,
        "client_name": "Growth Chart",
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "scope": "offline_access launch/patient patient/*.rs",
        "registration_client_uri": f"{here.site.settings.origin}/auth/register/{client}",
        "client_id_issued_at": int(here.site.clock()),
    }
    assert "refresh_token" in await here.tokens(scope="launch/patient patient/*.rs offline_access")


async def test_a_secret_is_told_once(here: World) -> None:
    found = said(await register(here, await invite(here), token_endpoint_auth_method=None))
    assert (found["token_endpoint_auth_method"], found["client_secret_expires_at"]) == ("client_secret_basic", 0)
    credentials = base64.b64encode(f"{found['client_id']}:{found['client_secret']}".encode()).decode()
    answer = await here.ask(form=GRANT_TYPE, headers={"authorization": f"Basic {credentials}"})
    assert error(answer) == (400, "invalid_grant")
    row = await here.site.ledger.get(CLIENT, found["client_id"].encode())
    assert row is not None
    assert found["client_secret"].encode() not in row.value
    assert found["registration_access_token"].encode() not in row.value


async def test_an_invitation_serves_as_often_as_it_says_and_for_a_week(here: World) -> None:
    token = await invite(here, uses=2)
    assert [(await register(here, token)).status for _ in range(3)] == [201, 201, 401]
    late = await invite(here)
    here.move(invitations.SECONDS + 1)
    assert error(await register(here, late)) == (401, "invalid_token")


async def test_without_an_invitation_nobody_registers(here: World) -> None:
    wrong = ', error="invalid_token"'
    for token, told in (("", ""), ("hit_made-up", wrong), ("ü", wrong)):
        answer = await register(here, token)
        assert error(answer) == (401, "invalid_token")
        assert answer.header(b"www-authenticate") == f'Bearer realm="hilum"{told}'
    set_registration(here, "off")
    assert error(await register(here, await invite(here))) == (403, "access_denied")


async def test_an_open_sandbox_lets_apps_in_that_act_for_people(here: World) -> None:
    set_registration(here, "open")
    found = said(await register(here, "", scope="patient/*.rs user/*.cruds system/*.rs __introspect"))
    assert found["scope"] == "patient/*.rs user/*.cruds"
    none = await register(here, "", scope="system/*.rs")
    assert error(none) == (400, "invalid_client_metadata")
    assert b"None of these scopes may be registered here, or with this token." in none.body
    set_registration(here, "open", "production")
    assert error(await register(here, "")) == (401, "invalid_token")


async def test_scopes_stay_within_the_invitation(here: World) -> None:
    token = await invite(here, "patient/Observation.rs launch/patient", uses=9)
    found = said(await register(here, token, scope="patient/*.cruds launch/patient launch openid"))
    assert found["scope"] == "launch/patient patient/Observation.rs"
    assert said(await register(here, token, scope=None))["scope"] == "launch/patient patient/Observation.rs"
    assert error(await register(here, token, scope="system/*.rs")) == (400, "invalid_client_metadata")


async def test_a_backend_registers_by_its_keys(here: World) -> None:
    token = await invite(here, uses=9)
    service = {
        "redirect_uris": None,
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "scope": "system/*.rs",
    }
    found = said(await register(here, token, **service, jwks=PUBLIC))
    assert (found["jwks"], found["grant_types"]) == (PUBLIC, ["client_credentials"])
    assert "client_secret" not in found
    by_url = said(await register(here, token, **service, jwks_uri="https://service.example.org/jwks"))
    assert by_url["jwks_uri"] == "https://service.example.org/jwks"


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no redirect": ({"redirect_uris": None}, "invalid_redirect_uri"),
    "http": ({"redirect_uris": ["http://app.example.org/cb"]}, "invalid_redirect_uri"),
    "a fragment": ({"redirect_uris": [REDIRECT + "#x"]}, "invalid_redirect_uri"),
    "a wildcard": ({"redirect_uris": ["https://*.example.org/cb"]}, "invalid_redirect_uri"),
    "javascript": ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    "data": ({"redirect_uris": ["data:text/html,x"]}, "invalid_redirect_uri"),
    "file": ({"redirect_uris": ["file:///etc/passwd"]}, "invalid_redirect_uri"),
    "redirects as text": ({"redirect_uris": REDIRECT}, "invalid_client_metadata"),
    "a method of its own": ({"token_endpoint_auth_method": "tls"}, "invalid_client_metadata"),
    "implicit": ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
    "response type token": ({"response_types": ["token"]}, "invalid_client_metadata"),
    "a backend without keys": ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
    "keys without any": ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
    "both kinds of keys": (
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": PUBLIC, "jwks_uri": "https://x.example/j"},
        "invalid_client_metadata",
    ),
    "a private key": (
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [RSA]}},
        "invalid_client_metadata",
    ),
    "jwks_uri within": (
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "ftp://x.example/j"},
        "invalid_client_metadata",
    ),
    "a name of many letters": ({"client_name": "x" * 201}, "invalid_client_metadata"),
    "a name with a line": ({"client_name": "a\nb"}, "invalid_client_metadata"),
    "a policy of script": ({"policy_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
    "a launch elsewhere": ({"launch_uri": "http://app.example.org/launch"}, "invalid_client_metadata"),
    "a scope that is a number": ({"scope": 7}, "invalid_client_metadata"),
}


@pytest.mark.parametrize(("other", "expected"), BAD.values(), ids=BAD.keys())
async def test_what_can_not_be_registered_is_told(here: World, other: dict[str, Any], expected: str) -> None:
    token = await invite(here)
    assert error(await register(here, token, **other)) == (400, expected)
    assert (await register(here, token)).status == 201, "the invitation was not used up"


async def test_a_body_that_is_no_JSON_object(here: World) -> None:
    token = await invite(here)
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    for body in (b"[]", b"{", b'{"a":1,"a":2}'):
        assert error(await here.ask("/auth/register", headers=headers, body=body))[0] == 400
    form = {"content-type": "application/x-www-form-urlencoded", "authorization": f"Bearer {token}"}
    answer = await here.ask("/auth/register", headers=form, body=b"a=b")
    assert error(answer) == (400, "invalid_client_metadata")


@pytest.mark.parametrize("logo", ["https://app.example.org/logo.png", "data:image/png;base64,iVBORw0KGgo="])
async def test_no_app_chooses_what_people_see_of_it(here: World, logo: str) -> None:
    """A logo on the consent page is an administrator's word."""
    found = said(await register(here, await invite(here), logo_uri=logo))
    assert "logo_uri" not in found
    kept = await clients.get(here.site.ledger, found["client_id"])
    assert kept is not None
    assert kept.client.logo == ""


async def test_a_client_reads_changes_and_ends_its_registration(here: World) -> None:
    found = said(await register(here, await invite(here)))
    id, token = found["client_id"], found["registration_access_token"]
    path = f"/auth/register/{id}"
    read = said(await register(here, token, "GET", path))
    assert read["client_name"] == "Growth Chart"
    changed = await register(here, token, "PUT", path, client_id=id, client_name="Growth Chart 2", scope="patient/*.r")
    assert (changed.status, said(changed)["client_name"], said(changed)["scope"]) == (
        200,
        "Growth Chart 2",
        "patient/*.r",
    )
    wider = said(await register(here, token, "PUT", path, client_id=id, scope="patient/*.cruds openid"))
    assert wider["scope"] == "patient/*.r", "never wider than it was"
    here.client = id
    given = await here.tokens(scope="launch/patient patient/*.r")
    assert (await register(here, token, "DELETE", path)).status == 204
    assert not await here.holds(given["access_token"])
    assert error(await register(here, token, "GET", path)) == (401, "invalid_token")
    assert ("register", 201) in here.events


async def test_a_registration_is_its_own_clients(here: World) -> None:
    one, two = [said(await register(here, await invite(here))) for _ in range(2)]
    path = f"/auth/register/{one['client_id']}"
    for token in (two["registration_access_token"], "", "ü", "none"):
        for method in ("GET", "PUT", "DELETE"):
            answer = await register(here, token, method, path, client_id=one["client_id"])
            assert error(answer) == (401, "invalid_token")
    assert error(await register(here, "none", "GET", "/auth/register/app")) == (401, "invalid_token")
    own = one["registration_access_token"]
    other_id = await register(here, own, "PUT", path, client_id=two["client_id"])
    assert error(other_id) == (400, "invalid_client_metadata")
    chosen = await register(here, own, "PUT", path, client_id=one["client_id"], client_secret="mine")
    assert error(chosen) == (400, "invalid_client_metadata")


async def test_a_client_that_was_disabled_does_not_let_itself_in_again(here: World) -> None:
    found = said(await register(here, await invite(here)))
    id, token = found["client_id"], found["registration_access_token"]
    kept = await clients.get(here.site.ledger, id)
    assert kept is not None
    await clients.change(here.site.ledger, kept, structs.replace(kept.client, disabled=True), 0.0, sandbox=True)
    for method in ("GET", "PUT", "DELETE"):
        answer = await register(here, token, method, f"/auth/register/{id}", client_id=id)
        assert error(answer) == (401, "invalid_token"), method
    assert await clients.active(here.site.ledger, id) is None


async def test_a_client_is_registered_for_no_endless_list_of_scopes(here: World) -> None:
    types = [*TYPE_NUMBER]
    some = " ".join(f"patient/{type}.{letters}" for letters in ("r", "s", "c", "u", "d", "rs") for type in types)
    assert len(some) > LONGEST
    answer = await register(here, await invite(here, "patient/*.cruds"), scope=some)
    assert error(answer) == (400, "invalid_client_metadata")


AGENT = {
    "client_name": "Box",
    "redirect_uris": None,
    "token_endpoint_auth_method": "private_key_jwt",
    "grant_types": ["client_credentials"],
    "jwks": PUBLIC,
    "scope": "system/Observation.cs system/Device.cs",
}
INVITED = {"patients": ["p1"], "default": "p1", "by": "owner"}


async def invite_agent(here: World) -> str:
    here.site = replace(here.site, enrols=enrolled)
    here.browser.smart = Smart(here.site, ROUTES)
    return await invitations.make(here.site.ledger, SCOPES, 1, "owner", here.site.clock(), INVITED)


async def test_an_agent_of_devices_is_enrolled_with_its_client(here: World) -> None:
    answer = await register(here, await invite_agent(here), **AGENT)
    assert (answer.status, said(answer)["scope"]) == (201, "system/Observation.c system/Device.c")
    row = await here.site.ledger.get(DEVICE_AGENT, said(answer)["client_id"].encode())
    assert row is not None
    created = int(here.site.clock())
    assert read(row, Agent) == Agent("Box", ("p1",), default="p1", by="owner", created=created)


@pytest.mark.parametrize(
    "other",
    [
        {"grant_types": ["client_credentials", "authorization_code"], "redirect_uris": [REDIRECT]},
        {"jwks": None, "jwks_uri": "https://box.example.org/jwks.json"},
    ],
    ids=["people sign in for it", "keys elsewhere"],
)
async def test_what_enrols_an_agent_registers_nothing_else_and_is_not_used_up(here: World, other: Any) -> None:
    token = await invite_agent(here)
    refused = await register(here, token, **(AGENT | other))
    assert error(refused) == (400, "invalid_client_metadata")
    assert await here.site.ledger.of(DEVICE_AGENT) == []
    assert (await register(here, token, **AGENT)).status == 201


async def test_what_enrols_an_app_makes_no_agent(here: World) -> None:
    assert (await register(here, await invite(here))).status == 201
    assert await here.site.ledger.of(DEVICE_AGENT) == []
