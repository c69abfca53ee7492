"""Heart Rate Service 1.0: Heart Rate Measurement 0x2A37, Body Sensor Location 0x2A38.

It has no time: it is of now. Transcoding paper v16, 3.2; ISO/IEEE 11073-10406, -10441.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, IntFlag
from typing import ClassVar, Final

from hilum.phd import codes
from hilum.phd.gatt.reporting import told
from hilum.phd.gatt.wire import Reader, Writer, flagged
from hilum.phd.reading import Quantity, Reading

_BYTE: Final = 0xFF
_MILLISECONDS: Final = Decimal("0.9765625")
"""1000 / 1024: what an RR interval counts, exactly."""


class Location(IntEnum):
    """Where the sensor is worn."""

    OTHER = 0
    CHEST = 1
    WRIST = 2
    FINGER = 3
    HAND = 4
    EAR_LOBE = 5
    FOOT = 6


@dataclass(frozen=True, slots=True)
class BodySensorLocation:
    """Where it is meant to be worn."""

    UUID: ClassVar[int] = 0x2A38

    location: Location

    @classmethod
    def decode(cls, data: bytes) -> BodySensorLocation:
        """Raises Malformed."""
        reader = Reader(data, "Body Sensor Location")
        found = cls(reader.code(Location))
        reader.end()
        return found

    def encode(self) -> bytes:
        """One byte."""
        return Writer().uint(self.location, 1).done()


class _Flag(IntFlag):
    WIDE = 1
    CONTACT = 1 << 1
    CONTACT_SUPPORTED = 1 << 2
    ENERGY = 1 << 3
    INTERVALS = 1 << 4


@dataclass(frozen=True, slots=True)
class Measurement:
    """`rate`: beats a minute. `contact`: with the skin; None: it can't tell. `energy`: kilojoules since it was reset.

    `intervals`: between beats, the oldest first, in 1024ths of a second.
    """

    UUID: ClassVar[int] = 0x2A37

    rate: int
    contact: bool | None = None
    energy: int | None = None
    intervals: tuple[int, ...] = ()

    @classmethod
    def decode(cls, data: bytes) -> Measurement:
        """Raises Malformed. A contact that is set by a sensor that says that it can't tell is not told."""
        reader = Reader(data, "Heart Rate Measurement")
        flags = reader.flags(_Flag)
        rate = reader.uint(2 if _Flag.WIDE in flags else 1)
        contact = _Flag.CONTACT in flags if _Flag.CONTACT_SUPPORTED in flags else None
        energy = reader.uint(2) if _Flag.ENERGY in flags else None
        intervals = []
        if _Flag.INTERVALS in flags:
            intervals.append(reader.uint(2))
            while reader.left:
                intervals.append(reader.uint(2))
        reader.end()
        return cls(rate, contact, energy, tuple(intervals))

    def encode(self) -> bytes:
        """Raises Malformed."""
        wide = self.rate > _BYTE
        flags = flagged(
            (_Flag.WIDE, wide),
            (_Flag.CONTACT, bool(self.contact)),
            (_Flag.CONTACT_SUPPORTED, self.contact is not None),
            (_Flag.ENERGY, self.energy is not None),
            (_Flag.INTERVALS, bool(self.intervals)),
            none=_Flag(0),
        )
        writer = Writer().uint(flags, 1).uint(self.rate, 2 if wide else 1)
        if self.energy is not None:
            writer.uint(self.energy, 2)
        for interval in self.intervals:
            writer.uint(interval, 2)
        return writer.done()


_STATUS_SIZE: Final = 16
_LEADWIRE_LOSS: Final = 0x8000
"""Bit 0 of MDC_ECG_DEV_STAT: "loss of lead wire or electrode connection" (PHD guide)."""


def readings(measurement: Measurement) -> tuple[Reading, ...]:
    """The rate, each interval between beats, the energy, and that the sensor lost the skin."""
    rate = Quantity(Decimal(measurement.rate), codes.DIM_BEAT_PER_MIN)
    said = [Reading(codes.ECG_HEART_RATE, rate)]
    for interval in measurement.intervals:
        lasted = Quantity(interval * _MILLISECONDS, codes.DIM_MILLI_SEC)
        said.append(Reading(codes.ECG_TIME_PD_RR_GL, lasted))
    if measurement.energy is not None:
        said.append(Reading(codes.HF_ENERGY, Quantity(Decimal(measurement.energy), codes.DIM_KILO_JOULES)))
    if measurement.contact is False:
        said += told(codes.ECG_DEV_STAT, _LEADWIRE_LOSS, _STATUS_SIZE, None, (0,), _LEADWIRE_LOSS)
    return tuple(said)
