"""Tokens as hilum makes them: what they say, and what is never made."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import pytest

from hilum.access.keyring import Keyring
from hilum.access.keys import SigningKey, load_or_create
from hilum.access.tokens import (
    BACKEND_SECONDS,
    CLI,
    LONGEST_OWN_SCOPE,
    LONGEST_SCOPE,
    LONGEST_SECONDS,
    Granted,
    Issuer,
    Minter,
)
from hilum.oauth import jwt
from hilum.oauth.errors import OAuthError
from hilum.problems import Invalid
from hilum.store.memory import MemoryLedger

BASE = "https://hilum.test/fhir"
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_create(tmp_path_factory.mktemp("keys"), "sandbox")


@pytest.fixture(scope="module")
def ring(key: SigningKey) -> Keyring:
    found = Keyring(key, lambda: NOW)
    asyncio.run(found.prepare(MemoryLedger(lambda: NOW * 1_000_000)))
    return found


@pytest.fixture
def issuer(ring: Keyring) -> Issuer:
    return Issuer(ring, BASE, lambda: NOW + 0.9)


GRANTED = Granted("app", "openid patient/*.rs", "g1", "u1", "Practitioner/7", "p1", "e1", "ab" * 32, ("pwd", "otp"))


def said(token: str, ring: Keyring) -> dict[str, Any]:
    return jwt.verified(token, ring.verifying())


def test_an_access_token_says_who_for_whom_and_what(issuer: Issuer, ring: Keyring) -> None:
    token, jti, seconds = issuer.access(GRANTED, 600)
    assert seconds == 600
    assert said(token, ring) == {
        "iss": "https://hilum.test",
        "aud": BASE,
        "env": "sandbox",
        "sub": "u1",
        "client_id": "app",
        "jti": jti,
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 600,
        "scope": "openid patient/*.rs",
        "grant": "g1",
        "sid": "ab" * 32,
        "patient": "p1",
        "encounter": "e1",
        "fhirUser": "Practitioner/7",
        "amr": ["pwd", "otp"],
    }
    assert issuer.access(GRANTED, 600)[1] != jti


def test_an_app_by_itself_has_a_token_of_five_minutes(issuer: Issuer, ring: Keyring) -> None:
    token, jti, seconds = issuer.access(Granted("app", "system/*.rs"), 3600)
    assert seconds == BACKEND_SECONDS == 300
    assert said(token, ring) == {
        "iss": "https://hilum.test",
        "aud": BASE,
        "env": "sandbox",
        "sub": "app",
        "client_id": "app",
        "jti": jti,
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + BACKEND_SECONDS,
        "scope": "system/*.rs",
    }


def test_a_token_for_a_user_lasts_an_hour_at_most(issuer: Issuer, ring: Keyring) -> None:
    token, _, seconds = issuer.access(GRANTED, 7200)
    assert (said(token, ring)["exp"], seconds) == (NOW + LONGEST_SECONDS, LONGEST_SECONDS)
    assert LONGEST_SECONDS == 3600


@pytest.mark.parametrize(
    "granted",
    [
        Granted(CLI, "system/*.rs"),
        Granted("app", "user/*.rs", user="u1"),
        Granted("app", "user/*.rs", grant="g1"),
    ],
)
def test_tokens_that_are_never_made(issuer: Issuer, granted: Granted) -> None:
    with pytest.raises(ValueError, match="No such access token"):
        issuer.access(granted)


def scope_of(length: int) -> str:
    return ("patient/Observation.rs " * length)[:length]


def test_a_long_scope_stands_in_the_grant_and_not_in_the_token(issuer: Issuer, ring: Keyring) -> None:
    def granted(length: int, grant: str, *, narrowed: bool = False) -> Granted:
        return Granted("app", scope_of(length), grant, "u1" if grant else "", narrowed=narrowed)

    assert "scope" in said(issuer.access(granted(LONGEST_SCOPE, "g"), 60)[0], ring)
    assert "scope" not in said(issuer.access(granted(LONGEST_SCOPE + 1, "g"), 60)[0], ring)
    for kept in (granted(LONGEST_OWN_SCOPE, ""), granted(LONGEST_OWN_SCOPE, "g", narrowed=True)):
        assert said(issuer.access(kept, 60)[0], ring)["scope"] == kept.scopes
    for long in (granted(LONGEST_OWN_SCOPE + 1, ""), granted(LONGEST_OWN_SCOPE + 1, "g", narrowed=True)):
        with pytest.raises(OAuthError) as caught:
            issuer.access(long, 60)
        assert caught.value.error == "invalid_scope"


def test_a_grant_of_nothing_says_so(issuer: Issuer, ring: Keyring) -> None:
    assert said(issuer.access(Granted("app", "", "g", "u"), 60)[0], ring)["scope"] == ""


def test_an_id_token_is_for_the_client(issuer: Issuer, ring: Keyring) -> None:
    token = issuer.identity(GRANTED, nonce="n-0S6", auth_time=NOW - 30, access="the-access-token")
    signer = ring.signer("id")
    half = urlsafe_b64encode(sha256(b"the-access-token").digest()[:16]).rstrip(b"=").decode()
    assert jwt.unverified(token)[0] == {"alg": "RS256", "kid": signer.kid, "typ": "JWT"}
    assert jwt.verified(token, {signer.kid: signer.key}, type="JWT") == {
        "iss": "https://hilum.test",
        "sub": "u1",
        "aud": "app",
        "iat": NOW,
        "exp": NOW + 3600,
        "auth_time": NOW - 30,
        "nonce": "n-0S6",
        "fhirUser": f"{BASE}/Practitioner/7",
        "profile": f"{BASE}/Practitioner/7",
        "amr": ["pwd", "otp"],
        "at_hash": half,
    }
    plain = issuer.identity(Granted("app", "openid", "g", "u"), nonce=None, auth_time=NOW)
    assert not jwt.unverified(plain)[1].keys() & {"nonce", "fhirUser", "profile", "amr", "at_hash"}


def test_an_id_token_is_no_access_token(issuer: Issuer, ring: Keyring) -> None:
    with pytest.raises(jwt.NotVerified):
        said(issuer.identity(GRANTED, nonce=None, auth_time=NOW), ring)


# --- minting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "more", "says"),
    [
        ("patient/Observation.rs?nonsense=laboratory", {"patient": "p"}, "limited"),
        ("patient/Observation.rs?category", {"patient": "p"}, "not understood"),
        ("patient/Observation.rs", {}, "--patient"),
        ("patient/Observation.dus", {"patient": "p"}, "not understood"),
        ("system/Observation.rs system/Patient.sr", {}, "not understood"),
        ("system/Observations.rs", {}, "no resource type"),
        ("openid launch", {}, "no access"),
        ("", {}, "no access"),
        ("system/*.rs", {"minutes": 0}, "minutes"),
        ("system/*.rs", {"minutes": -1}, "minutes"),
        ("system/*.rs", {"minutes": 24 * 60 + 1}, "minutes"),
        ("system/*.rs", {"minutes": float("nan")}, "minutes"),
        ("patient/*.rs", {"patient": "a/b"}, "resource id"),
    ],
)
def test_what_can_not_be_minted(key: SigningKey, scope: str, more: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        Minter(key, BASE).mint(scope, **more)


def test_a_minted_token_lasts_an_hour_unless_asked_otherwise(key: SigningKey, ring: Keyring) -> None:
    minter = Minter(key, BASE, lambda: NOW)
    first = said(minter.mint("system/*.rs"), ring)
    assert first == {
        "iss": "https://hilum.test",
        "aud": BASE,
        "env": "sandbox",
        "sub": "owner",
        "client_id": "hilum-cli",
        "scope": "system/*.rs",
        "jti": first["jti"],
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 3600,
    }
    assert said(minter.mint("system/*.rs", minutes=24 * 60), ring)["exp"] == NOW + 86400
    assert said(minter.mint("system/*.rs"), ring)["jti"] != first["jti"]
    granular = "patient/Observation.rs?category=laboratory"
    assert said(minter.mint(granular, patient="p"), ring)["scope"] == granular
