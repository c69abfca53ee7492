"""Glucose Service 1.0.1: Glucose Measurement 0x2A18, its Context 0x2A34, Glucose Feature 0x2A51.

Records are asked for by `record_access`. Transcoding paper v16, 3.4; ISO/IEEE 11073-10417.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag
from typing import ClassVar, Final

from hilum.phd import codes
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.reporting import events, joined, shifted, stamped, told
from hilum.phd.gatt.wire import Reader, Writer, bits, flagged
from hilum.phd.number import Number, Special
from hilum.phd.reading import Clock, Coded, Quantity, Reading, Stamp, Value


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


class Carbohydrate(IntEnum):
    """Carbohydrate ID."""

    BREAKFAST = 1
    LUNCH = 2
    DINNER = 3
    SNACK = 4
    DRINK = 5
    SUPPER = 6
    BRUNCH = 7


class Meal(IntEnum):
    """When, of meals."""

    PREPRANDIAL = 1
    POSTPRANDIAL = 2
    FASTING = 3
    CASUAL = 4
    BEDTIME = 5


class Tester(IntEnum):
    """Who measured."""

    SELF = 1
    PROFESSIONAL = 2
    LAB = 3
    NOT_AVAILABLE = 15


class Health(IntEnum):
    """How the person was."""

    MINOR_ISSUES = 1
    MAJOR_ISSUES = 2
    MENSES = 3
    STRESS = 4
    NO_ISSUES = 5
    NOT_AVAILABLE = 15


class Medication(IntEnum):
    """Medication ID: kinds of insulin."""

    RAPID_ACTING = 1
    SHORT_ACTING = 2
    INTERMEDIATE_ACTING = 3
    LONG_ACTING = 4
    PREMIXED = 5


class MedicationUnit(Enum):
    """As `Unit`, of medication."""

    KG = (6, codes.DIM_MILLI_G)
    L = (3, codes.DIM_MILLI_L)


class _ContextFlag(IntFlag):
    CARBOHYDRATE = 1
    MEAL = 1 << 1
    TESTER_HEALTH = 1 << 2
    EXERCISE = 1 << 3
    MEDICATION = 1 << 4
    LITRES = 1 << 5
    HBA1C = 1 << 6
    EXTENDED = 1 << 7


@dataclass(frozen=True, slots=True)
class Context:
    """Glucose Measurement Context, of the measurement with the same sequence number.

    `carbohydrate`: kilograms. `exercise`: seconds (65535 is longer than that), per cent. `medication`: in its unit.
    `hba1c`: per cent.
    """

    UUID: ClassVar[int] = 0x2A34

    sequence: int
    carbohydrate: tuple[Carbohydrate, Number] | None = None
    meal: Meal | None = None
    tester_health: tuple[Tester, Health] | None = None
    exercise: tuple[int, int] | None = None
    medication: tuple[Medication, Number, MedicationUnit] | None = None
    hba1c: Number | None = None

    @classmethod
    def decode(cls, data: bytes) -> Context:
        """Raises Malformed. All extended flags are reserved: one that is set stands for fields that nobody can read."""
        reader = Reader(data, "Glucose Measurement Context")
        flags = reader.flags(_ContextFlag)
        sequence = reader.uint(2)
        if _ContextFlag.EXTENDED in flags and (extended := reader.uint(1)):
            raise reader.refuse(f"reserved flags {extended:#x}", 1)
        carbohydrate = (reader.code(Carbohydrate), reader.sfloat()) if _ContextFlag.CARBOHYDRATE in flags else None
        meal = reader.code(Meal) if _ContextFlag.MEAL in flags else None
        tester_health = _tester_health(reader) if _ContextFlag.TESTER_HEALTH in flags else None
        exercise = (reader.uint(2), reader.uint(1)) if _ContextFlag.EXERCISE in flags else None
        medication = None
        if _ContextFlag.MEDICATION in flags:
            unit = MedicationUnit.L if _ContextFlag.LITRES in flags else MedicationUnit.KG
            medication = (reader.code(Medication), reader.sfloat(), unit)
        hba1c = reader.sfloat() if _ContextFlag.HBA1C in flags else None
        reader.end()
        return cls(sequence, carbohydrate, meal, tester_health, exercise, medication, hba1c)

    def encode(self) -> bytes:
        """Raises Malformed."""
        flags = flagged(
            (_ContextFlag.CARBOHYDRATE, self.carbohydrate is not None),
            (_ContextFlag.MEAL, self.meal is not None),
            (_ContextFlag.TESTER_HEALTH, self.tester_health is not None),
            (_ContextFlag.EXERCISE, self.exercise is not None),
            (_ContextFlag.MEDICATION, self.medication is not None),
            (_ContextFlag.LITRES, self.medication is not None and self.medication[2] is MedicationUnit.L),
            (_ContextFlag.HBA1C, self.hba1c is not None),
            none=_ContextFlag(0),
        )
        writer = Writer().uint(flags, 1).uint(self.sequence, 2)
        if self.carbohydrate is not None:
            writer.uint(self.carbohydrate[0], 1).sfloat(self.carbohydrate[1])
        if self.meal is not None:
            writer.uint(self.meal, 1)
        if self.tester_health is not None:
            writer.uint(self.tester_health[1] << 4 | self.tester_health[0], 1)
        if self.exercise is not None:
            writer.uint(self.exercise[0], 2).uint(self.exercise[1], 1)
        if self.medication is not None:
            writer.uint(self.medication[0], 1).sfloat(self.medication[1])
        if self.hba1c is not None:
            writer.sfloat(self.hba1c)
        return writer.done()


def _tester_health(reader: Reader) -> tuple[Tester, Health]:
    at, both = reader.at, reader.uint(1)
    return reader.coded(Tester, both & 15, at), reader.coded(Health, both >> 4, at)


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
_CARBOHYDRATES: Final = {
    Carbohydrate.BREAKFAST: codes.CTXT_GLU_CARB_BREAKFAST,
    Carbohydrate.LUNCH: codes.CTXT_GLU_CARB_LUNCH,
    Carbohydrate.DINNER: codes.CTXT_GLU_CARB_DINNER,
    Carbohydrate.SNACK: codes.CTXT_GLU_CARB_SNACK,
    Carbohydrate.DRINK: codes.CTXT_GLU_CARB_DRINK,
    Carbohydrate.SUPPER: codes.CTXT_GLU_CARB_SUPPER,
    Carbohydrate.BRUNCH: codes.CTXT_GLU_CARB_BRUNCH,
}
_MEALS: Final = {
    Meal.PREPRANDIAL: codes.CTXT_GLU_MEAL_PREPRANDIAL,
    Meal.POSTPRANDIAL: codes.CTXT_GLU_MEAL_POSTPRANDIAL,
    Meal.FASTING: codes.CTXT_GLU_MEAL_FASTING,
    Meal.CASUAL: codes.CTXT_GLU_MEAL_CASUAL,
    Meal.BEDTIME: codes.CTXT_GLU_MEAL_BEDTIME,
}
_TESTERS: Final = {
    Tester.SELF: codes.CTXT_GLU_TESTER_SELF,
    Tester.PROFESSIONAL: codes.CTXT_GLU_TESTER_HCP,
    Tester.LAB: codes.CTXT_GLU_TESTER_LAB,
}
_HEALTH: Final = {
    Health.MINOR_ISSUES: codes.CTXT_GLU_HEALTH_MINOR,
    Health.MAJOR_ISSUES: codes.CTXT_GLU_HEALTH_MAJOR,
    Health.MENSES: codes.CTXT_GLU_HEALTH_MENSES,
    Health.STRESS: codes.CTXT_GLU_HEALTH_STRESS,
    Health.NO_ISSUES: codes.CTXT_GLU_HEALTH_NONE,
}
_MEDICATIONS: Final = {
    Medication.RAPID_ACTING: codes.CTXT_MEDICATION_RAPIDACTING,
    Medication.SHORT_ACTING: codes.CTXT_MEDICATION_SHORTACTING,
    Medication.INTERMEDIATE_ACTING: codes.CTXT_MEDICATION_INTERMEDIATEACTING,
    Medication.LONG_ACTING: codes.CTXT_MEDICATION_LONGACTING,
    Medication.PREMIXED: codes.CTXT_MEDICATION_PREMIX,
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
_LONGER: Final = 0xFFFF
"""An exercise duration that the field can't tell."""


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
            Reading(type, value, at, lasting=lasting, of=of, record=record) for type, value, lasting in _of(context)
        )
    return tuple(said)


def _of(context: Context) -> Iterable[tuple[int, Value, Number | None]]:
    """Type, value, and how long it lasted."""
    if context.carbohydrate is not None:
        which, mass = context.carbohydrate
        yield _CARBOHYDRATES[which], Quantity(shifted(mass, 3), codes.DIM_G), None
    if context.meal is not None:
        yield codes.CTXT_GLU_MEAL, Coded(_MEALS[context.meal]), None
    tester, health = context.tester_health or (Tester.NOT_AVAILABLE, Health.NOT_AVAILABLE)
    if tester in _TESTERS:
        yield codes.CTXT_GLU_TESTER, Coded(_TESTERS[tester]), None
    if health in _HEALTH:
        yield codes.CTXT_GLU_HEALTH, Coded(_HEALTH[health]), None
    if context.exercise is not None:
        seconds, intensity = context.exercise
        lasting = Special.POSITIVE_INFINITY if seconds == _LONGER else Decimal(seconds)
        yield codes.CTXT_GLU_EXERCISE, Quantity(Decimal(intensity), codes.DIM_PERCENT), lasting
    if context.medication is not None:
        what, amount, (places, unit) = *context.medication[:2], context.medication[2].value
        yield _MEDICATIONS[what], Quantity(shifted(amount, places), unit), None
    if context.hba1c is not None:
        yield codes.CONC_HBA1C, Quantity(context.hba1c, codes.DIM_PERCENT), None
