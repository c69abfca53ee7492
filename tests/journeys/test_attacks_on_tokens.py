"""Access tokens that hilum did not make, or made for something else, and tokens where none belong.

https://www.rfc-editor.org/rfc/rfc9068#section-4, https://www.rfc-editor.org/rfc/rfc8725, https://www.rfc-editor.org/rfc/rfc6750#section-2
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey
from tests.conformance.smart.ground import App, Ground
from tests.conformance.smart.visitor import Choices, address
from tests.journeys.attacked import both, postgres_ground, sqlite_ground
from tests.journeys.server import FHIR_JSON
from tests.journeys.test_attacks_on_assertions import hs, signed, with_signature

from hilum.access.keyring import Keyring
from hilum.access.keys import load_or_create
from hilum.oauth.ledger import KEY

__all__ = ["both", "postgres_ground", "sqlite_ground"]

SCOPE = "launch/patient patient/*.rs offline_access openid fhirUser"
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of P-256."""


class Forger:
    """Has the server's own keys, so that what is refused is not refused for its signature alone."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.root = load_or_create(ground.server.data, "sandbox")
        self.ring = Keyring(self.root)

        async def load(ledger: Any) -> None:
            self.ring.learn(await ledger.of(KEY))

        ground.run(load)
        self.jwks = httpx.get(f"{ground.origin}/.well-known/jwks.json").json()["keys"]
        self.stranger = ECKey.generate_key("P-256")

    def head(self, **other: Any) -> dict[str, Any]:
        given = {"alg": "ES256", "kid": self.root.kid, "typ": "at+jwt"} | other
        return {name: value for name, value in given.items() if value is not None}

    def claims(self, **other: Any) -> dict[str, Any]:
        now = int(time.time())
        given: dict[str, Any] = {
            "iss": self.ground.origin, "aud": self.ground.base, "env": "sandbox", "sub": "owner",
            "client_id": "hilum-cli", "scope": "system/*.rs", "jti": str(uuid.uuid4()), "iat": now, "nbf": now,
            "exp": now + 600,
        }  # fmt: skip
        return {name: value for name, value in (given | other).items() if value is not None}

    def made(self, head: dict[str, Any] | None = None, **claims: Any) -> str:
        return signed(self.head(**(head or {})), self.claims(**claims), self.root.key, "ES256")

    def public(self, kty: str) -> dict[str, Any]:
        return next(key for key in self.jwks if key["kty"] == kty)

    def pem(self, kty: str) -> bytes:
        key: Any = (RSAKey if kty == "RSA" else ECKey).import_key(self.public(kty))
        return bytes(key.as_bytes(encoding="PEM", private=False))

    def status(self, token: str) -> int:
        with self.ground.fhir(token) as fhir:
            return fhir.get("Patient/p1").status_code


@pytest.fixture(scope="module")
def forger(sqlite_ground: Ground) -> Forger:
    return Forger(sqlite_ground)


def _id_key(forger: Forger) -> str:
    signer = forger.ring.signer("id")
    return signed(forger.head(alg="RS256", kid=signer.kid), forger.claims(), signer.key, "RS256")


def _audit_key(forger: Forger) -> str:
    signer = forger.ring.signer("audit")
    return signed(forger.head(kid=signer.kid), forger.claims(), signer.key, "ES256")


def _twice(forger: Forger, name: str, value: Any) -> str:
    body = json.dumps(forger.claims())[:-1] + f',"{name}":{json.dumps(value)}}}'
    return signed(forger.head(), body.encode(), forger.root.key, "ES256")


FORGED: dict[str, Callable[[Forger], str]] = {
    "alg none": lambda f: signed(f.head(alg="none"), f.claims(), None, "none"),
    "alg none, signed": lambda f: f.made({"alg": "none"}),
    "alg NONE, no kid": lambda f: signed(f.head(alg="NONE", kid=None), f.claims(), None, "none"),
    "no signature": lambda f: f.made().rpartition(".")[0] + ".",
    "HS256 with the EC key in PEM": lambda f: hs("HS256", f.pem("EC"), f.head(alg="HS256"), f.claims()),
    "HS256 with the EC key in JSON": (
        lambda f: hs("HS256", json.dumps(f.public("EC")).encode(), f.head(alg="HS256"), f.claims())
    ),
    "HS256 with the RSA key in PEM": (
        lambda f: hs("HS256", f.pem("RSA"), f.head(alg="HS256", kid=f.public("RSA")["kid"]), f.claims())
    ),
    "HS256 with an empty key": lambda f: hs("HS256", b"", f.head(alg="HS256"), f.claims()),
    "an HMAC under the name ES256": lambda f: hs("HS256", f.pem("EC"), f.head(), f.claims()),
    "signed by the key of id_tokens": _id_key,
    "signed by the key of the audit": _audit_key,
    "signed by a stranger": lambda f: signed(f.head(), f.claims(), f.stranger, "ES256"),
    "a stranger's key in the head": (
        lambda f: signed(f.head(jwk=f.stranger.as_dict(private=False)), f.claims(), f.stranger, "ES256")
    ),
    "a stranger's key in the head, no kid": (
        lambda f: signed(f.head(kid=None, jwk=f.stranger.as_dict(private=False)), f.claims(), f.stranger, "ES256")
    ),
    "a stranger's jku": (
        lambda f: signed(f.head(jku="http://127.0.0.1:1/jwks", kid="x"), f.claims(), f.stranger, "ES256")
    ),
    "a certificate": lambda f: signed(f.head(x5c=["MIIB"], kid=None), f.claims(), f.stranger, "ES256"),
    "no kid": lambda f: f.made({"kid": None}),
    "a kid that is a path": lambda f: f.made({"kid": "../../../../dev/null"}),
    "a kid in an array": lambda f: f.made({"kid": [f.root.kid]}),
    "crit": lambda f: f.made({"crit": ["exp"], "exp": 1}),
    "b64 false": lambda f: f.made({"b64": False, "crit": ["b64"]}),
    "typ of an id_token": lambda f: f.made({"typ": "JWT"}),
    "no typ": lambda f: f.made({"typ": None}),
    "typ with the media type": lambda f: f.made({"typ": "application/at+jwt"}),
    "typ in other letters": lambda f: f.made({"typ": "AT+JWT"}),
    "zeros for a signature": lambda f: with_signature(f.made(), bytes(64)),
    "r and s at the order": lambda f: with_signature(f.made(), _N.to_bytes(32) * 2),
    "a signature in DER": lambda f: with_signature(f.made(), b"\x30\x06\x02\x01\x01\x02\x01\x01"),
    "ES384's length": lambda f: with_signature(f.made(), bytes(96)),
    "another issuer": lambda f: f.made(iss="https://evil.example"),
    "another server": lambda f: f.made(aud="https://evil.example/fhir"),
    "several servers": lambda f: f.made(aud=[f.ground.base, "https://evil.example"]),
    "an array of this server": lambda f: f.made(aud=[f.ground.base]),
    "the production server": lambda f: f.made(env="production"),
    "no environment": lambda f: f.made(env=None),
    "expired": lambda f: f.made(exp=int(time.time()) - 1),
    "no end": lambda f: f.made(exp=None),
    "an end that is a text": lambda f: f.made(exp="9999999999"),
    "an end that is true": lambda f: f.made(exp=True),
    "not yet": lambda f: f.made(nbf=int(time.time()) + 600),
    "made tomorrow": lambda f: f.made(iat=int(time.time()) + 86_400),
    "no jti": lambda f: f.made(jti=None),
    "no subject": lambda f: f.made(sub=None),
    "a scope in a list": lambda f: f.made(scope=["system/*.cruds"]),
    "two scopes": lambda f: _twice(f, "scope", "system/*.cruds"),
    "two client ids": lambda f: _twice(f, "client_id", "other"),
    "a client that there is not": lambda f: f.made(client_id="nobody", sub="nobody"),
    "a grant that there is not": lambda f: f.made(grant=str(uuid.uuid4()), sub=str(uuid.uuid4())),
    "a grant that is no UUID": lambda f: f.made(grant="x' OR 1=1", sub="x"),
    "a session of the console that there is not": lambda f: f.made(client_id="hilum-console", sid="00" * 32),
    "a patient with a slash": lambda f: f.made(scope="patient/*.rs", patient="p1/../p2"),
    "a patient in a list": lambda f: f.made(scope="patient/*.rs", patient=["p1", "p2"]),
    "a body of brackets": lambda f: signed(f.head(), b"[" * 5000, f.root.key, "ES256"),
    "16 kB": lambda f: f.made(more="x" * 16_384),
    "dots": lambda f: "..",
    "text": lambda f: "letmein",
    "two tokens": lambda f: f"{f.made()} {f.made()}",
    "two tokens, comma between": lambda f: f"{f.made()}, {f.made()}",
    "plain base64": lambda f: f.made().replace("-", "+").replace("_", "/") + "==",
}


def test_the_token_that_all_others_differ_from_holds(forger: Forger) -> None:
    assert forger.status(forger.made()) == 200


@pytest.mark.parametrize("name", FORGED)
def test_what_is_no_access_token_of_this_server_opens_nothing(forger: Forger, name: str) -> None:
    token = FORGED[name](forger)
    with forger.ground.fhir(token) as fhir:
        answer = fhir.get("Patient/p1")
        assert answer.status_code == 401, answer.text
        assert "Stone" not in answer.text
        assert fhir.post("", json={"resourceType": "Bundle", "type": "batch"}, headers=FHIR_JSON).status_code == 401


def test_a_token_for_one_user_is_not_of_another(both: Ground) -> None:
    """Its claims and its grant have to say the same: who signs with the key of the data directory is not believed."""
    forger, app = Forger(both), both.app()
    given = both.tokens(app, SCOPE, "par.ent", Choices(patient="p1"))
    said = json.loads(_decoded(given["access_token"].split(".")[1]))
    assert forger.status(forger.made(**said)) == 200
    for other in (
        {"patient": "p1" if said["patient"] == "p2" else "p2"},
        {"patient": None},
        {"patient": "p3"},
        {"sub": both.users["kim.doe"]},
        {"client_id": both.app().id},
        {"sub": "owner", "client_id": "hilum-cli"},
    ):
        assert forger.status(forger.made(**(said | other))) == 401, other


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_no_token_in_a_url_or_a_form(both: Ground) -> None:
    token = both.server.token("system/*.cruds")
    bare = address()
    for path in (
        f"/fhir/Patient/p1?access_token={token}",
        f"/fhir/Patient?_id=p1&access_token={token}",
        f"/auth/token?access_token={token}",
        f"/auth/introspect?access_token={token}",
    ):
        for headers in (bare, bare | {"authorization": f"Bearer {token}"}):
            method = "GET" if path.startswith("/fhir") else "POST"
            answer = httpx.request(method, both.origin + path, headers=headers, data=None)
            assert answer.status_code in (400, 401), path
            assert token not in answer.text
    form = {"access_token": token, "_id": "p1"}
    assert httpx.post(f"{both.base}/Patient/_search", data=form, headers=bare).status_code == 401
    cookies = {"access_token": token, "hilum": token, "authorization": f"Bearer {token}"}
    assert httpx.get(f"{both.base}/Patient/p1", cookies=cookies, headers=bare).status_code == 401


def test_a_browsers_session_is_no_way_into_the_api(both: Ground) -> None:
    """Nobody's page can make a signed-in browser read or write FHIR: the cookie counts for nothing there."""
    visitor = both.visitor("kim.doe")
    assert visitor.sign_in().status == 200
    for path in ("/fhir/Patient/p1", "/fhir/Patient", "/fhir/$graphql?query={PatientList{id}}"):
        assert visitor.http.get(both.origin + path, headers={"origin": both.origin}).status_code == 401
    answer = visitor.http.post(f"{both.base}/Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON)
    assert answer.status_code == 401


def test_introspection_tells_apps_of_their_own_tokens_only(both: Ground) -> None:
    mine, theirs = both.app(), both.app()
    given = both.tokens(mine, SCOPE)
    for token in (given["access_token"], given["refresh_token"]):
        assert both.ask("/auth/introspect", {"token": token}, mine).json()["active"] is True
        assert both.ask("/auth/introspect", {"token": token}, theirs).json() == {"active": False}
        assert both.ask("/auth/introspect", {"token": token}).status_code == 401
        own = both.ask("/auth/introspect", {"token": token}, authorization=f"Bearer {given['access_token']}")
        assert (own.status_code, own.json()["error"]) == (403, "insufficient_scope")
    for text in ("x", "hrt_x", "a.b.c", "é", "\0", "x" * 20_000):
        answer = both.ask("/auth/introspect", {"token": text}, mine)
        assert answer.json() == {"active": False} or answer.status_code == 400


def test_an_app_revokes_its_own_tokens_only(both: Ground) -> None:
    mine, theirs = both.app(), both.app()
    given = both.tokens(mine, SCOPE)
    for token in (given["access_token"], given["refresh_token"]):
        answer = both.ask("/auth/revoke", {"token": token}, theirs)
        assert (answer.status_code, answer.content) == (200, b"")
        assert both.ask("/auth/revoke", {"token": token}).status_code == 401
    assert both.refresh(mine, given["refresh_token"]).status_code == 200
    with both.fhir(given) as fhir:
        assert fhir.get("Patient/p1").status_code == 200


def test_a_refresh_asks_for_no_more_and_is_no_other_apps(both: Ground) -> None:
    mine, theirs = both.app(), both.app()
    secretive = both.app(method="client_secret_basic")
    given = both.tokens(mine, "launch/patient patient/Observation.rs offline_access")
    token = given["refresh_token"]
    for scope in ("patient/*.rs", "patient/Observation.cruds", "user/*.rs", "system/*.cruds", "patient/Patient.r",
                  "patient/Observation.rs patient/Condition.rs", "openid", "__introspect", "nonsense"):  # fmt: skip
        answer = both.refresh(mine, token, scope=scope)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope"), scope
    for other in (theirs, secretive):
        answer = both.refresh(other, token)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    narrow = both.refresh(mine, token, scope="patient/Observation.r").json()
    assert narrow["scope"] == "patient/Observation.r"
    with both.fhir(narrow) as fhir:
        assert [fhir.get(path).status_code for path in ("Observation/o1", "Observation", "Patient/p1")] == [
            200,
            403,
            403,
        ]
    wide = both.refresh(mine, narrow["refresh_token"], scope="patient/Observation.rs").json()
    assert wide["scope"] == "patient/Observation.rs", "the family keeps what was granted"


def test_a_confidential_apps_refresh_token_takes_its_secret(both: Ground) -> None:
    app = both.app(method="client_secret_basic")
    given = both.tokens(app, SCOPE)
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    for other in (None, App(app.id), App(app.id, method="client_secret_basic", secret="x")):
        assert both.ask("/auth/token", form, other).status_code == 401
    assert both.refresh(app, given["refresh_token"]).status_code == 200


def test_an_app_in_a_confidential_apps_name_can_do_nothing(both: Ground) -> None:
    app = both.app(method="client_secret_basic")
    token = both.tokens(app, SCOPE)["access_token"]
    for path in ("/auth/introspect", "/auth/revoke"):
        for pretended in (App(app.id), App(app.id, method="client_secret_post", secret=app.secret)):
            assert both.ask(path, {"token": token}, pretended).status_code == 401
    with both.fhir(token) as fhir:
        assert fhir.get("Patient/p1").status_code == 200
