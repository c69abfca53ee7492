"""Weight Scale Service 1.0: Weight Measurement 0x2A9D, Weight Scale Feature 0x2A9E.

Transcoding paper v16, 3.5; ISO/IEEE 11073-10415.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntFlag
from typing import ClassVar, Final

from hilum.phd import codes
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.reporting import shifted, stamp
from hilum.phd.gatt.wire import Reader, Writer, bits, flagged
from hilum.phd.number import Number
from hilum.phd.reading import Quantity, Reading

FEATURE_UUID: Final = 0x2A9E
BMI_STEP: Final = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class _Steps:
    """Of mass and of length: what a raw 1 is, and the MDC codes of their units. `places`: from length to that unit."""

    mass: Decimal
    mass_unit: int
    length: Decimal
    length_unit: int
    places: int


class System(Enum):
    """Measurement Units. Metres are said as centimetres, as 11073-10415 has them."""

    SI = _Steps(Decimal("0.005"), codes.DIM_KILO_G, Decimal("0.001"), codes.DIM_CENTI_M, 2)
    IMPERIAL = _Steps(Decimal("0.01"), codes.DIM_LB, Decimal("0.1"), codes.DIM_INCH, 0)


class Feature(IntFlag):
    """Weight Scale Feature."""

    TIME = 1
    MULTIPLE_USERS = 1 << 1
    BMI = 1 << 2

    @classmethod
    def decode(cls, data: bytes) -> Feature:
        """Raises Malformed."""
        return bits(cls, data, 4, "Weight Scale Feature")

    def encode(self) -> bytes:
        """Raises Malformed."""
        return Writer().uint(int(self), 4).done()

    @property
    def mass_resolution(self) -> Decimal | None:
        """Kilograms. None: not specified."""
        return MASS_RESOLUTIONS.get(int(self) >> 3 & 15)

    @property
    def height_resolution(self) -> Decimal | None:
        """Metres. None: not specified."""
        return HEIGHT_RESOLUTIONS.get(int(self) >> 7 & 7)


MASS_RESOLUTIONS: Final = dict(enumerate(map(Decimal, ("0.5", "0.2", "0.1", "0.05", "0.02", "0.01", "0.005")), 1))
HEIGHT_RESOLUTIONS: Final = dict(enumerate(map(Decimal, ("0.01", "0.005", "0.001")), 1))


class _Flag(IntFlag):
    IMPERIAL = 1
    TIME = 1 << 1
    USER = 1 << 2
    BMI = 1 << 3


@dataclass(frozen=True, slots=True)
class Measurement:
    """Weight Measurement. `weight`: NaN is "measurement unsuccessful". `bmi`: kg/m², and the `height` that it is for.

    `user`: who of the scale's users; 255 is one that it doesn't know.
    """

    UUID: ClassVar[int] = 0x2A9D

    weight: Number
    system: System
    time: DateTime | None = None
    user: int | None = None
    bmi: tuple[Decimal, Decimal] | None = None

    @classmethod
    def decode(cls, data: bytes) -> Measurement:
        """Raises Malformed."""
        reader = Reader(data, "Weight Measurement")
        flags = reader.flags(_Flag)
        system = System.IMPERIAL if _Flag.IMPERIAL in flags else System.SI
        weight = reader.measured(system.value.mass)
        time = reader.time() if _Flag.TIME in flags else None
        user = reader.uint(1) if _Flag.USER in flags else None
        bmi = (reader.scaled(BMI_STEP), reader.scaled(system.value.length)) if _Flag.BMI in flags else None
        reader.end()
        return cls(weight, system, time, user, bmi)

    def encode(self) -> bytes:
        """Raises Malformed: among others of a weight that is no multiple of its step."""
        flags = flagged(
            (_Flag.IMPERIAL, self.system is System.IMPERIAL),
            (_Flag.TIME, self.time is not None),
            (_Flag.USER, self.user is not None),
            (_Flag.BMI, self.bmi is not None),
            none=_Flag(0),
        )
        writer = Writer().uint(flags, 1).measured(self.weight, self.system.value.mass)
        if self.time is not None:
            writer.time(self.time)
        if self.user is not None:
            writer.uint(self.user, 1)
        if self.bmi is not None:
            writer.scaled(self.bmi[0], BMI_STEP).scaled(self.bmi[1], self.system.value.length)
        return writer.done()


def readings(measurement: Measurement) -> tuple[Reading, ...]:
    """The weight, then the height and the body mass index that was made of both."""
    at, system = stamp(measurement.time), measurement.system.value
    said = [Reading(codes.MASS_BODY_ACTUAL, Quantity(measurement.weight, system.mass_unit), at)]
    if measurement.bmi is not None:
        index, length = measurement.bmi
        said.append(Reading(codes.LEN_BODY_ACTUAL, height(length, measurement.system), at))
        bmi = Quantity(index, codes.DIM_KG_PER_M_SQ)
        said.append(Reading(codes.RATIO_MASS_BODY_LEN_SQ, bmi, at, of=(0, 1)))
    return tuple(said)


def height(length: Number, system: System) -> Quantity:
    """In centimetres or inches."""
    return Quantity(shifted(length, system.value.places), system.value.length_unit)
