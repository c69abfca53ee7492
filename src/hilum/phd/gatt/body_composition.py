"""Body Composition Service 1.0: Body Composition Measurement 0x2A9C, Feature 0x2A9B.

Transcoding paper v16, 3.5; ISO/IEEE 11073-10420. One measurement that is too long for a packet comes in two.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import IntFlag
from typing import Any, ClassVar, Final

from hilum.phd import codes
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.reporting import stamp
from hilum.phd.gatt.weight_scale import HEIGHT_RESOLUTIONS, MASS_RESOLUTIONS, System, height
from hilum.phd.gatt.wire import Reader, Writer, bits, flagged
from hilum.phd.malformed import Malformed
from hilum.phd.number import Number, Special
from hilum.phd.reading import Quantity, Reading

FEATURE_UUID: Final = 0x2A9B


class Feature(IntFlag):
    """Body Composition Feature."""

    TIME = 1
    MULTIPLE_USERS = 1 << 1
    BASAL_METABOLISM = 1 << 2
    MUSCLE_PERCENTAGE = 1 << 3
    MUSCLE_MASS = 1 << 4
    FAT_FREE_MASS = 1 << 5
    SOFT_LEAN_MASS = 1 << 6
    BODY_WATER_MASS = 1 << 7
    IMPEDANCE = 1 << 8
    WEIGHT = 1 << 9
    HEIGHT = 1 << 10

    @classmethod
    def decode(cls, data: bytes) -> Feature:
        """Raises Malformed."""
        return bits(cls, data, 4, "Body Composition Feature")

    def encode(self) -> bytes:
        """Raises Malformed."""
        return Writer().uint(int(self), 4).done()

    @property
    def mass_resolution(self) -> Decimal | None:
        """Kilograms. None: not specified."""
        return MASS_RESOLUTIONS.get(int(self) >> 11 & 15)

    @property
    def height_resolution(self) -> Decimal | None:
        """Metres. None: not specified."""
        return HEIGHT_RESOLUTIONS.get(int(self) >> 15 & 7)


class _Flag(IntFlag):
    IMPERIAL = 1
    TIME = 1 << 1
    USER = 1 << 2
    BASAL_METABOLISM = 1 << 3
    MUSCLE_PERCENTAGE = 1 << 4
    MUSCLE_MASS = 1 << 5
    FAT_FREE_MASS = 1 << 6
    SOFT_LEAN_MASS = 1 << 7
    BODY_WATER_MASS = 1 << 8
    IMPEDANCE = 1 << 9
    WEIGHT = 1 << 10
    HEIGHT = 1 << 11
    MULTIPLE_PACKETS = 1 << 12


_TENTH: Final = Decimal("0.1")
_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Measurement:
    """Body Composition Measurement.

    `fat`, `muscle`: per cent; a fat of NaN is "measurement unsuccessful". `basal_metabolism`: kilojoules.
    `impedance`: ohms. Masses and `height`: in the units of `system`. `partial`: one of two packets.
    """

    UUID: ClassVar[int] = 0x2A9C

    fat: Number
    system: System
    time: DateTime | None = None
    user: int | None = None
    basal_metabolism: Decimal | None = None
    muscle: Decimal | None = None
    muscle_mass: Decimal | None = None
    fat_free_mass: Decimal | None = None
    soft_lean_mass: Decimal | None = None
    body_water_mass: Decimal | None = None
    impedance: Decimal | None = None
    weight: Decimal | None = None
    height: Decimal | None = None
    partial: bool = False

    @classmethod
    def decode(cls, data: bytes) -> Measurement:
        """Raises Malformed."""
        reader = Reader(data, "Body Composition Measurement")
        flags = reader.flags(_Flag, 2)
        system = System.IMPERIAL if _Flag.IMPERIAL in flags else System.SI
        fat = reader.measured(_TENTH)
        time = reader.time() if _Flag.TIME in flags else None
        user = reader.uint(1) if _Flag.USER in flags else None
        found = {field: reader.scaled(step) for flag, field, step in _table(system) if flag in flags}
        reader.end()
        return cls(fat, system, time, user, **found, partial=_Flag.MULTIPLE_PACKETS in flags)

    def encode(self) -> bytes:
        """Raises Malformed: among others of a mass that is no multiple of its step."""
        table = _table(self.system)
        flags = flagged(
            (_Flag.IMPERIAL, self.system is System.IMPERIAL),
            (_Flag.TIME, self.time is not None),
            (_Flag.USER, self.user is not None),
            *((flag, getattr(self, field) is not None) for flag, field, _ in table),
            (_Flag.MULTIPLE_PACKETS, self.partial),
            none=_Flag(0),
        )
        writer = Writer().uint(flags, 2).measured(self.fat, _TENTH)
        if self.time is not None:
            writer.time(self.time)
        if self.user is not None:
            writer.uint(self.user, 1)
        for _, field, step in table:
            if (value := getattr(self, field)) is not None:
                writer.scaled(value, step)
        return writer.done()


def _table(system: System) -> tuple[tuple[_Flag, str, Decimal], ...]:
    """Flag, field and step of each number after the body fat, in their order."""
    mass, length = system.value.mass, system.value.length
    return (
        (_Flag.BASAL_METABOLISM, "basal_metabolism", _ONE),
        (_Flag.MUSCLE_PERCENTAGE, "muscle", _TENTH),
        (_Flag.MUSCLE_MASS, "muscle_mass", mass),
        (_Flag.FAT_FREE_MASS, "fat_free_mass", mass),
        (_Flag.SOFT_LEAN_MASS, "soft_lean_mass", mass),
        (_Flag.BODY_WATER_MASS, "body_water_mass", mass),
        (_Flag.IMPEDANCE, "impedance", _TENTH),
        (_Flag.WEIGHT, "weight", mass),
        (_Flag.HEIGHT, "height", length),
    )


def whole(first: Measurement, second: Measurement) -> Measurement:
    """The measurement that came in two packets. Raises Malformed: they are not two halves of one."""
    if not (first.partial and second.partial):
        raise Malformed("Body Composition Measurement: a packet that is no part of two")
    found: dict[str, Any] = {}
    for field in fields(Measurement):
        mine, other = getattr(first, field.name), getattr(second, field.name)
        absent = Special.NAN if field.name == "fat" else None
        if mine != other and absent not in (mine, other):
            raise Malformed(f"Body Composition Measurement: two packets with another {field.name} each")
        found[field.name] = other if mine is absent else mine
    return replace(Measurement(**found), partial=False)


def readings(measurement: Measurement) -> tuple[Reading, ...]:
    """All that is in it, body fat first. Raises Malformed: it is one of two packets, see `whole`."""
    if measurement.partial:
        raise Malformed("Body Composition Measurement: one of two packets")
    at, mass = stamp(measurement.time), measurement.system.value.mass_unit
    said = (
        (codes.BODY_FAT, measurement.fat, codes.DIM_PERCENT),
        (codes.BASAL_METABOLISM, measurement.basal_metabolism, codes.DIM_KILO_JOULES),
        (codes.BODY_MUSCLE, measurement.muscle, codes.DIM_PERCENT),
        (codes.MASS_BODY_MUSCLE, measurement.muscle_mass, mass),
        (codes.MASS_BODY_FAT_FREE, measurement.fat_free_mass, mass),
        (codes.MASS_BODY_SOFT_LEAN, measurement.soft_lean_mass, mass),
        (codes.BODY_WATER, measurement.body_water_mass, mass),
        (codes.BODY_ELECTRICAL_IMPEDANCE, measurement.impedance, codes.DIM_OHM),
        (codes.MASS_BODY_ACTUAL, measurement.weight, mass),
    )
    found = [Reading(type, Quantity(value, unit), at) for type, value, unit in said if value is not None]
    if measurement.height is not None:
        found.append(Reading(codes.LEN_BODY_ACTUAL, height(measurement.height, measurement.system), at))
    return tuple(found)
