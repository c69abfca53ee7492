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


@pytest.mark.parametrize(
    "code",
    ["10*9999999", "10^400", "10*-100", "m^999999", "m+100", "((10*99)99)99", "1" * 10, "(" * 1900, "m." * 40 + "m"],
)
def test_powers_that_nobody_measures_in_are_no_units(code: str) -> None:
    assert ratio(code, "1") is None
    assert ratio(code, "m") is None
    assert ratio("10*3/uL", f"{code}/uL") is None


def test_what_no_double_can_say_is_beyond_all() -> None:
    yotta = ratio("Ym", "m")
    assert yotta == Fraction(10) ** 24
    assert (converted(1e308, yotta), converted(-1e308, yotta)) == (float("inf"), float("-inf"))
    assert factor("10*99.10*99.10*99.10*99", "1") == float("inf")


@pytest.mark.parametrize(
    ("one", "other", "by"),
    [
        ("mL/min/{1.73_m2}", "mL/s", Fraction(1, 60)),
        ("{score}", "1", Fraction(1)),
        ("10*3{cells}/uL", "10*9/L", Fraction(1)),
    ],
)
def test_an_annotation_says_nothing_about_the_unit(one: str, other: str, by: Fraction) -> None:
    assert ratio(one, other) == by
