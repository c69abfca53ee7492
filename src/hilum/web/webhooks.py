"""Signatures of Standard Webhooks: of what hilum sends, and of what is sent to it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (read 2026-11-23)

| header | what it says |
|---|---|
| `webhook-id` | the message's id, the same at every attempt |
| `webhook-timestamp` | seconds since 1970, of this attempt |
| `webhook-signature` | `v1,` and base64 of HMAC-SHA256 of `id.timestamp.body`; several, parted by spaces |
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error
from hashlib import sha256
from typing import Final

from hilum.problems import Invalid

PREFIX: Final = "whsec_"
"""Of a secret; then base64 of 24 to 64 bytes."""
SHORTEST: Final = 24
LONGEST: Final = 64
WINDOW: Final = 300
"""Seconds that a timestamp may be away from now."""
LONGEST_ID: Final = 256
_SIGNATURES: Final = 16
"""That are looked at: more than one while a secret is being changed."""


def shown(secret: bytes) -> str:
    """A secret as people and libraries have it."""
    return PREFIX + b64encode(secret).decode()


def decoded(text: str) -> bytes:
    """The bytes of such a text. Raises Invalid, never with the text."""
    try:
        found = b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (Error, ValueError):
        found = b""
    if not SHORTEST <= len(found) <= LONGEST:
        raise Invalid(
            f"This is no secret of Standard Webhooks: expected {PREFIX} and base64 of {SHORTEST} to {LONGEST} bytes."
        )
    return found


def signature(secret: bytes, id: str, at: str, body: bytes) -> str:
    """Of a message with this id, at that second."""
    signed = hmac.new(secret, b".".join((id.encode(), at.encode(), body)), sha256).digest()
    return f"v1,{b64encode(signed).decode()}"


def genuine(secret: bytes, id: str, at: str, signatures: str, body: bytes, now: float) -> bool:
    """Whether one of the signatures is of this message, and the message of now. The time that it takes tells nothing of
    a signature that would be right.
    """
    if not 0 < len(id) <= LONGEST_ID or not at.isascii() or not at.isdigit() or len(at) > 12:
        return False
    if abs(now - int(at)) > WINDOW:
        return False
    expected = signature(secret, id, at, body).encode()
    some = signatures.split()[:_SIGNATURES]
    return any(hmac.compare_digest(expected, one.encode()) for one in some)
