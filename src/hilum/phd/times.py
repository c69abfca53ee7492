"""When something was measured, by the gateway's clock. HL7's PHD guide, "Coincident Time Stamp".

    the device                                  its stamps are
    ------------------------------------------  -----------------------------------------------------------------
    sends none                                  the time of reception
    has a worse clock than the gateway          moved by the difference between both clocks, however large it is
    has the better clock                        left as they are
    stamps, and does not tell its time (fault)  left as they are
    counts ticks                                the gateway's time, plus the ticks since: whosever clock is better
    counts ticks, and does not tell (fault)     of no use: the time of reception

A time without an offset to UTC has the gateway's: both are in one room. One with an offset keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from hilum.phd.malformed import Malformed
from hilum.phd.number import Number
from hilum.phd.reading import Clock, Coincidence, Reading, Stamp, Taken

TICK: Final = {Clock.RELATIVE: 125, Clock.HIGH_RESOLUTION: 1}
"""Microseconds."""


@dataclass(frozen=True, slots=True)
class Effective:
    """A time, or from `start` to `end`; with an offset to UTC."""

    start: datetime
    end: datetime | None = None


def effective(reading: Reading, received: datetime, coincidence: Coincidence | None) -> Effective:
    """When it was measured. What lasted began at its stamp; without one, it ended when it was received."""
    try:
        lasted = _lasting(reading.lasting)
        if reading.stamp is None:
            end = fixed(received)
            return Effective(end) if lasted is None else Effective(end - lasted, end)
        start = placed(reading.stamp, received, coincidence)
        return Effective(start) if lasted is None else Effective(start, start + lasted)
    except OverflowError:
        raise Malformed("a time stamp, or how long it lasted, leads out of the calendar") from None


def placed(stamp: Stamp, received: datetime, coincidence: Coincidence | None) -> datetime:
    """A time by the device's clock, by the gateway's."""
    device = coincidence.device if coincidence is not None else None
    ours = fixed(coincidence.at if coincidence is not None else received)
    if stamp.clock in TICK:
        if device is None or device.clock is not stamp.clock:
            return fixed(received)
        return ours + timedelta(microseconds=microseconds(stamp) - microseconds(device))
    time = aware(stamp, ours)
    if coincidence is None or device is None or device.time is None or not coincidence.ours:
        return time
    return time + (ours - aware(device, ours))


def coincident(taken: Taken) -> Coincidence | None:
    """What is to be told of the device's clock: nothing where no reading has a stamp, a fault where it kept silent."""
    stamps = [reading.stamp for reading in taken.readings if reading.stamp is not None]
    if not stamps:
        return None
    return taken.coincidence or Coincidence(taken.received, None, stamps[0].clock)


def aware(stamp: Stamp, ours: datetime) -> datetime:
    """The time of a stamp by a wall clock, with the offset that it has, or else ours."""
    if stamp.time is None:
        raise Malformed("a time stamp of a wall clock without a time")
    return stamp.time.replace(tzinfo=ours.tzinfo) if stamp.time.tzinfo is None else fixed(stamp.time)


def microseconds(stamp: Stamp) -> int:
    """What a clock that counts ticks says."""
    if stamp.ticks is None:
        raise Malformed("a time stamp of a clock that counts, without a count")
    return stamp.ticks * TICK[stamp.clock]


def fixed(time: datetime) -> datetime:
    """The same with the offset that its zone has then, in whole minutes; zones that change have laws of their own."""
    offset = time.utcoffset()
    if offset is None:
        raise ValueError("a time of the gateway without an offset to UTC")
    return time.astimezone(timezone(timedelta(minutes=round(offset / timedelta(minutes=1)))))


def written(time: datetime) -> str:
    """A FHIR dateTime, with as many digits of the second as it has."""
    return time.isoformat(timespec="seconds" if not time.microsecond else "auto")


def _lasting(lasting: Number | None) -> timedelta | None:
    """Special numbers say nothing of how long it was."""
    if not isinstance(lasting, Decimal) or lasting < 0:
        return None
    return timedelta(microseconds=int(lasting * 1_000_000))
