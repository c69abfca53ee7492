"""SFLOAT and FLOAT: numbers that say how precise they are. IEEE 11073-20601, MDER; HL7's PHD guide, "Mder FLOATs".

Both are a mantissa times ten to an exponent, each in two's complement: 12 bits and 4, 24 bits and 8. A mantissa of 20
with an exponent of -1 is 2.0, which is another thing than 2. Five mantissas, where the exponent is 0, are no numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from enum import Enum
from typing import Final

from hilum.phd.malformed import Malformed


class Special(Enum):
    """What is reported instead of a number."""

    NAN = "NaN"
    NRES = "NRes"
    POSITIVE_INFINITY = "+INFINITY"
    NEGATIVE_INFINITY = "-INFINITY"
    RESERVED = "reserved"


Number = Decimal | Special


@dataclass(frozen=True, slots=True)
class _Format:
    name: str
    size: int
    mantissa: int
    exponent: int

    @property
    def specials(self) -> dict[int, Special]:
        top = 1 << (self.mantissa - 1)
        return {
            top - 1: Special.NAN,
            top - 2: Special.POSITIVE_INFINITY,
            -top: Special.NRES,
            -top + 1: Special.RESERVED,
            -top + 2: Special.NEGATIVE_INFINITY,
        }


_SFLOAT: Final = _Format("SFLOAT", 2, 12, 4)
_FLOAT: Final = _Format("FLOAT", 4, 24, 8)
_SPECIALS: Final = {one.name: one.specials for one in (_SFLOAT, _FLOAT)}
_WIDE: Final = Context(prec=200)
"""More digits than a FLOAT can have: nothing is ever rounded."""


def sfloat(raw: int) -> Number:
    """The number of 16 bits, its precision kept: 0xF014 is 2.0, 0x1002 is 20."""
    return _number(raw, _SFLOAT)


def float32(raw: int) -> Number:
    """The number of 32 bits, its precision kept: 0xFF000014 is 2.0."""
    return _number(raw, _FLOAT)


def to_sfloat(number: Number) -> int:
    """The 16 bits of a number, with all digits that it has. Raises Malformed: it does not fit."""
    return _raw(number, _SFLOAT)


def to_float32(number: Number) -> int:
    """The 32 bits of a number, with all digits that it has. Raises Malformed: it does not fit."""
    return _raw(number, _FLOAT)


def _number(raw: int, form: _Format) -> Number:
    if not 0 <= raw < 1 << 8 * form.size:
        raise Malformed(f"{form.name}: expected {8 * form.size} bits")
    mantissa, exponent = _signed(raw, form.mantissa), _signed(raw >> form.mantissa, form.exponent)
    if exponent == 0 and (special := _SPECIALS[form.name].get(mantissa)) is not None:
        return special
    found = Decimal(mantissa).scaleb(exponent, _WIDE)
    return found if exponent <= 0 else found.quantize(Decimal(1), context=_WIDE)


def _raw(number: Number, form: _Format) -> int:
    if isinstance(number, Special):
        mantissa = next(mantissa for mantissa, special in _SPECIALS[form.name].items() if special is number)
        return mantissa & (1 << form.mantissa) - 1
    mantissa, exponent = _parts(number, form)
    return (exponent & (1 << form.exponent) - 1) << form.mantissa | mantissa & (1 << form.mantissa) - 1


def _parts(number: Decimal, form: _Format) -> tuple[int, int]:
    """Mantissa and exponent. Zeros before the decimal point move to the exponent where the mantissa has no room."""
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise Malformed(f"{form.name}: not a number")
    mantissa = int("".join(map(str, digits))) * (-1 if sign else 1)
    most, lowest = (1 << (form.mantissa - 1)) - 1, -(1 << (form.exponent - 1))
    while exponent >= 0 and mantissa % 10 == 0 and mantissa != 0 and not _fits(mantissa, exponent, form):
        mantissa, exponent = mantissa // 10, exponent + 1
    while exponent > -lowest - 1 and abs(mantissa * 10) <= most:
        mantissa, exponent = mantissa * 10, exponent - 1
    if not lowest <= exponent < -lowest or not _fits(mantissa, exponent, form):
        raise Malformed(f"{form.name}: a number of {len(digits)} digits does not fit")
    return mantissa, exponent


def _fits(mantissa: int, exponent: int, form: _Format) -> bool:
    top = 1 << (form.mantissa - 1)
    return -top <= mantissa < top and not (exponent == 0 and mantissa in _SPECIALS[form.name])


def _signed(raw: int, bits: int) -> int:
    raw &= (1 << bits) - 1
    return raw - (1 << bits) if raw >> (bits - 1) else raw
