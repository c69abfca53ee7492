"""Pulse Oximeter Service 1.0: PLX Spot-Check 0x2A5E, PLX Continuous 0x2A5F, PLX Features 0x2A60.

Stored spot-checks are asked for by `record_access`. ISO/IEEE 11073-10404; the PHD guide's examples of a Nonin 3230.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import ClassVar, Final

from hilum.phd import codes
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.reporting import stamp, told
from hilum.phd.gatt.wire import Reader, Writer, flagged
from hilum.phd.number import Number
from hilum.phd.reading import NOTHING, Quantity, Reading, Stamp, Status

_SENSOR_SIZE: Final = 3


class State(IntFlag):
    """Measurement Status: bit by bit that of 11073, where it has one."""

    ONGOING = 1 << 5
    EARLY_ESTIMATE = 1 << 6
    VALIDATED = 1 << 7
    FULLY_QUALIFIED = 1 << 8
    FROM_STORAGE = 1 << 9
    DEMONSTRATION = 1 << 10
    TESTING = 1 << 11
    CALIBRATION_ONGOING = 1 << 12
    UNAVAILABLE = 1 << 13
    QUESTIONABLE = 1 << 14
    INVALID = 1 << 15


class Sensor(IntFlag):
    """Device and Sensor Status: 24 bits, the lower 16 of them those of MDC_PULS_OXIM_DEV_STATUS."""

    EXTENDED_UPDATE = 1
    EQUIPMENT_MALFUNCTION = 1 << 1
    PROCESSING_IRREGULARITY = 1 << 2
    INADEQUATE_SIGNAL = 1 << 3
    POOR_SIGNAL = 1 << 4
    LOW_PERFUSION = 1 << 5
    ERRATIC_SIGNAL = 1 << 6
    NO_PULSATION = 1 << 7
    QUESTIONABLE_PULSE = 1 << 8
    SEARCHING = 1 << 9
    INTERFERENCE = 1 << 10
    OFF = 1 << 11
    UNKNOWN_SENSOR = 1 << 12
    DISPLACED = 1 << 13
    MALFUNCTION = 1 << 14
    DISCONNECTED = 1 << 15


class Support(IntFlag):
    """Supported features."""

    STATE = 1
    SENSOR = 1 << 1
    STORAGE = 1 << 2
    TIME = 1 << 3
    FAST = 1 << 4
    SLOW = 1 << 5
    AMPLITUDE = 1 << 6
    MULTIPLE_BONDS = 1 << 7


_FOLLOWED: Final = int(Support.STATE | Support.SENSOR)


@dataclass(frozen=True, slots=True)
class Features:
    """PLX Features. `state`, `sensor`: the bits that it can set. Reserved bits of `support` are kept as they are."""

    UUID: ClassVar[int] = 0x2A60

    support: Support
    state: State | None = None
    sensor: Sensor | None = None

    @classmethod
    def decode(cls, data: bytes) -> Features:
        """Raises Malformed."""
        reader = Reader(data, "PLX Features")
        support = Support(reader.uint(2))
        state = State(reader.uint(2)) if Support.STATE in support else None
        sensor = Sensor(reader.uint(_SENSOR_SIZE)) if Support.SENSOR in support else None
        reader.end()
        return cls(support, state, sensor)

    def encode(self) -> bytes:
        """Raises Malformed. The two flags of `support` that say what follows are as it is."""
        follow = flagged(
            (Support.STATE, self.state is not None), (Support.SENSOR, self.sensor is not None), none=Support(0)
        )
        writer = Writer().uint(int(self.support) & ~_FOLLOWED | follow, 2)
        if self.state is not None:
            writer.uint(self.state, 2)
        if self.sensor is not None:
            writer.uint(self.sensor, _SENSOR_SIZE)
        return writer.done()


@dataclass(frozen=True, slots=True)
class Pair:
    """SpO2 in per cent and the pulse rate in beats a minute."""

    saturation: Number
    pulse: Number


class _SpotFlag(IntFlag):
    TIME = 1
    STATE = 1 << 1
    SENSOR = 1 << 2
    AMPLITUDE = 1 << 3
    CLOCK_NOT_SET = 1 << 4


@dataclass(frozen=True, slots=True)
class SpotCheck:
    """PLX Spot-Check Measurement. `amplitude`: Pulse Amplitude Index, per cent. `time_fault`: its clock is not set."""

    UUID: ClassVar[int] = 0x2A5E

    pair: Pair
    time: DateTime | None = None
    state: State | None = None
    sensor: Sensor | None = None
    amplitude: Number | None = None
    time_fault: bool = False

    @classmethod
    def decode(cls, data: bytes) -> SpotCheck:
        """Raises Malformed."""
        reader = Reader(data, "PLX Spot-Check Measurement")
        flags = reader.flags(_SpotFlag)
        pair = _pair(reader)
        time = reader.time() if _SpotFlag.TIME in flags else None
        state = State(reader.uint(2)) if _SpotFlag.STATE in flags else None
        sensor = Sensor(reader.uint(_SENSOR_SIZE)) if _SpotFlag.SENSOR in flags else None
        amplitude = reader.sfloat() if _SpotFlag.AMPLITUDE in flags else None
        reader.end()
        return cls(pair, time, state, sensor, amplitude, _SpotFlag.CLOCK_NOT_SET in flags)

    def encode(self) -> bytes:
        """Raises Malformed."""
        flags = flagged(
            (_SpotFlag.TIME, self.time is not None),
            (_SpotFlag.STATE, self.state is not None),
            (_SpotFlag.SENSOR, self.sensor is not None),
            (_SpotFlag.AMPLITUDE, self.amplitude is not None),
            (_SpotFlag.CLOCK_NOT_SET, self.time_fault),
            none=_SpotFlag(0),
        )
        writer = _written(Writer().uint(flags, 1), self.pair)
        if self.time is not None:
            writer.time(self.time)
        return _status(writer, self.state, self.sensor, self.amplitude)


class _ContinuousFlag(IntFlag):
    FAST = 1
    SLOW = 1 << 1
    STATE = 1 << 2
    SENSOR = 1 << 3
    AMPLITUDE = 1 << 4


@dataclass(frozen=True, slots=True)
class Continuous:
    """PLX Continuous Measurement: it is of now, and has no time. `fast`, `slow`: other averages of the same."""

    UUID: ClassVar[int] = 0x2A5F

    pair: Pair
    fast: Pair | None = None
    slow: Pair | None = None
    state: State | None = None
    sensor: Sensor | None = None
    amplitude: Number | None = None

    @classmethod
    def decode(cls, data: bytes) -> Continuous:
        """Raises Malformed."""
        reader = Reader(data, "PLX Continuous Measurement")
        flags = reader.flags(_ContinuousFlag)
        pair = _pair(reader)
        fast = _pair(reader) if _ContinuousFlag.FAST in flags else None
        slow = _pair(reader) if _ContinuousFlag.SLOW in flags else None
        state = State(reader.uint(2)) if _ContinuousFlag.STATE in flags else None
        sensor = Sensor(reader.uint(_SENSOR_SIZE)) if _ContinuousFlag.SENSOR in flags else None
        amplitude = reader.sfloat() if _ContinuousFlag.AMPLITUDE in flags else None
        reader.end()
        return cls(pair, fast, slow, state, sensor, amplitude)

    def encode(self) -> bytes:
        """Raises Malformed."""
        flags = flagged(
            (_ContinuousFlag.FAST, self.fast is not None),
            (_ContinuousFlag.SLOW, self.slow is not None),
            (_ContinuousFlag.STATE, self.state is not None),
            (_ContinuousFlag.SENSOR, self.sensor is not None),
            (_ContinuousFlag.AMPLITUDE, self.amplitude is not None),
            none=_ContinuousFlag(0),
        )
        writer = Writer().uint(flags, 1)
        for pair in (self.pair, self.fast, self.slow):
            if pair is not None:
                _written(writer, pair)
        return _status(writer, self.state, self.sensor, self.amplitude)


def _pair(reader: Reader) -> Pair:
    return Pair(reader.sfloat(), reader.sfloat())


def _written(writer: Writer, pair: Pair) -> Writer:
    return writer.sfloat(pair.saturation).sfloat(pair.pulse)


def _status(writer: Writer, state: State | None, sensor: Sensor | None, amplitude: Number | None) -> bytes:
    if state is not None:
        writer.uint(state, 2)
    if sensor is not None:
        writer.uint(sensor, _SENSOR_SIZE)
    if amplitude is not None:
        writer.sfloat(amplitude)
    return writer.done()


_SAME: Final = (
    State.ONGOING
    | State.EARLY_ESTIMATE
    | State.VALIDATED
    | State.DEMONSTRATION
    | State.TESTING
    | State.CALIBRATION_ONGOING
    | State.UNAVAILABLE
    | State.QUESTIONABLE
    | State.INVALID
)
"""Bits that Measurement-Status of 11073-20601 has too, each in its place."""
_DEVICE_SIZE: Final = 16
_DEVICE_BITS: Final = (1 << _DEVICE_SIZE) - 1


def readings(measurement: SpotCheck | Continuous, features: Features | None = None) -> tuple[Reading, ...]:
    """Saturation and pulse of each average, the amplitude of the pulse, and what is wrong with the sensor."""
    status = NOTHING if measurement.state is None else Status(int(measurement.state & _SAME))
    said: tuple[Reading, ...] = ()
    at: Stamp | None = None
    if isinstance(measurement, SpotCheck):
        at = stamp(measurement.time)
        said += _said(measurement.pair, at, status, (codes.MODALITY_SPOT,))
    else:
        said += _said(measurement.pair, at, status, ())
        said += _said(measurement.fast, at, status, (codes.MODALITY_FAST,))
        said += _said(measurement.slow, at, status, (codes.MODALITY_SLOW,))
    if measurement.amplitude is not None:
        amplitude = Quantity(measurement.amplitude, codes.DIM_PERCENT)
        said += (Reading(codes.SAT_O2_QUAL, amplitude, at, status),)
    if measurement.sensor is not None:
        sensor = int(measurement.sensor) & _DEVICE_BITS
        can = None if features is None or features.sensor is None else int(features.sensor) & _DEVICE_BITS
        said += told(codes.PULS_OXIM_DEV_STATUS, sensor, _DEVICE_SIZE, at, (0, 1), can)
    return said


def _said(pair: Pair | None, at: Stamp | None, status: Status, how: tuple[int, ...]) -> tuple[Reading, ...]:
    if pair is None:
        return ()
    saturation = Quantity(pair.saturation, codes.DIM_PERCENT)
    pulse = Quantity(pair.pulse, codes.DIM_BEAT_PER_MIN)
    return (
        Reading(codes.PULS_OXIM_SAT_O2, saturation, at, status, supplemental=how),
        Reading(codes.PULS_OXIM_PULS_RATE, pulse, at, status, supplemental=how),
    )
