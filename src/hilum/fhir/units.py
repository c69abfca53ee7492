"""UCUM units that measure the same thing. https://ucum.org/ucum

`ucumvert` reads the codes, `pint` knows the units, in exact fractions. Both are loaded when the first two different
units meet, if nobody did it before (`load`: about a second); what was found is kept.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache, lru_cache
from math import inf, isinf
from threading import RLock
from typing import Any, Final, NamedTuple

UCUM: Final = "http://unitsofmeasure.org"

_LOCK: Final = RLock()
_ARBITRARY: Final = re.compile(r"\[[^\]]*(?:'?[Uu]|IU)\](?:_\w+)?")
"""[iU], [IU], [arb'U], [USP'U], ...: "not related to any other unit", though pint counts them as plain numbers."""
_ANNOTATION: Final = re.compile(r"(?:^|(?<=[/.(]))\{[^}]*\}()|\{[^}]*\}")
"""What it says is about the thing measured, not about the unit; one that stands alone is 1 (UCUM, clause 12)."""
_LONGEST: Final = 64
"""Characters of a unit, annotations aside; the longest of UCUM's own examples and of LOINC have fewer than 30."""
_WITH_ANNOTATIONS: Final = 256
"""Characters of a unit that is looked into, and remembered: whoever searches or stores writes it."""
_BEYOND: Final = re.compile(r"[^\d+.\-/(][+-]?\d{3}|\d{10}")
"""An exponent of three digits, a factor of ten: to compute with their powers would hold everybody up."""
_MERCURY: Final = (
    "millimeter_Hg = 133.322 * pascal = mmHg = mm_Hg = millimeter_Hg_0C",
    "inch_Hg_60F = 25.4 * millimeter_Hg = in_i_Hg",
)
"""UCUM's values; pint's are the conventional 133.322387415 Pa, and an inch at 60 degrees Fahrenheit."""

_CALORIE: Final = ("[Cal]", "kcal_th")
"""The Calorie of food labels, by UCUM's own definition; ucumvert takes it for a thousandth of that."""


class Scale(NamedTuple):
    """A number of one unit, multiplied `by` and `plus` added, is one of the other: 37 Cel are 98.6 [degF]."""

    by: Fraction = Fraction(1)
    plus: Fraction = Fraction(0)


SAME: Final = Scale()


def scale(from_code: str, to_code: str) -> Scale | None:
    """How a number of one unit becomes one of the other.

    None when they measure different things, when one is no UCUM code, or when one is no multiple of the other (pH):
    such values are comparable only in the same unit.
    """
    if from_code == to_code:
        return SAME
    return None if max(len(from_code), len(to_code)) > _WITH_ANNOTATIONS else _scale(from_code, to_code)


@lru_cache(maxsize=4096)
def _scale(from_code: str, to_code: str) -> Scale | None:
    if _arbitrary(from_code) != _arbitrary(to_code):
        return None
    from pint.errors import PintError

    try:
        with _LOCK:
            one, other = _unit(from_code), _unit(to_code)
            if one is None or other is None:
                return None
            zero, unity, two = (
                _exact(_registry().Quantity(n * _exact(one.magnitude), one.units).to(other.units).magnitude)
                / _exact(other.magnitude)
                for n in (0, 1, 2)
            )
    except (PintError, ValueError, TypeError, ArithmeticError, AttributeError):
        return None
    by = unity - zero
    return Scale(by, zero) if by > 0 and two == zero + 2 * by else None


def converted(value: float, how: Scale) -> float:
    """A number in another unit: the double nearest to what the decimal number that was written comes to.

    0.9 mg are 0.0009 g, and not 0.0009000000000000001 as the product of doubles has it.
    """
    if how == SAME or isinf(value):
        return value
    try:
        return float(Fraction(repr(value)) * how.by + how.plus)
    except OverflowError:  # more than a double can say: beyond all that is stored
        return inf if value > 0 else -inf


def _exact(value: Any) -> Fraction:
    """A fraction as it is; of a float (powers of ten are some to pint) the simple one that it stands for."""
    if isinstance(value, Fraction):
        return value
    number = float(value)
    simple = Fraction(number).limit_denominator(10_000_000)
    return simple if number and abs(float(simple) / number - 1) < 1e-14 else Fraction(f"{number:.15g}")


def _arbitrary(code: str) -> list[str]:
    return sorted(found.lower() for found in _ARBITRARY.findall(code))


def loaded() -> bool:
    """Whether `scale` answers at once."""
    return _registry.cache_info().currsize > 0


def load() -> None:
    """Load what `scale` needs: on a thread, where others would have to wait for it."""
    with _LOCK:
        _registry()


@cache
def _registry() -> Any:
    from ucumvert import PintUcumRegistry

    registry = PintUcumRegistry(non_int_type=Fraction, on_redefinition="ignore")
    for definition in _MERCURY:
        registry.define(definition)
    return registry


@lru_cache(maxsize=4096)
def _unit(code: str) -> Any:
    """A pint quantity, or None when the code is none, or none that anybody would measure in."""
    from lark.exceptions import LarkError

    bare = _ANNOTATION.sub(lambda found: "" if found[1] is None else "1", code).replace(*_CALORIE)
    if len(bare) > _LONGEST or _BEYOND.search(bare):
        return None
    try:
        found = _registry().from_ucum(bare or "1")
    except (LarkError, ValueError, TypeError, AttributeError, ArithmeticError):
        return None
    return found if hasattr(found, "to") else None
