"""The source: devices that appear for seconds, are visited, and go."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hilum.agent.source import Full, Sink
from hilum.agent.sources.ble.profiles import PROFILES
from hilum.agent.sources.ble.transport import Gone, Link, NoRadio, Radio, Rejected, Sighted, Unpaired
from hilum.agent.sources.ble.visit import How, Memory, Visit
from hilum.problems import Misconfigured

log = logging.getLogger(__name__)

_CONNECTING: Final = 45
"""Seconds: with the time that a person takes to say yes to pairing."""
_REST: Final = 15
"""Seconds after a visit until the next of the same device: most go on advertising for a while."""
_FIRST: Final = 5
_LONGEST: Final = 300
"""Seconds after the first failure, doubled with each, and the most."""
_KNOWN: Final = 512


@dataclass(frozen=True, slots=True)
class Settings:
    """`devices`: addresses of those that are visited, none: all that advertise a service that is known."""

    name: str = "bluetooth"
    devices: tuple[str, ...] = ()
    adapter: str = ""
    pair: bool = False
    delete: bool = False
    estimates: bool = False

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Settings:
        """Raises Misconfigured."""
        kinds = {"name": str, "adapter": str, "pair": bool, "delete": bool, "estimates": bool, "devices": list}
        found = {key: value for key, value in settings.items() if key != "kind"}
        for key, value in found.items():
            if key not in kinds:
                raise Misconfigured(f"A source of the kind ble has no setting {key}: it has {', '.join(sorted(kinds))}")
            if not isinstance(value, kinds[key]):
                raise Misconfigured(f"{key} of a source of the kind ble is no {kinds[key].__name__}")
        devices = found.pop("devices", [])
        if not all(isinstance(one, str) for one in devices):
            raise Misconfigured('devices of a source of the kind ble are addresses, as "C0:26:DA:00:12:34"')
        return cls(**found, devices=tuple(one.upper() for one in devices))


def _local() -> datetime:
    """Now, with this machine's offset to UTC: devices have the time of the place where they are."""
    return datetime.now(UTC).astimezone()


class Bluetooth:
    """Devices of the services that are known, by any stack."""

    def __init__(
        self,
        radio: Radio,
        how: How | None = None,
        *,
        name: str = "bluetooth",
        devices: tuple[str, ...] = (),
        now: Callable[[], datetime] = _local,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._radio, self._how, self._name, self._devices, self._now = radio, how or How(), name, devices, now
        self._chance = chance
        self._memory = Memory()
        self._busy: set[str] = set()
        self._again: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    @property
    def name(self) -> str:
        """As the settings have it."""
        return self._name

    async def run(self, sink: Sink) -> None:
        """Until cancelled. While the sink is full nothing is asked of any device: what they have they keep."""
        async with asyncio.TaskGroup() as visits:
            while True:
                await self._settle(sink)
                try:
                    sighted = await self._radio.find(self._wanted)
                    link = await self._reach(sighted)
                except NoRadio as error:
                    log.warning("bluetooth: %s", error)
                    await asyncio.sleep(self._wait(""))
                    continue
                self._failures.pop("", None)
                if link is not None:
                    self._busy.add(sighted.address)
                    visits.create_task(self._visit(link, sink))

    async def once(self, sink: Sink) -> int:
        """Visit the first that advertises. How many readings came; raises what went wrong."""
        link = await self._radio.connect(await self._radio.find(self._wanted))
        try:
            return await Visit(self._name, link, sink, self._how, self._memory, self._now).run()
        finally:
            await link.disconnect()

    def _wanted(self, sighted: Sighted) -> bool:
        address = sighted.address.upper()
        if self._devices and address not in self._devices:
            return False
        if not self._devices and not sighted.services & PROFILES.keys():
            return False
        rested = self._again.get(sighted.address, 0.0) <= asyncio.get_running_loop().time()
        return rested and sighted.address not in self._busy

    async def _reach(self, sighted: Sighted) -> Link | None:
        try:
            async with asyncio.timeout(_CONNECTING):
                return await self._radio.connect(sighted)
        except (Gone, Unpaired) as error:
            self._failed(sighted.address, str(error))
        except Rejected as error:
            self._failed(sighted.address, f"{sighted.address}: {error}")
        except TimeoutError:
            self._failed(sighted.address, f"{sighted.address} did not answer")
        return None

    async def _visit(self, link: Link, sink: Sink) -> None:
        """What goes wrong here is told and tried again, and is no matter of other devices."""
        address = link.sighted.address
        try:
            number = await Visit(self._name, link, sink, self._how, self._memory, self._now).run()
        except (Gone, Unpaired, NoRadio) as error:
            self._failed(address, str(error))
        except Rejected as error:
            self._failed(address, f"{address}: {error}")
        except Full:
            self._failed(address, f"{address}: there is no room for more readings: the device keeps them")
        except Exception:
            log.exception("bluetooth: %s", address)
            self._failed(address, f"{address}: an error of this program's own")
        else:
            log.info("bluetooth: %s: %d readings", address, number)
            self._failures.pop(address, None)
            self._rest(address, _REST)
        finally:
            self._busy.discard(address)
            await link.disconnect()

    async def _settle(self, sink: Sink) -> None:
        """First what is owed: a device thinks that it was taken."""
        while self._memory.owed:
            try:
                await sink.take(self._memory.owed[0])
            except Full:
                await asyncio.sleep(self._wait(""))
            else:
                del self._memory.owed[0]

    def _failed(self, address: str, why: str) -> None:
        wait = self._wait(address)
        log.warning("bluetooth: %s; again in %d seconds or later", why, wait)
        self._rest(address, wait)

    def _wait(self, address: str) -> float:
        """Longer each time, up to a bound, and never twice the same."""
        failures = self._failures.pop(address, 0)
        if len(self._failures) >= _KNOWN:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = failures + 1
        return min(_LONGEST, _FIRST * 2.0 ** min(failures, 10)) * self._chance(0.8, 1.2)

    def _rest(self, address: str, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._again) >= _KNOWN:
            self._again = {known: until for known, until in self._again.items() if until > now}
        self._again[address] = now + seconds
