"""UCUM conversion. https://ucum.org/ucum"""

from __future__ import annotations

from fractions import Fraction

import pytest

from hilum.search.units import converted, factor, ratio


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("mg", "g", 0.001),
        ("g", "mg", 1000.0),
        ("[lb_av]", "kg", 0.45359237),
        ("[in_i]", "cm", 2.54),
        ("wk", "d", 7.0),
        ("10*3/uL", "10*9/L", 1.0),
        ("{beats}/min", "/min", 1.0),
        ("{score}", "1", 1.0),
        ("%", "1", 0.01),
        ("m[IU]/mL", "[iU]/L", 1.0),
        ("mm[Hg]", "kPa", 0.133322),
        ("made up", "made up", 1.0),
    ],
)
def test_units_of_one_dimension_convert(one: str, other: str, expected: float) -> None:
    assert factor(one, other) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mg", "mL"),
        ("mmol/L", "mg/dL"),
        ("Cel", "[degF]"),
        ("Cel", "K"),
        ("[pH]", "1"),
        ("[iU]", "1"),
        ("[iU]/L", "[arb'U]/L"),
        ("made up", "g"),
        ("g", ""),
        ("", "made up"),
    ],
)
def test_other_units_do_not(one: str, other: str) -> None:
    assert factor(one, other) is None
    assert factor(other, one) is None


def test_there_and_back_is_where_one_began() -> None:
    codes = ["g", "mg", "kg", "ug", "[lb_av]", "[oz_av]", "t"]
    for one in codes:
        for other in codes:
            there, back = ratio(one, other), ratio(other, one)
            assert there is not None
            assert back is not None
            assert there * back == 1


def test_a_converted_decimal_is_the_decimal_that_one_would_write() -> None:
    assert 0.9 * 0.001 != 0.0009
    assert converted(0.9, Fraction(1, 1000)) == 0.0009
    assert converted(float("-inf"), Fraction(1, 1000)) == float("-inf")
