"""Sets of concepts as one integer each: bit n is the concept with number n. Algebra on them runs at the speed of C.

A code system of 350,000 concepts takes 44 kB, and `&`, `|`, `& ~` some microseconds. Stored, a set is a posting: the
numbers themselves where they are few, the bits where they are many, or the ends of its runs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

Bits = int

_LIST, _BITS, _RUNS = b"l", b"b", b"r"
_SPARSE: Final = 32
"""A number takes 32 bits."""
_STEP: Final = 512
"""Bytes that are looked at together when the k-th of a set is wanted."""


def numbers(data: bytes = b"") -> array[int]:
    """Unsigned 32-bit numbers, little end first on the machines that hilum runs on."""
    found = array("I")
    found.frombytes(data)
    return found


def run(low: int, high: int) -> Bits:
    """All from `low` to `high`, both included."""
    return ((1 << (high - low + 1)) - 1) << low if high >= low else 0


def of(some: Iterable[int]) -> Bits:
    """The set of these numbers."""
    marks = bytearray()
    for n in some:
        place = n >> 3
        if place >= len(marks):
            marks.extend(bytes(max(place + 1 - len(marks), len(marks))))
        marks[place] |= 1 << (n & 7)
    return int.from_bytes(marks, "little")


def each(bits: Bits, skip: int = 0, most: int | None = None) -> Iterator[int]:
    """The numbers in it, ascending, without the first `skip` and `most` at most."""
    data = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    for at in range(0, len(data), _STEP):
        some = int.from_bytes(data[at : at + _STEP], "little")
        many = some.bit_count()
        if skip >= many:
            skip -= many
            continue
        base = at * 8
        while some:
            low = some & -some
            some ^= low
            if skip:
                skip -= 1
                continue
            if most is not None:
                if most <= 0:
                    return
                most -= 1
            yield base + low.bit_length() - 1


def has(bits: Bits, n: int) -> bool:
    """Whether the number is in it."""
    return bool(bits >> n & 1)


def posting(some: array[int], size: int) -> bytes:
    """These numbers, of a system of `size` concepts, as they are stored."""
    if len(some) * _SPARSE < size:
        return _LIST + some.tobytes()
    return _BITS + of(some).to_bytes((size + 7) // 8, "little")


def runs(ends: Sequence[int]) -> bytes:
    """Runs, as low, high, low, high, …, as they are stored."""
    return _RUNS + array("I", ends).tobytes()


def union(postings: Iterable[bytes]) -> Bits:
    """What is in any of these postings."""
    found, listed = 0, array("I")
    for one in postings:
        tag, data = one[:1], one[1:]
        if tag == _LIST:
            listed.frombytes(data)
        elif tag == _BITS:
            found |= int.from_bytes(data, "little")
        else:
            ends = numbers(data)
            for at in range(0, len(ends), 2):
                found |= run(ends[at], ends[at + 1])
    return found | of(listed) if listed else found
