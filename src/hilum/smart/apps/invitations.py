"""Initial access tokens: who holds one may register clients, so many, for so much.

https://www.rfc-editor.org/rfc/rfc7591#section-3
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

from msgspec import structs

from hilum.access.ledger import Ledger
from hilum.oauth.ledger import INITIAL, Put, Record, Row, digest, read, write

SECONDS: Final = 7 * 24 * 3600
_PREFIX: Final = "hit_"


class Initial(Record, frozen=True, omit_defaults=True):
    """`scopes`: the most that a client may register for; `uses`: how many are left; `by`: who made it. `agent`: what
    is enrolled with it is the agent of devices, for whom this says (`Site.enrols`).
    """

    scopes: str
    uses: int
    by: str = ""
    agent: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """An initial access token that holds, as stored."""

    row: Row
    initial: Initial


async def make(ledger: Ledger, scopes: str, uses: int, by: str, now: float, agent: dict[str, Any] | None = None) -> str:
    """A new token; the ledger keeps its digest. `now`: seconds since 1970."""
    token = _PREFIX + secrets.token_urlsafe(32)
    expires = int((now + SECONDS) * 1_000_000)
    await ledger.add(Put(INITIAL, digest(token), write(Initial(scopes, uses, by, agent)), expires=expires))
    return token


async def found(ledger: Ledger, token: str) -> Invitation | None:
    """What the token allows; None: it does not hold."""
    row = await ledger.get(INITIAL, digest(token)) if token.isascii() else None
    if row is None:
        return None
    initial = read(row, Initial)
    return Invitation(row, initial) if initial.uses > 0 else None


async def used(ledger: Ledger, invitation: Invitation) -> bool:
    """Use it up once. False: somebody else did at the same moment."""
    row, initial = invitation.row, invitation.initial
    value = write(structs.replace(initial, uses=initial.uses - 1))
    return await ledger.replace(Put(INITIAL, row.key, value, expires=row.expires), row.version)
