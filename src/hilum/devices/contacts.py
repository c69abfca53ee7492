"""When agents and devices were last in contact: kept in memory, and written now and then, beside the commits.

A batch is committed without them: agents that send at the same time must not stand in each other's way. What a crash
loses is a few seconds of "last contact", which the next one tells again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from hilum.access.ledger import Ledger
from hilum.devices.records import Agent, Measuring
from hilum.devices.registry import key_of
from hilum.oauth.ledger import DEVICE, DEVICE_AGENT, Put, read, write
from hilum.problems import Busy
from hilum.web import log

FLUSH_SECONDS: Final = 5.0
_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """A device that was in contact. `battery`: per cent, None where it did not say."""

    system: str
    value: str
    at: int
    agent: str = ""
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    battery: int | None = None


@dataclass(frozen=True, slots=True)
class Called:
    """An agent that was in contact. `device`: its own, `Device/…`."""

    at: int
    device: str = ""
    version: str = ""


class Contacts:
    """Those of one process. Each only grows: what other processes know to be later stays."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._agents: dict[str, Called] = {}
        self._devices: dict[bytes, Seen] = {}

    def agent(self, client: str, called: Called) -> None:
        """An enrolled agent has sent something."""
        self._agents[client] = later_call(self._agents.get(client), called)

    def device(self, seen: Seen) -> None:
        """Something of a device has come."""
        key = key_of(seen.system, seen.value)
        self._devices[key] = later(self._devices.get(key), seen)

    async def flush(self) -> None:
        """Write what is new. What can't be written now stays for the next time. Raises Busy."""
        for id, called in list(self._agents.items()):
            await self._write_agent(id, called)
            if self._agents[id] is called:  # and nothing came meanwhile
                del self._agents[id]
        for key, seen in list(self._devices.items()):
            await self._write_device(key, seen)
            if self._devices[key] is seen:
                del self._devices[key]

    async def run(self) -> None:
        """Flush every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Busy:
                log.warning("contacts wait", devices=len(self._devices), agents=len(self._agents))

    async def _write_agent(self, id: str, called: Called) -> None:
        for _ in range(_TRIES):
            row = await self._ledger.get(DEVICE_AGENT, id.encode())
            if row is None:  # a client that is enrolled as none
                return
            was = read(row, Agent)
            now = contacted(was, called)
            if now == was or await self._ledger.replace(Put(DEVICE_AGENT, row.key, write(now)), row.version):
                return
        raise Busy("The record of an agent is changed by others again and again.")

    async def _write_device(self, key: bytes, seen: Seen) -> None:
        for _ in range(_TRIES):
            row = await self._ledger.get(DEVICE, key)
            was = Measuring(seen.system, seen.value, created=seen.at) if row is None else read(row, Measuring)
            now = told(was, seen)
            put = Put(DEVICE, key, write(now))
            if row is None:
                done = await self._ledger.add(put)
            else:
                done = now == was or await self._ledger.replace(put, row.version)
            if done:
                return
        raise Busy("The record of a device is changed by others again and again.")


def later(one: Seen | None, other: Seen) -> Seen:
    """Of two contacts the later, with what only the earlier one told."""
    if one is None:
        return other
    first, last = sorted((one, other), key=lambda seen: seen.at)
    kept = {name: getattr(last, name) or getattr(first, name) for name in _TOLD}
    battery = last.battery if last.battery is not None else first.battery
    return Seen(last.system, last.value, last.at, battery=battery, **kept)


def later_call(one: Called | None, other: Called) -> Called:
    """The same of an agent's."""
    if one is None:
        return other
    first, last = sorted((one, other), key=lambda called: called.at)
    return Called(last.at, last.device or first.device, last.version or first.version)


def told(record: Measuring, seen: Seen) -> Measuring:
    """The record with a contact, unless it knows a later one: then with what it did not know yet."""
    known = Seen(record.system, record.value, record.seen, battery=record.battery, **{
        name: getattr(record, name) for name in _TOLD
    })  # fmt: skip
    now = later(known, seen)
    values = {name: getattr(now, name) for name in _TOLD}
    return structs.replace(record, seen=now.at, battery=now.battery, **values)


def contacted(record: Agent, called: Called) -> Agent:
    """The same of an agent's."""
    now = later_call(Called(record.seen, record.device, record.version), called)
    return structs.replace(record, seen=now.at, device=now.device, version=now.version)


_TOLD: Final = ("agent", "name", "manufacturer", "model", "serial")
