"""Secrets derived from the root key, and values sealed with them."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from hilum.access.keys import SigningKey, load_or_create
from hilum.access.seal import Seal, secret
from hilum.oauth import jwt
from hilum.problems import Misconfigured


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_create(tmp_path_factory.mktemp("keys"), "sandbox")


def test_a_secret_stays_the_same_and_differs_by_purpose_and_root(root: SigningKey, tmp_path: Path) -> None:
    other = load_or_create(tmp_path, "sandbox")
    found = [secret(root, "seal"), secret(root, "csrf"), secret(other, "seal")]
    assert len(set(found)) == 3
    assert secret(root, "seal") == found[0]
    assert len(secret(root, "refresh", 64)) == 64


def test_a_secret_is_the_one_of_the_standard() -> None:
    """Whatever is sealed must open with later versions, too: HKDF-SHA256, salt `hilum root key`, info the purpose."""
    key = jwt.import_key(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
        }
    )
    assert isinstance(key, ECKey)
    assert secret(SigningKey("sandbox", "k", key), "seal").hex() == FIXED


FIXED = "5ef5aee648085a6ef26d70bc91a705b4ea8aa63cff7a18b5d594dd0fd1cc4bfb"
"""Computed with nothing but HMAC-SHA256."""


@given(st.text(), st.integers(0, 20), st.binary(max_size=40))
def test_what_was_sealed_opens_in_its_place(root: SigningKey, text: str, kind: int, key: bytes) -> None:
    assert Seal(root).open(kind, key, Seal(root).seal(kind, key, text)) == text


def test_two_seals_of_one_text_differ(root: SigningKey) -> None:
    assert Seal(root).seal(1, b"k", "text") != Seal(root).seal(1, b"k", "text")


def test_it_opens_nowhere_else_and_with_no_other_key(root: SigningKey, tmp_path: Path) -> None:
    sealed = Seal(root).seal(2, b"key", "text")
    raw = bytearray(urlsafe_b64decode(sealed))
    raw[-1] ^= 1
    changed = urlsafe_b64encode(bytes(raw)).decode()
    other = Seal(load_or_create(tmp_path, "sandbox"))
    for seal, kind, key, text in (
        (Seal(root), 3, b"key", sealed),
        (Seal(root), 2, b"kex", sealed),
        (Seal(root), 2, b"", sealed),
        (Seal(root), 2, b"key", changed),
        (Seal(root), 2, b"key", sealed[:8]),
        (Seal(root), 2, b"key", ""),
        (Seal(root), 2, b"key", "ä"),
        (other, 2, b"key", sealed),
    ):
        with pytest.raises(Misconfigured, match="key file"):
            seal.open(kind, key, text)
