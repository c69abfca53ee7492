"""Quantities: a number and its unit, UCUM's or a word of the calendar. https://hl7.org/fhirpath/N1/#quantity"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

from hilum.fhir.units import Scale, scale
from hilum.fhirpath.temporal import UCUM_UNITS

EXACT: Final = Context(prec=34, Emax=6144, Emin=-6143, traps=[])
"""Arithmetic of 34 digits; what is beyond becomes infinite or no number, which is then left out."""
_LONGEST_UNIT: Final = 64
_DAYS: Final = {"year": Fraction(365), "month": Fraction(30), "week": Fraction(7), "day": Fraction(1)} | {
    unit: Fraction(1, per)
    for unit, per in (("hour", 24), ("minute", 1440), ("second", 86_400), ("millisecond", 86_400_000))
}
"""https://hl7.org/fhirpath/N1/#time-valued-quantities"""
_CALENDAR_OF: Final = {**UCUM_UNITS, "a": "year", "mo": "month"}
_UCUM_OF: Final = {word: code for code, word in _CALENDAR_OF.items()}
_JULIAN: Final = {"a": Fraction(1461, 4), "mo": Fraction(1461, 48)}
_SPECIAL: Final = frozenset(("Cel", "[degF]", "[degRe]", "[pH]", "Np", "B"))
"""Units with which nothing can be multiplied: their zero is not nothing."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """`calendar`: the unit is a word, in the singular."""

    value: Decimal
    unit: str
    calendar: bool = False

    def __str__(self) -> str:
        if self.calendar:
            return f"{plain(self.value)} {self.unit}" + ("" if self.value.copy_abs() == 1 else "s")
        return f"{plain(self.value)} '{self.unit}'"


CALENDAR: Final = frozenset(_DAYS)


def calendar(value: Decimal, word: str) -> Quantity | None:
    """`4 days`; None when the word is no unit of the calendar."""
    single = word.removesuffix("s")
    return Quantity(value, single, True) if single in CALENDAR and word in (single, f"{single}s") else None


def plain(value: Decimal) -> str:
    """A number without an exponent, unless that took a thousand zeros."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent > 64 or exponent < -512 or value.adjusted() > 512:
        return str(value)
    return f"{value:f}"


def how(one: Quantity, other: Quantity, *, about: bool = False) -> Scale | None:
    """How the numbers of one become those of the other; None where that can't be said.

    A calendar year or month is no definite number of days: it is `about` one, and equal to none.
    """
    if one.unit == other.unit and one.calendar == other.calendar:
        return Scale()
    if one.calendar and other.calendar:
        return Scale(_ratio(one.unit, other.unit))
    if not one.calendar and not other.calendar:
        if (days := _definite(one.unit)) and (other_days := _definite(other.unit)):
            return Scale(days / other_days)
        return scale(one.unit, other.unit)
    word, code = (one.unit, other.unit) if one.calendar else (other.unit, one.unit)
    if not about and (word in ("year", "month") or code in ("a", "mo")):
        return None
    return how(
        Quantity(one.value, _UCUM_OF[one.unit]) if one.calendar else one,
        Quantity(other.value, _UCUM_OF[other.unit]) if other.calendar else other,
    )


def _ratio(one: str, other: str) -> Fraction:
    months = {"year": 12, "month": 1}
    return Fraction(months[one], months[other]) if one in months and other in months else _DAYS[one] / _DAYS[other]


def _definite(code: str) -> Fraction | None:
    return _JULIAN.get(code) or (_DAYS[UCUM_UNITS[code]] if code in UCUM_UNITS else None)


def order(one: Quantity, other: Quantity) -> int | None:
    """-1, 0 or 1; None when they measure different things, or units are none."""
    found = how(one, other)
    if found is None or not one.value.is_finite() or not other.value.is_finite():
        return None
    if found == Scale():
        return (one.value > other.value) - (one.value < other.value)
    a, b = _fraction(one.value), _fraction(other.value)
    if a is None or b is None:
        return None
    a = a * found.by + found.plus
    return (a > b) - (a < b)


_MOST: Final = 512


def _fraction(value: Decimal) -> Fraction | None:
    """None for numbers that only somebody with bad intentions would write."""
    return Fraction(value) if not value or -_MOST < value.adjusted() < _MOST else None


def converted(one: Quantity, other: Quantity, *, about: bool = False) -> Quantity | None:
    """The first in the unit of the second, to 34 digits."""
    found = how(one, other, about=about)
    value = _fraction(one.value)
    if found is None or value is None:
        return None
    if found == Scale():
        return Quantity(one.value, other.unit, other.calendar)
    exact = value * found.by + found.plus
    number = EXACT.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return Quantity(number, other.unit, other.calendar) if number.is_finite() else None


def in_the_larger(one: Quantity, other: Quantity) -> tuple[Decimal, Decimal] | None:
    """Both numbers in the larger of the two units."""
    found = how(one, other, about=True)
    if found is None:
        return None
    if found.by <= 1:
        a = converted(one, other, about=True)
        return None if a is None else (a.value, other.value)
    b = converted(other, one, about=True)
    return None if b is None else (one.value, b.value)


def added(one: Quantity, other: Quantity, sign: int) -> Quantity | None:
    """The sum, or the difference, in the smaller of the two units."""
    mixed = one.unit != other.unit and {one.unit, other.unit} & {"year", "month", "a", "mo"}
    found = None if mixed or _special(one, other) else how(one, other)
    if found is None:
        return None
    left: Quantity | None = one
    right: Quantity | None = other
    if found.by < 1:
        right = converted(other, one)
    else:
        left = converted(one, other)
    if left is None or right is None:
        return None
    if one.calendar != other.calendar and not left.calendar:
        left = Quantity(left.value, _CALENDAR_OF[left.unit], True)
    value = (EXACT.add if sign > 0 else EXACT.subtract)(left.value, right.value)
    return Quantity(value, left.unit, left.calendar) if value.is_finite() else None


def _special(one: Quantity, other: Quantity) -> bool:
    return one.unit in _SPECIAL or other.unit in _SPECIAL


def multiplied(one: Quantity, other: Quantity) -> Quantity | None:
    """The product; None for units of the calendar, and for those with a zero of their own."""
    value = EXACT.multiply(one.value, other.value)
    if one.unit == "1" or other.unit == "1":
        kept = other if one.unit == "1" else one
        return Quantity(value, kept.unit, kept.calendar) if value.is_finite() and not _special(one, other) else None
    return _made(one, other, value, f"{one.unit}.{other.unit}")


def divided(one: Quantity, other: Quantity) -> Quantity | None:
    """The quotient; None by zero, too."""
    if not other.value:
        return None
    value = EXACT.divide(one.value, other.value)
    if other.unit == "1":
        return Quantity(value, one.unit, one.calendar) if value.is_finite() and not _special(one, other) else None
    if one.unit == other.unit:
        return _made(one, other, value, "1")
    below = f"({other.unit})" if {".", "/"} & set(other.unit) else other.unit
    return _made(one, other, value, f"/{below}" if one.unit == "1" else f"{one.unit}/{below}")


def _made(one: Quantity, other: Quantity, value: Decimal, unit: str) -> Quantity | None:
    if one.calendar or other.calendar or _special(one, other) or len(unit) > _LONGEST_UNIT or not value.is_finite():
        return None
    return Quantity(value, unit)


def duration(one: Quantity) -> str | None:
    """The calendar unit that can be added to a date; None for years and months of UCUM's, and for anything else."""
    if one.calendar:
        return one.unit
    return UCUM_UNITS.get(one.unit) or (one.unit if one.unit in CALENDAR else None)
