"""Glucose Service 1.0.1: Glucose Measurement 0x2A18, Glucose Feature 0x2A51, and what both and a context come to.

Records are asked for by `record_access`. Transcoding paper v16, 3.4; ISO/IEEE 11073-10417.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, IntEnum, IntFlag
from typing import ClassVar, Final

from hilum.phd import codes
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.glucose_context import Context, said_by
from hilum.phd.gatt.reporting import events, joined, shifted, stamped, told
from hilum.phd.gatt.wire import Reader, Writer, bits, flagged
from hilum.phd.number import Number
from hilum.phd.reading import Clock, Coded, Quantity, Reading, Stamp


class Unit(Enum):
    """What a concentration is counted in -> how many places to the unit that people use, and which that is."""

    KG_PER_L = (5, codes.DIM_MILLI_G_PER_DL)
    MOL_PER_L = (3, codes.DIM_MILLI_MOLE_PER_L)


class Sample(IntEnum):
    """Type: what was measured in."""

    CAPILLARY_WHOLE_BLOOD = 1
    CAPILLARY_PLASMA = 2
    VENOUS_WHOLE_BLOOD = 3
    VENOUS_PLASMA = 4
    ARTERIAL_WHOLE_BLOOD = 5
    ARTERIAL_PLASMA = 6
    UNDETERMINED_WHOLE_BLOOD = 7
    UNDETERMINED_PLASMA = 8
    INTERSTITIAL_FLUID = 9
    CONTROL_SOLUTION = 10


class Location(IntEnum):
    """Sample Location. SUBCUTANEOUS_TISSUE is of continuous glucose monitors alone."""

    FINGER = 1
    ALTERNATE_SITE = 2
    EARLOBE = 3
    CONTROL_SOLUTION = 4
    SUBCUTANEOUS_TISSUE = 5
    NOT_AVAILABLE = 15


class Annunciation(IntFlag):
    """Sensor Status Annunciation."""

    BATTERY_LOW = 1
    SENSOR_MALFUNCTION = 1 << 1
    SAMPLE_TOO_SMALL = 1 << 2
    STRIP_INSERTION = 1 << 3
    STRIP_TYPE = 1 << 4
    RESULT_TOO_HIGH = 1 << 5
    RESULT_TOO_LOW = 1 << 6
    TEMPERATURE_TOO_HIGH = 1 << 7
    TEMPERATURE_TOO_LOW = 1 << 8
    READ_INTERRUPTED = 1 << 9
    GENERAL_FAULT = 1 << 10
    TIME_FAULT = 1 << 11


class Feature(IntFlag):
    """Glucose Feature: what the meter can tell."""

    BATTERY_LOW = 1
    SENSOR_MALFUNCTION = 1 << 1
    SAMPLE_SIZE = 1 << 2
    STRIP_INSERTION = 1 << 3
    STRIP_TYPE = 1 << 4
    RESULT_HIGH_LOW = 1 << 5
    TEMPERATURE_HIGH_LOW = 1 << 6
    READ_INTERRUPTED = 1 << 7
    GENERAL_FAULT = 1 << 8
    TIME_FAULT = 1 << 9
    MULTIPLE_BONDS = 1 << 10

    @classmethod
    def decode(cls, data: bytes) -> Feature:
        """Raises Malformed."""
        return bits(cls, data, 2, "Glucose Feature")

    def encode(self) -> bytes:
        """Raises Malformed."""
        return Writer().uint(int(self), 2).done()


FEATURE_UUID: Final = 0x2A51


class _Flag(IntFlag):
    OFFSET = 1
    CONCENTRATION = 1 << 1
    MOL_PER_L = 1 << 2
    ANNUNCIATION = 1 << 3
    CONTEXT = 1 << 4


@dataclass(frozen=True, slots=True)
class Concentration:
    """`value`: in `unit`, as sent."""

    value: Number
    unit: Unit
    sample: Sample
    location: Location


_OVERRUN: Final = frozenset({0x7FFF, -0x8000})
"""Time offsets that say: further from the base time than the field can tell."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """`offset`: minutes from `base` to the time that the user sees. `context`: whether a `Context` of it follows."""

    UUID: ClassVar[int] = 0x2A18

    sequence: int
    base: DateTime
    offset: int | None = None
    concentration: Concentration | None = None
    annunciation: Annunciation | None = None
    context: bool = False

    @classmethod
    def decode(cls, data: bytes) -> Measurement:
        """Raises Malformed."""
        reader = Reader(data, "Glucose Measurement")
        flags = reader.flags(_Flag)
        sequence, base = reader.uint(2), reader.time()
        offset = reader.sint(2) if _Flag.OFFSET in flags else None
        concentration = None
        if _Flag.CONCENTRATION in flags:
            value = reader.sfloat()
            unit = Unit.MOL_PER_L if _Flag.MOL_PER_L in flags else Unit.KG_PER_L
            concentration = Concentration(value, unit, *sample_and_location(reader))
        annunciation = Annunciation(reader.uint(2)) if _Flag.ANNUNCIATION in flags else None
        reader.end()
        return cls(sequence, base, offset, concentration, annunciation, _Flag.CONTEXT in flags)

    def encode(self) -> bytes:
        """Raises Malformed."""
        found = self.concentration
        flags = flagged(
            (_Flag.OFFSET, self.offset is not None),
            (_Flag.CONCENTRATION, found is not None),
            (_Flag.MOL_PER_L, found is not None and found.unit is Unit.MOL_PER_L),
            (_Flag.ANNUNCIATION, self.annunciation is not None),
            (_Flag.CONTEXT, self.context),
            none=_Flag(0),
        )
        writer = Writer().uint(flags, 1).uint(self.sequence, 2).time(self.base)
        if self.offset is not None:
            writer.sint(self.offset, 2)
        if found is not None:
            writer.sfloat(found.value).uint(found.location << 4 | found.sample, 1)
        if self.annunciation is not None:
            writer.uint(self.annunciation, 2)
        return writer.done()

    @property
    def stamp(self) -> Stamp:
        """Base time and offset. Its time is None where the date is not known, or the offset is out of its range."""
        if self.offset in _OVERRUN:
            return Stamp(Clock.ABSOLUTE, self.base.reported)
        return stamped(self.base, timedelta(minutes=self.offset or 0))

    @property
    def time_fault(self) -> bool:
        """Whether the meter says that its clock may be wrong."""
        return self.annunciation is not None and Annunciation.TIME_FAULT in self.annunciation


def sample_and_location(reader: Reader) -> tuple[Sample, Location]:
    """Two nibbles, the type below. Raises Malformed."""
    at, both = reader.at, reader.uint(1)
    return reader.coded(Sample, both & 15, at), reader.coded(Location, both >> 4, at)


_TYPES: Final = {
    Sample.CAPILLARY_WHOLE_BLOOD: codes.CONC_GLU_CAPILLARY_WHOLEBLOOD,
    Sample.CAPILLARY_PLASMA: codes.CONC_GLU_CAPILLARY_PLASMA,
    Sample.VENOUS_WHOLE_BLOOD: codes.CONC_GLU_VENOUS_WHOLEBLOOD,
    Sample.VENOUS_PLASMA: codes.CONC_GLU_VENOUS_PLASMA,
    Sample.ARTERIAL_WHOLE_BLOOD: codes.CONC_GLU_ARTERIAL_WHOLEBLOOD,
    Sample.ARTERIAL_PLASMA: codes.CONC_GLU_ARTERIAL_PLASMA,
    Sample.UNDETERMINED_WHOLE_BLOOD: codes.CONC_GLU_UNDETERMINED_WHOLEBLOOD,
    Sample.UNDETERMINED_PLASMA: codes.CONC_GLU_UNDETERMINED_PLASMA,
    Sample.INTERSTITIAL_FLUID: codes.CONC_GLU_ISF,
    Sample.CONTROL_SOLUTION: codes.CONC_GLU_CONTROL,
}
_LOCATIONS: Final = {
    Location.FINGER: codes.CTXT_GLU_SAMPLELOCATION_FINGER,
    Location.ALTERNATE_SITE: codes.CTXT_GLU_SAMPLELOCATION_AST,
    Location.EARLOBE: codes.CTXT_GLU_SAMPLELOCATION_EARLOBE,
    Location.CONTROL_SOLUTION: codes.CTXT_GLU_SAMPLELOCATION_CTRLSOLUTION,
    Location.SUBCUTANEOUS_TISSUE: codes.CTXT_GLU_SAMPLELOCATION_SUBCUTANEOUS,
}
_EVENTS: Final = range(11)
"""Bits that MDC_GLU_METER_DEV_STATUS has too, under the same number. TIME_FAULT is not one: it is the clock's."""
_SUPPORTED: Final = {
    Feature.BATTERY_LOW: Annunciation.BATTERY_LOW,
    Feature.SENSOR_MALFUNCTION: Annunciation.SENSOR_MALFUNCTION,
    Feature.SAMPLE_SIZE: Annunciation.SAMPLE_TOO_SMALL,
    Feature.STRIP_INSERTION: Annunciation.STRIP_INSERTION,
    Feature.STRIP_TYPE: Annunciation.STRIP_TYPE,
    Feature.RESULT_HIGH_LOW: Annunciation.RESULT_TOO_HIGH | Annunciation.RESULT_TOO_LOW,
    Feature.TEMPERATURE_HIGH_LOW: Annunciation.TEMPERATURE_TOO_HIGH | Annunciation.TEMPERATURE_TOO_LOW,
    Feature.READ_INTERRUPTED: Annunciation.READ_INTERRUPTED,
    Feature.GENERAL_FAULT: Annunciation.GENERAL_FAULT,
}
_STATUS_SIZE: Final = 16


def readings(
    measurements: Iterable[Measurement], contexts: Iterable[Context] = (), feature: Feature | None = None
) -> tuple[Reading, ...]:
    """All that was measured, each with the context that has its sequence number.

    A context has no time of its own: one whose measurement is not here says nothing and is left out (see `alone`).
    """
    by_sequence = {context.sequence: context for context in contexts}
    return joined(*(_one(one, by_sequence.get(one.sequence), feature) for one in measurements))


def alone(measurements: Iterable[Measurement], contexts: Iterable[Context]) -> tuple[Context, ...]:
    """Contexts whose measurement is not here: to be kept till it is."""
    known = {one.sequence for one in measurements}
    return tuple(context for context in contexts if context.sequence not in known)


def where(location: Location, at: Stamp | None, of: tuple[int, ...] = (), record: int | None = None) -> Reading | None:
    """Where the sample was taken. None: it is not said."""
    code = _LOCATIONS.get(location)
    return None if code is None else Reading(codes.CTXT_GLU_SAMPLELOCATION, Coded(code), at, of=of, record=record)


def glucose_type(sample: Sample) -> int:
    """The MDC code of glucose in `sample`."""
    return _TYPES[sample]


def _one(measurement: Measurement, context: Context | None, feature: Feature | None) -> tuple[Reading, ...]:
    at, record, found = measurement.stamp, measurement.sequence, measurement.concentration
    said: list[Reading] = []
    of: tuple[int, ...] = ()
    if found is not None:
        places, unit = found.unit.value
        said.append(Reading(_TYPES[found.sample], Quantity(shifted(found.value, places), unit), at, record=record))
        of = (0,)
        if (location := where(found.location, at, of, record)) is not None:
            said.append(location)
    if measurement.annunciation is not None:
        supported = None
        if feature is not None:
            can = sum(int(bits) for flag, bits in _SUPPORTED.items() if flag in feature)
            supported = events(can, _STATUS_SIZE, _EVENTS)
        status = events(measurement.annunciation, _STATUS_SIZE, _EVENTS)
        said += told(codes.GLU_METER_DEV_STATUS, status, _STATUS_SIZE, at, of, supported)
    if context is not None:
        said += (
            Reading(type, value, at, lasting=lasting, of=of, record=record) for type, value, lasting in said_by(context)
        )
    return tuple(said)
