"""Two time lines: what the device's clock said, and what OBX-14 says. HL7's PHD guide, "Coincident Time Stamp".

Where the gateway's clock is the better one, OBX-14 is the device's stamp moved by the difference of the two, and the
coincidence in the same message moves it back. In a time fault, and where the device's clock is the better one, OBX-14
is the stamp as it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from hilum.hl7v2.times import exact
from hilum.phd.reading import Clock, Coincidence, Stamp

MICROSECONDS: Final = {Clock.RELATIVE: 125, Clock.HIGH_RESOLUTION: 1}
"""What a tick is."""
_1900: Final = datetime(1900, 1, 1, tzinfo=UTC)


def reported(clock: Clock, time: datetime | None, ticks: int | None) -> str:
    """A stamp as the PHD guide writes it, "Generating the Reported Time Stamp Identifier"."""
    if time is None:
        return "" if ticks is None else str(ticks)
    if clock is not Clock.BASE_OFFSET:
        return f"{time:%Y%m%d%H%M%S}".rjust(14, "0") + f".{time.microsecond // 10_000:02}"
    since = time - _1900
    fraction = round(since.microseconds * 65536 / 1_000_000)
    minutes = round((time.utcoffset() or timedelta()).total_seconds() / 60)
    return f"{since.days * 86400 + since.seconds}.{fraction}.{minutes:+}"


def shown(stamp: Stamp, coincidence: Coincidence | None) -> datetime | None:
    """OBX-14 of a stamp; None: nothing places it in time."""
    ours = _anchor(coincidence)
    if ours is None or coincidence is None or ours.clock is not stamp.clock:
        return None if stamp.time is None else exact(stamp.time).time
    try:
        if stamp.time is not None and ours.time is not None:
            return exact(coincidence.at + (stamp.time - ours.time)).time
        if stamp.ticks is not None and ours.ticks is not None:
            passed = (stamp.ticks - ours.ticks) * MICROSECONDS[stamp.clock]
            return exact(coincidence.at + timedelta(microseconds=passed)).time
    except (OverflowError, TypeError):  # a clock far off; a stamp with an offset beside one without
        return None
    return None


def recovered(time: datetime, coincidence: Coincidence | None) -> Stamp:
    """The stamp that OBX-14 is of."""
    ours = _anchor(coincidence)
    if ours is None or coincidence is None or time.tzinfo is None:
        clock = Clock.ABSOLUTE if time.tzinfo is None else Clock.BASE_OFFSET
        return Stamp(clock, reported(clock, time, None), time)
    try:
        passed = time - coincidence.at
        if ours.ticks is not None:
            ticks = ours.ticks + passed // timedelta(microseconds=MICROSECONDS[ours.clock])
            return Stamp(ours.clock, reported(ours.clock, None, ticks), None, ticks)
        if ours.time is not None:
            back = ours.time + passed
            return Stamp(ours.clock, reported(ours.clock, back, None), back)
    except OverflowError:
        pass
    return Stamp(Clock.BASE_OFFSET, reported(Clock.BASE_OFFSET, time, None), time)


def same(one: Stamp, other: Stamp) -> bool:
    """Whether two stamps are the same, offsets and all."""
    return one == other and (one.time and one.time.utcoffset()) == (other.time and other.time.utcoffset())


def _anchor(coincidence: Coincidence | None) -> Stamp | None:
    return coincidence.device if coincidence is not None and coincidence.ours else None
