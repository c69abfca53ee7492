"""Continuous Glucose Monitoring Service 1.0.2: Measurement 0x2AA7, Feature 0x2AA8, Status 0x2AA9, session 0x2AAA-B.

Where a sensor's Feature says so, each value ends with an E2E-CRC: decode and encode take the `Check` that Feature has.
Commands are in `cgm_control`; stored records are asked for by `record_access`. ISO/IEEE 11073-10425.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import IntFlag
from typing import ClassVar, Final

from hilum.phd import codes, crc
from hilum.phd.crc import Check
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.glucose import Location, Sample, glucose_type, sample_and_location, where
from hilum.phd.gatt.reporting import events, joined, stamped, told
from hilum.phd.gatt.wire import Reader, Writer, flagged
from hilum.phd.malformed import Malformed
from hilum.phd.number import Number
from hilum.phd.reading import Quantity, Reading, Stamp

_NO_CRC: Final = 0xFFFF
_STATUS_SIZE: Final = 3


def protected(data: bytes, check: Check | None, name: str) -> bytes:
    """What its E2E-CRC stands for. Raises Malformed: it is of something else."""
    if check is None:
        return data
    if len(data) < crc.SIZE:
        raise Malformed(f"{name}: ends after {len(data)} bytes, before its E2E-CRC", len(data))
    body, found = data[: -crc.SIZE], int.from_bytes(data[-crc.SIZE :], "little")
    if check.of(body) != found:
        raise Malformed(f"{name}: its E2E-CRC is of something else", len(body))
    return body


def protecting(data: bytes, check: Check | None) -> bytes:
    """With its E2E-CRC."""
    return data if check is None else data + check.of(data).to_bytes(crc.SIZE, "little")


class Can(IntFlag):
    """CGM Feature: what the sensor can do."""

    CALIBRATION = 1
    PATIENT_ALERTS = 1 << 1
    HYPO_ALERTS = 1 << 2
    HYPER_ALERTS = 1 << 3
    RATE_ALERTS = 1 << 4
    DEVICE_ALERT = 1 << 5
    MALFUNCTION = 1 << 6
    TEMPERATURE_HIGH_LOW = 1 << 7
    RESULT_HIGH_LOW = 1 << 8
    BATTERY_LOW = 1 << 9
    SENSOR_TYPE = 1 << 10
    GENERAL_FAULT = 1 << 11
    E2E_CRC = 1 << 12
    MULTIPLE_BONDS = 1 << 13
    MULTIPLE_SESSIONS = 1 << 14
    TREND = 1 << 15
    QUALITY = 1 << 16


@dataclass(frozen=True, slots=True)
class Feature:
    """CGM Feature. `check`: of all values that the sensor sends or takes; None: it has no E2E-CRC."""

    UUID: ClassVar[int] = 0x2AA8

    can: Can
    sample: Sample = Sample.INTERSTITIAL_FLUID
    location: Location = Location.SUBCUTANEOUS_TISSUE
    check: Check | None = None

    @classmethod
    def decode(cls, data: bytes) -> Feature:
        """Raises Malformed. The field of the E2E-CRC is there always: 0xFFFF where there is none."""
        reader = Reader(data, "CGM Feature")
        can = Can(reader.uint(3))
        sample, location = sample_and_location(reader)
        found = reader.uint(crc.SIZE)
        check = crc.of_feature(data[: -crc.SIZE], found) if Can.E2E_CRC in can else None
        if check is None and (Can.E2E_CRC in can or found != _NO_CRC):
            raise reader.refuse("its E2E-CRC is of something else", crc.SIZE)
        reader.end()
        return cls(can, sample, location, check)

    def encode(self) -> bytes:
        """Raises Malformed. Whether it can E2E-CRC is what `check` says."""
        can = int(self.can) & ~int(Can.E2E_CRC) | (0 if self.check is None else Can.E2E_CRC)
        data = Writer().uint(can, 3).uint(self.location << 4 | self.sample, 1).done()
        return data + b"\xff\xff" if self.check is None else protecting(data, self.check)


class Annunciation(IntFlag):
    """Sensor Status Annunciation: an octet of status, one of calibration and temperature, one of warnings."""

    SESSION_STOPPED = 1
    BATTERY_LOW = 1 << 1
    SENSOR_TYPE = 1 << 2
    MALFUNCTION = 1 << 3
    DEVICE_ALERT = 1 << 4
    GENERAL_FAULT = 1 << 5
    TIME_SYNCHRONIZATION = 1 << 8
    CALIBRATION_NOT_ALLOWED = 1 << 9
    CALIBRATION_RECOMMENDED = 1 << 10
    CALIBRATION_REQUIRED = 1 << 11
    TEMPERATURE_TOO_HIGH = 1 << 12
    TEMPERATURE_TOO_LOW = 1 << 13
    BELOW_PATIENT_LOW = 1 << 16
    ABOVE_PATIENT_HIGH = 1 << 17
    BELOW_HYPO = 1 << 18
    ABOVE_HYPER = 1 << 19
    RATE_OF_DECREASE = 1 << 20
    RATE_OF_INCREASE = 1 << 21
    RESULT_TOO_LOW = 1 << 22
    RESULT_TOO_HIGH = 1 << 23


class _Flag(IntFlag):
    TREND = 1
    QUALITY = 1 << 1
    WARNING = 1 << 5
    CALIBRATION = 1 << 6
    STATUS = 1 << 7


_OCTETS: Final = ((_Flag.STATUS, 0), (_Flag.CALIBRATION, 8), (_Flag.WARNING, 16))
"""Flag -> where its octet is, in their order. Nordic's stacks send warnings first: theirs can't be told from these."""
_NOTHING: Final = Annunciation(0)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One record of CGM Measurement. `glucose`: mg/dL. `offset`: minutes since the session began; also its number.

    `trend`: mg/dL a minute. `quality`: per cent.
    """

    UUID: ClassVar[int] = 0x2AA7

    glucose: Number
    offset: int
    annunciation: Annunciation = _NOTHING
    trend: Number | None = None
    quality: Number | None = None

    @classmethod
    def decode(cls, data: bytes, check: Check | None = None) -> tuple[Measurement, ...]:
        """All records of one notification, at least one. Raises Malformed."""
        found: list[Measurement] = []
        at = 0
        while at < len(data) or not found:
            size = data[at] if at < len(data) else 0
            if size < 1 or size > len(data) - at:
                raise Malformed(f"CGM Measurement: a record of {size} bytes where {len(data) - at} are left", at)
            try:
                found.append(cls._record(data[at : at + size], check))
            except Malformed as error:
                raise Malformed(error.reason, None if error.at is None else at + error.at) from None
            at += size
        return tuple(found)

    @classmethod
    def _record(cls, data: bytes, check: Check | None) -> Measurement:
        name = "CGM Measurement"
        reader = Reader(protected(data, check, name), name)
        reader.take(1)
        flags = reader.flags(_Flag)
        glucose, offset = reader.sfloat(), reader.uint(2)
        annunciation = Annunciation(sum(reader.uint(1) << place for flag, place in _OCTETS if flag in flags))
        trend = reader.sfloat() if _Flag.TREND in flags else None
        quality = reader.sfloat() if _Flag.QUALITY in flags else None
        reader.end()
        return cls(glucose, offset, annunciation, trend, quality)

    def encode(self, check: Check | None = None) -> bytes:
        """One record: a notification is some of them one after the other. Raises Malformed."""
        octets = tuple((flag, int(self.annunciation) >> place & 0xFF) for flag, place in _OCTETS)
        flags = flagged(
            (_Flag.TREND, self.trend is not None),
            (_Flag.QUALITY, self.quality is not None),
            *((flag, octet != 0) for flag, octet in octets),
            none=_Flag(0),
        )
        writer = Writer().uint(flags, 1).sfloat(self.glucose).uint(self.offset, 2)
        for _, octet in octets:
            if octet:
                writer.uint(octet, 1)
        for value in (self.trend, self.quality):
            if value is not None:
                writer.sfloat(value)
        body = writer.done()
        size = 1 + len(body) + (0 if check is None else crc.SIZE)
        return protecting(bytes((size,)) + body, check)


@dataclass(frozen=True, slots=True)
class SensorStatus:
    """CGM Status: how the sensor is now."""

    UUID: ClassVar[int] = 0x2AA9

    offset: int
    annunciation: Annunciation

    @classmethod
    def decode(cls, data: bytes, check: Check | None = None) -> SensorStatus:
        """Raises Malformed."""
        reader = Reader(protected(data, check, "CGM Status"), "CGM Status")
        found = cls(reader.uint(2), Annunciation(reader.uint(_STATUS_SIZE)))
        reader.end()
        return found

    def encode(self, check: Check | None = None) -> bytes:
        """Raises Malformed."""
        return protecting(Writer().uint(self.offset, 2).uint(self.annunciation, _STATUS_SIZE).done(), check)


_UNKNOWN_ZONE: Final = -128
_UNKNOWN_SAVING: Final = 255


@dataclass(frozen=True, slots=True)
class SessionStart:
    """CGM Session Start Time. `zone`: quarters of an hour from UTC. `saving`: quarters of daylight saving time.

    None: not known.
    """

    UUID: ClassVar[int] = 0x2AAA

    time: DateTime
    zone: int | None = None
    saving: int | None = None

    @classmethod
    def decode(cls, data: bytes, check: Check | None = None) -> SessionStart:
        """Raises Malformed."""
        reader = Reader(protected(data, check, "CGM Session Start Time"), "CGM Session Start Time")
        time, zone, saving = reader.time(), reader.sint(1), reader.uint(1)
        if zone != _UNKNOWN_ZONE and zone not in _ZONES:
            raise reader.refuse(f"{zone} is no time zone", 2)
        if saving != _UNKNOWN_SAVING and saving not in _SAVINGS:
            raise reader.refuse(f"{saving} is no daylight saving time", 1)
        reader.end()
        return cls(time, None if zone == _UNKNOWN_ZONE else zone, None if saving == _UNKNOWN_SAVING else saving)

    def encode(self, check: Check | None = None) -> bytes:
        """Raises Malformed."""
        if self.zone not in _ZONES and self.zone is not None:
            raise Malformed(f"CGM Session Start Time: {self.zone} is no time zone")
        if self.saving not in _SAVINGS and self.saving is not None:
            raise Malformed(f"CGM Session Start Time: {self.saving} is no daylight saving time")
        writer = Writer().time(self.time).sint(_UNKNOWN_ZONE if self.zone is None else self.zone, 1)
        return protecting(writer.uint(_UNKNOWN_SAVING if self.saving is None else self.saving, 1).done(), check)


_ZONES: Final = range(-48, 57)
_SAVINGS: Final = frozenset({0, 2, 4, 8})


@dataclass(frozen=True, slots=True)
class SessionRunTime:
    """CGM Session Run Time: how many hours a session is expected to last."""

    UUID: ClassVar[int] = 0x2AAB

    hours: int

    @classmethod
    def decode(cls, data: bytes, check: Check | None = None) -> SessionRunTime:
        """Raises Malformed."""
        reader = Reader(protected(data, check, "CGM Session Run Time"), "CGM Session Run Time")
        found = cls(reader.uint(2))
        reader.end()
        return found

    def encode(self, check: Check | None = None) -> bytes:
        """Raises Malformed."""
        return protecting(Writer().uint(self.hours, 2).done(), check)


_SIZE: Final = 32
_SENSOR_EVENTS: Final = {0: 0, 2: 2, 3: 3, 4: 4, 9: 7, 10: 8, 11: 9, 12: 10, 13: 11} | {
    16 + n: 12 + n for n in range(8)
}
"""Bits of the annunciation -> those of MDC_CGM_DEV_STAT (PHD guide, 8418060)."""
_DEVICE_EVENTS: Final = {1: 25, 5: 5, 8: 16}
"""Those that it doesn't have: battery low, fault, time synchronization; bits of MDC_PHD_DM_DEV_STAT (8408608)."""


_ALWAYS: Final = Annunciation.SESSION_STOPPED | Annunciation.TIME_SYNCHRONIZATION
_SUPPORTED: Final = {
    Can.CALIBRATION: Annunciation.CALIBRATION_NOT_ALLOWED
    | Annunciation.CALIBRATION_RECOMMENDED
    | Annunciation.CALIBRATION_REQUIRED,
    Can.PATIENT_ALERTS: Annunciation.BELOW_PATIENT_LOW | Annunciation.ABOVE_PATIENT_HIGH,
    Can.HYPO_ALERTS: Annunciation.BELOW_HYPO,
    Can.HYPER_ALERTS: Annunciation.ABOVE_HYPER,
    Can.RATE_ALERTS: Annunciation.RATE_OF_DECREASE | Annunciation.RATE_OF_INCREASE,
    Can.DEVICE_ALERT: Annunciation.DEVICE_ALERT,
    Can.MALFUNCTION: Annunciation.MALFUNCTION,
    Can.TEMPERATURE_HIGH_LOW: Annunciation.TEMPERATURE_TOO_HIGH | Annunciation.TEMPERATURE_TOO_LOW,
    Can.RESULT_HIGH_LOW: Annunciation.RESULT_TOO_LOW | Annunciation.RESULT_TOO_HIGH,
    Can.BATTERY_LOW: Annunciation.BATTERY_LOW,
    Can.SENSOR_TYPE: Annunciation.SENSOR_TYPE,
    Can.GENERAL_FAULT: Annunciation.GENERAL_FAULT,
}
"""Feature -> the bits of the annunciation that a sensor with it can set; `_ALWAYS` asks for no feature."""


def readings(
    measurements: Iterable[Measurement], start: SessionStart | None = None, feature: Feature | None = None
) -> tuple[Reading, ...]:
    """Glucose, its trend, and what is wrong, each at the session's start and its offset.

    `start` None: nobody knows when. `feature`: what it was measured in and where, else interstitial fluid is meant.
    Quality has no MDC code, and is not said.
    """
    return joined(*(_one(one, start, feature) for one in measurements))


def _one(measurement: Measurement, start: SessionStart | None, feature: Feature | None) -> tuple[Reading, ...]:
    at: Stamp | None = None
    if start is not None:
        at = stamped(start.time, timedelta(minutes=measurement.offset))
    record, of = measurement.offset, (0,)
    sample = Sample.INTERSTITIAL_FLUID if feature is None else feature.sample
    glucose = Quantity(measurement.glucose, codes.DIM_MILLI_G_PER_DL)
    said = [Reading(glucose_type(sample), glucose, at, record=record)]
    location = None if feature is None else where(feature.location, at, of, record)
    if location is not None:
        said.append(location)
    if measurement.trend is not None:
        trend = Quantity(measurement.trend, codes.DIM_MILLI_G_PER_DL_PER_MIN)
        said.append(Reading(codes.CONC_GLU_TREND, trend, at, of=of, record=record))
    status, can = int(measurement.annunciation), None
    if feature is not None:
        can = int(_ALWAYS) | sum(int(bits) for flag, bits in _SUPPORTED.items() if flag in feature.can)
    for type, table in ((codes.CGM_DEV_STAT, _SENSOR_EVENTS), (codes.PHD_DM_DEV_STAT, _DEVICE_EVENTS)):
        supported = None if can is None else events(can, _SIZE, table)
        said += told(type, events(status, _SIZE, table), _SIZE, at, of, supported)
    return tuple(said)
