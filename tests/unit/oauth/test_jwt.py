"""JWTs that hilum signs, and what passes for none. https://www.rfc-editor.org/rfc/rfc8725"""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from hilum.oauth import jwt
from hilum.oauth.jwt import NotVerified

CLAIMS: dict[str, Any] = {"sub": "ä", "n": 1}
EC = jwt.new_key()
RSA = {**RSAKey.generate_key(2048).as_dict(private=True), "kid": "rsa"}
KEYS = {EC["kid"]: jwt.import_key(EC), "rsa": jwt.import_key(RSA)}


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize(("kid", "algorithm"), [(EC["kid"], "ES256"), ("rsa", "RS256")], ids=["ES256", "RS256"])
def test_each_key_signs_with_its_algorithm(kid: str, algorithm: str) -> None:
    token = jwt.sign(CLAIMS, KEYS[kid], kid)
    assert jwt.unverified(token) == ({"alg": algorithm, "kid": kid, "typ": "at+jwt"}, CLAIMS)
    assert jwt.verified(token, KEYS) == CLAIMS


def test_a_new_key_has_its_thumbprint_as_kid() -> None:
    assert EC["kid"] == ECKey.import_key(EC).thumbprint()
    assert EC["alg"] == "ES256"


def test_the_public_part_says_nothing_private() -> None:
    assert jwt.public(KEYS[EC["kid"]], EC["kid"]) == {
        "kty": "EC", "crv": "P-256", "x": EC["x"], "y": EC["y"], "kid": EC["kid"], "alg": "ES256", "use": "sig",
    }  # fmt: skip
    assert set(jwt.public(KEYS["rsa"], "rsa")) == {"kty", "n", "e", "kid", "alg", "use"}


@pytest.mark.parametrize("jwk", [{}, {"kty": "oct", "k": "AA"}, ECKey.generate_key("P-384").as_dict(private=True)])
def test_other_keys_are_not_taken(jwk: dict[str, Any]) -> None:
    with pytest.raises(NotVerified):
        jwt.import_key(jwk)


def test_the_type_counts() -> None:
    token = jwt.sign(CLAIMS, KEYS[EC["kid"]], EC["kid"], type=jwt.ID_TOKEN)
    assert jwt.verified(token, KEYS, type=jwt.ID_TOKEN) == CLAIMS
    with pytest.raises(NotVerified):
        jwt.verified(token, KEYS)


def test_the_key_that_the_head_names_must_be_the_one_that_signed() -> None:
    for signer, named in ((KEYS["rsa"], EC["kid"]), (KEYS[EC["kid"]], "rsa"), (KEYS[EC["kid"]], "third")):
        with pytest.raises(NotVerified):
            jwt.verified(jwt.sign(CLAIMS, signer, named), KEYS)


def test_a_key_of_another_kind_brought_along_in_the_head_is_not_looked_at() -> None:
    other = ECKey.generate_key("P-256")
    head = {"alg": "ES256", "kid": "third", "typ": "at+jwt", "jwk": other.as_dict(private=False)}
    token = jws.serialize_compact(head, json.dumps(CLAIMS), other, algorithms=["ES256"])
    for keys in (KEYS, {}):
        with pytest.raises(NotVerified):
            jwt.verified(token, keys)


def test_no_algorithm_and_the_public_key_as_a_secret_are_refused() -> None:
    pem = KEYS["rsa"].as_pem(private=False)
    for algorithm in ("none", "None", "HS256", "HS384", "RS384", "PS256"):
        signed = f"{part({'alg': algorithm, 'kid': 'rsa', 'typ': 'at+jwt'})}.{part(CLAIMS)}"
        for mac in (
            b"",
            hmac.digest(pem, signed.encode(), "sha256"),
            hmac.digest(pem.strip(), signed.encode(), "sha256"),
        ):
            with pytest.raises(NotVerified):
                jwt.verified(f"{signed}.{part(mac)}", KEYS)


def test_critical_extensions_are_refused() -> None:
    """Also those that joserfc knows. https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11"""
    key = KEYS[EC["kid"]]
    head = {"alg": "ES256", "kid": EC["kid"], "typ": "at+jwt", "crit": ["b64"], "b64": True}
    token = jws.serialize_compact(head, json.dumps(CLAIMS), key, algorithms=["ES256"])
    assert jws.deserialize_compact(token, key, algorithms=["ES256"]).payload == json.dumps(CLAIMS).encode()
    with pytest.raises(NotVerified):
        jwt.verified(token, KEYS)


HEAD = {"alg": "ES256"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        f"{part(HEAD)}.{part([1])}.AA",
        part(b"{") + f".{part({})}.AA",
        part(b'{"alg":"ES256","alg":"none"}') + f".{part({})}.AA",
        part(HEAD) + "." + part(b'{"sub":"a","sub":"b"}') + ".AA",
        part(HEAD) + "." + part(b'{"x":{"sub":"a","sub":"b"}}') + ".AA",
        part(HEAD) + "." + part(b'{"exp":NaN}') + ".AA",
        part(HEAD) + "." + part(b'{"exp":' + b"9" * 5000 + b"}") + ".AA",
        part(HEAD) + "." + part(b"[" * 100_000) + ".AA",
        part(HEAD) + "." + part(b"\xff") + ".AA",
        f"{part(HEAD)}!.{part({})}.AA",
        f"{part(HEAD)}.{part({})}=.AA",
        f"{part(HEAD)}.ä.AA",
        f"{part(HEAD)}..AA",
    ],
)
def test_texts_that_two_readers_could_read_differently_are_no_jwt(text: str) -> None:
    with pytest.raises(NotVerified):
        jwt.unverified(text)
