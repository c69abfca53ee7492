"""Pieces of SQL that every store puts its searches together from. https://hl7.org/fhir/R4/search.html#prefix"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hilum.search.dates import MAX_DATE, MIN_DATE
from hilum.search.query import DateRange


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of SQL with `?` for its values."""

    sql: str
    values: tuple[Any, ...] = ()


def compare(value: DateRange, low: str, high: str) -> Part:
    """The interval [low, high] of a row against the searched one: `hilum.search.dates.HOLDS` in SQL."""
    match value.prefix:
        case "eq":
            return Part(f"({low} >= ? AND {high} <= ?)", (value.low, value.high))
        case "ne":
            return Part(f"({low} < ? OR {high} > ?)", (value.low, value.high))
        case "gt":
            return Part(f"{high} > ?", (value.high,))
        case "ge":
            return Part(f"({high} > ? OR ({low} >= ? AND {high} <= ?))", (value.high, value.low, value.high))
        case "lt":
            return Part(f"{low} < ?", (value.low,))
        case "le":
            return Part(f"({low} < ? OR ({low} >= ? AND {high} <= ?))", (value.low, value.low, value.high))
        case "sa":
            return Part(f"{low} > ?", (value.high,))
        case "eb":
            return Part(f"{high} < ?", (value.low,))
        case _:  # ap: whoever parsed it has widened the range
            return Part(f"({low} <= ? AND {high} >= ?)", (value.high, value.low))


def bounds(value: DateRange, longest: int | None) -> tuple[int, int]:
    """Between which values `low` must lie, in a class of intervals no longer than `longest` (None: of any length)."""
    reach = max(MIN_DATE, value.low - longest) if longest is not None else MIN_DATE
    match value.prefix:
        case "eq":
            return value.low, value.high
        case "gt" | "ge":
            return reach, MAX_DATE
        case "lt" | "le":
            return MIN_DATE, value.high
        case "sa":
            return value.high, MAX_DATE
        case "eb":
            return MIN_DATE, value.low
        case "ap":
            return reach, value.high
        case _:
            return MIN_DATE, MAX_DATE
