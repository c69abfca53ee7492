"""Health Thermometer Service 1.0: Temperature Measurement 0x2A1C, Intermediate 0x2A1E, Type 0x2A1D, Interval 0x2A21.

Transcoding paper v16, 3.1: where the temperature was taken is the metric's id, and so its type; ISO/IEEE 11073-10408.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag
from typing import ClassVar, Final

from hilum.phd import codes
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.reporting import stamp
from hilum.phd.gatt.wire import Reader, Writer, flagged
from hilum.phd.number import Number
from hilum.phd.reading import NOTHING, Quantity, Reading, Status

INTERMEDIATE_UUID: Final = 0x2A1E
"""Intermediate Temperature: a `Measurement` while it is being taken."""


class Unit(Enum):
    """The MDC code of it."""

    CELSIUS = codes.DIM_DEGC
    FAHRENHEIT = codes.DIM_FAHR


class Site(IntEnum):
    """Temperature Type: where it was taken. Also a characteristic of its own, where it is always the same."""

    ARMPIT = 1
    BODY = 2
    EAR = 3
    FINGER = 4
    GASTROINTESTINAL = 5
    MOUTH = 6
    RECTUM = 7
    TOE = 8
    EARDRUM = 9


@dataclass(frozen=True, slots=True)
class TemperatureType:
    """Of all that the thermometer measures."""

    UUID: ClassVar[int] = 0x2A1D

    site: Site

    @classmethod
    def decode(cls, data: bytes) -> TemperatureType:
        """Raises Malformed."""
        reader = Reader(data, "Temperature Type")
        found = cls(reader.code(Site))
        reader.end()
        return found

    def encode(self) -> bytes:
        """One byte."""
        return Writer().uint(self.site, 1).done()


@dataclass(frozen=True, slots=True)
class MeasurementInterval:
    """`seconds`: between two measurements; 0: it doesn't measure periodically."""

    UUID: ClassVar[int] = 0x2A21

    seconds: int

    @classmethod
    def decode(cls, data: bytes) -> MeasurementInterval:
        """Raises Malformed."""
        reader = Reader(data, "Measurement Interval")
        found = cls(reader.uint(2))
        reader.end()
        return found

    def encode(self) -> bytes:
        """Raises Malformed."""
        return Writer().uint(self.seconds, 2).done()


class _Flag(IntFlag):
    FAHRENHEIT = 1
    TIME = 1 << 1
    SITE = 1 << 2


@dataclass(frozen=True, slots=True)
class Measurement:
    """Temperature Measurement, or Intermediate Temperature."""

    UUID: ClassVar[int] = 0x2A1C

    temperature: Number
    unit: Unit
    time: DateTime | None = None
    site: Site | None = None

    @classmethod
    def decode(cls, data: bytes) -> Measurement:
        """Raises Malformed."""
        reader = Reader(data, "Temperature Measurement")
        flags = reader.flags(_Flag)
        temperature = reader.float()
        time = reader.time() if _Flag.TIME in flags else None
        site = reader.code(Site) if _Flag.SITE in flags else None
        reader.end()
        return cls(temperature, Unit.FAHRENHEIT if _Flag.FAHRENHEIT in flags else Unit.CELSIUS, time, site)

    def encode(self) -> bytes:
        """Raises Malformed."""
        flags = flagged(
            (_Flag.FAHRENHEIT, self.unit is Unit.FAHRENHEIT),
            (_Flag.TIME, self.time is not None),
            (_Flag.SITE, self.site is not None),
            none=_Flag(0),
        )
        writer = Writer().uint(flags, 1).float(self.temperature)
        if self.time is not None:
            writer.time(self.time)
        if self.site is not None:
            writer.uint(self.site, 1)
        return writer.done()


_TYPES: Final = {
    Site.ARMPIT: codes.TEMP_AXILLA,
    Site.BODY: codes.TEMP_BODY,
    Site.EAR: codes.TEMP_EAR,
    Site.FINGER: codes.TEMP_FINGER,
    Site.GASTROINTESTINAL: codes.TEMP_GIT,
    Site.MOUTH: codes.TEMP_ORAL,
    Site.RECTUM: codes.TEMP_RECT,
    Site.TOE: codes.TEMP_TOE,
    Site.EARDRUM: codes.TEMP_TYMP,
}


def readings(
    measurement: Measurement, site: TemperatureType | None = None, *, intermediate: bool = False
) -> tuple[Reading, ...]:
    """`site`: where the thermometer says it by a characteristic of its own. `intermediate`: an early estimate."""
    where = measurement.site or (site.site if site is not None else Site.BODY)
    value = Quantity(measurement.temperature, measurement.unit.value)
    status = Status.EARLY_INDICATION if intermediate else NOTHING
    return (Reading(_TYPES[where], value, stamp(measurement.time), status),)
