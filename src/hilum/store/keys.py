"""How exact index values become the narrow integers that stores keep: the same for every store.

A token's key is a signed 64-bit integer: the upper 44 bits are a hash of the code, the lower 20 of the system (0: no
system), so that `system|code` is one key, `code` alone a range of keys and `system|` a masked scan. Hashes only
find; wherever a collision could merge or leak, the exact value is looked at again (`hilum.search.matches`).
"""

from __future__ import annotations

from functools import lru_cache

from xxhash import xxh3_64_intdigest

SYSTEM_BITS = 20
SYSTEM_MASK = (1 << SYSTEM_BITS) - 1
TYPE_SHIFT = 40
"""A resource's stable integer is `type_number << TYPE_SHIFT | n`: it tells its type, and a type is one range."""


def signed(value: int) -> int:
    """An unsigned 64-bit integer as the signed one with the same bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


@lru_cache(4096)
def system(uri: str | None) -> int:
    """The lower bits of a token key: 0 for no system, never 0 for one."""
    return (xxh3_64_intdigest(uri.encode()) & SYSTEM_MASK) or 1 if uri else 0


@lru_cache(16384)
def token(uri: str | None, code: str | None) -> int:
    """The key of system + code. `code` None (a system alone) hashes as the empty code."""
    return signed((xxh3_64_intdigest(code.encode() if code else b"") & ~SYSTEM_MASK) | system(uri))


def code_range(code: str) -> tuple[int, int]:
    """The first and last key that a code can have, whatever its system."""
    low = signed(xxh3_64_intdigest(code.encode()) & ~SYSTEM_MASK)
    return low, low + SYSTEM_MASK


def uri(value: str) -> int:
    """The key of a uri, compared whole."""
    return signed(xxh3_64_intdigest(value.encode()))


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
