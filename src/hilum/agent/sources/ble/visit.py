"""One connection: who it is, what it stored, what it measures, until it has no more to say.

A reading is with the sink before its indication is confirmed (where the stack leaves that to us, see `transport`) and
before its record may be deleted. What was heard before a connection broke is kept; what then was not heard is stored
in the device, and asked for again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Final

from hilum.agent.source import Full, Sink
from hilum.agent.sources.ble.about import About, about
from hilum.agent.sources.ble.profiles import PROFILES, Profile, Said
from hilum.agent.sources.ble.transport import Gone, Heard, Link, Place, Rejected
from hilum.phd.gatt import record_access
from hilum.phd.gatt.current_time import coincidence
from hilum.phd.gatt.record_access import Count, Operator, Outcome, Procedure, Request, Result
from hilum.phd.gatt.reporting import joined
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Coincidence, Reading, Taken

log = logging.getLogger(__name__)

_TOGETHER: Final = 64
"""How many stored records go to the sink at once: each time it is a flush of the disk."""
_PROCEDURE: Final = 30
"""Seconds without a word after which a procedure has failed. Glucose Profile 1.0.1, 5.4.2."""
_LAST_NUMBER: Final = 65000
"""Numbers are of 16 bits: near their end nothing is asked for by number."""
_REFUSED: Final = 4096


@dataclass(frozen=True, slots=True)
class How:
    """`delete`: what was taken. `estimates`: what a device says while it still measures is taken too. `quiet`: seconds,
    instead of each profile's own.
    """

    delete: bool = False
    estimates: bool = False
    quiet: float | None = None


@dataclass(slots=True)
class Memory:
    """What is remembered of devices between two connections, so that less is asked for: all of it may be forgotten.

    `last`: (device, service) -> the last record's number, and it. `refused`: what was refused already, so that a
    device that has a malformed record does not fill the sink with it. `owed`: what was taken of a device that was told
    so by its stack, while the sink was full.
    """

    last: dict[tuple[str, int], tuple[int, tuple[Reading, ...]]] = field(default_factory=dict)
    refused: dict[bytes, None] = field(default_factory=dict)
    owed: list[Taken] = field(default_factory=list)

    def new(self, device: str, place: Place, data: bytes) -> bool:
        """Whether this is refused for the first time."""
        digest = hashlib.sha256(f"{device} {place} ".encode() + data).digest()
        if digest in self.refused:
            return False
        self.refused[digest] = None
        if len(self.refused) > _REFUSED:
            del self.refused[next(iter(self.refused))]
        return True


class Visit:
    """`name`: of the source. `now`: with an offset to UTC."""

    def __init__(
        self, name: str, link: Link, sink: Sink, how: How, memory: Memory, now: Callable[[], datetime]
    ) -> None:
        self._name, self._link, self._sink, self._how, self._memory, self._now = name, link, sink, how, memory, now
        self._serial = uuid.uuid4().hex
        self._about: About | None = None
        self._profiles = {
            service: PROFILES[service]() for service in sorted({place[0] for place in link.places} & PROFILES.keys())
        }
        self._pending: list[Said] = []
        self._taken = 0
        self._asking = False
        self._numbers: dict[int, tuple[Reading, ...]] = {}

    async def run(self) -> int:
        """How many readings were taken. Raises what `Link` does, and Full."""
        specializations = tuple((profile.SPECIALIZATION, 1) for profile in self._profiles.values())
        found = await about(self._link, specializations, self._now, self._refuse)
        self._about = found
        await self._sink.seen(found.device, found.battery)
        try:
            for profile in self._profiles.values():
                await self._prepare(profile)
            for profile in self._profiles.values():
                if profile.stores and (profile.SERVICE, record_access.UUID) in self._link.places:
                    await self._collect(profile)
            await self._listen()
        finally:
            await self._flush(told=not self._link.confirms)
        return self._taken

    async def _prepare(self, profile: Profile) -> None:
        service = profile.SERVICE
        try:
            await profile.prepare(self._link, self._now)
        except Malformed as error:
            raise Gone(f"{self._key} says of itself what cannot be understood: {error}") from None
        heard = (profile.ESTIMATES if self._how.estimates else ()) + profile.MEASURES
        for number in (*heard, record_access.UUID):
            if (service, number) in self._link.places:
                await self._link.subscribe((service, number))

    async def _listen(self) -> None:
        """Until the device hangs up, as most do by themselves, or has been quiet for long."""
        quiet = max((profile.QUIET for profile in self._profiles.values()), default=0.0)
        if quiet and self._how.quiet is not None:
            quiet = self._how.quiet
        while quiet:
            try:
                heard = await asyncio.wait_for(self._link.hear(), quiet)
            except (TimeoutError, Gone):
                return
            await self._handle(heard)

    async def _collect(self, profile: Profile) -> None:
        """All stored records, or those since the last that is known, if the device still has that as it was."""
        where = (self._key, profile.SERVICE)
        known = self._memory.last.get(where) if profile.NUMBERED and not self._how.delete else None
        said: Outcome | Count | None = None
        if known is not None:
            said = await self._ask(profile, Request(Procedure.REPORT, Operator.FROM, (known[0],)))
            if self._numbers.get(known[0]) != known[1]:
                known = None
        if known is None:
            said = await self._ask(profile, Request(Procedure.REPORT))
        match said:
            case Outcome(result=Result.SUCCESS):
                pass
            case Outcome(result=Result.NO_RECORDS):
                return
            case _:
                log.warning("bluetooth: %s did not report what it stores: %s", self._key, said)
                return
        if not self._numbers:
            return
        last = max(self._numbers)
        self._memory.last[where] = last, self._numbers[last]
        if last >= _LAST_NUMBER:
            del self._memory.last[where]
        if self._how.delete and profile.NUMBERED:
            await self._delete(profile, last, len(self._numbers))

    async def _delete(self, profile: Profile, last: int, number: int) -> None:
        """All up to the last that was taken, if the device counts as many: none was malformed or lost."""
        said = await self._ask(profile, Request(Procedure.COUNT, Operator.UP_TO, (last,)))
        if isinstance(said, Count) and said.number == number:
            said = await self._ask(profile, Request(Procedure.DELETE, Operator.UP_TO, (last,)))
            if isinstance(said, Outcome) and said.result is Result.SUCCESS:
                self._memory.last.pop((self._key, profile.SERVICE), None)
                return
        log.warning("bluetooth: %s keeps its records: %s of %d", self._key, said, number)

    async def _ask(self, profile: Profile, request: Request) -> Outcome | Count | None:
        """A procedure of the Record Access Control Point. None: its end said nothing that can be understood."""
        place = (profile.SERVICE, record_access.UUID)
        if request.procedure is Procedure.REPORT:
            self._numbers = {}
        self._asking = True
        try:
            await self._link.write(place, request.encode())
            while True:
                heard = await asyncio.wait_for(self._link.hear(), _PROCEDURE)
                if heard.place == place:
                    return await self._ended(profile, heard)
                await self._handle(heard)
        except TimeoutError:
            raise Gone(f"{self._key} was silent in the middle of a procedure") from None
        except Rejected as error:
            log.warning("bluetooth: %s rejects a procedure: %s", self._key, error)
            return None
        finally:
            self._asking = False

    async def _ended(self, profile: Profile, heard: Heard) -> Outcome | Count | None:
        """What a procedure came to, once all that it reported is kept."""
        said: Outcome | Count | None = None
        try:
            found = record_access.decode(heard.data)
            said = None if isinstance(found, Request) else found
        except Malformed as error:
            await self._refuse(heard.place, heard.data, str(error))
        if isinstance(said, Outcome) and said.result is Result.SUCCESS:
            self._remember(profile.rest())
        await self._flush(told=False)
        heard.confirm()
        return said

    async def _handle(self, heard: Heard) -> None:
        service, number = heard.place
        profile = self._profiles.get(service)
        if profile is not None and number != record_access.UUID:
            try:
                self._remember(profile.hear(number, heard.data))
            except Malformed as error:
                await self._refuse(heard.place, heard.data, str(error))
            if heard.indicated or not self._asking or len(self._pending) >= _TOGETHER:
                await self._flush(told=not (heard.indicated and self._link.confirms))
        heard.confirm()

    def _remember(self, said: Iterable[Said]) -> None:
        for one in said:
            self._pending.append(one)
            if self._asking and one.record is not None:
                self._numbers[one.record] = one.readings

    async def _flush(self, *, told: bool) -> None:
        """To the sink. `told`: the device thinks already that it was taken, and so it is kept here till there is room.

        Raises Full.
        """
        pending, self._pending = self._pending, []
        if self._about is None:
            return
        received = self._now()
        groups = groupby((one for one in pending if one.readings), key=lambda one: (one.person, one.fault))
        taken = [
            Taken(
                self._about.device,
                received,
                joined(*(one.readings for one in group)),
                self._coincidence(fault),
                self._about.battery,
                person,
            )
            for (person, fault), group in groups
        ]
        for at, one in enumerate(taken):
            try:
                await self._sink.take(one)
            except Full:
                if told:
                    self._memory.owed += taken[at:]
                raise
            self._taken += len(one.readings)

    def _coincidence(self, fault: bool) -> Coincidence:
        assert self._about is not None
        told = self._about.told
        if told is None:
            told = next(filter(None, (profile.clock() for profile in self._profiles.values())), None)
        return coincidence(told, self._about.at, fault=fault, serial=self._serial)

    async def _refuse(self, place: Place, data: bytes, why: str) -> None:
        if self._memory.new(self._key, place, data):
            log.warning("bluetooth: %s sent what cannot be understood: %s", self._key, why)
            await self._sink.refuse(self._name, self._key, data, f"{place[1]:#06x}: {why}")

    @property
    def _key(self) -> str:
        """Of the device, or its address as long as it has not said which it is."""
        return self._link.sighted.address if self._about is None else self._about.device.key
