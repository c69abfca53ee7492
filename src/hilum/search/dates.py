"""Dates as intervals of microseconds, and how a search compares them. https://hl7.org/fhir/R4/search.html#date

Every FHIR date, dateTime and instant covers the time that its precision leaves open: 2013-01 is all of January. Both
ends are inclusive and count from 1970 UTC; a value without a zone is taken as UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any, Final

from hilum.problems import Malformed

MIN_DATE: Final = -(1 << 62)
"""The open start of a Period: before every date."""
MAX_DATE: Final = 1 << 62
"""The open end of a Period: after every date."""

_SECOND: Final = 1_000_000
_DAY: Final = 86_400 * _SECOND
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60)(?:\.(\d+))?)?"
    r"(?:Z|([+-])(0\d|1[0-4]):([0-5]\d))?)?)?)?",
    re.ASCII,
)


@lru_cache(maxsize=16384)
def interval(text: str) -> tuple[int, int]:
    """First and last microsecond of a date, dateTime or instant. Raises Malformed when it is none."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise Malformed("Not a date: expected YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss[.sss]][Z or +hh:mm].")
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = match.groups()
    try:
        first = date(int(year), int(month or 1), int(day or 1)).toordinal()
    except ValueError:
        raise Malformed("Not a date: there is no such day.") from None
    low = (first - _EPOCH) * _DAY
    if day is None:
        return low, low + (_last(int(year), month) - first + 1) * _DAY - 1
    if hour is None:
        return low, low + _DAY - 1
    low += (int(hour) * 60 + int(minute)) * 60 * _SECOND
    if sign is not None:
        offset = (int(zone_hour) * 60 + int(zone_minute)) * 60 * _SECOND
        low += -offset if sign == "+" else offset
    if second is None:
        return low, low + 60 * _SECOND - 1
    low += int(second) * _SECOND
    if fraction is None:
        return low, low + _SECOND - 1
    digits = fraction[:6]
    width: int = 10 ** (6 - len(digits))
    low += int(digits) * width
    return low, low + width - 1


def _last(year: int, month: str | None) -> int:
    """The ordinal of the last day of a year or month."""
    if month is None or month == "12":
        return date(year, 12, 31).toordinal()
    return date(year, int(month) + 1, 1).toordinal() - 1


def period(value: dict[str, Any]) -> tuple[int, int] | None:
    """The interval of a Period, a missing end open; None when both are missing."""
    start, end = value.get("start"), value.get("end")
    if start is None and end is None:
        return None
    return (MIN_DATE if start is None else interval(start)[0]), (MAX_DATE if end is None else interval(end)[1])


def timing(value: dict[str, Any]) -> tuple[int, int] | None:
    """The outer limits of a Timing: its events and the period that bounds it; None when it names no date.

    "the specified scheduling details are ignored and only the outer limits matter"
    """
    found = [interval(event) for event in value.get("event", ()) if event is not None]
    bounds = value.get("repeat", {}).get("boundsPeriod")
    if bounds and (limits := period(bounds)):
        found.append(limits)
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


Holds = Callable[[int, int, int, int], bool]

HOLDS: Final[dict[str, Holds]] = {
    "eq": lambda low, high, start, end: low <= start and end <= high,
    "ne": lambda low, high, start, end: start < low or high < end,
    "gt": lambda low, high, start, end: end > high,
    "lt": lambda low, high, start, end: start < low,
    "ge": lambda low, high, start, end: end > high or (low <= start and end <= high),
    "le": lambda low, high, start, end: start < low or (low <= start and end <= high),
    "sa": lambda low, high, start, end: start > high,
    "eb": lambda low, high, start, end: end < low,
    "ap": lambda low, high, start, end: start <= high and end >= low,
    "co": lambda low, high, start, end: start <= low and high <= end,
}
"""Prefix -> does the resource's [start, end] stand so to the search's [low, high]? https://hl7.org/fhir/R4/search.html#prefix

`ge` is `gt` or `eq`, `le` is `lt` or `eq`. For `ap` whoever parses widens the searched range. `co` is no prefix, but
an operator of `_filter`.
"""
PREFIXES: Final = dict.fromkeys(name for name in HOLDS if name != "co")
"""What may stand before a date or a number."""
