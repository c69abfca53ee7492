"""Fixed values, patterns and ranges of an element. https://hl7.org/fhir/R4/elementdefinition.html#ElementDefinition.fixed_x_"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from hilum.fhir import units


def same(value: Any, fixed: Any) -> bool:
    """Exactly the fixed value: the same properties, arrays in the same order."""
    if isinstance(fixed, Mapping):
        return (
            isinstance(value, Mapping)
            and value.keys() == fixed.keys()
            and all(same(value[key], part) for key, part in fixed.items())
        )
    if isinstance(fixed, list):
        return (
            isinstance(value, list)
            and len(value) == len(fixed)
            and all(same(one, other) for one, other in zip(value, fixed, strict=True))
        )
    return _equal(value, fixed)


def matches(value: Any, pattern: Any) -> bool:
    """At least the pattern: each of its properties, each of its items in some item of the value."""
    if isinstance(pattern, Mapping):
        return isinstance(value, Mapping) and all(
            key in value and matches(value[key], part) for key, part in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(matches(one, part) for one in value) for part in pattern)
    return _equal(value, pattern)


def _equal(value: Any, other: Any) -> bool:
    """Primitives: numbers by value and precision, true and 1 are different things."""
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    return bool(value == other)


def differences(value: Any, expected: Any, exact: bool) -> list[str]:
    """Where a value leaves what it has to be, as paths below it; "" for itself: something is missing there."""
    if not isinstance(expected, Mapping) or not isinstance(value, Mapping):
        return [""]
    test = same if exact else matches
    found: dict[str, None] = {}
    for key, part in expected.items():
        if key not in value or isinstance(part, list):
            if key not in value or not test(value[key], part):
                found[""] = None
        elif not test(value[key], part):
            found |= dict.fromkeys(f".{key}{path}" for path in differences(value[key], part, exact))
    if exact:
        found |= dict.fromkeys(f".{key}" for key in value if key not in expected)
    return list(found) or [""]


def compared(value: Any, limit: Any, kind: str) -> int | None:
    """-1, 0 or 1: below, at or above the limit. None when they can't be compared (dates of different precision)."""
    if kind in ("integer", "positiveInt", "unsignedInt", "decimal", "integer64"):
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or not isinstance(limit, int | Decimal):
            return None
        try:
            return (value > limit) - (value < limit)
        except InvalidOperation:
            return None
    if kind in ("date", "dateTime", "instant", "time"):
        return _moments(value, limit)
    return _quantities(value, limit) if kind == "quantity" else None


def _quantities(value: Any, limit: Any) -> int | None:
    """In the same unit, or in units that UCUM says measure the same."""
    if not isinstance(value, Mapping) or not isinstance(limit, Mapping):
        return None
    number, most = value.get("value"), limit.get("value")
    codes = [one.get("code") for one in (value, limit)]
    if codes[0] == codes[1] and value.get("system") == limit.get("system"):
        return compared(number, most, "decimal")
    if any(one.get("system") != units.UCUM or type(one.get("code")) is not str for one in (value, limit)):
        return None
    how = units.scale(str(codes[0]), str(codes[1]))
    if how is None or isinstance(number, bool) or not isinstance(number, int | Decimal):
        return None
    if isinstance(most, bool) or not isinstance(most, int | Decimal):
        return None
    if any(isinstance(one, Decimal) and (not one.is_finite() or abs(one.adjusted()) > _FAR) for one in (number, most)):
        return None
    there = Fraction(number) * how.by + how.plus
    return (there > Fraction(most)) - (there < Fraction(most))


_FAR = 400
"""An exponent that no measurement has."""


def _moments(value: Any, limit: Any) -> int | None:
    """By their text, as far as both go; those with a time zone by the instant."""
    if type(value) is not str or type(limit) is not str:
        return None
    if "T" in value and "T" in limit:
        try:
            one, other = datetime.fromisoformat(value), datetime.fromisoformat(limit)
        except ValueError:
            return None
        if (one.tzinfo is None) != (other.tzinfo is None):
            return None
        return (one > other) - (one < other)
    length = min(len(value), len(limit))
    head, tail = value[:length], limit[:length]
    return (head > tail) - (head < tail)
