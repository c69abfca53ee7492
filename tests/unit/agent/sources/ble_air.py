"""What tests of Bluetooth LE share: an air without a radio, a sink, and times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from bumble.link import LocalLink

from hilum.agent.simulating.kinds import Plan
from hilum.agent.simulating.trying import OURS
from hilum.agent.source import Full
from hilum.agent.sources.ble.bluetooth import Bluetooth
from hilum.agent.sources.ble.by_bumble import BumbleRadio, on_air
from hilum.agent.sources.ble.visit import How
from hilum.phd.reading import Device, Reading, Taken

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=timezone(timedelta(hours=1)))


def now() -> datetime:
    return NOW


def planned(**more: object) -> Plan:
    return Plan(now, **({"number": 4} | more))  # type: ignore[arg-type]


@dataclass
class Shelf:
    """A sink in memory. `room`: how many more it takes; `before`: what is done before it takes one."""

    taken: list[Taken] = field(default_factory=list)
    refused: list[tuple[str, str, bytes, str]] = field(default_factory=list)
    contacts: list[tuple[Device, int | None]] = field(default_factory=list)
    room: int = 1_000_000
    before: Callable[[], None] = lambda: None

    async def take(self, taken: Taken) -> None:
        self.before()
        await asyncio.sleep(0)
        if not self.room:
            raise Full("no room")
        self.room -= 1
        self.taken.append(taken)

    async def refuse(self, source: str, device: str, data: bytes, why: str) -> None:
        self.refused.append((source, device, data, why))

    async def seen(self, device: Device, battery: int | None = None) -> None:
        self.contacts.append((device, battery))

    @property
    def readings(self) -> list[Reading]:
        return [reading for taken in self.taken for reading in taken.readings]

    def values(self, type: int) -> list[str]:
        """As text, since 18.9 is not 18.90."""
        return [str(one.value.value) for one in self.readings if one.type == type]  # type: ignore[union-attr]


def bluetooth(air: LocalLink, how: How | None = None, *, pair: bool = False) -> Bluetooth:
    """The real source, whose radio is bumble's stack."""
    quiet = How(quiet=0.3)
    radio = BumbleRadio(on_air(air, OURS, "hilum agent"), pair=pair)
    return Bluetooth(radio, how or quiet, name="ble", now=now)


async def until(what: Callable[[], object]) -> None:
    """The test's own time limit ends it."""
    while not what():  # noqa: ASYNC110 - what is waited for happens in a stack that has no event of it
        await asyncio.sleep(0.01)
