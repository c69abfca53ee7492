"""Battery Service 1.1: Battery Level, 0x2A19."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from hilum.phd.gatt.wire import Reader, Writer
from hilum.phd.malformed import Malformed

_FULL: Final = 100


@dataclass(frozen=True, slots=True)
class BatteryLevel:
    """Per cent."""

    UUID: ClassVar[int] = 0x2A19

    level: int

    @classmethod
    def decode(cls, data: bytes) -> BatteryLevel:
        """Raises Malformed: more than 100 is reserved."""
        reader = Reader(data, "Battery Level")
        level = reader.uint(1)
        if level > _FULL:
            raise reader.refuse(f"{level} is reserved", 1)
        reader.end()
        return cls(level)

    def encode(self) -> bytes:
        """Raises Malformed."""
        if self.level > _FULL:
            raise Malformed(f"Battery Level: {self.level} is reserved")
        return Writer().uint(self.level, 1).done()
