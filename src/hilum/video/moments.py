"""Dates and times as FHIR has them: never more exact than they were said, never moved to another zone.

https://hl7.org/fhir/R4/datatypes.html#dateTime
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from hilum.video.elements import Element
from hilum.video.refusals import refused

_FORM: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d):\d\d(?:\.\d+)?(Z|[+-]\d\d:\d\d))?")

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Moment:
    """A day, with a time of day where one is said: `time` and `offset` as they stand there, `Z` or `-07:00`."""

    element: Element
    day: date
    time: time | None = None
    offset: str = ""

    @property
    def first(self) -> datetime:
        """The earliest instant that it may be: a day without a zone begins where the day begins first."""
        if self.time is None:
            return _FIRST if self.day == date.min else datetime.combine(self.day, time(), UTC) - timedelta(hours=14)
        return datetime.combine(self.day, self.time, _zone(self.offset))

    @property
    def last(self) -> datetime:
        """The latest instant that it may be."""
        if self.time is None:
            late = self.day >= _LAST.date() - timedelta(days=1)  # 9999-12-31, which records write for "no end"
            return _LAST if late else datetime.combine(self.day, time(), UTC) + timedelta(hours=36)
        return self.first


def moment(element: Element | None) -> Moment | None:
    """A dateTime, date or instant; None where there is none. Raises Refused: no day, or a time without an offset."""
    if element is None:
        return None
    found = _FORM.fullmatch(element.value) if type(element.value) is str else None
    if found is None:
        raise refused("date-vague", "Expected a date with its day, or a time with its offset.", element.place)
    day, clock, offset = found.groups()
    try:
        return Moment(element, date.fromisoformat(day), time.fromisoformat(clock) if clock else None, offset or "")
    except ValueError:
        raise refused("date-vague", "There is no such day or time.", element.place) from None


def _zone(offset: str) -> timezone:
    if offset == "Z":
        return UTC
    hours, minutes = offset[1:].split(":")
    ahead = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-ahead if offset[0] == "-" else ahead)


def ordered(start: Moment | None, end: Moment | None) -> None:
    """Raises Refused where a period ends before it begins."""
    if start is not None and end is not None and end.last < start.first:
        raise refused("dates-conflict", "This ends before it begins.", end.element.place)
