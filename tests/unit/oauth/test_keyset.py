"""JWK Sets of clients. https://www.rfc-editor.org/rfc/rfc7517#section-5"""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from hilum.oauth import keyset
from hilum.oauth.keyset import Unfit

EC = {**ECKey.generate_key("P-384").as_dict(private=False), "kid": "e"}
RSA = {**RSAKey.generate_key(2048).as_dict(private=False), "kid": "r"}


def test_keys_keep_what_verifying_needs() -> None:
    extra = {"x5u": "http://inside/", "x5c": ["AA"], "key_ops": ["verify"], "ext": True}
    assert keyset.read({"keys": [{**EC, **extra}, RSA], "more": 1}) == (EC, RSA)
    assert keyset.read({"keys": []}) == ()


@pytest.mark.parametrize(
    "key",
    [
        {**EC, "use": "enc"},
        {**EC, "alg": "ES256"},
        {**RSA, "alg": "RS256"},
        {**RSA, "alg": "ES384"},
        {name: value for name, value in EC.items() if name != "kid"},
        {**EC, "kid": 7},
        {**EC, "kty": "OKP"},
        {**EC, "kty": ["EC"]},
        {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "p"},
        {},
    ],
)
def test_keys_for_something_else_are_left_out(key: dict[str, Any]) -> None:
    assert keyset.read({"keys": [key, RSA]}) == (RSA,)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "keys",
        {},
        {"keys": {}},
        {"keys": ["x"]},
        {"keys": [EC] * 51},
        {"keys": [RSA, ECKey.generate_key("P-384").as_dict(private=True)]},
        {"keys": [RSAKey.generate_key(2048).as_dict(private=True)]},
        {"keys": [OctKey.generate_key(256).as_dict(private=True)]},
    ],
)
def test_what_is_no_set_of_public_keys_is_refused_whole(document: Any) -> None:
    with pytest.raises(Unfit):
        keyset.read(document)


def test_a_key_fits_by_kid_and_algorithm() -> None:
    other = {**EC, "kid": "r"}
    keys = (EC, RSA, other)
    assert keyset.fit(keys, "r", "RS384") == [RSA]
    assert keyset.fit(keys, "r", "ES384") == [other]
    assert keyset.fit(keys, "e", "RS384") == []
    assert keyset.fit((*keys, RSA), "r", "RS384") == [RSA, RSA]
    assert keyset.fit(({**RSA, "alg": "RS384"},), "r", "RS384") == [{**RSA, "alg": "RS384"}]


def test_sound_keys_are_usable() -> None:
    assert isinstance(keyset.usable(EC), ECKey)
    assert isinstance(keyset.usable(RSA), RSAKey)


@pytest.mark.parametrize(
    "key",
    [
        {**RSA, "n": RSA["n"][: len(RSA["n"]) // 2]},
        {**RSA, "n": "A" * 1400},
        {**RSA, "n": "_" * 1400},
        {**RSA, "n": 5},
        {**RSA, "n": ""},
        {**RSA, "e": "_" * 300},
        {**RSA, "e": "AQ"},
        {**EC, "x": EC["y"]},
        {**EC, "x": "AA"},
        {**EC, "y": None},
        {"kty": "EC", "crv": "P-384", "kid": "e"},
        {"kty": "RSA", "kid": "r"},
    ],
)
def test_weak_costly_and_broken_keys_are_not(key: dict[str, Any]) -> None:
    with pytest.raises(Unfit):
        keyset.usable(key)
