"""A code or a refresh token is exchanged at an EHR's token endpoint, and what comes back is judged.

https://hl7.org/fhir/smart-app-launch/app-launch.html#step-5-access-token, #step-7-refresh

Where no token comes it matters as much what became of the one that was sent: whether it still holds, holds no more, or
can't be known to hold. That is said of every failure.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlencode

from hilum.broker import token_endpoint
from hilum.broker.backend import PAUSES, Quirks
from hilum.broker.connection import Connection
from hilum.broker.connections import Connections
from hilum.broker.far import Failed
from hilum.broker.reach import Send
from hilum.broker.token_endpoint import Granted, Keys, Refused
from hilum.problems import Problem
from hilum.web.outbound import Fetched, Unreachable

LONGEST: Final = 64 * 1024
"""Characters of a refresh token or an id_token."""

_TOKEN: Final = re.compile(r"[\x20-\x7e]+")
"""https://www.rfc-editor.org/rfc/rfc6749#appendix-A.17"""
_ID: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-._~]{1,256}")
"""Wider than FHIR's `id`, since EHRs are, and safe in a path."""

Fate = Literal["holds", "dead", "unknown"]
"""What became of a code or refresh token that was to be exchanged, and was not."""


class NotIssued(Exception):
    """There is no token. `failed`: why, for who asked."""

    def __init__(self, fate: Fate, failed: Failed) -> None:
        super().__init__(str(failed))
        self.fate, self.failed = fate, failed


@dataclass(frozen=True, slots=True)
class Tokens:
    """What was issued. `seconds`: the life of `access`. `scopes`: "" where they are those that were asked for."""

    access: str = field(repr=False)
    seconds: int
    scopes: str = ""
    refresh: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    patient: str = field(default="", repr=False)
    encounter: str = field(default="", repr=False)


class Exchange:
    """The token endpoints of all connections, for grants of people. `vendors`: the table of vendors, by name."""

    def __init__(
        self,
        connections: Connections,
        keys: Keys,
        send: Send,
        vendors: Mapping[str, Quirks],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connections, self._keys, self._send, self._vendors = connections, keys, send, vendors
        self._clock, self._sleep = clock, sleep

    def quirks(self, connection: Connection) -> Quirks:
        """What is peculiar to its vendor."""
        return self._vendors[connection.vendor]

    async def tokens(self, connection: Connection, endpoint: str, form: Mapping[str, str]) -> Tokens:
        """What this grant is good for. It is sent again only where the table of vendors says that an EHR refuses what
        it then takes. Raises NotIssued.
        """
        quirks, tried = self.quirks(connection), 0
        while True:
            try:
                return await self._once(connection, endpoint, form, quirks)
            except NotIssued as error:
                if tried >= min(_times(error.failed, quirks), len(PAUSES)):
                    raise
            await self._sleep(PAUSES[tried])
            tried += 1

    async def revoked(self, connection: Connection, endpoint: str, audience: str, form: Mapping[str, str]) -> int:
        """Say at `endpoint` that a token is not needed any more; the status of the answer. `audience`: that of a JWT
        which proves it, the token endpoint. Raises Unreachable, Problem.

        https://www.rfc-editor.org/rfc/rfc7009#section-2.1
        """
        more, headers = await token_endpoint.proof(
            connection, audience, self._keys, self._connections.secret, self._clock()
        )
        head = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded", **headers}
        body = urlencode({**form, **more}).encode()
        return (await self._send("POST", endpoint, head, body, limit=token_endpoint.MOST_BYTES)).status

    async def _once(self, connection: Connection, endpoint: str, form: Mapping[str, str], quirks: Quirks) -> Tokens:
        fate: Fate = "unknown"

        async def send(method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Fetched:
            nonlocal fate
            try:
                return await self._send(method, url, headers, body, limit=limit)
            except Unreachable as error:
                fate = "unknown" if error.sent else "holds"
                raise

        try:
            more, headers = await token_endpoint.proof(
                connection, endpoint, self._keys, self._connections.secret, self._clock()
            )
        except Problem as error:
            raise NotIssued("holds", Failed("refused", str(error), side="ours")) from None
        try:
            granted = await token_endpoint.asked(send, connection, endpoint, {**form, **more}, headers, self._clock)
        except Refused as failed:
            raise NotIssued(_fate(failed), failed) from None
        except Failed as failed:
            raise NotIssued(fate, failed) from None
        return _tokens(granted, quirks)


def _times(failed: Failed, quirks: Quirks) -> int:
    bare = isinstance(failed, Refused) and failed.refusal.bare
    return quirks.retry_bare_400 if bare else 0


def _fate(refused: Refused) -> Fate:
    """Who says "later" (RFC 6585, 4; RFC 9110, 15.6.4), or refuses for another reason, has used nothing up."""
    if refused.refusal.error == "invalid_grant":
        return "dead"
    return "holds" if refused.status in (429, 503) or 400 <= refused.status < 500 else "unknown"


def _tokens(granted: Granted, quirks: Quirks) -> Tokens:
    """Raises NotIssued where what comes beside the access token can't be used."""
    said = granted.said
    context = [said.get(name) or "" for name in ("patient", "encounter")]
    others = [said.get(name) or "" for name in ("refresh_token", "id_token")]
    if not all(one == "" or _is(_ID, one) for one in context) or not all(
        one == "" or _is(_TOKEN, one) for one in others
    ):
        text = "The EHR's token response holds a patient, encounter or token that can't be one. Tell the EHR."
        raise NotIssued("unknown", Failed("broken", text, status=200))
    refresh, id_token = others
    patient, encounter = context
    seconds = granted.seconds or quirks.token_seconds
    return Tokens(granted.token, seconds, granted.scope, refresh, id_token, patient, encounter)


def _is(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST and pattern.fullmatch(value) is not None
