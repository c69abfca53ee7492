"""Sealed envelopes: opened by their key alone, and only where they are sealed as they should be."""

from __future__ import annotations

import json
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, RSAKey

from hilum.oauth.envelope import FHIR, NotSealed, Opened, opened, recipient, sealed

EC = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)
KEYS = [recipient(key.as_dict(private=True) | {"kid": kid}) for kid, key in (("ec", EC), ("rsa", RSA))]
OURS = [recipient(key.as_dict(private=False) | {"kid": kid}) for kid, key in (("ec", EC), ("rsa", RSA))]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    WEAK = RSAKey.generate_key(1024, auto_kid=True).as_dict(private=False)
ALL = ["RSA-OAEP-256", "RSA-OAEP", "RSA1_5", "ECDH-ES", "ECDH-ES+A256KW", "dir", "A256GCM", "A128GCM", "DEF"]


def made(kid: str = "ec", key: Any = EC, **head: Any) -> str:
    names = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": kid} | head
    return jwe.encrypt_compact(
        names, b"{}", key, algorithms=ALL, registry=jwe.JWERegistry(algorithms=ALL, strict_check_header=False)
    )


@given(content=st.binary(max_size=3000), which=st.sampled_from((0, 1)))
def test_what_was_sealed_is_what_is_opened(content: bytes, which: int) -> None:
    assert opened(sealed(content, OURS[which]), KEYS) == Opened(content, OURS[which].kid, FHIR)


def test_two_envelopes_of_one_content_have_nothing_in_common_but_their_head_s_names() -> None:
    one, other = (sealed(b"18.9 mmol/L", OURS[1]).split(".") for _ in range(2))
    assert all(part != again for part, again in zip(one[1:], other[1:], strict=True))
    assert b"18.9" not in b"".join(urlsafe_b64decode(part + "==") for part in one)


@pytest.mark.parametrize("part", range(5))
def test_what_was_changed_on_the_way_is_not_opened(part: int) -> None:
    parts = sealed(b"content", OURS[1]).split(".")
    raw = bytearray(urlsafe_b64decode(parts[part] + "=="))
    raw[len(raw) // 2] ^= 1
    parts[part] = urlsafe_b64encode(raw).rstrip(b"=").decode()
    with pytest.raises(NotSealed):
        opened(".".join(parts), KEYS)


OTHERWISE: dict[str, dict[str, Any]] = {
    "another key's id": {"kid": "another"},
    "another content algorithm": {"enc": "A128GCM"},
    "another key algorithm": {"alg": "ECDH-ES+A256KW"},
    "compressed": {"zip": "DEF"},
    "an RSA key under an EC key's id": {"key": RSA, "alg": "RSA-OAEP-256"},
    "RSA with SHA-1": {"kid": "rsa", "key": RSA, "alg": "RSA-OAEP"},
    "a shared secret": {"key": OctKey.generate_key(256), "alg": "dir"},
    "a key of somebody else": {"key": ECKey.generate_key("P-256")},
}


@pytest.mark.parametrize("how", OTHERWISE)
def test_what_is_sealed_otherwise_is_not_opened(how: str) -> None:
    with pytest.raises(NotSealed):
        opened(made(**OTHERWISE[how]), KEYS)


@given(st.text(max_size=200) | st.lists(st.text("abcdefAZ09-_", max_size=30), min_size=5, max_size=5).map(".".join))
def test_no_text_whatever_is_another_fault(text: str) -> None:
    with pytest.raises(NotSealed):
        opened(text, KEYS)


@pytest.mark.filterwarnings("ignore:Key size should be")
@pytest.mark.parametrize(
    "jwk",
    [
        EC.as_dict(private=False) | {"kid": ""},
        EC.as_dict(private=False) | {"kid": "k", "use": "sig"},
        WEAK,
        ECKey.generate_key("secp256k1", auto_kid=True).as_dict(private=False),
        OctKey.generate_key(256, auto_kid=True).as_dict(),
        {"kid": "k"},
        {"kid": "k", "kty": "EC", "crv": "P-256", "x": 1},
    ],
)
def test_other_keys_are_none_for_envelopes(jwk: dict[str, Any]) -> None:
    with pytest.raises(NotSealed):
        recipient(jwk)


def test_the_head_says_the_key_and_nothing_of_the_content() -> None:
    head = json.loads(urlsafe_b64decode(sealed(b"{}", OURS[0]).partition(".")[0] + "=="))
    assert {*head} == {"alg", "enc", "kid", "cty", "typ", "epk"}
