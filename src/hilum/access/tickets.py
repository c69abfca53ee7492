"""Tickets: what a browser opens where it can send no header (a link, an image), in place of a token in a URL.

One ticket opens one path, once, within thirty seconds, over all processes. Whose it is, is judged when it is used, by
the access token that it stands for: what was revoked meanwhile opens nothing. The token is kept sealed, the ticket as
its digest. https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2 (no access tokens in URLs)
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from typing import Final

from hilum.access.bearer import NotHeld
from hilum.access.keyring import Keyring
from hilum.access.ledger import Ledger
from hilum.access.policy import Principal
from hilum.access.verifier import Verifier
from hilum.oauth.ledger import TICKET, Put, Record, digest, read, write
from hilum.problems import Unauthenticated

SECONDS: Final = 30
PREFIX: Final = "hti_"
_LENGTH: Final = len(PREFIX) + 43
_REFUSED: Final = "The ticket does not hold here: each opens one path, once, within 30 seconds."


class Ticket(Record, frozen=True, omit_defaults=True):
    """`path`: what it opens, `Binary/17`. `token`: sealed. `api_key`: SHA-256 of the client's key that came, in hex."""

    path: str
    token: str
    api_key: str = ""


class Tickets:
    """Makes tickets and takes them. `clock`: seconds since 1970."""

    def __init__(
        self, ledger: Ledger, ring: Keyring, verifier: Verifier, clock: Callable[[], float] = time.time
    ) -> None:
        self._ledger, self._ring, self._verifier, self._clock = ledger, ring, verifier, clock

    async def make(self, token: str, who: Principal, path: str) -> str:
        """A ticket for this path, as `who`, whose token it is. Raises Busy."""
        text = PREFIX + secrets.token_urlsafe(32)
        key = digest(text)
        kept = Ticket(path, self._ring.seal.seal(TICKET, key, token), who.api_key.hex())
        ends = int((self._clock() + SECONDS) * 1_000_000)
        await self._ledger.add(Put(TICKET, key, write(kept), ends))
        return text

    async def use(self, text: str, path: str) -> Principal:
        """Who comes with this ticket; it is used up, be it for another path. Raises Unauthenticated, Busy."""
        if len(text) != _LENGTH or not text.startswith(PREFIX) or not text.isascii():
            raise Unauthenticated(_REFUSED)
        key = digest(text)
        taken = await self._ledger.take(TICKET, key)
        if taken.row is None or not taken.first:
            raise Unauthenticated(_REFUSED)
        kept = read(taken.row, Ticket)
        token = self._ring.seal.open(TICKET, key, kept.token)
        who = await self._verifier.admit(token)  # by the ledger, and not by what this process remembers
        if kept.path != path or not hmac.compare_digest(kept.api_key, who.api_key.hex()):
            raise NotHeld(_REFUSED, who)
        return who
