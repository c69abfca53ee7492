"""What an agent is: its key, and that both are kept whole."""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey

from hilum.agent.identity import made, read, save, written
from hilum.oauth import keyset
from hilum.problems import Misconfigured


def test_what_is_made_is_read_again(tmp_path: Path) -> None:
    one = made(tmp_path / "a", "Kitchen")
    again = read(tmp_path / "a")
    assert replace(again, key=one.key) == one and again.jwk == one.jwk
    assert made(tmp_path / "a", "other").jwk == one.jwk


def test_two_agents_are_two(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a"), made(tmp_path / "b")
    assert first.jwk != second.jwk and first.system_id != second.system_id


def test_its_system_id_is_one_that_nobody_assigned(tmp_path: Path) -> None:
    octets = bytes.fromhex(made(tmp_path).system_id.replace("-", ""))
    assert len(octets) == 8 and octets[0] & 3 == 2


def test_what_it_signs_verifies_with_the_key_that_it_registers(tmp_path: Path) -> None:
    one = made(tmp_path)
    key = ECKey.import_key(one.jwk)
    assert one.jwk["kid"] == key.thumbprint()
    assert keyset.fit(keyset.read({"keys": [one.jwk]}), key.thumbprint(), "ES384")
    token = jwt.decode(one.sign({"iss": "me"}), key, algorithms=["ES384"])
    assert token.claims == {"iss": "me"} and token.header["kid"] == key.thumbprint()


def test_coordinates_keep_their_leading_zeros(tmp_path: Path) -> None:
    # A private key whose x is 47 octets long: found by trying 1, 2, 3, …
    key = next(
        key
        for key in (ec.derive_private_key(number, ec.SECP384R1()) for number in range(1, 5000))
        if key.public_key().public_numbers().x.bit_length() <= 376
    )
    jwk = replace(made(tmp_path), key=key).jwk
    assert len(urlsafe_b64decode(jwk["x"])) == 48
    assert jwk["kid"] == ECKey.import_key(jwk).thumbprint()


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    one = replace(made(tmp_path), registration="secret-1")
    assert "secret-1" not in repr(one) and "PrivateKey" not in repr(one)


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(FileExistsError):
        written(tmp_path / "key.pem", b"another", anew=True)
    (tmp_path / "identity.json").unlink()
    before = (tmp_path / "key.pem").read_bytes()
    made(tmp_path)
    assert (tmp_path / "key.pem").read_bytes() == before


def test_a_file_that_could_not_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = made(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(replace(one, client_id="c1"))
    assert read(tmp_path).client_id == ""
    assert {path.name for path in tmp_path.iterdir()} == {"key.pem", "identity.json"}


BROKEN = {
    "no identity": ("identity.json", None),
    "half an identity": ("identity.json", b'{"client_id": '),
    "an identity of something else": ("identity.json", json.dumps({"client_id": 7}).encode()),
    "no key": ("key.pem", None),
    "half a key": ("key.pem", b"-----BEGIN PRIVATE KEY-----\nMIG"),
    "another curve": (
        "key.pem",
        ec.derive_private_key(1, ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    ),
}


@pytest.mark.parametrize(("name", "content"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_said(tmp_path: Path, name: str, content: bytes | None) -> None:
    made(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        written(tmp_path / name, content)
    with pytest.raises(Misconfigured, match="enroll"):
        read(tmp_path)


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "key.pem").chmod(0o640)
    with pytest.raises(Misconfigured, match="600"):
        read(tmp_path)
