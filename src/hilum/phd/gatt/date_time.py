"""Date Time, 0x2A08: a moment by the device's clock. GATT Specification Supplement, "Date Time"."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from hilum.phd.malformed import Malformed

SIZE: Final = 7
_FIRST_YEAR, _LAST_YEAR, _LEAP_YEAR = 1582, 9999, 2000


@dataclass(frozen=True, slots=True)
class DateTime:
    """No offset to UTC. `year`, `month`, `day`: 0 is not known, each for itself."""

    UUID: ClassVar[int] = 0x2A08

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int

    @classmethod
    def decode(cls, data: bytes) -> DateTime:
        """Raises Malformed: not 7 bytes, or no moment of the calendar."""
        if len(data) != SIZE:
            raise Malformed(f"Date Time: {len(data)} bytes, expected {SIZE}", 0)
        return cls(int.from_bytes(data[:2], "little"), *data[2:])._checked()

    @classmethod
    def of(cls, time: datetime) -> DateTime:
        """To the second; what `time` says of UTC is left out."""
        return cls(time.year, time.month, time.day, time.hour, time.minute, time.second)

    def encode(self) -> bytes:
        """Raises Malformed: no moment of the calendar."""
        self._checked()
        return self.year.to_bytes(2, "little") + bytes((self.month, self.day, self.hour, self.minute, self.second))

    @property
    def known(self) -> datetime | None:
        """None: a part of the date is not known."""
        if not (self.year and self.month and self.day):
            return None
        return datetime(self.year, self.month, self.day, self.hour, self.minute, self.second)

    @property
    def reported(self) -> str:
        """As the PHD guide has it in identifiers: "20160523T175217.00"."""
        return f"{self.year:04}{self.month:02}{self.day:02}T{self.hour:02}{self.minute:02}{self.second:02}.00"

    def _checked(self) -> DateTime:
        year = self.year if _FIRST_YEAR <= self.year <= _LAST_YEAR else _LEAP_YEAR
        days = monthrange(year, self.month)[1] if 1 <= self.month <= 12 else 31
        parts = (
            ("year", 0, self.year == 0 or _FIRST_YEAR <= self.year <= _LAST_YEAR),
            ("month", 2, 0 <= self.month <= 12),
            ("day", 3, 0 <= self.day <= days),
            ("hour", 4, 0 <= self.hour <= 23),
            ("minute", 5, 0 <= self.minute <= 59),
            ("second", 6, 0 <= self.second <= 59),
        )
        for part, at, right in parts:
            if not right:
                raise Malformed(f"Date Time: no {part} of the calendar", at)
        return self
