"""Pieces of SQL that every store puts its searches together from. https://hl7.org/fhir/R4/search.html#prefix"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from hilum.search.alternatives import Amount, DateRange
from hilum.search.dates import MAX_DATE, MIN_DATE


class Part(msgspec.Struct, frozen=True, gc=False):
    """A piece of SQL with `?` for its values.

    A Struct, since a plan makes dozens: it is made in a quarter of the time of a frozen dataclass.
    """

    sql: str
    values: tuple[Any, ...] = ()


LAST: Final = "\U0010ffff"
"""After every text that begins alike."""
ORDERS: Final = {"ne": "<>", "gt": ">", "lt": "<", "ge": ">=", "le": "<="}
"""How a text stands to another -> the operator."""


def literal(text: str) -> str:
    """The text as it stands in a pattern of LIKE … ESCAPE '!'."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


TRUE: Final = Part("1=1")
FALSE: Final = Part("1=0")
_DEEP: Final = 100
"""How many conditions stand side by side: each is a level of a tree that SQLite follows 1000 levels deep.

https://www.sqlite.org/limits.html#max_expr_depth
"""
MOST_VALUES: Final = 32_000
"""Of one statement: SQLite takes 32,766, asyncpg 32,767."""


def join(word: str, parts: Iterable[Part]) -> Part:
    """The parts, one after the other, with `word` between them."""
    listed = tuple(parts)
    return Part(word.join([part.sql for part in listed]), tuple([v for part in listed for v in part.values]))


def every(parts: Iterable[Part]) -> Part:
    """All of the conditions."""
    wanted = [part for part in parts if part != TRUE]
    if len(wanted) > _DEEP:
        return every([Part(f"({part.sql})", part.values) for part in map(every, _chunks(wanted))])
    return join(" AND ", wanted) if wanted else TRUE


def either(parts: Iterable[Part]) -> Part:
    """Any of the conditions."""
    wanted = [part for part in parts if part != FALSE]
    if len(wanted) < 2:
        return wanted[0] if wanted else FALSE
    if len(wanted) > _DEEP:
        return either(list(map(either, _chunks(wanted))))
    inner = join(" OR ", wanted)
    return Part(f"({inner.sql})", inner.values)


def _chunks(parts: list[Part]) -> Iterable[list[Part]]:
    return (parts[start : start + _DEEP] for start in range(0, len(parts), _DEEP))


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
        case "co":
            return Part(f"({low} <= ? AND {high} >= ?)", (value.low, value.high))
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
        case "co":
            return reach, value.low
        case _:
            return MIN_DATE, MAX_DATE


def weigh(value: Amount, low: str, high: str) -> Part:
    """The range [low, high] of a number or quantity against the searched one, both in the same unit."""
    match value.prefix:
        case "eq":
            return Part(f"({low} >= ? AND {high} < ?)", (value.low, value.high))
        case "ne":
            return Part(f"({low} < ? OR {high} >= ?)", (value.low, value.high))
        case "gt":
            return Part(f"{high} > ?", (value.value,))
        case "ge":
            return Part(f"{high} >= ?", (value.value,))
        case "lt":
            return Part(f"{low} < ?", (value.value,))
        case "le":
            return Part(f"{low} <= ?", (value.value,))
        case "sa":
            return Part(f"{low} > ?", (value.value,))
        case "eb":
            return Part(f"{high} < ?", (value.value,))
        case _:  # ap: whoever parsed it has widened the range
            return Part(f"({low} <= ? AND {high} >= ?)", (value.high, value.low))


def reach(value: Amount, *, wide: bool) -> tuple[float, float]:
    """Between which values `low` must lie; `wide`: for rows that are ranges, of which only `low` is known."""
    match value.prefix:
        case "eq":
            return value.low, value.high
        case "gt" | "ge":
            return (-math.inf if wide else value.value), math.inf
        case "sa":
            return value.value, math.inf
        case "lt" | "le" | "eb":
            return -math.inf, value.value
        case "ap":
            return (-math.inf if wide else value.low), value.high
        case _:
            return -math.inf, math.inf
