"""Assertions that somebody else made: keys and algorithms confused, heads that bring keys along, times and audiences.

https://www.rfc-editor.org/rfc/rfc8725, https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey
from tests.conformance.smart.ground import Ground
from tests.journeys.attacked import postgres_ground, sqlite_ground
from tests.journeys.test_attacks_at_once import backend
from tests.journeys.test_smart_backend import ASSERTION, keys_by_url, new_key, public

__all__ = ["keys_by_url", "postgres_ground", "sqlite_ground"]

EC = new_key("ES384", "ec")
RSA = new_key("RS384", "rsa")
P256 = {**ECKey.generate_key("P-256").as_dict(private=True), "kid": "p256"}


def b64(raw: bytes | dict[str, Any]) -> str:
    text = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def key_of(jwk: dict[str, Any]) -> ECKey | RSAKey:
    return (RSAKey if jwk["kty"] == "RSA" else ECKey).import_key({k: v for k, v in jwk.items() if k != "alg"})


def signed(head: dict[str, Any], claims: dict[str, Any] | bytes, key: Any, algorithm: str) -> str:
    """A JWS whose head says what it wants, and whose signature is one of this algorithm."""
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    text = f"{b64(head)}.{b64(body)}"
    if algorithm == "none":
        return f"{text}."
    registry = jws.JWSRegistry(algorithms=[algorithm])
    made = registry.get_alg(algorithm).sign(text.encode(), key)  # type: ignore[attr-defined]
    return f"{text}.{b64(made)}"


@pytest.fixture(scope="module")
def target(sqlite_ground: Ground) -> tuple[Ground, str]:
    """A server, and a client with an RSA and an EC key."""
    return sqlite_ground, backend(sqlite_ground, EC, RSA)


class Aimed:
    """Makes assertions of that client, but for what a case changes."""

    def __init__(self, ground: Ground, id: str) -> None:
        self.ground, self.id = ground, id

    def claims(self, **other: Any) -> dict[str, Any]:
        now = int(time.time())
        given = {
            "iss": self.id,
            "sub": self.id,
            "aud": f"{self.ground.origin}/auth/token",
            "exp": now + 240,
            "jti": str(uuid.uuid4()),
        }
        return {name: value for name, value in (given | other).items() if value is not None}

    def head(self, **other: Any) -> dict[str, Any]:
        given = {"alg": "ES384", "kid": "ec", "typ": "JWT"} | other
        return {name: value for name, value in given.items() if value is not None}

    def made(self, head: dict[str, Any] | None = None, **claims: Any) -> str:
        return signed(self.head(**(head or {})), self.claims(**claims), key_of(EC), "ES384")

    def ask(self, text: str, **other: str) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "scope": "system/Patient.rs",
            "client_assertion_type": ASSERTION,
            "client_assertion": text,
        }
        ends = time.monotonic() + 15
        while True:
            answer = self.ground.ask("/auth/token", form | other)
            busy = answer.status_code == 503 and answer.json()["error"] == "temporarily_unavailable"
            if not busy or time.monotonic() > ends:
                return answer
            time.sleep(0.3)  # ten key sets a second: who asks for more asks again


@pytest.fixture
def aimed(target: tuple[Ground, str]) -> Aimed:
    return Aimed(*target)


def test_the_assertion_that_all_others_differ_from_holds(aimed: Aimed) -> None:
    assert aimed.ask(aimed.made()).status_code == 200
    rsa = signed(aimed.head(alg="RS384", kid="rsa"), aimed.claims(), key_of(RSA), "RS384")
    assert aimed.ask(rsa).status_code == 200


def spki() -> bytes:
    return key_of(RSA).as_bytes(encoding="PEM", private=False)


def hs(algorithm: str, key: bytes, head: dict[str, Any], claims: dict[str, Any]) -> str:
    text = f"{b64(head)}.{b64(claims)}"
    made = hmac.new(key, text.encode(), getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    return f"{text}.{b64(made)}"


OTHER = ECKey.generate_key("P-384")
_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
"""The order of P-384."""


def with_signature(text: str, raw: bytes) -> str:
    return f"{text.rpartition('.')[0]}.{b64(raw)}"


CONFUSED: dict[str, tuple[str, Callable[[Aimed], str]]] = {
    "alg none": ("Algorithm", lambda a: signed(a.head(alg="none"), a.claims(), None, "none")),
    "alg None in other letters": ("Algorithm", lambda a: signed(a.head(alg="nOnE"), a.claims(), None, "none")),
    "no alg": ("Algorithm", lambda a: a.made({"alg": None})),
    "alg is no text": ("Algorithm", lambda a: a.made({"alg": ["ES384"]})),
    "an empty signature": ("Signature", lambda a: a.made().rpartition(".")[0] + "."),
    "no signature": ("Form", lambda a: a.made().rpartition(".")[0]),
    "five parts": ("Form", lambda a: a.made() + ".x.y"),
    "HS256 with the public key": (
        "Algorithm", lambda a: hs("HS256", spki(), a.head(alg="HS256", kid="rsa"), a.claims())
    ),
    "HS384 with the public key": (
        "Algorithm", lambda a: hs("HS384", spki(), a.head(alg="HS384", kid="rsa"), a.claims())
    ),
    "HS384 with the JWK": (
        "Algorithm", lambda a: hs("HS384", json.dumps(public(RSA)).encode(), a.head(alg="HS384", kid="rsa"), a.claims())
    ),
    "an HMAC under the name RS384": (
        "Signature", lambda a: hs("HS384", spki(), a.head(alg="RS384", kid="rsa"), a.claims())
    ),
    "RS256": ("Algorithm", lambda a: signed(a.head(alg="RS256", kid="rsa"), a.claims(), key_of(RSA), "RS256")),
    "RS256 under the name RS384": (
        "Signature", lambda a: signed(a.head(alg="RS384", kid="rsa"), a.claims(), key_of(RSA), "RS256")
    ),
    "PS384": ("Algorithm", lambda a: signed(a.head(alg="PS384", kid="rsa"), a.claims(), key_of(RSA), "PS384")),
    "PS384 under the name RS384": (
        "Signature", lambda a: signed(a.head(alg="RS384", kid="rsa"), a.claims(), key_of(RSA), "PS384")
    ),
    "ES256": ("Algorithm", lambda a: signed(a.head(alg="ES256", kid="ec"), a.claims(), key_of(P256), "ES256")),
    "ES256 under the name ES384": (
        "Signature", lambda a: signed(a.head(), a.claims(), key_of(P256), "ES256")
    ),
    "the kid of the other key": ("Key", lambda a: a.made({"kid": "rsa"})),
    "RS384 with the kid of the EC key": (
        "Key", lambda a: signed(a.head(alg="RS384", kid="ec"), a.claims(), key_of(RSA), "RS384")
    ),
    "no kid": ("Key", lambda a: a.made({"kid": None})),
    "a kid that is a path": ("Key", lambda a: a.made({"kid": "../../../dev/null"})),
    "a kid of SQL": ("Key", lambda a: a.made({"kid": "ec' OR '1'='1"})),
    "a kid that is no text": ("Key", lambda a: a.made({"kid": {"ec": "ec"}})),
    "somebody else's key": ("Signature", lambda a: signed(a.head(), a.claims(), OTHER, "ES384")),
    "a key in the head": (
        "Key", lambda a: signed(a.head(jwk=OTHER.as_dict(private=False)), a.claims(), OTHER, "ES384")
    ),
    "a certificate in the head": ("Key", lambda a: a.made({"x5c": ["MIIB"]})),
    "the address of a certificate": ("Key", lambda a: a.made({"x5u": "https://evil.example/cert"})),
    "jku of who registered none": ("Key", lambda a: a.made({"jku": "https://evil.example/jwks"})),
    "an empty jku": ("Key", lambda a: a.made({"jku": ""})),
    "crit": ("Key", lambda a: a.made({"crit": ["exp"]})),
    "a body that is not base64": ("Key", lambda a: a.made({"b64": False, "crit": ["b64"]})),
    "b64 alone": ("Key", lambda a: a.made({"b64": False})),
    "typ of an access token": ("Algorithm", lambda a: a.made({"typ": "at+jwt"})),
    "typ in an array": ("Algorithm", lambda a: a.made({"typ": ["JWT"]})),
    "a signature of zeros": ("Signature", lambda a: with_signature(a.made(), bytes(96))),
    "r and s at the order": ("Signature", lambda a: with_signature(a.made(), _N.to_bytes(48) * 2)),
    "r 0, s 1": ("Signature", lambda a: with_signature(a.made(), bytes(95) + b"\1")),
    "a signature in DER": ("Signature", lambda a: with_signature(a.made(), b"\x30\x06\x02\x01\x00\x02\x01\x00")),
    "a signature of another assertion": (
        "Signature", lambda a: f"{a.made().rpartition('.')[0]}.{a.made().rpartition('.')[2]}"
    ),
    "two alg": ("Form", lambda a: _head_twice(a, '{"alg":"ES384","kid":"ec","alg":"none"}')),
    "two aud": ("Form", lambda a: _claims_twice(a)),
    "a body that is a list": ("Form", lambda a: signed(a.head(), b"[]", key_of(EC), "ES384")),
    "a body of 40,000 brackets": ("Size", lambda a: signed(a.head(), b"[" * 40_000, key_of(EC), "ES384")),
    "a body of brackets that fits": ("Form", lambda a: signed(a.head(), b"[" * 5000, key_of(EC), "ES384")),
    "a number of 5,000 digits": (
        "Form", lambda a: signed(a.head(), b'{"exp":' + b"9" * 5000 + b"}", key_of(EC), "ES384")
    ),
    "NaN": ("Form", lambda a: signed(a.head(), b'{"exp":NaN}', key_of(EC), "ES384")),
    "too long": ("Size", lambda a: a.made(more="x" * 8000)),
}  # fmt: skip
"""Name -> the kind of what is found wrong, and the assertion."""


def _head_twice(aimed: Aimed, head: str) -> str:
    text = f"{b64(head.encode())}.{b64(aimed.claims())}"
    return f"{text}.{b64(jws.JWSRegistry(algorithms=['ES384']).get_alg('ES384').sign(text.encode(), key_of(EC)))}"  # type: ignore[attr-defined]


def _claims_twice(aimed: Aimed) -> str:
    body = json.dumps(aimed.claims())[:-1] + ',"aud":"https://evil.example"}'
    return signed(aimed.head(), body.encode(), key_of(EC), "ES384")


@pytest.mark.parametrize("name", CONFUSED)
def test_what_is_no_signature_of_the_registered_key_signs_nobody_in(aimed: Aimed, name: str) -> None:
    kind, make = CONFUSED[name]
    answer = aimed.ask(make(aimed))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text
    assert answer.json()["error_description"].startswith(f"{kind}:")


CLAIMS: dict[str, tuple[str, Callable[[Aimed], dict[str, Any]]]] = {
    "aud of somebody else": ("Audience", lambda a: {"aud": "https://other.example/token"}),
    "aud that is the FHIR base": ("Audience", lambda a: {"aud": a.ground.base}),
    "several aud": ("Audience", lambda a: {"aud": [f"{a.ground.origin}/auth/token", "https://evil.example"]}),
    "an array of the right aud": ("Audience", lambda a: {"aud": [f"{a.ground.origin}/auth/token"]}),
    "no aud": ("Audience", lambda a: {"aud": None}),
    "aud of a longer path": ("Audience", lambda a: {"aud": f"{a.ground.origin}/auth/token/../token"}),
    "aud in capitals": ("Audience", lambda a: {"aud": f"{a.ground.origin}/auth/token".replace("http", "HTTP")}),
    "no exp": ("Time", lambda a: {"exp": None}),
    "exp long ago": ("Time", lambda a: {"exp": int(time.time()) - 3600}),
    "exp an hour ahead": ("Time", lambda a: {"exp": int(time.time()) + 3600}),
    "exp without end": ("Time", lambda a: {"exp": 1 << 60}),
    "exp in a text": ("Time", lambda a: {"exp": str(int(time.time()) + 200)}),
    "exp that is true": ("Time", lambda a: {"exp": True}),
    "exp in milliseconds": ("Time", lambda a: {"exp": int(time.time() * 1000) + 200_000}),
    "nbf ahead": ("Time", lambda a: {"nbf": int(time.time()) + 3600}),
    "iat ahead": ("Time", lambda a: {"iat": int(time.time()) + 3600}),
    "no jti": ("Replay", lambda a: {"jti": None}),
    "an empty jti": ("Replay", lambda a: {"jti": ""}),
    "a jti that is a number": ("Replay", lambda a: {"jti": 7}),
    "a long jti": ("Replay", lambda a: {"jti": "x" * 256}),
    "a jti with NUL": ("Replay", lambda a: {"jti": "a\0b"}),
    "iss of somebody else": ("Client", lambda a: {"iss": "another"}),
    "sub of somebody else": ("Client", lambda a: {"sub": "another"}),
    "both of nobody": ("Client", lambda a: {"iss": "nobody-here", "sub": "nobody-here"}),
    "iss in an array": ("Client", lambda a: {"iss": [a.id], "sub": [a.id]}),
    "half a surrogate pair": ("Client", lambda a: {"iss": "\ud800", "sub": "\ud800"}),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_what_an_assertion_must_not_say(aimed: Aimed, name: str) -> None:
    kind, other = CLAIMS[name]
    answer = aimed.ask(aimed.made(**other(aimed)))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text
    assert answer.json()["error_description"].startswith(f"{kind}:")


def test_a_replay_is_one_whatever_signature_it_wears(aimed: Aimed) -> None:
    """(r, n - s) is as good a signature as (r, s), and base64url may end in other bits: the jti is the same."""
    made = aimed.made()
    head, _, last = made.rpartition(".")
    raw = base64.urlsafe_b64decode(last + "=" * (-len(last) % 4))
    other = raw[:48] + (_N - int.from_bytes(raw[48:])).to_bytes(48)
    assert aimed.ask(made).status_code == 200
    for again in (made, f"{head}.{b64(other)}", aimed.made(jti=json.loads(_body(made))["jti"])):
        answer = aimed.ask(again)
        assert answer.json()["error_description"] == "Replay: this jti was used before."
    assert aimed.ask(f"{head}.{last}=").status_code == 401


def _body(text: str) -> bytes:
    part = text.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_an_assertion_that_fails_uses_no_jti_up(aimed: Aimed) -> None:
    jti = str(uuid.uuid4())
    stranger = signed(aimed.head(), aimed.claims(jti=jti), OTHER, "ES384")
    assert aimed.ask(stranger).status_code == 401
    assert aimed.ask(aimed.made(jti=jti, aud="https://other.example")).status_code == 401
    assert aimed.ask(aimed.made(jti=jti)).status_code == 200


def test_the_checks_come_in_their_order(aimed: Aimed) -> None:
    """Of an assertion in which much is wrong the first is named: size, algorithm, client, method, jku, key, signature,
    audience, time, jti.
    """
    ground = aimed.ground
    secret = ground.app("system/*.rs", method="client_secret_basic")
    public_app = ground.app()
    assert aimed.ask(aimed.made(jti="used")).status_code == 200
    past, strange = int(time.time()) - 4000, "https://evil.example"
    head: dict[str, Any] = {"jku": strange, "kid": "none of them"}
    wrong: dict[str, Any] = {"aud": strange, "exp": past, "jti": "used"}

    def say(text: str) -> str:
        return str(aimed.ask(text).json()["error_description"]).partition(":")[0]

    long = signed(aimed.head(**head) | {"alg": "none"}, aimed.claims(iss="x", more="x" * 9000), OTHER, "ES384")
    assert say(long) == "Size"
    assert (
        say(signed(aimed.head(**head) | {"alg": "none"}, aimed.claims(iss="x", **wrong), OTHER, "ES384")) == "Algorithm"
    )
    assert say(signed(aimed.head(**head), aimed.claims(iss="x", **wrong), OTHER, "ES384")) == "Client"
    for id in ("nobody", secret.id, public_app.id):
        assert say(signed(aimed.head(**head), aimed.claims(iss=id, sub=id, **wrong), OTHER, "ES384")) == "Client"
    assert say(signed(aimed.head(**head), aimed.claims(**wrong), OTHER, "ES384")) == "Key"
    assert say(signed(aimed.head(kid="none of them"), aimed.claims(**wrong), OTHER, "ES384")) == "Key"
    assert say(signed(aimed.head(), aimed.claims(**wrong), OTHER, "ES384")) == "Signature"
    assert say(aimed.made(**wrong)) == "Audience"
    assert say(aimed.made(exp=past, jti="used")) == "Time"
    assert say(aimed.made(jti="used")) == "Replay"


def test_tokens_of_the_server_are_no_assertions_and_assertions_no_tokens(aimed: Aimed) -> None:
    ground = aimed.ground
    app = ground.app()
    given = ground.tokens(app, "openid fhirUser launch/patient patient/*.rs offline_access")
    for token in (given["access_token"], given["id_token"], given["refresh_token"]):
        answer = aimed.ask(token)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    for token in (aimed.made(), aimed.made({"typ": "at+jwt"}), given["id_token"], given["refresh_token"]):
        with ground.fhir(token) as fhir:
            answer = fhir.get("Patient/p1")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        told = ground.ask("/auth/introspect", {"token": token}, app)
        if token != given["refresh_token"]:
            assert told.json() == {"active": False}


def test_one_way_to_authenticate_and_no_two(aimed: Aimed) -> None:
    made = aimed.made()
    for other in ({"client_secret": "x"}, {"client_id": "another"}):
        answer = aimed.ask(made, **other)
        assert answer.status_code in (400, 401), answer.text
    form = {"grant_type": "client_credentials", "scope": "system/*.rs",
            "client_assertion_type": ASSERTION, "client_assertion": made}  # fmt: skip
    assert aimed.ground.ask("/auth/token", form, authorization="Basic eDp5").status_code == 400
    twice = [*form.items(), ("client_assertion", made)]
    answer = httpx.post(
        f"{aimed.ground.origin}/auth/token",
        content="&".join(f"{name}={value}" for name, value in twice),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert aimed.ask(made, client_assertion_type="urn:other").status_code == 401
    assert aimed.ask(made, client_id=aimed.id).status_code == 200, "none of these used the assertion up"


def test_a_client_without_keys_is_not_let_in_by_its_name(aimed: Aimed) -> None:
    answer = aimed.ground.ask("/auth/token", {"grant_type": "client_credentials", "client_id": aimed.id})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.fixture
def by_url(sqlite_ground: Ground, keys_by_url: Any) -> Iterator[tuple[Aimed, Any]]:
    """A client whose keys are fetched, and the server of them."""
    served = keys_by_url({"keys": [public(EC)]})
    id = backend(sqlite_ground, jwks_uri=served.url)
    yield Aimed(sqlite_ground, id), served


def test_only_the_registered_jku_is_fetched(by_url: tuple[Aimed, Any], keys_by_url: Any) -> None:
    aimed, served = by_url
    stranger = {**OTHER.as_dict(private=False), "kid": "ec"}
    elsewhere = keys_by_url({"keys": [stranger]})
    for jku in (elsewhere.url, served.url + "?", served.url + "#", served.url.upper(), served.url + "/", ["x"]):
        made = signed(aimed.head(jku=jku), aimed.claims(), OTHER, "ES384")
        answer = aimed.ask(made)
        assert answer.json()["error_description"] == "Key: jku must be the registered jwks_uri, or absent."
    assert (elsewhere.asked, served.asked) == (0, 0)
    assert aimed.ask(aimed.made({"jku": served.url})).status_code == 200
    assert elsewhere.asked == 0


def test_a_key_set_with_two_keys_of_one_name_is_of_no_use(sqlite_ground: Ground, keys_by_url: Any) -> None:
    stranger = {**OTHER.as_dict(private=False), "kid": "ec"}
    served = keys_by_url({"keys": [stranger, public(EC)]})
    aimed = Aimed(sqlite_ground, backend(sqlite_ground, jwks_uri=served.url))
    assert aimed.ask(aimed.made()).json()["error_description"].startswith("Key: not exactly one")
    assert aimed.ask(signed(aimed.head(), aimed.claims(), OTHER, "ES384")).status_code == 401


def test_a_key_set_that_gives_a_private_or_symmetric_key_away_is_not_used(
    sqlite_ground: Ground, keys_by_url: Any
) -> None:
    symmetric = {**OctKey.generate_key(256).as_dict(), "kid": "ec"}
    for keys in ([EC], [public(EC), symmetric]):
        aimed = Aimed(sqlite_ground, backend(sqlite_ground, jwks_uri=keys_by_url({"keys": keys}).url))
        assert aimed.ask(aimed.made()).json()["error_description"].startswith("Key:")
