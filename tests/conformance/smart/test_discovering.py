"""Discovery, what pages of other origins may read, and registration, so far as the app launch asks for them."""

from __future__ import annotations

import httpx
import pytest
from tests.conformance.smart.ground import REDIRECT, App, Ground, error
from tests.conformance.smart.people import ADA
from tests.conformance.smart.visitor import address
from tests.journeys.cli import hilum

ORIGIN = "https://app.example.org"
ELSEWHERE = "https://elsewhere.example.org"


def test_smart22_30_228_the_smart_configuration_is_there_for_everybody(ground: Ground) -> None:
    answer = httpx.get(f"{ground.base}/.well-known/smart-configuration")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    said = answer.json()
    wanted = {
        "issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "grant_types_supported", "scopes_supported",
        "capabilities", "code_challenge_methods_supported", "token_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg_values_supported",
    }  # fmt: skip
    assert wanted <= said.keys()
    assert "client-confidential-asymmetric" in said["capabilities"]
    assert "private_key_jwt" in said["token_endpoint_auth_methods_supported"]
    assert {"RS384", "ES384"} <= set(said["token_endpoint_auth_signing_alg_values_supported"])


@pytest.mark.parametrize(
    "path",
    ["/fhir/.well-known/smart-configuration", "/fhir/metadata", "/.well-known/openid-configuration",
     "/.well-known/jwks.json"],
)  # fmt: skip
def test_smart22_16_pages_of_any_origin_may_read_discovery_and_metadata(ground: Ground, path: str) -> None:
    answer = httpx.get(ground.origin + path, headers={"origin": ELSEWHERE})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert "access-control-allow-credentials" not in answer.headers
    asked = {"origin": ELSEWHERE, "access-control-request-method": "GET"}
    before = httpx.options(ground.origin + path, headers=asked)
    assert (before.status_code, before.headers["access-control-allow-origin"]) == (204, "*")


def test_smart22_17_pages_of_registered_origins_may_read_tokens_and_FHIR(ground: Ground, app: App) -> None:
    ground.until(lambda: allowed(ground, "/auth/token", "POST", ORIGIN) == ORIGIN)  # the server learns of apps
    found = ground.tokens(app, "patient/*.rs", ADA)
    bearer = {"authorization": f"Bearer {found['access_token']}"}
    for origin, expected in ((ORIGIN, ORIGIN), (ELSEWHERE, None), ("null", None), (f"{ORIGIN}.evil.example", None)):
        assert allowed(ground, "/auth/token", "POST", origin) == expected
        assert allowed(ground, "/fhir/Observation/o1", "GET", origin) == expected
        assert allowed(ground, "/fhir/Observation/o1", "PUT", origin) == expected
        read = httpx.get(f"{ground.base}/Observation/o1", headers=bearer | {"origin": origin})
        assert (read.status_code, read.headers.get("access-control-allow-origin")) == (200, expected)
        asked = ground.ask("/auth/token", {"grant_type": "refresh_token", "refresh_token": "x"}, app, origin=origin)
        assert (asked.status_code, asked.headers.get("access-control-allow-origin")) == (400, expected)
        for answer in (read, asked):
            assert "origin" in answer.headers["vary"].lower()
            assert "access-control-allow-credentials" not in answer.headers


def allowed(ground: Ground, path: str, method: str, origin: str) -> str | None:
    """What the server says to a browser that asks beforehand."""
    asked = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type",
    }
    answer = httpx.options(ground.origin + path, headers=address() | asked)
    found: str | None = answer.headers.get("access-control-allow-origin")
    if found:
        assert answer.status_code == 204
        assert method in answer.headers["access-control-allow-methods"]
        assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    return found


def test_smart22_17_no_page_may_read_the_authorize_endpoint(ground: Ground, app: App) -> None:
    answer = httpx.get(f"{ground.origin}/auth/authorize", headers={"origin": ORIGIN})
    assert "access-control-allow-origin" not in answer.headers


def test_smart22_24_g10_APP_REG_1_a_registration_is_confirmed_with_a_client_id(ground: Ground) -> None:
    told = {
        "client_name": "Registered by itself",
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "launch/patient patient/*.rs",
        "contacts": ["Sprout Ltd"],
    }
    bearer = {"authorization": f"Bearer {ground.invitation()}"}
    answer = httpx.post(f"{ground.origin}/auth/register", json=told, headers=address() | bearer)
    assert answer.status_code == 201, answer.text
    said = answer.json()
    assert {name: said[name] for name in told} == told
    app = App(said["client_id"], REDIRECT, "client_secret_basic", said["client_secret"])
    assert ground.tokens(app, "launch/patient patient/*.rs", ADA)["patient"] == "p1"
    wrong = App(app.id, REDIRECT, app.method, "another secret")
    assert error(ground.exchange(wrong, "hac_x")) == (401, "invalid_client")
    again = httpx.post(f"{ground.origin}/auth/register", json=told, headers=address() | bearer)
    assert error(again) == (401, "invalid_token")


def test_smart22_24_g10_APP_REG_1_an_administrator_registers_an_app(ground: Ground) -> None:
    given = ("--redirect", REDIRECT, "--scopes", "launch/patient patient/*.rs")
    done = hilum("clients", "add", "By hand", *given, "--data", ground.server.data)
    assert done.returncode == 0, done.stderr
    assert ground.tokens(App(done.stdout.strip()), "launch/patient patient/*.rs", ADA)["patient"] == "p1"
