"""Readings over MQTT: what agents publish is taken as over HTTP, and answered.

    PREFIX/{client id}/bundles    a bundle, plain (FHIR JSON) or sealed (JWE)      from the agent
    PREFIX/{client id}/hl7v2      PCD-01, a message or a batch                     from the agent
    PREFIX/{client id}/receipts   {"sent": …, "status": …, "answer": …}            to the agent

Who it is from is what the topic says: the broker's access list is what proves it. A message is acknowledged to the
broker when it is stored, held or refused for good, and its answer published, so that whatever dies in between it comes
again; it is stored once, by its identifier. What can't be taken now waits, and everything behind it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from hilum.access.policy import Principal
from hilum.devices.broker import Address, Connection, Ended, Message
from hilum.devices.hl7v2 import OURS, Messages
from hilum.devices.refusals import Refusals
from hilum.fhir import json
from hilum.problems import Forbidden, NoRoom, Problem, TooLarge
from hilum.web import log

BUNDLES: Final = "bundles"
HL7V2: Final = "hl7v2"
RECEIPTS: Final = "receipts"
_LONGEST_WAIT: Final = 60.0


class Told(NamedTuple):
    """What is answered: the status that HTTP would have, and a FHIR resource in JSON, or ER7."""

    status: int
    content: bytes


class Arrived(NamedTuple):
    """`client`: whom the topic names. `kind`: bundles or hl7v2."""

    client: str
    kind: str
    content: bytes


class Whom(Protocol):
    """Who an agent is that shows no token."""

    async def __call__(self, client: str) -> Principal:
        """By its client id. Raises Forbidden: it is not enrolled, or was revoked; Busy."""
        ...


@dataclass(frozen=True, slots=True)
class Arriving:
    """What becomes of what arrived. `bundle`: takes one, plain or sealed. `told`: a problem, as HTTP has it. `most`:
    bytes of one.
    """

    whom: Whom
    bundle: Callable[[Principal, bytes], Awaitable[Told]]
    messages: Messages
    told: Callable[[Problem], Told]
    refusals: Refusals
    most: int

    async def take(self, arrived: Arrived) -> bytes:
        """What to answer, when it is stored, held, or refused and kept. Raises Busy and the like (`OURS`): not now."""
        try:
            who = await self.whom(arrived.client)
        except Forbidden as problem:  # nothing of it is kept: anybody might fill the disk
            return _answer(arrived, self.told(problem))
        try:
            told, why = await self._taken(who, arrived)
        except NoRoom as problem:  # for long, perhaps: its sender keeps it, and others go on
            return _answer(arrived, self.told(problem))
        except OURS:
            raise
        except Problem as problem:
            told, why = self.told(problem), str(problem)
        except Exception as error:  # a defect: it is told, and stops nobody else's readings
            log.error("mqtt", kind=arrived.kind, error=type(error).__name__)
            why = "hilum failed to take this message, which is kept for its operator."
            told = self.told(Problem(why))
        if why:
            await self.refusals.keep(arrived.client, arrived.kind, arrived.content, why)
        return _answer(arrived, told)

    async def _taken(self, who: Principal, arrived: Arrived) -> tuple[Told, str]:
        if len(arrived.content) > self.most:
            raise TooLarge(f"The message is over the limit of {self.most:,} bytes. Send less at once.")
        if arrived.kind == BUNDLES:
            return await self.bundle(who, arrived.content), ""
        found = await self.messages.answer(who, arrived.content)
        return Told(found.status, found.content.decode(found.codec).encode()), "; ".join(map(str, found.refused))


class Listening:
    """What one connection after another brings. Of several processes one may run this at a time: the broker ends the
    connection of the one before.
    """

    def __init__(self, address: Address, arriving: Arriving, wait: float = 1.0) -> None:
        self._address, self._arriving, self._wait = address, arriving, wait
        self.connected = asyncio.Event()
        self._topics = tuple(f"{address.prefix}/+/{kind}" for kind in (BUNDLES, HL7V2))

    async def run(self, client_id: str) -> None:
        """Until it is cancelled. `client_id`: the same each time, by which the broker knows the session. Raises
        Misconfigured.
        """
        wait = self._wait
        while True:
            try:
                connection = await Connection.open(self._address, client_id, self._topics)
                log.info("mqtt connected", host=self._address.host)
                self.connected.set()
                wait = self._wait
                try:
                    while True:
                        await self._one(connection, await connection.next())
                finally:
                    self.connected.clear()
                    await connection.close()
            except Ended as ended:
                log.warning("mqtt is not connected", host=self._address.host, text=str(ended))
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _one(self, connection: Connection, message: Message) -> None:
        client, _, kind = message.topic.removeprefix(f"{self._address.prefix}/").partition("/")
        if client and kind in (BUNDLES, HL7V2):
            answer = await self._patiently(Arrived(client, kind, message.content))
            await connection.publish(f"{self._address.prefix}/{client}/{RECEIPTS}", answer)
        connection.done(message)

    async def _patiently(self, arrived: Arrived) -> bytes:
        wait = self._wait
        while True:
            try:
                return await self._arriving.take(arrived)
            except OURS as problem:
                log.warning("mqtt waits", kind=arrived.kind, text=str(problem))
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))
            wait = min(2 * wait, _LONGEST_WAIT)


def _answer(arrived: Arrived, told: Told) -> bytes:
    """`sent`: SHA-256 of the message that is answered, in hex."""
    content = told.content
    answer = content.decode() if arrived.kind == HL7V2 and not content.startswith(b"{") else json.parse(content)
    return json.encode({"sent": sha256(arrived.content).hexdigest(), "status": told.status, "answer": answer})
