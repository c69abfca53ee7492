"""Revocations as they are written: which key each kind has, and for how long it matters.

https://www.rfc-editor.org/rfc/rfc7009. What was issued before is void in every process that has learnt of it
(`hilum.access.verifier`), so that no request has to look.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from hilum.oauth.ledger import (
    GRANT,
    GRANT_CHANGED,
    GRANT_REVOKED,
    SESSION_REVOKED,
    USER,
    USER_CHANGED,
    USER_REVOKED,
    Revoked,
)

LONGEST_TOKEN_SECONDS: Final = 24 * 3600
"""How long the longest token lasts, one of `hilum token`: when it has ended the revocation is of no more use."""
_BY_UUID: Final = frozenset((GRANT_REVOKED, GRANT_CHANGED, USER_REVOKED, USER_CHANGED))


def key(kind: int, name: str) -> bytes:
    """The key of what a revocation of this kind is of: the 16 bytes of the UUID of a grant or user, the text of a
    client id or `jti`, the 32 bytes of a session's key that is given in hex.

    Raises ValueError for what is no such name.
    """
    if kind in _BY_UUID:
        return UUID(name).bytes
    return bytes.fromhex(name) if kind == SESSION_REVOKED else name.encode()


def record(kind: int, name: str) -> bytes:
    """The key of the ledger's record of a grant or user (by UUID) or client (by its text). Raises ValueError."""
    return UUID(name).bytes if kind in (GRANT, USER) else name.encode()


def revoked(kind: int, name: str, now: float) -> Revoked:
    """All that was issued until now (seconds since 1970) for it is void, or, of a kind of what changed, judged anew."""
    return Revoked(kind, key(kind, name), int(now), (int(now) + LONGEST_TOKEN_SECONDS) * 1_000_000)
