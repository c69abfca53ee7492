"""What ends when a backup is restored: the store as it was then does not know what was revoked or used up since."""

from __future__ import annotations

from typing import Final

from hilum.oauth.ledger import CHALLENGE, CODE, EHR_TOKEN, FLOW, INITIAL, LAUNCH, REFRESH, SESSION, SIGN_IN, TICKET

HELD: Final = (SESSION, LAUNCH, FLOW, CODE, REFRESH, INITIAL, CHALLENGE, TICKET, EHR_TOKEN, SIGN_IN)
"""Kinds of records that stand for something that somebody holds, and that may have ended since; of EHRs' refresh tokens
those are among them that were sent since, and must not be sent again.
"""
LONGEST_TOKEN: Final = 24 * 60 * 60 * 1_000_000
"""Microseconds for which an access token holds at most: those of `hilum token` do."""
