"""What clients read first. https://hl7.org/fhir/smart-app-launch/conformance.html"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.smart.pages import ORIGIN
from tests.unit.smart.world import World, world

from hilum.access.granting import refusal
from hilum.oauth import scopes
from hilum.smart.apps import discovery
from hilum.smart.smart import ROUTES, Smart
from hilum.web.routing import Routes


@pytest.fixture
async def here() -> World:
    return await world()


async def document(here: World, path: str) -> dict[str, Any]:
    answer = await here.ask(path, method="GET", headers={"accept": "text/html"})
    assert answer.status == 200
    assert (answer.header(b"content-type"), answer.header(b"access-control-allow-origin")) == ("application/json", "*")
    return dict(json.loads(answer.body))


async def test_smart22_30_372_394_smart_configuration(here: World) -> None:
    found = await document(here, "/fhir/.well-known/smart-configuration")
    assert found["issuer"] == ORIGIN
    assert {name: url for name, url in found.items() if name.endswith("_endpoint")} == {
        "authorization_endpoint": f"{ORIGIN}/auth/authorize",
        "token_endpoint": f"{ORIGIN}/auth/token",
        "introspection_endpoint": f"{ORIGIN}/auth/introspect",
        "revocation_endpoint": f"{ORIGIN}/auth/revoke",
        "registration_endpoint": f"{ORIGIN}/auth/register",
        "management_endpoint": f"{ORIGIN}/my/apps",
    }
    assert found["grant_types_supported"] == ["authorization_code", "refresh_token", "client_credentials"]
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert found["authorization_response_iss_parameter_supported"] is True
    assert {"launch-ehr", "client-confidential-asymmetric", "permission-v1"} <= set(found["capabilities"])


async def test_registration_that_is_off_is_not_listed(here: World) -> None:
    site = replace(here.site, settings=replace(here.site.settings, registration="off"))
    here.browser.smart = Smart(site, ROUTES)
    assert "registration_endpoint" not in await document(here, "/fhir/.well-known/smart-configuration")


@pytest.mark.parametrize("name", ["openid-configuration", "oauth-authorization-server"])
async def test_openid_configuration(here: World, name: str) -> None:
    found = await document(here, f"/.well-known/{name}")
    assert (found["issuer"], found["subject_types_supported"]) == (ORIGIN, ["public"])
    assert found["id_token_signing_alg_values_supported"] == ["RS256"]
    keys = (await document(here, found["jwks_uri"].removeprefix(ORIGIN)))["keys"]
    assert {key["alg"] for key in keys} == {"RS256", "ES256"}
    assert all(key.keys().isdisjoint(("d", "p", "q")) for key in keys)


def test_every_scope_that_is_listed_grants_what_it_says() -> None:
    for text in discovery.scopes_supported():
        found = scopes.asked(text)
        assert scopes.text(found) == text
        assert [refusal(one) for one in found.resources] in ([], [None])


def test_no_two_routes_are_one_and_each_is_found() -> None:
    table = Routes(ROUTES)
    seen = [(route.method, route.pattern) for route in ROUTES]
    assert len(seen) == len(set(seen))
    for route in ROUTES:
        found = table.at(route.pattern.replace("{", "").replace("}", ""))
        assert found is not None
        assert found[0][route.method] == route
    assert table.at("/auth/flow/") is None
    assert table.at("/auth/nothing") is None


async def test_static_files_are_served_and_others_not(here: World) -> None:
    for name in ("auth.css", "common.css"):
        answer = await here.ask(f"/auth/static/{name}", method="GET")
        assert (answer.status, answer.header(b"content-type")) == (200, "text/css; charset=utf-8")
        tag = answer.header(b"etag") or ""
        again = await here.ask(f"/auth/static/{name}", method="GET", headers={"if-none-match": tag})
        assert (again.status, again.body) == (304, b"")
    for name in ("..%2Fsmart.py", "nothing.css"):
        assert (await here.ask(f"/auth/static/{name}", method="GET")).status == 404
