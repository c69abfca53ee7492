"""Dates, times and both together, as precise as they were written. https://hl7.org/fhirpath/N1/#date

Two of different precision, or of which only one has a time zone, may be neither equal nor different: nobody knows.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

_LONGEST: Final = 48
"""Characters of a date that is looked into, and remembered."""
_CLOCK: Final = r"(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d(?:\.\d+)?))?)?"
_ZONE: Final = r"(?P<zone>Z|[+-]\d\d:\d\d)"
_CALENDAR: Final = r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?"
_SHAPES: Final = {
    "date": re.compile(_CALENDAR, re.ASCII),
    "datetime": re.compile(rf"{_CALENDAR}(?:T(?:{_CLOCK}{_ZONE}?)?)?", re.ASCII),
    "time": re.compile(_CLOCK, re.ASCII),
}
_UNITS: Final = ("year", "month", "day", "hour", "minute", "second")
_MOST_DIGITS: Final = 9
"""Of a fraction of a second that a boundary is filled up to; milliseconds unless it is asked for."""
_EAST, _WEST = 14 * 60, -12 * 60
"""The farthest time zones that there are, in minutes."""


@dataclass(frozen=True, slots=True)
class Temporal:
    """`kind`: date, datetime or time. `parts`: year to minute (of a time: hour, minute), as many as are known.

    `second`: with its fraction, None where it is not known. `zone`: minutes east of Greenwich, None when not said.
    """

    kind: str
    parts: tuple[int, ...]
    second: Decimal | None = None
    zone: int | None = None

    @property
    def precision(self) -> int:
        """How many units are known; of a time the date's three count as well."""
        return len(self.parts) + (self.second is not None) + (3 if self.kind == "time" else 0)

    @property
    def digits(self) -> int:
        """`precision()`: digits that are written, zones aside."""
        written = 2 * len(self.parts) + (2 if self.kind != "time" else 0)
        return written if self.second is None else written + 2 + _fraction(self.second)

    def __str__(self) -> str:
        widths = (2, 2) if self.kind == "time" else (4, 2, 2, 2, 2)
        known = [f"{part:0{width}}" for part, width in zip(self.parts, widths, strict=False)]
        if self.second is not None:
            known.append(_two(self.second))
        if self.kind == "time":
            return ":".join(known)
        text = "-".join(known[:3])
        if len(known) > 3:
            text += "T" + ":".join(known[3:])
        if self.zone is not None:
            sign = "-" if self.zone < 0 else "+"
            text += "Z" if self.zone == 0 else f"{sign}{abs(self.zone) // 60:02}:{abs(self.zone) % 60:02}"
        return text


def _two(second: Decimal) -> str:
    text = f"{second:f}"
    return text if len(text.partition(".")[0]) > 1 else "0" + text


def _fraction(second: Decimal) -> int:
    exponent = second.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def parse(text: str, kind: str) -> Temporal | None:
    """What a text says, None when it is no `kind`: 2014-02-30 is no date."""
    return _parse(text, kind) if len(text) <= _LONGEST else None


@lru_cache(maxsize=16384)
def _parse(text: str, kind: str) -> Temporal | None:
    match = _SHAPES[kind].fullmatch(text)
    if match is None:
        return None
    found = match.groupdict()
    names = ("hour", "minute") if kind == "time" else _UNITS[:5]
    parts = tuple(int(found[name]) for name in names if found.get(name) is not None)
    second = Decimal(found["second"]) if found.get("second") else None
    zone = _zone(found["zone"]) if found.get("zone") else None
    clock = parts if kind == "time" else parts[3:]
    if any(part >= most for part, most in zip(clock, (24, 60), strict=False)) or (second is not None and second >= 61):
        return None
    if kind != "time" and not _exists(parts[:3]):
        return None
    return None if zone is not None and abs(zone) > _EAST else Temporal(kind, parts, second, zone)


def _zone(text: str) -> int:
    if text == "Z":
        return 0
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return -minutes if text[0] == "-" else minutes


def _exists(parts: tuple[int, ...]) -> bool:
    if not 1 <= parts[0] <= 9999:
        return False
    if len(parts) > 1 and not 1 <= parts[1] <= 12:
        return False
    return len(parts) < 3 or 1 <= parts[2] <= monthrange(parts[0], parts[1])[1]


def moment(at: datetime, kind: str) -> Temporal:
    """A datetime of Python's, to the millisecond."""
    offset = at.utcoffset()
    zone = None if offset is None else int(offset.total_seconds() // 60)
    second = Decimal(at.second) + Decimal(at.microsecond // 1000).scaleb(-3)
    second = second.quantize(Decimal("0.001"))
    if kind == "date":
        return Temporal("date", (at.year, at.month, at.day))
    if kind == "time":
        return Temporal("time", (at.hour, at.minute), second)
    return Temporal("datetime", (at.year, at.month, at.day, at.hour, at.minute), second, zone)


# --- which is earlier -------------------------------------------------------------------------------------------------


def comparable(one: Temporal, other: Temporal) -> bool:
    """Whether both are points in history, or both times of a day."""
    return (one.kind == "time") == (other.kind == "time")


def order(one: Temporal, other: Temporal) -> int | None:
    """-1, 0 or 1; None when nobody can tell. Both must be `comparable`."""
    a, b = one.parts, other.parts
    if one.zone != other.zone:
        if one.zone is None or other.zone is None:
            return _apart(one, other)
        a, b = _at_greenwich(one), _at_greenwich(other)
    for x, y in zip(a, b, strict=False):
        if x != y:
            return -1 if x < y else 1
    if len(a) != len(b) or (one.second is None) != (other.second is None):
        return None
    if one.second is None or other.second is None or one.second == other.second:
        return 0
    return -1 if one.second < other.second else 1


def key(one: Temporal) -> tuple[object, ...]:
    """Two are equal if, and only if, their keys are."""
    parts = one.parts if one.zone is None else _at_greenwich(one)
    return (one.kind == "time", parts, one.second, one.zone is None)


def _at_greenwich(one: Temporal) -> tuple[int, ...]:
    """The hour, counted from the beginning of the calendar, and the minute, where it is known."""
    found = divmod(_minutes(one.parts) - (one.zone or 0), 60)
    return found[: len(one.parts) - 3]


def _minutes(parts: tuple[int, ...]) -> int:
    year, month, day, hour, minute = (*parts, *(0, 1, 1, 0, 0)[len(parts) :])
    return (date(year, month, day).toordinal() * 24 + hour) * 60 + minute


def _from_minutes(minutes: int) -> tuple[int, ...] | None:
    days, rest = divmod(minutes, 24 * 60)
    if not 1 <= days <= date.max.toordinal():
        return None
    found = date.fromordinal(days)
    return found.year, found.month, found.day, rest // 60, rest % 60


def _apart(one: Temporal, other: Temporal) -> int | None:
    """The order of two of which one has no zone: known where it is the same in every zone."""
    if len(one.parts) > 2 and len(other.parts) > 2:
        days = _roughly(one.parts) - _roughly(other.parts)
        if abs(days) > _ZONES_APART:
            return -1 if days < 0 else 1
    (a, b), (c, d) = _range(one), _range(other)
    return -1 if b < c else 1 if a > d else None


_ZONES_APART: Final = 6
"""Days, as `_roughly` counts them, that no two dates are apart for their time zones alone."""


def _roughly(parts: tuple[int, ...]) -> int:
    return parts[0] * 372 + parts[1] * 31 + parts[2]


def _range(one: Temporal) -> tuple[Decimal, Decimal]:
    """The first and the last second that it may mean."""
    first, last = _filled(one, high=False), _filled(one, high=True)
    east, west = (one.zone, one.zone) if one.zone is not None else (_EAST, _WEST)
    return (
        (_minutes(first.parts) - east) * 60 + (first.second or Decimal(0)),
        (_minutes(last.parts) - west) * 60 + (last.second or Decimal(0)),
    )


# --- boundaries -------------------------------------------------------------------------------------------------------


def _filled(one: Temporal, *, high: bool) -> Temporal:
    """The first or the last millisecond of it."""
    parts = list(one.parts)
    if one.kind != "time":
        if len(parts) < 2:
            parts.append(12 if high else 1)
        if len(parts) < 3:
            parts.append(monthrange(parts[0], parts[1])[1] if high else 1)
    clock = 0 if one.kind == "time" else 3
    parts += ((23, 59) if high else (0, 0))[len(parts) - clock :]
    second = one.second
    digits = 0 if second is None else _fraction(second)
    if second is None:
        second = Decimal("59.999" if high else "0.000")
    elif digits < 3:
        second = (second + (1 - Decimal(1).scaleb(-3 + digits)).scaleb(-digits)) if high else second
        second = second.quantize(Decimal("0.001"))
    return Temporal(one.kind, tuple(parts), second, one.zone)


def boundary(one: Temporal, digits: int | None, *, high: bool) -> Temporal | None:
    """The first or last moment that it may mean, to so many digits; None where that is no precision of its kind.

    Where it has no time zone it may mean any: the first is that of the farthest east.
    """
    allowed = {"date": (4, 6, 8), "datetime": (4, 6, 8, 10, 12, 14, 17), "time": (2, 4, 6, 9)}[one.kind]
    digits = allowed[-1] if digits is None else digits
    if digits not in allowed:
        return None
    full = _filled(one, high=high)
    count = allowed.index(digits) + 1
    places = 2 if one.kind == "time" else 5
    second = full.second if count > places else None
    if count == places + 1 and second is not None:
        second = Decimal(int(second))
    zone = None
    if one.kind == "datetime" and count > 3:
        zone = one.zone if one.zone is not None else (_WEST if high else _EAST)
    return Temporal(one.kind, full.parts[:count], second, zone)


# --- arithmetic -------------------------------------------------------------------------------------------------------

UCUM_UNITS: Final = {"wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond"}
"""Definite durations that are the same as calendar durations; `a` and `mo` are none of them."""
_SECONDS: Final = {
    "week": 604_800,
    "day": 86_400,
    "hour": 3_600,
    "minute": 60,
    "second": 1,
}
_BEYOND: Final = 10**13
"""Seconds that no two dates are apart."""


class NotAdded(Exception):
    """A unit that can't be added to such a value."""


def add(one: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    """So many years, months, ... milliseconds later; None where there are no such dates. Raises NotAdded.

    Fractions count for seconds and milliseconds alone. What is finer than the value goes in by whole units of it.
    https://hl7.org/fhirpath/N1/#datetime-arithmetic
    """
    if not amount.is_finite() or not -_BEYOND <= amount <= _BEYOND:
        return None
    if unit == "millisecond":
        amount, unit = amount.scaleb(-3), "second"
    elif unit != "second":
        amount = Decimal(int(amount))
    if one.kind == "time":
        return _later(one, amount, unit)
    if unit in ("year", "month"):
        months = int(amount) * 12 if unit == "year" else int(amount)
        return _months(one, months if len(one.parts) > 1 else _whole(Decimal(months) / 12) * 12)
    seconds = amount * _SECONDS[unit]
    if len(one.parts) < 3:
        days = _whole(seconds / 86_400)
        return _months(one, _whole(Decimal(days) / 365) * 12 if len(one.parts) == 1 else _whole(Decimal(days) / 30))
    step = 86_400 if len(one.parts) == 3 else 3_600 if len(one.parts) == 4 else 60 if one.second is None else 0
    if step:
        seconds = Decimal(_whole(seconds / step) * step)
    return _seconds(one, seconds)


def _whole(value: Decimal) -> int:
    return int(value)


def _months(one: Temporal, months: int) -> Temporal | None:
    year, month = divmod(one.parts[0] * 12 + (one.parts[1] - 1 if len(one.parts) > 1 else 0) + months, 12)
    if not 1 <= year <= 9999:
        return None
    parts = (year, month + 1, *one.parts[2:])[: len(one.parts)]
    if len(parts) > 2:
        parts = (*parts[:2], min(parts[2], monthrange(year, month + 1)[1]), *parts[3:])
    return Temporal(one.kind, parts, one.second, one.zone)


def _seconds(one: Temporal, seconds: Decimal) -> Temporal | None:
    second = one.second
    minutes = _minutes(one.parts)
    if second is None:
        minutes += int(seconds) // 60
    else:
        carried, second = _carried(second + seconds)
        minutes += carried
    parts = _from_minutes(minutes)
    return None if parts is None else Temporal(one.kind, parts[: len(one.parts)], second, one.zone)


def _carried(seconds: Decimal) -> tuple[int, Decimal]:
    carried = int(seconds // 60)
    rest = seconds - carried * 60
    return (carried - 1, rest + 60) if rest < 0 else (carried, rest)


def _later(one: Temporal, amount: Decimal, unit: str) -> Temporal:
    """A time of day, around the clock."""
    if unit not in ("hour", "minute", "second"):
        raise NotAdded
    seconds = amount * _SECONDS[unit]
    parts = (*one.parts, 0)[:2]
    minutes = parts[0] * 60 + parts[1]
    second = one.second
    if second is None:
        step = 3_600 if len(one.parts) == 1 else 60
        minutes += _whole(seconds / step) * step // 60
    else:
        carried, second = _carried(second + seconds)
        minutes += carried
    minutes %= 24 * 60
    return Temporal("time", (minutes // 60, minutes % 60)[: len(one.parts)], second)
