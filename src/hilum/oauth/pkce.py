"""Proof Key for Code Exchange, S256 only. https://www.rfc-editor.org/rfc/rfc7636"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Final

METHOD: Final = "S256"
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def is_challenge(text: str) -> bool:
    """Whether this can be the `code_challenge` of S256: a SHA-256 in base64url, without padding (4.2)."""
    return _CHALLENGE.fullmatch(text) is not None


def challenge(verifier: str) -> str:
    """The `code_challenge` of a `code_verifier` (4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def holds(verifier: str, challenge_: str) -> bool:
    """Whether this `code_verifier` is well formed (4.1) and belongs to the challenge (4.6)."""
    return _VERIFIER.fullmatch(verifier) is not None and hmac.compare_digest(challenge(verifier), challenge_)
