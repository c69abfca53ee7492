"""How exact index values become the narrow integers that stores keep: the same for every store.

What is hashed for a store, by its secret, is in `keyed`: a token's key is a signed 64-bit integer, the upper 20 bits
the number of its system (0: none), the lower 44 a hash of its code. `system|code` is one key, `system|` one range of
keys, and `code` alone one key for each system that occurs in the parameter.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from xxhash import xxh3_64_intdigest

CODE_BITS: Final = 44
CODE_MASK: Final = (1 << CODE_BITS) - 1
LEAST: Final = -(1 << 63)
GREATEST: Final = (1 << 63) - 1
"""The first and the last key."""
SYSTEM_MASK: Final = (1 << 64 - CODE_BITS) - 1
TYPE_SHIFT: Final = 40
"""A resource's stable integer is `type_number << TYPE_SHIFT | n`: it tells its type, and a type is one range."""


def signed(value: int) -> int:
    """An unsigned 64-bit integer as the signed one with the same bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


def system_range(number: int) -> tuple[int, int]:
    """The first and last key that a code of the system with this number can have."""
    low = signed(number << CODE_BITS)
    return low, low + CODE_MASK


@lru_cache(4096)
def label(system: str, code: str) -> int:
    """What stands for a security label beside a version; nothing is decided by it."""
    high = (xxh3_64_intdigest(system.encode()) & SYSTEM_MASK) or 1 if system else 0
    return signed(high << CODE_BITS | xxh3_64_intdigest(code.encode() if code else b"") & CODE_MASK)


NUMBER = (1 << TYPE_SHIFT) - 1
"""What of a stable integer is the number of its name, as a mask; it grows with every name."""


def type_range(type_number: int) -> tuple[int, int]:
    """The first and last stable integer that a resource of this type can have."""
    low = type_number << TYPE_SHIFT
    return low, low + (1 << TYPE_SHIFT) - 1


_DAY = 86_400_000_000
SPANS = (_DAY, 32 * _DAY, 367 * _DAY, 3660 * _DAY)
"""The longest interval, in microseconds, of date classes 0 to 3; class 4 holds the longer and open ones."""


def span(low: int, high: int) -> int:
    """The class of a date interval: within one class an interval that ends after X begins after X - SPANS[class]."""
    length = high - low
    for number, longest in enumerate(SPANS):
        if length <= longest:
            return number
    return len(SPANS)


WIDE: Final = 1 << 48
"""Set in the unit key of a quantity that is a range (low below high): the others are points, and compare by `low`."""


_CELLS: Final = (1 << 16) - 1


def across(longitude: float) -> int:
    """The column, 0 to 65535, of a longitude in degrees."""
    return min(_CELLS, max(0, int((longitude + 180.0) / 360.0 * 65536)))


def along(latitude: float) -> int:
    """The row, 0 to 65535, of a latitude in degrees."""
    return min(_CELLS, max(0, int((latitude + 90.0) / 180.0 * 65536)))


def cell(column: int, row: int) -> int:
    """The Morton code of a square of the map: bits of column and row by turns, so that near is mostly near."""
    return _spread(column) | _spread(row) << 1


def _spread(bits: int) -> int:
    bits = (bits | bits << 8) & 0x00FF00FF
    bits = (bits | bits << 4) & 0x0F0F0F0F
    bits = (bits | bits << 2) & 0x33333333
    return (bits | bits << 1) & 0x55555555
