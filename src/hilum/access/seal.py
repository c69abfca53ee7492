"""Secrets that come from the root key, and values sealed with them. https://www.rfc-editor.org/rfc/rfc5869 (HKDF)

The root key is a file; the records are in a database. What has to be read again (TOTP secrets, private keys, other
servers' client secrets) stands there encrypted (AES-256-GCM, NIST SP 800-38D), so that a database alone opens nothing.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hilum.access.keys import SigningKey
from hilum.problems import Misconfigured

_NONCE: Final = 12
_SALT: Final = b"hilum root key"


def secret(root: SigningKey, purpose: str, length: int = 32) -> bytes:
    """A secret of `length` bytes that is the same in every process and after a restart. It tells nothing of the root
    key and of the secrets of other purposes (`seal`, `refresh`, `csrf`, ...).
    """
    private = str(root.key.as_dict(private=True)["d"])
    return HKDF(SHA256(), length, _SALT, purpose.encode()).derive(
        urlsafe_b64decode(private + "=" * (-len(private) % 4))
    )


class Seal:
    """Seals texts for their place, a kind and key of the ledger: moved to another row, they don't open."""

    def __init__(self, root: SigningKey) -> None:
        self._cipher = AESGCM(secret(root, "seal"))

    def seal(self, kind: int, key: bytes, text: str) -> str:
        """base64url of nonce, ciphertext and tag. A random nonce serves for 2^32 values (SP 800-38D, 8.3)."""
        nonce = os.urandom(_NONCE)
        return urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), _place(kind, key))).decode()

    def open(self, kind: int, key: bytes, sealed: str) -> str:
        """What was sealed for this place. Raises Misconfigured when it was not, or with another root key."""
        try:
            raw = urlsafe_b64decode(sealed.encode())
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _place(kind, key)).decode()
        except (InvalidTag, ValueError):
            raise Misconfigured(
                f"A sealed value of the ledger (kind {kind}) does not open with the signing key of this data "
                "directory. Put back the key file that it was sealed with; where a `hilum keys rotate --use root` was "
                "cut off, run it again."
            ) from None


def _place(kind: int, key: bytes) -> bytes:
    return kind.to_bytes(4, "big") + key
