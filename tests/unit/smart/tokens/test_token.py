"""The token endpoint: codes, clients, errors. https://www.rfc-editor.org/rfc/rfc6749#section-5"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest
from joserfc import jwt as jose
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from msgspec import structs
from tests.unit.smart.pages import ORIGIN
from tests.unit.smart.world import BASE, CHALLENGE, REDIRECT, VERIFIER, World, error, said, world

from hilum.oauth.ledger import GRANT
from hilum.smart.apps import clients
from hilum.smart.people import users
from hilum.web.limits import RATES

TOKEN = f"{ORIGIN}/auth/token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
async def here() -> World:
    return await world()


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


# --- codes ------------------------------------------------------------------------------------------------------------


async def test_smart22_73_89_a_code_becomes_tokens(here: World) -> None:
    answer = await here.exchange(await here.code())
    assert answer.status == 200
    assert answer.header(b"content-type") == "application/json"
    assert (answer.header(b"cache-control"), answer.header(b"pragma")) == ("no-store", "no-cache")
    found = said(answer)
    assert found.keys() == {
        "access_token", "token_type", "expires_in", "scope", "patient", "id_token", "refresh_token",
    }  # fmt: skip
    assert (found["token_type"], found["expires_in"], found["patient"]) == ("Bearer", 3600, "17")
    assert found["scope"] == "openid fhirUser offline_access launch/patient patient/*.rs"
    who = await here.site.verifier.admit(found["access_token"])
    assert (who.client, who.patient, who.fhir_user) == ("app", "17", "Practitioner/1")


async def test_smart22_205_210_the_id_token_is_one_of_the_published_keys(here: World) -> None:
    found = await here.tokens()
    keys = KeySet.import_key_set(here.site.ring.jwks())
    decoded = jose.decode(found["id_token"], keys, algorithms=["RS256"])
    kim = await users.find(here.site.ledger, "kim.doe")
    assert kim is not None
    now = int(here.site.clock())
    assert decoded.claims["iss"] == ORIGIN
    assert decoded.claims["sub"] == kim.id
    assert decoded.claims["aud"] == "app"
    assert (decoded.claims["iat"], decoded.claims["auth_time"]) == (now, now)
    assert (decoded.claims["nonce"], decoded.claims["amr"]) == ("n-0", ["pwd"])
    assert decoded.claims["fhirUser"] == f"{BASE}/Practitioner/1"


async def test_online_access_has_a_refresh_token_and_nothing_asked_for_has_none(here: World) -> None:
    online = await here.tokens(scope="launch/patient patient/*.rs online_access")
    assert "refresh_token" in online
    assert claims(online["access_token"])["sid"]
    neither = await here.tokens(scope="launch/patient patient/*.rs")
    assert neither.keys().isdisjoint(("refresh_token", "id_token"))


WRONG = {
    "smart22_31 no verifier": ({"code_verifier": None}, "invalid_request"),
    "an empty verifier": ({"code_verifier": ""}, "invalid_request"),
    "g10 AUT-PAT-31 another verifier": ({"code_verifier": "w" * 43}, "invalid_grant"),
    "the challenge as verifier": ({"code_verifier": CHALLENGE}, "invalid_grant"),
    "a short verifier": ({"code_verifier": VERIFIER[1:]}, "invalid_grant"),
    "no redirect_uri": ({"redirect_uri": None}, "invalid_request"),
    "another redirect_uri": ({"redirect_uri": REDIRECT + "2"}, "invalid_grant"),
    "another client": ({"client_id": "other"}, "invalid_grant"),
    "no code": ({"code": None}, "invalid_request"),
    "a made up code": ({"code": "hac_made-up"}, "invalid_grant"),
    "no client": ({"client_id": None}, "invalid_client"),
    "an unknown client": ({"client_id": "nobody"}, "invalid_client"),
}


@pytest.mark.parametrize(("other", "expected"), WRONG.values(), ids=WRONG.keys())
async def test_a_code_is_bound_to_client_redirect_and_challenge(
    here: World, other: dict[str, str | None], expected: str
) -> None:
    await here.add("other")
    code = await here.code()
    answer = await here.exchange(**{"code": code, **other})
    assert error(answer) == (401 if expected == "invalid_client" else 400, expected)
    if expected == "invalid_grant" and "code" not in other:  # one try: whoever guessed has used it up
        assert error(await here.exchange(code)) == (400, "invalid_grant")
        assert [event for event, _ in here.events][-2:] == ["reuse", "token-refused"]


async def test_a_code_used_again_ends_all_that_it_gave(here: World) -> None:
    code = await here.code()
    found = said(await here.exchange(code))
    assert await here.holds(found["access_token"])
    assert error(await here.exchange(code)) == (400, "invalid_grant")
    assert not await here.holds(found["access_token"])
    assert error(await here.refresh(found["refresh_token"])) == (400, "invalid_grant")
    assert ("reuse", 400) in here.events


async def test_a_code_lasts_a_minute(here: World) -> None:
    first, second = await here.code(), await here.code()
    here.move(60)
    assert (await here.exchange(first)).status == 200
    here.move(1)
    assert error(await here.exchange(second)) == (400, "invalid_grant")


async def test_a_code_of_somebody_who_was_shut_out_is_worth_nothing(here: World) -> None:
    code = await here.code()
    kim = await users.find(here.site.ledger, "kim.doe")
    assert kim is not None
    await users.change(here.site.ledger, kim, structs.replace(kim.user, disabled=True), here.site.clock())
    assert error(await here.exchange(code)) == (400, "invalid_grant")


async def test_a_code_of_a_grant_that_ended_meanwhile_is_worth_nothing(here: World) -> None:
    code = await here.code()
    (row,) = await here.site.ledger.of(GRANT)
    await here.site.ledger.end(GRANT, key=row.key)
    assert error(await here.exchange(code)) == (400, "invalid_grant")


async def test_a_scope_too_long_for_a_token_stands_in_the_grant(here: World) -> None:
    granular = [f"patient/Observation.rs?category=http://example.org/long/system/of/codes|{n:04}" for n in range(60)]
    found = await here.tokens(scope=" ".join(["launch/patient", *granular]))
    assert len(found["scope"]) > 2000
    assert "scope" not in claims(found["access_token"])
    who = await here.site.verifier.admit(found["access_token"])
    assert who.policy.permits("Observation", "r")
    assert not who.policy.permits("Condition", "r")


# --- requests that are none -------------------------------------------------------------------------------------------


async def test_smart22_251_what_is_no_request_is_told_so(here: World) -> None:
    assert error(await here.ask(form={})) == (400, "invalid_request")
    assert error(await here.ask(form={"grant_type": "password"})) == (400, "unsupported_grant_type")
    twice = b"grant_type=refresh_token&grant_type=refresh_token"
    assert error(await here.ask(body=twice)) == (400, "invalid_request")
    json_body = {"content-type": "application/json"}
    assert error(await here.ask(body=b"{}", headers=json_body)) == (400, "invalid_request")
    assert error(await here.ask(body=b"grant_type=%zz")) == (400, "invalid_request")
    assert error(await here.ask(body=b"a=" + b"x" * 65536)) == (413, "invalid_request")
    assert error(await here.ask(method="GET")) == (405, "invalid_request")
    wrong = await here.ask(method="GET")
    assert wrong.header(b"allow") == "POST"
    assert b"GET is not possible here. Possible: POST." in wrong.body


async def test_who_asks_too_often_is_told_to_wait(here: World) -> None:
    burst = RATES["token by address"].burst
    answers = [await here.exchange("x") for _ in range(burst + 1)]
    assert error(answers[-2])[0] == 400
    assert error(answers[-1]) == (429, "temporarily_unavailable")
    assert answers[-1].header(b"retry-after") == "1"
    here.move(1)
    assert error(await here.exchange("x"))[0] == 400


# --- clients with secrets ---------------------------------------------------------------------------------------------


def basic(id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{id}:{secret}".encode()).decode()}


@pytest.fixture
async def secret(here: World) -> str:
    made, kept = clients.secret()
    for id, method in (("basic", "client_secret_basic"), ("post", "client_secret_post")):
        await here.add(id, method=method, secret=kept)
    return made


GRANT_TYPE = {"grant_type": "refresh_token", "refresh_token": "hrt_x"}
"""A request that fails only after the client is known: with invalid_grant."""


async def test_smart22_356_secrets_come_by_basic_or_post_as_registered(here: World, secret: str) -> None:
    assert error(await here.ask(form=GRANT_TYPE, headers=basic("basic", secret))) == (400, "invalid_grant")
    posted = {"client_id": "post", "client_secret": secret}
    assert error(await here.ask(form=GRANT_TYPE | posted)) == (400, "invalid_grant")


async def test_basic_may_be_form_encoded_or_not(here: World) -> None:
    odd = "a+b%41/=:x"
    await here.add("my.app", method="client_secret_basic", secret=clients.kept(odd))
    from urllib.parse import quote_plus

    for id, text in (("my.app", odd), (quote_plus("my.app"), quote_plus(odd)), ("my%2Eapp", quote_plus(odd))):
        assert error(await here.ask(form=GRANT_TYPE, headers=basic(id, text))) == (400, "invalid_grant")


async def test_smart22_340_a_client_that_does_not_prove_itself_is_told_no_more(here: World, secret: str) -> None:
    for headers, form in (
        (basic("basic", "wrong"), {}),
        (basic("nobody", secret), {}),
        (basic("post", secret), {}),
        (basic("app", ""), {}),
        (basic("app", secret), {}),
        ({"authorization": "Basic !!!"}, {}),
        ({"authorization": "Basic " + base64.b64encode(b"no colon").decode()}, {}),
        ({"authorization": "Bearer x"}, {}),
        (basic("basic", secret), {"client_id": "other"}),
    ):
        answer = await here.ask(form=GRANT_TYPE | form, headers=headers)
        assert error(answer) == (401, "invalid_client")
        assert answer.header(b"www-authenticate") == 'Basic realm="hilum"'
    for form in (
        {"client_id": "basic"},
        {"client_id": "basic", "client_secret": secret},
        {"client_id": "post", "client_secret": "wrong"},
        {"client_id": "post"},
    ):
        answer = await here.ask(form=GRANT_TYPE | form)
        assert error(answer) == (401, "invalid_client")
        assert answer.header(b"www-authenticate") is None


async def test_two_ways_at_once_are_refused(here: World, secret: str) -> None:
    for form in (
        {"client_id": "basic", "client_secret": secret},
        {"client_assertion_type": ASSERTION, "client_assertion": "x.y.z"},
    ):
        answer = await here.ask(form=GRANT_TYPE | form, headers=basic("basic", secret))
        assert error(answer) == (400, "invalid_request")


async def test_a_client_that_was_shut_out_is_none(here: World) -> None:
    code = await here.code()
    found = said(await here.exchange(code))
    registered = await clients.get(here.site.ledger, "app")
    assert registered is not None
    await clients.revoke(here.site.ledger, registered, here.site.clock())
    assert error(await here.refresh(found["refresh_token"])) == (401, "invalid_client")


# --- private_key_jwt --------------------------------------------------------------------------------------------------

KEY = {**ECKey.generate_key("P-384").as_dict(private=True), "kid": "k", "alg": "ES384"}
RSA = {**RSAKey.generate_key(2048).as_dict(private=True), "kid": "r", "alg": "RS384"}
PUBLIC = {"keys": [{name: value for name, value in KEY.items() if name != "d"}]}
RSA_PUBLIC = {"keys": [{name: RSA[name] for name in ("kty", "n", "e", "kid", "alg")}]}


@pytest.fixture
async def backend(here: World) -> World:
    values = {"method": "private_key_jwt", "grants": ("client_credentials",), "redirects": (), "scopes": "system/*.rs"}
    await here.add("service", jwks=PUBLIC, **values)
    await here.add("rsa", jwks=RSA_PUBLIC, **values)
    return here


def assertion(here: World, *, head: dict[str, Any] | None = None, key: Any = None, **other: Any) -> str:
    now = int(here.site.clock())
    said = {"iss": "service", "sub": "service", "aud": TOKEN, "exp": now + 300, "jti": str(uuid.uuid4())} | other
    said = {name: value for name, value in said.items() if value is not None}
    header = {"alg": "ES384", "kid": "k", "typ": "JWT"} | (head or {})
    header = {name: value for name, value in header.items() if value is not None}
    return jose.encode(header, said, key or ECKey.import_key(KEY), algorithms=[header["alg"]])


async def asserted(here: World, made: str, **other: str) -> Any:
    form = {
        "grant_type": "client_credentials",
        "scope": "system/*.rs",
        "client_assertion_type": ASSERTION,
        "client_assertion": made,
    }
    return await here.ask(form=form | other)


async def test_smart22_253_262_a_backend_service_gets_a_token_of_five_minutes(backend: World) -> None:
    answer = await asserted(backend, assertion(backend))
    assert answer.status == 200, answer.body
    found = said(answer)
    token = found.pop("access_token")
    assert found == {"token_type": "Bearer", "expires_in": 300, "scope": "system/*.rs"}
    who = await backend.site.verifier.admit(token)
    assert (who.agent, who.client, who.user, who.grant) == ("service", "service", "", "")
    backend.move(300)
    assert not await backend.holds(token)
    assert ("token", 200) in backend.events


@pytest.mark.parametrize("audience", [TOKEN, ORIGIN, ORIGIN + "/"])
async def test_the_audience_is_the_token_endpoint_or_the_issuer(backend: World, audience: str) -> None:
    made = assertion(backend, head={"typ": None}, aud=audience)
    assert (await asserted(backend, made, client_id="service")).status == 200


async def test_RS384_works_as_well(backend: World) -> None:
    made = assertion(backend, head={"alg": "RS384", "kid": "r"}, key=RSAKey.import_key(RSA), iss="rsa", sub="rsa")
    assert (await asserted(backend, made)).status == 200


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": -61}, "Time"),
    "exp too far ahead": ({"exp": 361}, "Time"),
    "exp as text": ({"exp": "soon"}, "Time"),
    "no exp": ({"exp": None}, "Time"),
    "iat ahead": ({"iat": 61}, "Time"),
    "nbf ahead": ({"nbf": 61}, "Time"),
    "another aud": ({"aud": "https://evil.example/token"}, "Audience"),
    "an array as aud": ({"aud": [TOKEN]}, "Audience"),
    "the FHIR base as aud": ({"aud": BASE}, "Audience"),
    "no aud": ({"aud": None}, "Audience"),
    "no jti": ({"jti": None}, "Replay"),
    "a long jti": ({"jti": "x" * 256}, "Replay"),
    "sub is another": ({"sub": "rsa"}, "Client"),
    "no iss": ({"iss": None}, "Client"),
    "an unknown client": ({"iss": "nobody", "sub": "nobody"}, "Client"),
    "a public client": ({"iss": "app", "sub": "app"}, "Client"),
    "a client with other keys": ({"iss": "rsa", "sub": "rsa"}, "Key"),
    "an unknown kid": ({"head": {"kid": "z"}}, "Key"),
    "no kid": ({"head": {"kid": None}}, "Key"),
    "a jku": ({"head": {"jku": "https://evil.example/jwks"}}, "Key"),
    "an embedded key": ({"head": {"jwk": PUBLIC["keys"][0]}}, "Key"),
    "another typ": ({"head": {"typ": "at+jwt"}}, "Algorithm"),
    "another key": ({"key": ECKey.generate_key("P-384")}, "Signature"),
}


@pytest.mark.parametrize(("other", "kind"), BAD.values(), ids=BAD.keys())
async def test_smart22_335_a_bad_assertion_is_refused(backend: World, other: dict[str, Any], kind: str) -> None:
    now = int(backend.site.clock())
    moved = {
        name: value + now if name in ("exp", "iat", "nbf") and type(value) is int else value
        for name, value in other.items()
    }
    answer = await asserted(backend, assertion(backend, **moved))
    assert error(answer) == (401, "invalid_client")
    assert said(answer)["error_description"].startswith(kind)


def _raw(head: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(head)}.{part(claims)}.{signature}"


async def test_alg_none_and_key_confusion_are_refused(backend: World) -> None:
    now = int(backend.site.clock())
    said_ = {"iss": "service", "sub": "service", "aud": TOKEN, "exp": now + 60, "jti": "1"}
    confused = OctKey.import_key(json.dumps(PUBLIC["keys"][0]))
    for made in (
        _raw({"alg": "none", "kid": "k"}, said_),
        _raw({"alg": "ES384", "kid": "k"}, said_),
        _raw({"alg": "None", "kid": "k"}, said_),
        jose.encode({"alg": "HS256", "kid": "k"}, said_, confused, algorithms=["HS256"]),
        "x" * 9000,
        "x.y",
        "ü.ü.ü",
    ):
        assert error(await asserted(backend, made)) == (401, "invalid_client")


async def test_smart22_336_an_assertion_serves_once(backend: World) -> None:
    made = assertion(backend)
    assert (await asserted(backend, made)).status == 200
    answer = await asserted(backend, made)
    assert error(answer) == (401, "invalid_client")
    assert said(answer)["error_description"].startswith("Replay")


async def test_the_type_of_the_assertion_must_be_named(backend: World) -> None:
    made = assertion(backend)
    assert error(await asserted(backend, made, client_assertion_type="x")) == (401, "invalid_client")
    assert error(await asserted(backend, made, client_id="rsa")) == (401, "invalid_client")


async def test_smart22_250_scopes_stay_within_the_registration(backend: World) -> None:
    for scope, granted in (
        ("system/*.cruds", "system/*.rs"),
        ("system/Patient.r", "system/Patient.r"),
        ("system/Patient.read", "system/Patient.read"),
        ("system/Observation.rs?category=laboratory", "system/Observation.rs?category=laboratory"),
        ("openid system/*.rs launch/patient offline_access", "system/*.rs"),
    ):
        assert said(await asserted(backend, assertion(backend), scope=scope))["scope"] == granted
    for scope in ("system/*.cud", "patient/*.rs", "user/*.rs", "system/*.rs patient/*.rs", "openid", "", "x"):
        assert error(await asserted(backend, assertion(backend), scope=scope)) == (400, "invalid_scope")


async def test_smart22_344_a_secret_is_not_enough_for_a_backend(here: World, secret: str) -> None:
    row = await clients.get(here.site.ledger, "basic")
    assert row is not None
    answer = await here.ask(
        form={"grant_type": "client_credentials", "scope": "system/*.rs"}, headers=basic("basic", secret)
    )
    assert error(answer) == (400, "unauthorized_client")


async def test_a_client_uses_only_the_grants_that_it_is_registered_for(backend: World) -> None:
    other = {"code": "x", "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    answer = await asserted(backend, assertion(backend), grant_type="authorization_code", **other)
    assert error(answer) == (400, "unauthorized_client")


async def test_the_trail_tells_what_was_given_and_what_was_refused(here: World) -> None:
    await here.exchange(await here.code())
    await here.exchange("hac_x")
    assert here.events[-2:] == [("token", 200), ("token-refused", 400)]
