"""Bytes of a characteristic, least significant first. GATT Specification Supplement, 2."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import Enum, IntFlag
from typing import Final, TypeVar

from hilum.phd.gatt import date_time
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.malformed import Malformed
from hilum.phd.number import Number, Special, float32, sfloat, to_float32, to_sfloat

Flags = TypeVar("Flags", bound=IntFlag)
Code = TypeVar("Code", bound=Enum)
UNSUCCESSFUL: Final = 0xFFFF
"""Of a scaled uint16: there is no measurement."""


class Reader:
    """What is left of a characteristic. `name`: of it, for what is refused. Each method raises Malformed."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data, self._name, self._at = bytes(data), name, 0

    @property
    def at(self) -> int:
        """The offset of what comes next."""
        return self._at

    @property
    def left(self) -> int:
        """How many bytes."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """The next `size` bytes as they are."""
        if self.left < size:
            raise Malformed(f"{self._name}: ends after {len(self._data)} bytes, {size - self.left} too early", self._at)
        self._at += size
        return self._data[self._at - size : self._at]

    def uint(self, size: int) -> int:
        """A whole number, 0 or more."""
        return int.from_bytes(self.take(size), "little")

    def sint(self, size: int) -> int:
        """A whole number in two's complement."""
        return int.from_bytes(self.take(size), "little", signed=True)

    def sfloat(self) -> Number:
        """A medfloat16, its precision kept."""
        return sfloat(self.uint(2))

    def float(self) -> Number:
        """A medfloat32, its precision kept."""
        return float32(self.uint(4))

    def scaled(self, step: Decimal) -> Decimal:
        """A uint16 that counts steps: 14000 of 0.005 is 70.000."""
        return self.uint(2) * step

    def measured(self, step: Decimal) -> Number:
        """Scaled, where 0xFFFF is "measurement unsuccessful": NaN."""
        raw = self.uint(2)
        return Special.NAN if raw == UNSUCCESSFUL else raw * step

    def time(self) -> DateTime:
        """Date Time: by the device's clock."""
        at, raw = self._at, self.take(date_time.SIZE)
        try:
            return DateTime.decode(raw)
        except Malformed as error:
            raise Malformed(f"{self._name}: {error.reason}", at + (error.at or 0)) from None

    def flags(self, kind: type[Flags], size: int = 1) -> Flags:
        """Flags that say which fields follow. One that `kind` doesn't name stands for a field that nobody can read."""
        at, raw = self._at, self.uint(size)
        if unknown := raw & ~sum(kind):
            raise Malformed(f"{self._name}: reserved flags {unknown:#x}", at)
        return kind(raw)

    def code(self, kind: type[Code], size: int = 1) -> Code:
        """One of the values of `kind`; another is reserved."""
        at = self._at
        return self.coded(kind, self.uint(size), at)

    def coded(self, kind: type[Code], raw: int, at: int) -> Code:
        """As `code`, of bits that were read already, at the offset `at`."""
        try:
            return kind(raw)
        except ValueError:
            raise Malformed(f"{self._name}: {raw} is no {kind.__name__}", at) from None

    def refuse(self, reason: str, back: int = 0) -> Malformed:
        """To raise: what is wrong with the `back` bytes that were read last."""
        return Malformed(f"{self._name}: {reason}", self._at - back)

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def end(self) -> None:
        """Nothing may be left: what came has more than its flags name."""
        if self.left:
            raise Malformed(f"{self._name}: {self.left} bytes more than its flags name", self._at)


class Writer:
    """The bytes of a characteristic. Each method raises Malformed where its value has no room."""

    def __init__(self) -> None:
        self.data = bytearray()

    def uint(self, value: int, size: int) -> Writer:
        """A whole number, 0 or more."""
        return self._whole(value, size, signed=False)

    def sint(self, value: int, size: int) -> Writer:
        """A whole number in two's complement."""
        return self._whole(value, size, signed=True)

    def sfloat(self, value: Number) -> Writer:
        """A medfloat16 with all digits of `value`."""
        return self.uint(to_sfloat(value), 2)

    def float(self, value: Number) -> Writer:
        """A medfloat32 with all digits of `value`."""
        return self.uint(to_float32(value), 4)

    def scaled(self, value: Number, step: Decimal) -> Writer:
        """How many steps `value` is, as a uint16."""
        try:
            if isinstance(value, Special) or value % step:
                raise Malformed(f"a number that is no multiple of {step}")
            return self.uint(int(value / step), 2)
        except InvalidOperation:
            raise Malformed(f"a number that is no multiple of {step}") from None

    def measured(self, value: Number, step: Decimal) -> Writer:
        """Scaled, and NaN as "measurement unsuccessful"."""
        return self.uint(UNSUCCESSFUL, 2) if value is Special.NAN else self.scaled(value, step)

    def time(self, value: DateTime) -> Writer:
        """Date Time."""
        return self.raw(value.encode())

    def raw(self, value: bytes) -> Writer:
        """Bytes as they are."""
        self.data += value
        return self

    def done(self) -> bytes:
        """All that was written."""
        return bytes(self.data)

    def _whole(self, value: int, size: int, *, signed: bool) -> Writer:
        try:
            self.data += value.to_bytes(size, "little", signed=signed)
        except OverflowError:
            raise Malformed(f"a whole number that {size} bytes have no room for") from None
        return self


def bits(kind: type[Flags], data: bytes, size: int, name: str) -> Flags:
    """A characteristic that is a set of bits and nothing else. Those that `kind` doesn't name are kept."""
    reader = Reader(data, name)
    found = kind(reader.uint(size))
    reader.end()
    return found


def flagged(*pairs: tuple[Flags, bool], none: Flags) -> Flags:
    """The flags whose condition holds."""
    for flag, holds in pairs:
        if holds:
            none |= flag
    return none
