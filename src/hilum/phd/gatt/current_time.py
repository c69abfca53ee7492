"""Current Time Service 1.1: what a device's clock says, and when it said it. 0x2A2B."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag
from typing import ClassVar, Final

from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.reporting import stamp
from hilum.phd.gatt.wire import Reader, Writer
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Clock, Coincidence, Stamp

_PARTS_OF_A_SECOND: Final = 256
_DAYS: Final = 7


class Adjusted(IntFlag):
    """Adjust Reason: why the clock was set last."""

    BY_HAND = 1
    BY_A_REFERENCE = 1 << 1
    TIME_ZONE = 1 << 2
    DAYLIGHT_SAVING = 1 << 3


_NOT_ADJUSTED: Final = Adjusted(0)


@dataclass(frozen=True, slots=True)
class CurrentTime:
    """`weekday`: Monday is 1, not known is 0. `fractions`: of a second, 256 to one."""

    UUID: ClassVar[int] = 0x2A2B

    time: DateTime
    weekday: int = 0
    fractions: int = 0
    adjusted: Adjusted = _NOT_ADJUSTED

    @classmethod
    def decode(cls, data: bytes) -> CurrentTime:
        """Raises Malformed."""
        reader = Reader(data, "Current Time")
        time, weekday = reader.time(), reader.uint(1)
        if weekday > _DAYS:
            raise reader.refuse(f"{weekday} is no day of the week", 1)
        found = cls(time, weekday, reader.uint(1), Adjusted(reader.uint(1)))
        reader.end()
        return found

    def encode(self) -> bytes:
        """Raises Malformed."""
        if not 0 <= self.weekday <= _DAYS:
            raise Malformed(f"Current Time: {self.weekday} is no day of the week")
        written = Writer().time(self.time).uint(self.weekday, 1).uint(self.fractions, 1)
        return written.uint(int(self.adjusted), 1).done()

    @property
    def stamp(self) -> Stamp | None:
        """To the hundredth of a second in words, to the microsecond as a time; the rest is cut. None: no known date."""
        known = self.time.known
        if known is None:
            return None
        hundredths = self.fractions * 100 // _PARTS_OF_A_SECOND
        exact = known.replace(microsecond=self.fractions * 1_000_000 // _PARTS_OF_A_SECOND)
        return Stamp(Clock.ABSOLUTE, f"{self.time.reported[:-2]}{hundredths:02}", exact)


def coincidence(
    told: CurrentTime | DateTime | None, at: datetime, *, fault: bool = False, ours: bool = True, serial: str = ""
) -> Coincidence:
    """What the device's clock said at `at` (with an offset to UTC): its Current Time, or its Date Time.

    A time fault where it says none (None), where it doesn't know its date, or where `fault`: one of what it measured
    said that its clock is wrong or was never set.
    """
    device: Stamp | None = None
    if isinstance(told, CurrentTime):
        device = told.stamp
    elif told is not None and told.known is not None:
        device = stamp(told)
    return Coincidence(at, None if fault else device, ours=ours, serial=serial)
