"""Who signed in: OpenID Connect.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.conformance.smart.ground import App, Ground, error
from tests.conformance.smart.people import ADA, GUEST, KIM
from tests.conformance.smart.visitor import Choices
from tests.journeys.cli import hilum

SCOPE = "openid fhirUser launch/patient patient/*.rs"


def identity(ground: Ground, app: App, found: dict[str, Any], nonce: str | None = None) -> dict[str, Any]:
    """The claims of an id_token, verified as https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    says, with keys and issuer found by discovery.
    """
    said = httpx.get(f"{ground.said['issuer']}/.well-known/openid-configuration").json()
    keys = KeySet.import_key_set(httpx.get(said["jwks_uri"]).json())
    read = jwt.decode(found["id_token"], keys, algorithms=["RS256"])
    must: dict[str, Any] = {name: {"essential": True} for name in ("sub", "exp", "iat")}
    must |= {"iss": {"essential": True, "value": said["issuer"]}, "aud": {"essential": True, "value": app.id}}
    must |= {"nonce": {"essential": True, "value": nonce}} if nonce else {}
    jwt.JWTClaimsRegistry(**must).validate(read.claims)
    return dict(read.claims)


@pytest.mark.parametrize(
    ("scope", "comes"),
    [
        ("patient/*.rs", False),
        ("patient/*.rs launch/patient offline_access", False),
        ("openid patient/*.rs", True),
        ("openid fhirUser patient/*.rs", True),
        ("openid fhirUser", True),
    ],
)
def test_smart22_200_an_id_token_comes_with_openid(ground: Ground, app: App, scope: str, comes: bool) -> None:
    found = ground.tokens(app, scope, ADA)
    assert ("id_token" in found, "openid" in found["scope"].split()) == (comes, comes)
    if comes:
        assert ("fhirUser" in identity(ground, app, found)) is ("fhirUser" in scope)


def test_smart22_200_no_id_token_comes_where_openid_was_not_granted(ground: Ground, app: App) -> None:
    found = ground.tokens(app, SCOPE, ADA, Choices(untick=("identity",)))
    assert ("id_token" in found, "openid" in found["scope"], "fhirUser" in found["scope"]) == (False, False, False)
    other = ground.app("patient/*.rs launch/patient")
    assert "id_token" not in ground.tokens(other, SCOPE, ADA)


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
def test_smart22_205_358_the_code_flow_of_openid_connect(both: Ground, method: str) -> None:
    assert "sso-openid-connect" in both.said["capabilities"]
    app = both.app(method=method)
    found = both.tokens(app, SCOPE, ADA, nonce="a nonce + 1")
    said = identity(both, app, found, nonce="a nonce + 1")
    assert said["sub"] == both.users[ADA]
    digest = hashlib.sha256(found["access_token"].encode()).digest()[:16]
    assert said["at_hash"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.parametrize("response_type", ["id_token", "token", "code id_token", "id_token token"])
def test_smart22_205_there_is_no_other_flow(ground: Ground, app: App, response_type: str) -> None:
    said = ground.authorize(app, SCOPE, response_type=response_type, nonce="n").back
    assert (said["error"], "id_token" in said) == ("unsupported_response_type", False)


def test_smart22_207_the_keys_are_bare(ground: Ground) -> None:
    """JWKs, with neither certificates nor anything private."""
    answer = httpx.get(ground.said["jwks_uri"])
    keys = answer.json()["keys"]
    assert {"RSA", "EC"} >= {key["kty"] for key in keys}
    for key in keys:
        wanted = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}}[key["kty"]]
        assert key.keys() == wanted | {"kty", "kid", "alg", "use"}
        assert key["use"] == "sig"
    assert [key["alg"] for key in keys if key["kty"] == "RSA"] == ["RS256"]


@pytest.mark.parametrize(("user", "resource"), [(ADA, "Patient/p1"), (KIM, "Practitioner/kim")])
def test_smart22_209_fhirUser_is_the_url_of_who_signed_in(ground: Ground, app: App, user: str, resource: str) -> None:
    found = ground.tokens(app, SCOPE, user, Choices(patient="p1"))
    said = identity(ground, app, found)
    assert said["fhirUser"] == f"{ground.base}/{resource}"
    with ground.fhir(found) as client:
        answer = client.get(said["fhirUser"])
    type, _, id = resource.partition("/")
    assert (answer.status_code, answer.json()["resourceType"], answer.json()["id"]) == (200, type, id)


def test_smart22_210_the_id_token_is_signed_by_RS256(ground: Ground, app: App) -> None:
    found = ground.tokens(app, SCOPE, ADA)
    head = found["id_token"].split(".")[0]
    said = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    keys = {key["kid"]: key for key in httpx.get(ground.said["jwks_uri"]).json()["keys"]}
    assert (said["alg"], keys[said["kid"]]["kty"]) == ("RS256", "RSA")
    identity(ground, app, found)  # by that key


def test_smart22_197_who_is_no_resource_has_no_fhirUser(ground: Ground, app: App) -> None:
    found = ground.tokens(app, "openid fhirUser user/Patient.rs", GUEST)
    assert found["scope"] == "openid user/Patient.rs"
    said = identity(ground, app, found)
    assert "fhirUser" not in said
    assert "profile" not in said


@pytest.mark.parametrize(
    "reference", ["Organization/lake", "Device/1", "Observation/o1", "Nothing/1", "p1", "Patient/"]
)
def test_smart22_198_nobody_stands_for_something_that_is_no_person(ground: Ground, reference: str) -> None:
    role = ("--role", "practitioner", "--stands-for", reference)
    done = hilum("users", "add", "some.body", *role, "--data", ground.server.data)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Patient, Practitioner, PractitionerRole, RelatedPerson or Person" in done.stderr


@pytest.mark.parametrize("type", ["Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"])
def test_smart22_198_what_people_stand_for(ground: Ground, app: App, type: str) -> None:
    name = f"some.{type.lower()}"
    ground.user(name, display=name, roles=("practitioner",), fhir_user=f"{type}/x")
    found = ground.tokens(app, "openid fhirUser user/Patient.rs", name)
    assert identity(ground, app, found)["fhirUser"] == f"{ground.base}/{type}/x"


def test_smart22_197_an_app_can_not_ask_for_fhirUser_alone(ground: Ground, app: App) -> None:
    assert ground.authorize(app, "fhirUser patient/*.rs").back["error"] == "invalid_scope"
    assert error(ground.ask("/auth/token", {"grant_type": "authorization_code"}, app)) == (400, "invalid_request")
