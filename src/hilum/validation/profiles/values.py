"""Fixed values, patterns and ranges of an element. https://hl7.org/fhir/R4/elementdefinition.html#ElementDefinition.fixed_x_"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any


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


def differing(value: Any, fixed: Any, exact: bool) -> str:
    """Where a value first leaves what it has to be, as a path below it: `.coding[0].code`; "" for itself."""
    test = same if exact else matches
    if isinstance(fixed, Mapping) and isinstance(value, Mapping):
        for key, part in fixed.items():
            if key in value and not test(value[key], part):
                return f".{key}{differing(value[key], part, exact)}"
    return ""


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
    return None


def _moments(value: Any, limit: Any) -> int | None:
    """By their text, as far as both go; those with a time zone by the instant."""
    from datetime import UTC, datetime

    if type(value) is not str or type(limit) is not str:
        return None
    if "T" in value and "T" in limit:
        try:
            one, other = datetime.fromisoformat(value), datetime.fromisoformat(limit)
        except ValueError:
            return None
        if (one.tzinfo is None) != (other.tzinfo is None):
            return None
        if one.tzinfo is not None:
            one, other = one.astimezone(UTC), other.astimezone(UTC)
        return (one > other) - (one < other)
    length = min(len(value), len(limit))
    head, tail = value[:length], limit[:length]
    return (head > tail) - (head < tail)
