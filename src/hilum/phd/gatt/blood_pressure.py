"""Blood Pressure Service 1.1: Measurement 0x2A35, Intermediate Cuff Pressure 0x2A36, Feature 0x2A49.

Transcoding paper v16, 3.3; ISO/IEEE 11073-10407.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntFlag
from typing import ClassVar, Final

from hilum.phd import codes
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.reporting import events, stamp, told
from hilum.phd.gatt.wire import Reader, Writer, bits, flagged
from hilum.phd.malformed import Malformed
from hilum.phd.number import Number
from hilum.phd.reading import Compound, Quantity, Reading, Status

CUFF_UUID: Final = 0x2A36
"""Intermediate Cuff Pressure: a `Measurement` whose `systolic` is the cuff's pressure now, the others NaN."""
FEATURE_UUID: Final = 0x2A49


class Unit(Enum):
    """The MDC code of it."""

    MMHG = codes.DIM_MMHG
    KILOPASCAL = codes.DIM_KILO_PASCAL


class State(IntFlag):
    """Measurement Status. At most one of PULSE_TOO_FAST and PULSE_TOO_SLOW: they are one field, both of it reserved."""

    BODY_MOVED = 1
    CUFF_TOO_LOOSE = 1 << 1
    IRREGULAR_PULSE = 1 << 2
    PULSE_TOO_FAST = 1 << 3
    PULSE_TOO_SLOW = 1 << 4
    WRONG_POSITION = 1 << 5


class Feature(IntFlag):
    """Blood Pressure Feature: what the device can tell."""

    BODY_MOVED = 1
    CUFF_FIT = 1 << 1
    IRREGULAR_PULSE = 1 << 2
    PULSE_RANGE = 1 << 3
    POSITION = 1 << 4
    MULTIPLE_BONDS = 1 << 5
    E2E_CRC = 1 << 6
    USER_DATA = 1 << 7
    USER_FACING_TIME = 1 << 8

    @classmethod
    def decode(cls, data: bytes) -> Feature:
        """Raises Malformed."""
        return bits(cls, data, 2, "Blood Pressure Feature")

    def encode(self) -> bytes:
        """Raises Malformed."""
        return Writer().uint(int(self), 2).done()


class _Flag(IntFlag):
    KILOPASCAL = 1
    TIME = 1 << 1
    PULSE = 1 << 2
    USER = 1 << 3
    STATE = 1 << 4


_BOTH: Final = State.PULSE_TOO_FAST | State.PULSE_TOO_SLOW


@dataclass(frozen=True, slots=True)
class Measurement:
    """`mean`: arterial. `pulse`: beats a minute. `user`: who of the device's users; 255 is one that it doesn't know."""

    UUID: ClassVar[int] = 0x2A35

    systolic: Number
    diastolic: Number
    mean: Number
    unit: Unit
    time: DateTime | None = None
    pulse: Number | None = None
    user: int | None = None
    state: State | None = None

    @classmethod
    def decode(cls, data: bytes) -> Measurement:
        """Raises Malformed."""
        reader = Reader(data, "Blood Pressure Measurement")
        flags = reader.flags(_Flag)
        systolic, diastolic, mean = reader.sfloat(), reader.sfloat(), reader.sfloat()
        time = reader.time() if _Flag.TIME in flags else None
        pulse = reader.sfloat() if _Flag.PULSE in flags else None
        user = reader.uint(1) if _Flag.USER in flags else None
        state = State(reader.uint(2)) if _Flag.STATE in flags else None
        if state is not None and _BOTH in state:
            raise reader.refuse("a reserved pulse rate range", 2)
        reader.end()
        unit = Unit.KILOPASCAL if _Flag.KILOPASCAL in flags else Unit.MMHG
        return cls(systolic, diastolic, mean, unit, time, pulse, user, state)

    def encode(self) -> bytes:
        """Raises Malformed."""
        flags = flagged(
            (_Flag.KILOPASCAL, self.unit is Unit.KILOPASCAL),
            (_Flag.TIME, self.time is not None),
            (_Flag.PULSE, self.pulse is not None),
            (_Flag.USER, self.user is not None),
            (_Flag.STATE, self.state is not None),
            none=_Flag(0),
        )
        writer = Writer().uint(flags, 1).sfloat(self.systolic).sfloat(self.diastolic).sfloat(self.mean)
        if self.time is not None:
            writer.time(self.time)
        if self.pulse is not None:
            writer.sfloat(self.pulse)
        if self.user is not None:
            writer.uint(self.user, 1)
        if self.state is not None:
            if _BOTH in self.state:
                raise Malformed("Blood Pressure Measurement: a reserved pulse rate range")
            writer.uint(self.state, 2)
        return writer.done()


_EVENTS: Final = range(6)
"""Bits that MDC_BLOOD_PRESSURE_MEASUREMENT_STATUS has too, under the same number: 8410608.2 is the irregular pulse."""
_SUPPORTED: Final = {
    Feature.BODY_MOVED: State.BODY_MOVED,
    Feature.CUFF_FIT: State.CUFF_TOO_LOOSE,
    Feature.IRREGULAR_PULSE: State.IRREGULAR_PULSE,
    Feature.PULSE_RANGE: _BOTH,
    Feature.POSITION: State.WRONG_POSITION,
}
_STATUS_SIZE: Final = 16


def readings(measurement: Measurement, feature: Feature | None = None) -> tuple[Reading, ...]:
    """The pressures, then the pulse, then what was wrong with them."""
    at, unit = stamp(measurement.time), measurement.unit.value
    pressures = (
        (codes.PRESS_BLD_NONINV_SYS, Quantity(measurement.systolic, unit)),
        (codes.PRESS_BLD_NONINV_DIA, Quantity(measurement.diastolic, unit)),
        (codes.PRESS_BLD_NONINV_MEAN, Quantity(measurement.mean, unit)),
    )
    said = [Reading(codes.PRESS_BLD_NONINV, Compound(pressures), at)]
    if measurement.pulse is not None:
        pulse = Quantity(measurement.pulse, codes.DIM_BEAT_PER_MIN)
        said.append(Reading(codes.PULS_RATE_NON_INV, pulse, at))
    if measurement.state is not None:
        supported = None
        if feature is not None:
            can = sum(int(state) for flag, state in _SUPPORTED.items() if flag in feature)
            supported = events(can, _STATUS_SIZE, _EVENTS)
        status = events(measurement.state, _STATUS_SIZE, _EVENTS)
        said += told(codes.BLOOD_PRESSURE_MEASUREMENT_STATUS, status, _STATUS_SIZE, at, (0,), supported)
    return tuple(said)


def intermediate(cuff: Measurement) -> tuple[Reading, ...]:
    """Of Intermediate Cuff Pressure: what the cuff is pumped to while it measures. It is nobody's blood pressure."""
    pressure = Quantity(cuff.systolic, cuff.unit.value)
    return (Reading(codes.PRESS_CUFF, pressure, stamp(cuff.time), Status.MEASUREMENT_ONGOING),)
