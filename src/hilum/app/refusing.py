"""Tokens that don't hold, no more than a hundred a minute from one address: each costs a signature to find out.

Tokens that were admitted before are known, and don't come by here.
"""

from __future__ import annotations

import math
from typing import Final

from hilum.access.policy import Principal
from hilum.access.verifier import Verifier
from hilum.audit.context import ORIGIN
from hilum.problems import Throttled, Unauthenticated
from hilum.web.limits import Limits

LIMIT: Final = "refused token by address"
_TOO_MANY: Final = "Too many tokens from this address did not hold. Wait as long as Retry-After says."


class Refusing:
    """A Verifier, as the FHIR API asks it (`hilum.rest.edge.Verifies`), that has a limit."""

    def __init__(self, verifier: Verifier, limits: Limits) -> None:
        self._verifier, self._limits = verifier, limits
        self.known = verifier.known
        """Not counted: it costs a microsecond."""

    async def admit(self, token: str) -> Principal:
        """Who holds a token that was not admitted yet. Raises Unauthenticated, Busy, and Throttled where too many from
        that address did not hold: then it is not even looked at.
        """
        address = ORIGIN.get().address
        wait = self._limits.wait(LIMIT, address)
        if wait > 0:
            raise Throttled(_TOO_MANY, math.ceil(wait))
        try:
            return await self._verifier.admit(token)
        except Unauthenticated:
            self._limits.note(LIMIT, address)
            raise
