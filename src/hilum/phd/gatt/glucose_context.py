"""Glucose Measurement Context 0x2A34 of the Glucose Service 1.0.1: what a measurement was taken with, before or after.

Transcoding paper v16, 3.4; ISO/IEEE 11073-10417.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag
from typing import ClassVar, Final

from hilum.phd import codes
from hilum.phd.gatt.reporting import shifted
from hilum.phd.gatt.wire import Reader, Writer, flagged
from hilum.phd.number import Number, Special
from hilum.phd.reading import Coded, Quantity, Value


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
_LONGER: Final = 0xFFFF
"""An exercise duration that the field can't tell."""


def said_by(context: Context) -> Iterable[tuple[int, Value, Number | None]]:
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
