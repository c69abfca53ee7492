"""From what a characteristic says to readings: stamps, units and bits as 11073 has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Context, Decimal
from typing import Final

from hilum.phd.gatt.date_time import DateTime
from hilum.phd.number import Number, Special
from hilum.phd.reading import Bits, Clock, Reading, Stamp

_WIDE: Final = Context(prec=200)
"""More digits than a FLOAT can have: nothing is ever rounded."""
_NO_TIME: Final = timedelta(0)


def shifted(number: Number, places: int) -> Number:
    """In a unit of ten to the minus `places`: the digits stay, the point moves. 0.0189 mol/L is 18.9 mmol/L."""
    if isinstance(number, Special):
        return number
    moved = number.scaleb(places, _WIDE)
    exponent = moved.as_tuple().exponent
    return moved.quantize(Decimal(1), context=_WIDE) if isinstance(exponent, int) and exponent > 0 else moved


def stamp(time: DateTime | None) -> Stamp | None:
    """None: it says no time."""
    return None if time is None else stamped(time)


def stamped(time: DateTime, offset: timedelta = _NO_TIME) -> Stamp:
    """`Stamp.time` is None where the device says a time and doesn't know its date: a time fault."""
    known = time.known
    if known is None:
        return Stamp(Clock.ABSOLUTE, time.reported)
    try:
        known += offset
    except OverflowError:
        return Stamp(Clock.ABSOLUTE, time.reported)
    return Stamp(Clock.ABSOLUTE, DateTime.of(known).reported, known)


def events(raw: int, size: int, table: Mapping[int, int] | Iterable[int]) -> int:
    """Bits counted from the lowest (the SIG) -> counted from the highest of `size` (11073). Others are left out.

    `table`: from one to the other, or those that have the same number in both.
    """
    pairs = table.items() if isinstance(table, Mapping) else ((one, one) for one in table)
    return sum(1 << size - 1 - to for sig, to in pairs if raw >> sig & 1)


def told(
    type: int, value: int, size: int, at: Stamp | None, of: tuple[int, ...] = (), supported: int | None = None
) -> tuple[Reading, ...]:
    """Events, where there are some: "only the set condition needs to be reported" (PHD guide, ASN1 BITs)."""
    return (Reading(type, Bits(value, size, supported), at, of=of),) if value else ()


def joined(*groups: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """One after the other, so that `Reading.of` of each still points at its own."""
    found: list[Reading] = []
    for group in groups:
        start = len(found)
        found.extend(replace(one, of=tuple(start + of for of in one.of)) for one in group)
    return tuple(found)
