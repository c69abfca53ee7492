"""What a server process does for readings over MQTT beside requests: of all processes one is connected at a time.

One session at the broker, whose name the store remembers: a process that dies leaves it to the next, and what came
meanwhile waits there.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

from hilum.access.granting import policy
from hilum.access.policy import Principal
from hilum.access.seal import Seal
from hilum.app.background import Background
from hilum.app.settings import Settings
from hilum.audit.context import ORIGIN, Origin
from hilum.devices.broker import Address
from hilum.devices.hl7v2 import Messages
from hilum.devices.mqtt import Arrived, Arriving, Listening, Told
from hilum.devices.refusals import Refusals
from hilum.oauth import scopes
from hilum.oauth.keeping import Ledger
from hilum.oauth.lease import Lapsed, Leases
from hilum.oauth.ledger import CLIENT, DEVICE_AGENT, FRESH, SETTING, Client, Put, Record, digest, read, write
from hilum.problems import Busy, Forbidden, Problem
from hilum.rest import outcome
from hilum.rest.edge import ANYONE
from hilum.rest.message import Response
from hilum.web import log

_LEASE: Final = digest("hilum mqtt")
_UNKNOWN: Final = "The topic names no agent that is enrolled and not revoked: see `hilum devices`."
_SECONDS: Final = 60


class Enrolled:
    """Agents by their client ids. `open`: `--auth off`, when everyone may do everything."""

    def __init__(self, ledger: Ledger, open: bool, clock: Callable[[], float] = time.time) -> None:
        self._ledger, self._open, self._clock = ledger, open, clock

    async def __call__(self, client: str) -> Principal:
        """Who it is, and what its client is registered for as a service by itself. Raises Forbidden, Busy."""
        if self._open:
            return ANYONE
        row = await self._ledger.get(CLIENT, client.encode())
        agent = await self._ledger.get(DEVICE_AGENT, client.encode())
        if row is None or row.state != FRESH or agent is None or agent.state != FRESH:
            raise Forbidden(_UNKNOWN)
        found = read(row, Client)
        if found.disabled:
            raise Forbidden(_UNKNOWN)
        allowed = tuple(one for one in scopes.parse(found.scopes) if one.level == "system")
        return Principal(
            agent=client,
            client=client,
            token="",
            policy=policy(allowed, None),
            expires=int(self._clock()) + _SECONDS,
            states=found.state_codes,
        )


class Session(Record, frozen=True):
    """By which client id the broker knows this store."""

    client: str


class Listens(Background):
    """That of one process. `bundle`: takes one as `POST /devices/bundles` does; `sealed`: as its first byte says."""

    name = "hilum-mqtt"

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        seal: Seal,
        bundle: Callable[[Principal, bytes, bool], Awaitable[Response]],
        messages: Messages,
        leases: Leases | None = None,
    ) -> None:
        """Raises Misconfigured."""
        super().__init__()
        address = Address.of(settings.mqtt)
        address.prepared()

        async def taken(who: Principal, content: bytes) -> Told:
            answer = await bundle(who, content, not content.lstrip().startswith(b"{"))
            return Told(answer.status, answer.body)

        arriving = _Noted(
            Enrolled(ledger, settings.auth == "off"),
            taken,
            messages,
            _told,
            Refusals(ledger, seal),
            settings.max_body_bytes,
        )
        self._listening, self._ledger = Listening(address, arriving), ledger
        self._prefix = address.prefix
        self._leases = leases or Leases(ledger)

    @property
    def connected(self) -> asyncio.Event:
        """Set while this process listens."""
        return self._listening.connected

    async def _run(self) -> None:
        while True:
            try:
                held = await self._leases.claim(_LEASE)
                if held is not None:
                    try:
                        await held.during(self._listening.run(await self._client_id()))
                    finally:
                        await held.lay_down()
            except (Busy, Lapsed) as problem:
                log.warning("mqtt lease", error=type(problem).__name__)
            except Problem as problem:  # a password file that can't be read just now
                log.error("mqtt", text=str(problem))
            await asyncio.sleep(self._leases.seconds / 3)

    async def _client_id(self) -> str:
        """Of the session, one for each prefix: made by chance, once. Raises Busy."""
        key = digest(f"hilum mqtt {self._prefix}")
        await self._ledger.add(Put(SETTING, key, write(Session(f"hilum-{secrets.token_hex(8)}"))))
        row = await self._ledger.get(SETTING, key)
        if row is None:
            raise Busy("The name of the session at the broker was removed just now.")
        return read(row, Session).client


class _Noted(Arriving):
    """With a name for each message, by which the audit trail tells them apart."""

    async def take(self, arrived: Arrived) -> bytes:
        ORIGIN.set(Origin(secrets.token_hex(8), "mqtt"))
        return await super().take(arrived)


def _told(problem: Problem) -> Told:
    return Told(outcome.status(problem), outcome.response(problem).body)
