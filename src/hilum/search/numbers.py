"""Numbers and quantities as intervals, and how a search compares them. https://hl7.org/fhir/R4/search.html#quantity

An interval is (low, high), IEEE doubles, both inclusive and as written; an open end is infinite.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import inf
from typing import Any, Final

Number = int | Decimal
Measured = tuple[float, float, str | None, str | None, str | None]
"""(low, high, system, code, unit)"""

CURRENCY: Final = "urn:iso:std:iso:4217"


def double(value: Number) -> float:
    """The nearest double; infinite where there is none."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def quantity(value: dict[str, Any]) -> Measured | None:
    """A Quantity of any kind: with a comparator, everything on that side of it. None when it has no value."""
    written = value.get("value")
    if written is None:
        return None
    low = high = double(written)
    comparator = value.get("comparator")
    if comparator is not None:
        if comparator[:1] == "<":
            low = -inf
        else:
            high = inf
    return low, high, value.get("system"), value.get("code"), value.get("unit")


def money(value: dict[str, Any]) -> Measured | None:
    """A Money: its currency is the code. None when it has no value."""
    written = value.get("value")
    if written is None:
        return None
    amount, currency = double(written), value.get("currency")
    return amount, amount, CURRENCY if currency is not None else None, currency, None


def range_(value: dict[str, Any]) -> Measured | None:
    """A Range in the unit of its low end, or else of its high end; None when it has neither."""
    low, high = value.get("low", {}), value.get("high", {})
    start, end = low.get("value"), high.get("value")
    if start is None and end is None:
        return None
    unit = low if low.keys() & {"system", "code", "unit"} else high
    return (
        -inf if start is None else double(start),
        inf if end is None else double(end),
        unit.get("system"),
        unit.get("code"),
        unit.get("unit"),
    )


def span(value: dict[str, Any]) -> tuple[float, float] | None:
    """A Range where a number is expected: without its unit."""
    found = range_(value)
    return None if found is None else found[:2]


def sampled(value: dict[str, Any]) -> Measured | None:
    """A SampledData from its least to its greatest point, in the unit of its origin; None when it has no point.

    "(just search on the bounds of the values in sampled data)". A point is origin + factor * datum; L and U, below and
    above what can be measured, are the limits, and unbounded where those are missing. E is no point.
    """
    origin, factor = value.get("origin", {}), double(value.get("factor", 1))
    start = double(origin.get("value", 0))
    points = []
    for datum in value.get("data", "").split():
        if datum == "L":
            points.append(double(value.get("lowerLimit", Decimal("-Infinity"))))
        elif datum == "U":
            points.append(double(value.get("upperLimit", Decimal("Infinity"))))
        elif datum != "E":
            try:
                points.append(start + factor * float(datum))
            except ValueError:  # validation lets any text through; what is no number is no point
                continue
    points = [point for point in points if point == point]  # "nan" is none either
    if not points:
        return None
    return min(points), max(points), origin.get("system"), origin.get("code"), origin.get("unit")


Holds = Callable[[float, float, float, float, float], bool]

HOLDS: Final[dict[str, Holds]] = {
    "eq": lambda value, low, high, start, end: low <= start and end < high,
    "ne": lambda value, low, high, start, end: start < low or high <= end,
    "gt": lambda value, low, high, start, end: end > value,
    "lt": lambda value, low, high, start, end: start < value,
    "ge": lambda value, low, high, start, end: end >= value,
    "le": lambda value, low, high, start, end: start <= value,
    "sa": lambda value, low, high, start, end: start > value,
    "eb": lambda value, low, high, start, end: end < value,
    "ap": lambda value, low, high, start, end: start <= high and end >= low,
}
"""Prefix -> does the resource's [start, end] stand so to the search's value and its range [low, high)?

For `ap` whoever parses widens the range, and it is closed. https://hl7.org/fhir/R4/search.html#prefix
"""
