"""id_tokens: by whom, for whom, until when. https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from hilum.oauth import id_token
from hilum.oauth.id_token import Untrusted
from hilum.oauth.keyset import Jwk

NOW = 1_900_000_000
RSA = RSAKey.generate_key(2048)
P256, P384 = ECKey.generate_key("P-256"), ECKey.generate_key("P-384")
SOUND = {"iss": "https://a", "aud": "app", "sub": "s", "exp": NOW + 300, "iat": NOW, "nonce": "n"}


def signed(key: Any, algorithm: str, **head: Any) -> str:
    given = {name: value for name, value in ({"alg": algorithm, "kid": "k"} | head).items() if value is not None}
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return jws.serialize_compact(given, json.dumps(SOUND).encode(), key, registry=registry)


def public(key: Any, **other: Any) -> Jwk:
    return {**key.as_dict(private=False), "kid": "k"} | other


async def verified(token: str, *keys: Jwk, newer: Sequence[Jwk] | None = None) -> dict[str, Any]:
    async def published(again: bool) -> Sequence[Jwk]:
        return newer if again and newer is not None else keys

    return await id_token.verified(token, published)


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (RSA, "RS384"), (P256, "ES256"), (P384, "ES384")])
async def test_a_key_of_the_provider_verifies(key: Any, algorithm: str) -> None:
    others = [public(one, kid="other") for one in (RSA, P256, P384)]
    assert await verified(signed(key, algorithm), public(key), *others) == SOUND
    assert await verified(signed(key, algorithm, kid=None), public(key)) == SOUND


async def test_a_key_that_is_newer_is_asked_for_once() -> None:
    assert await verified(signed(RSA, "RS256"), newer=[public(RSA)]) == SOUND


@pytest.mark.parametrize(
    ("token", "keys", "kind"),
    [
        ("", [public(RSA)], "token"),
        ("a.b.c", [public(RSA)], "token"),
        (signed(RSA, "RS256", crit=["b64"], b64=True), [public(RSA)], "algorithm"),
        (signed(RSA, "PS256"), [public(RSA)], "algorithm"),
        (signed(OctKey.import_key("s" * 40), "HS256"), [public(RSA)], "algorithm"),
        (signed(RSA, "RS256"), [], "key"),
        (signed(RSA, "RS256"), [public(RSA, kid="other")], "key"),
        (signed(RSA, "RS256"), [public(RSA, alg="RS384")], "key"),
        (signed(RSA, "RS256"), [public(RSA), public(RSA)], "key"),
        (signed(P256, "ES256"), [public(P384)], "key"),
        (signed(RSA, "RS256"), [public(RSAKey.generate_key(2048))], "signature"),
        (signed(RSA, "RS256"), [{"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"}], "signature"),
    ],
    ids=range(12),
)
async def test_what_no_single_key_of_the_provider_has_signed_is_not_believed(
    token: str, keys: list[Jwk], kind: str
) -> None:
    with pytest.raises(Untrusted) as caught:
        await verified(token, *keys)
    assert caught.value.kind == kind


def judged(**other: Any) -> str:
    claims = {name: value for name, value in (SOUND | other).items() if value is not None}
    return id_token.judged(claims, issuers=("https://a", "https://a/"), client="app", nonce="n", now=NOW)


@pytest.mark.parametrize(
    "other", [{}, {"iss": "https://a/"}, {"aud": ["app"]}, {"aud": ["app", "b"], "azp": "app"}, {"exp": NOW - 59}]
)
def test_claims_for_this_client_and_sign_in_tell_the_subject(other: dict[str, Any]) -> None:
    assert judged(**other) == "s"


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        ({"iss": "https://b"}, "issuer"),
        ({"iss": ["https://a"]}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "b"}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": ["app", "b"]}, "party"),
        ({"azp": "b"}, "party"),
        ({"exp": NOW - 60}, "expired"),
        ({"exp": "9999999999"}, "expired"),
        ({"exp": None}, "expired"),
        ({"iat": NOW + 60}, "issued"),
        ({"iat": NOW - 660}, "issued"),
        ({"nonce": "m"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": None}, "subject"),
        ({"sub": "s" * 256}, "subject"),
    ],
)
def test_other_claims_are_not_believed(other: dict[str, Any], kind: str) -> None:
    with pytest.raises(Untrusted) as caught:
        judged(**other)
    assert caught.value.kind == kind


def test_keys_that_encrypt_or_are_private_are_not_the_provider_s() -> None:
    document = {"keys": [public(RSA, use="enc"), RSA.as_dict(private=True), "x", public(P256)]}
    assert id_token.published(document) == (public(P256),)
    with pytest.raises(Untrusted):
        id_token.published({})
