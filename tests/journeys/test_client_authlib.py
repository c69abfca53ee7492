"""OpenID Connect clients that know nothing of SMART: Authlib by /.well-known/openid-configuration, and bare requests.

https://docs.authlib.org/en/latest/client/httpx.html, https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.journeys.apps import Person, answered, people, record, registered
from tests.journeys.server import Server

BACK = "http://127.0.0.1:4713/back"
SCOPE = "openid fhirUser offline_access patient/Patient.rs launch/patient"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("authlib")
    running = Server(folder)
    record(running)
    people(running, folder)
    yield running
    running.stop()


def discovered(server: Server) -> dict[str, Any]:
    return dict(httpx.get(f"{server.url}/.well-known/openid-configuration").raise_for_status().json())


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_authlib_signs_a_person_in_by_openid_configuration(served: Server, method: str) -> None:
    way = {"client_secret_basic": "--secret", "client_secret_post": "--secret-post", "none": "--public"}[method]
    client = registered(served, "Authlib", way, "--redirect", BACK, "--scopes", SCOPE)
    said = discovered(served)
    assert method in said["token_endpoint_auth_methods_supported"]
    app = OAuth2Client(
        client["client_id"], client.get("client_secret"), scope=SCOPE, redirect_uri=BACK, code_challenge_method="S256",
        token_endpoint=said["token_endpoint"], token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )  # fmt: skip
    verifier, nonce = generate_token(48), generate_token()
    url, state = app.create_authorization_url(
        said["authorization_endpoint"], code_verifier=verifier, nonce=nonce, resource=served.base
    )
    back = Person("ada.stone", BACK).allows(url)
    assert answered(back)["iss"] == said["issuer"]
    token = app.fetch_token(authorization_response=back, state=state, code_verifier=verifier)
    keys = KeySet.import_key_set(httpx.get(said["jwks_uri"]).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=said["id_token_signing_alg_values_supported"]).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (said["issuer"], client["client_id"], nonce)
    assert claims["fhirUser"] == claims["profile"] == f"{served.base}/Patient/ada"
    assert app.get(f"{served.base}/Patient/ada").json()["birthDate"] == "1980-12-31"
    new = app.refresh_token(said["token_endpoint"])
    assert new["access_token"] != token["access_token"]
    assert app.get(f"{served.base}/Patient/ada").status_code == 200
    if method != "none":
        assert app.introspect_token(said["introspection_endpoint"], new["access_token"]).json()["active"] is True
    assert app.revoke_token(said["revocation_endpoint"], new["refresh_token"]).status_code == 200
    with pytest.raises(OAuthError, match="invalid_grant"):
        app.refresh_token(said["token_endpoint"], new["refresh_token"])


def test_without_s256_authlib_is_told_so_where_it_comes_from(served: Server) -> None:
    client = registered(served, "Authlib", "--redirect", BACK, "--scopes", SCOPE)
    app = OAuth2Client(client["client_id"], token_endpoint_auth_method="none", scope=SCOPE, redirect_uri=BACK)
    url, state = app.create_authorization_url(discovered(served)["authorization_endpoint"], resource=served.base)
    back = answered(Person("ada.stone", BACK).allows(url))
    assert (back["error"], back["state"], back["iss"]) == ("invalid_request", state, served.url)
    assert "code_challenge" in back["error_description"]


@pytest.mark.parametrize("encoded", [True, False], ids=["form-encoded", "as they are"])
def test_both_readings_of_http_basic_are_understood(served: Server, encoded: bool) -> None:
    """RFC 6749 has both parts form-encoded, Postman sends them as they are."""
    id = f"tool.-_{encoded}"
    client = registered(served, "By hand", "--secret", "--redirect", BACK, "--scopes", SCOPE, "--id", id)
    parts = [id, client["client_secret"]]
    if encoded:
        parts = [quote_plus(one).replace("-", "%2D").replace(".", "%2E").replace("_", "%5F") for one in parts]
    header = "Basic " + base64.b64encode(":".join(parts).encode()).decode()
    form = {"grant_type": "authorization_code", "code": "unknown", "redirect_uri": BACK, "code_verifier": "v" * 43}
    answer = httpx.post(discovered(served)["token_endpoint"], data=form, headers={"authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")  # so the client was known
    wrong = "Basic " + base64.b64encode(f"{id}:wrong".encode()).decode()
    answer = httpx.post(discovered(served)["token_endpoint"], data=form, headers={"authorization": wrong})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")
