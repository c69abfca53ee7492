"""Tokens: minted, verified, refused."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt as jose
from joserfc.jwk import RSAKey

from hilum.access.keys import SigningKey, load_or_create
from hilum.access.policy import Grant, Policy, Principal
from hilum.access.tokens import LONGEST_TOKEN, Minter, Verifier
from hilum.oauth import jwt
from hilum.problems import Invalid, Unauthenticated

BASE = "https://hilum.test/fhir"
NOW = 1_800_000_000


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_create(tmp_path_factory.mktemp("keys"), "sandbox")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(key: SigningKey, clock: Clock) -> Verifier:
    return Verifier(key, BASE, clock)


def claims(**more: Any) -> dict[str, Any]:
    whole = {
        "iss": BASE,
        "aud": BASE,
        "env": "sandbox",
        "sub": "s",
        "client_id": "c",
        "scope": "system/*.rs",
        "jti": "j",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 60,
    } | more
    return {name: value for name, value in whole.items() if value is not None}


def test_a_minted_token_becomes_its_principal(key: SigningKey, clock: Clock, verifier: Verifier) -> None:
    token = Minter(key, BASE, clock).mint("patient/Patient.rs openid", patient="p1", minutes=5)
    found = verifier.verify(token)
    policy = Policy((Grant("Patient", frozenset("rs"), (("Patient", "p1"),)),))
    assert found == Principal("owner", "hilum-cli", found.token, policy, NOW + 300)
    assert len(found.token) == 36
    assert verifier.verify(token) is found


def test_a_token_ends_also_when_it_was_seen_before(key: SigningKey, clock: Clock, verifier: Verifier) -> None:
    token = Minter(key, BASE, clock).mint("system/*.rs", minutes=1)
    clock.now = NOW + 59.9
    verifier.verify(token)
    clock.now = NOW + 60
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="expired"):
            verifier.verify(token)


def test_what_is_kept_is_no_token(key: SigningKey, clock: Clock) -> None:
    verifier, token = Verifier(key, BASE, clock), Minter(key, BASE, clock).mint("system/*.rs")
    assert verifier.verify(token) is verifier.verify(token)
    assert list(verifier._kept) == [sha256(token.encode()).digest()]


def test_what_is_kept_is_bounded(key: SigningKey, clock: Clock) -> None:
    verifier = Verifier(key, BASE, clock, limit=3)
    tokens = [Minter(key, BASE, clock).mint("system/*.rs") for _ in range(10)]
    for token in tokens:
        verifier.verify(token)
    assert len(verifier._kept) == 3
    with pytest.raises(Unauthenticated):
        verifier.verify(tokens[-1] + "x")
    assert len(verifier._kept) == 3


@pytest.mark.parametrize(
    "more",
    [
        {"iss": "https://other.test/fhir"},
        {"aud": "https://other.test/fhir"},
        {"aud": [BASE]},
        {"env": "production"},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": str(NOW + 60)},
        {"exp": NOW + 60.5},
        {"exp": True},
        {"nbf": NOW + 6},
        {"iat": NOW + 6},
        {"patient": 7},
        {"patient": ""},
        {"patient": "a/b"},
        {"scope": ["system/*.rs"]},
        {"sub": 1},
        *({name: None} for name in claims() if name != "patient"),
    ],
)
def test_claims_that_do_not_hold_are_refused(key: SigningKey, verifier: Verifier, more: dict[str, Any]) -> None:
    verifier.verify(jwt.sign(claims(), key.key, key.kid))
    with pytest.raises(Unauthenticated):
        verifier.verify(jwt.sign(claims(**more), key.key, key.kid))


def test_a_token_of_another_environment_key_kid_or_type_is_refused(
    key: SigningKey, verifier: Verifier, tmp_path: Path
) -> None:
    other = load_or_create(tmp_path, "production")
    for token in (
        jwt.sign(claims(), other.key, other.kid),
        jwt.sign(claims(), other.key, key.kid),
        jwt.sign(claims(), key.key, "other"),
        jwt.sign(claims(), key.key, key.kid, type="JWT"),
    ):
        with pytest.raises(Unauthenticated):
            verifier.verify(token)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_other_algorithms_are_refused(key: SigningKey, verifier: Verifier) -> None:
    """Among them the public key as an HMAC secret (https://www.rfc-editor.org/rfc/rfc8725#section-2.1)."""
    header = {"kid": key.kid, "typ": "at+jwt"}
    rsa = jose.encode({**header, "alg": "RS256"}, claims(), RSAKey.generate_key(2048), algorithms=["RS256"])
    signed = f"{part({**header, 'alg': 'HS256'})}.{part(claims())}"
    mac = hmac.digest(key.key.as_pem(private=False), signed.encode(), "sha256")
    hs = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    none = f"{part({**header, 'alg': 'none'})}.{part(claims())}"
    for token in (rsa, hs, none, none + "."):
        with pytest.raises(Unauthenticated):
            verifier.verify(token)


def test_every_changed_character_is_refused(key: SigningKey, verifier: Verifier) -> None:
    token = jwt.sign(claims(), key.key, key.kid)
    for i in range(0, len(token) - 1, 7):  # not the last: it holds bits that say nothing
        changed = token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :]
        with pytest.raises(Unauthenticated):
            verifier.verify(changed)


@given(text=st.one_of(st.text(), st.lists(st.text("AQew0_-.=", max_size=30), min_size=3, max_size=3).map(".".join)))
def test_nonsense_is_refused_and_only_that(text: str, key: SigningKey) -> None:
    with pytest.raises(Unauthenticated) as caught:
        Verifier(key, BASE, Clock()).verify(text)
    assert str(caught.value) == "The access token does not hold here."


@given(
    st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2)),
    st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2)),
)
def test_any_json_in_header_and_payload_is_refused(
    header: Any,
    payload: Any,
) -> None:
    key = SigningKey("sandbox", "k", jwt.import_key(jwt.new_key()))
    verifier = Verifier(key, BASE, Clock())
    for token in (
        f"{part(header)}.{part(payload)}.AAAA",
        f"{part({'alg': header, 'kid': payload})}.{part(payload)}.AA",
    ):
        with pytest.raises(Unauthenticated):
            verifier.verify(token)


def test_what_is_too_long_is_refused_unread(verifier: Verifier) -> None:
    with pytest.raises(Unauthenticated):
        verifier.verify("a" * (LONGEST_TOKEN + 1))


# --- minting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "more", "says"),
    [
        ("patient/Observation.rs?category=laboratory", {"patient": "p"}, "granular"),
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


def test_a_token_lasts_an_hour_unless_asked_otherwise(key: SigningKey, clock: Clock, verifier: Verifier) -> None:
    minter = Minter(key, BASE, clock)
    assert verifier.verify(minter.mint("system/*.rs")).expires == NOW + 3600
    assert verifier.verify(minter.mint("system/*.rs", minutes=24 * 60)).expires == NOW + 86400
    assert verifier.verify(minter.mint("system/*.rs")).token != verifier.verify(minter.mint("system/*.rs")).token
