"""The four clocks of a device, and the bytes of their times. ISO/IEEE 11073-20601, A.2 and 8.12.

A `Stamp` keeps what was reported, exactly: that is what is written again. HL7's PHD guide, "Generating the Reported
Time Stamp Identifier".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Final

from hilum.phd.ieee20601.codes import Attribute
from hilum.phd.ieee20601.mder import FLOAT, U16, U32, Form, Reader, Writer, octets, record
from hilum.phd.malformed import Malformed
from hilum.phd.number import Number
from hilum.phd.reading import Clock, Stamp

_EPOCH: Final = datetime(1900, 1, 1, tzinfo=UTC)
_SECOND: Final = 65536
"""Fractions of it, in base offset time."""
_FARTHEST: Final = 24 * 60
_CUTS: Final = (0, 4, 6, 8, 10, 12, 14, 16)
"""Of the digits of an absolute time."""


def absolute(time: datetime) -> Stamp:
    """The device's wall clock, to the hundredth of a second. An offset of `time` is not said."""
    reported = f"{time:%Y%m%d%H%M%S}.{time.microsecond // 10_000:02}"
    hundredths = time.microsecond // 10_000 * 10_000
    return Stamp(Clock.ABSOLUTE, reported.rjust(17, "0"), time.replace(tzinfo=None, microsecond=hundredths))


def base_offset(time: datetime) -> Stamp:
    """`time` has an offset to UTC."""
    offset = time.utcoffset() or timedelta()
    since = time - _EPOCH
    fraction = since.microseconds * _SECOND // 1_000_000
    return _based(since.days * 86_400 + since.seconds, fraction, int(offset.total_seconds()) // 60)


def relative(ticks: int) -> Stamp:
    """`ticks`: eighths of a millisecond."""
    return Stamp(Clock.RELATIVE, str(ticks), ticks=ticks)


def high_resolution(ticks: int) -> Stamp:
    """`ticks`: microseconds."""
    return Stamp(Clock.HIGH_RESOLUTION, str(ticks), ticks=ticks)


def _based(seconds: int, fraction: int, minutes: int) -> Stamp:
    if abs(minutes) >= _FARTHEST:
        raise Malformed("base offset time: an offset of a day or more")
    time = _EPOCH + timedelta(seconds=seconds, microseconds=fraction * 1_000_000 // _SECOND)
    reported = f"{seconds}.{fraction}.{minutes:+}"
    return Stamp(Clock.BASE_OFFSET, reported, time.astimezone(timezone(timedelta(minutes=minutes))))


def _read_absolute(reader: Reader) -> Stamp | None:
    at, data = reader.at, reader.take(8)
    if not any(data):
        return None
    if not (digits := data.hex()).isdecimal():
        raise Malformed("absolute time: not binary coded decimal", at)
    year, month, day, hour, minute, second, hundredths = (int(digits[start:end]) for start, end in pairwise(_CUTS))
    try:
        time = datetime(year, month, day, hour, minute, second, hundredths * 10_000)
    except ValueError:
        raise Malformed("absolute time: no date and time of the calendar", at) from None
    return Stamp(Clock.ABSOLUTE, f"{digits[:14]}.{digits[14:]}", time)


def _write_absolute(writer: Writer, stamp: Stamp | None) -> None:
    if stamp is None:
        writer.data += bytes(8)
        return
    _same(stamp, Clock.ABSOLUTE)
    writer.data += bytes.fromhex(stamp.reported.replace(".", ""))


def _read_base(reader: Reader) -> Stamp:
    seconds, fraction = reader.uint(4), reader.uint(2)
    return _based(seconds, fraction, int.from_bytes(reader.take(2), "big", signed=True))


def _write_base(writer: Writer, stamp: Stamp) -> None:
    _same(stamp, Clock.BASE_OFFSET)
    seconds, fraction, minutes = map(int, stamp.reported.split("."))
    writer.uint(seconds, 4)
    writer.uint(fraction, 2)
    writer.uint(minutes, 2, signed=True)


def _ticking(clock: Clock, size: int) -> Form[Stamp]:
    def write(writer: Writer, stamp: Stamp) -> None:
        _same(stamp, clock)
        writer.uint(stamp.ticks or 0, size)

    def read(reader: Reader) -> Stamp:
        ticks = reader.uint(size)
        return Stamp(clock, str(ticks), ticks=ticks)

    return Form(read, write)


def _same(stamp: Stamp, clock: Clock) -> None:
    if stamp.clock is not clock:
        raise Malformed(f"a time of clock {stamp.clock.name} where {clock.name} is expected")


ABSOLUTE: Final[Form[Stamp | None]] = Form(_read_absolute, _write_absolute)
"""Eight bytes of binary coded decimals. All zero: a clock that was never set."""
BASE_OFFSET: Final[Form[Stamp]] = Form(_read_base, _write_base)
RELATIVE: Final = _ticking(Clock.RELATIVE, 4)
HIGH_RESOLUTION: Final = _ticking(Clock.HIGH_RESOLUTION, 8)
_ADJUSTMENT: Final = octets(6)
ADJUSTMENT: Final[Form[int]] = Form(
    lambda reader: int.from_bytes(_ADJUSTMENT.read(reader), "big", signed=True),
    lambda writer, value: writer.uint(value, 6, signed=True),
)
"""Hundredths of a second that the clock was set forward by."""

NOW: Final[dict[Clock, Attribute]] = {
    Clock.ABSOLUTE: Attribute.TIME_ABS,
    Clock.BASE_OFFSET: Attribute.TIME_BO,
    Clock.RELATIVE: Attribute.TIME_REL,
    Clock.HIGH_RESOLUTION: Attribute.TIME_REL_HI_RES,
}
"""Clock -> the device's attribute that says its time."""
STAMPS: Final[dict[Clock, Attribute]] = {
    Clock.ABSOLUTE: Attribute.TIME_STAMP_ABS,
    Clock.BASE_OFFSET: Attribute.TIME_STAMP_BO,
    Clock.RELATIVE: Attribute.TIME_STAMP_REL,
    Clock.HIGH_RESOLUTION: Attribute.TIME_STAMP_REL_HI_RES,
}
"""Clock -> the attribute of a measurement that says when it was."""


@dataclass(frozen=True, slots=True)
class TimeInfo:
    """Mds-Time-Info. `accuracy` in eighths of a millisecond; `absolute`, `relative`, `high_resolution`: resolutions."""

    state: int
    protocol: int
    accuracy: int
    absolute: int = 0
    relative: int = 0
    high_resolution: int = 0


TIME_INFO: Final[Form[TimeInfo]] = record(TimeInfo, U16, U16, U32, U16, U16, U32)


@dataclass(frozen=True, slots=True)
class SetTime:
    """What an agent's clock is set to. `accuracy`: zero, as the standard leaves it."""

    time: Stamp | None
    accuracy: Number = Decimal(0)


SET_TIME: Final[Form[SetTime]] = record(SetTime, ABSOLUTE, FLOAT)


def stamp(clock: Clock, time: datetime) -> Stamp:
    """What a clock says at `time`, which has an offset to UTC. A relative one ran since the beginning of that day."""
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    since = (time - midnight) // timedelta(microseconds=1)
    match clock:
        case Clock.ABSOLUTE:
            return absolute(time)
        case Clock.BASE_OFFSET:
            return base_offset(time)
        case Clock.RELATIVE:
            return relative(since // 125)
        case Clock.HIGH_RESOLUTION:
            return high_resolution(since)
