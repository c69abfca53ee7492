"""DTM: YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]. HL7 v2.6, 2.A.22.

A time is as precise as it was written, and has an offset only if it was written with one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from hilum.hl7v2.refused import Condition, Place, Refused

_DTM: Final = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,4}))?)?)?)?)?)?(?:([+-])(\d\d)(\d\d))?", re.ASCII
)
_SHOWN: Final = (4, 6, 8, 10, 12, 14)

YEAR, MONTH, DAY, HOUR, MINUTE, SECOND = range(6)


@dataclass(frozen=True, slots=True)
class DTM:
    """`precision`: YEAR to SECOND, and past SECOND one for each digit of its fraction, four at most."""

    time: datetime
    precision: int = SECOND

    def __str__(self) -> str:
        digits = self.precision - SECOND
        text = f"{self.time:%Y%m%d%H%M%S}".rjust(14, "0")
        text = f"{text}.{self.time.microsecond:06}"[: 15 + digits] if digits > 0 else text[: _SHOWN[self.precision]]
        offset = self.time.utcoffset()
        if offset is None:
            return text
        minutes = round(offset.total_seconds() / 60)
        return f"{text}{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


def dtm(text: str, at: Place | None = None) -> DTM:
    """The time of a text. Raises Refused."""
    found = _DTM.fullmatch(text)
    if found is None:
        raise Refused(Condition.DATA_TYPE, "expected a DTM: YYYY[MM[DD[HH[MM[SS[.SSSS]]]]]][+/-ZZZZ]", at)
    numbers = [int(part) for part in found.groups()[:6] if part is not None]
    fraction = found[7] or ""
    parts = [*numbers, *(1, 1, 1, 0, 0, 0)[len(numbers) :]]
    try:
        offset = None
        if found[8]:
            if int(found[10]) > 59:
                raise ValueError
            minutes = int(found[9]) * 60 + int(found[10])
            offset = timezone(timedelta(minutes=-minutes if found[8] == "-" else minutes))
        year, month, day, hour, minute, second = parts
        time = datetime(year, month, day, hour, minute, second, int(fraction.ljust(6, "0")), offset)
    except ValueError:
        raise Refused(Condition.DATA_TYPE, "a time that no calendar has", at) from None
    return DTM(time, len(numbers) - 1 + len(fraction))


def exact(time: datetime) -> DTM:
    """A time with all digits that it has, of the four that DTM has room for; what is finer is cut off."""
    digits = f"{time.microsecond:06}"[:4].rstrip("0")
    return DTM(time.replace(microsecond=int(digits.ljust(6, "0") or "0")), SECOND + len(digits))
