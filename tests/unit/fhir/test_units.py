"""UCUM conversion. https://ucum.org/ucum"""

from __future__ import annotations

from fractions import Fraction

import pytest

from hilum.fhir.units import Scale, converted, scale


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
        ("[Cal]", "kcal", 1),
        ("[Cal]/d", "kJ/d", 4.184),
        ("made up", "made up", 1.0),
    ],
)
def test_units_of_one_dimension_convert(one: str, other: str, expected: float) -> None:
    found = scale(one, other)
    assert found is not None
    assert converted(1.0, found) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mg", "mL"),
        ("mmol/L", "mg/dL"),
        ("Cel", "1"),
        ("[degF]", "mg"),
        ("[pH]", "1"),
        ("[pH]", "mol/L"),
        ("[iU]", "1"),
        ("[iU]/L", "[arb'U]/L"),
        ("made up", "g"),
        ("g", ""),
        ("", "made up"),
    ],
)
def test_other_units_do_not(one: str, other: str) -> None:
    assert scale(one, other) is None
    assert scale(other, one) is None


@pytest.mark.parametrize(
    ("value", "one", "other", "expected"),
    [
        (37.0, "Cel", "[degF]", 98.6),
        (98.6, "[degF]", "Cel", 37.0),
        (37.0, "Cel", "K", 310.15),
        (98.6, "[degF]", "K", 310.15),
        (310.15, "K", "[degF]", 98.6),
        (-40.0, "Cel", "[degF]", -40.0),
        (-459.67, "[degF]", "K", 0.0),
        (36.0, "K", "mK", 36000.0),
    ],
)
def test_temperatures_convert_exactly(value: float, one: str, other: str, expected: float) -> None:
    found = scale(one, other)
    assert found is not None
    assert converted(value, found) == expected


def test_there_and_back_is_where_one_began() -> None:
    codes = ["g", "mg", "kg", "ug", "[lb_av]", "[oz_av]", "t"]
    for one in codes:
        for other in codes:
            there, back = scale(one, other), scale(other, one)
            assert there is not None
            assert back is not None
            assert there.by * back.by == 1
            assert there.plus == back.plus == 0


def test_a_converted_decimal_is_the_decimal_that_one_would_write() -> None:
    assert 0.9 * 0.001 != 0.0009
    assert converted(0.9, Scale(Fraction(1, 1000))) == 0.0009
    assert converted(float("-inf"), Scale(Fraction(1, 1000))) == float("-inf")


@pytest.mark.parametrize(
    "code",
    ["10*9999999", "10^400", "10*-100", "m^999999", "m+100", "((10*99)99)99", "1" * 10, "(" * 1900, "m." * 40 + "m"],
)
def test_powers_that_nobody_measures_in_are_no_units(code: str) -> None:
    assert scale(code, "1") is None
    assert scale(code, "m") is None
    assert scale("10*3/uL", f"{code}/uL") is None


def test_what_no_double_can_say_is_beyond_all() -> None:
    yotta, beyond = scale("Ym", "m"), scale("10*99.10*99.10*99.10*99", "1")
    assert yotta == Scale(Fraction(10) ** 24)
    assert beyond is not None
    assert (converted(1e308, yotta), converted(-1e308, yotta)) == (float("inf"), float("-inf"))
    assert converted(1.0, beyond) == float("inf")


@pytest.mark.parametrize(
    ("one", "other", "by"),
    [
        ("mL/min/{1.73_m2}", "mL/s", Fraction(1, 60)),
        ("{score}", "1", Fraction(1)),
        ("10*3{cells}/uL", "10*9/L", Fraction(1)),
    ],
)
def test_an_annotation_says_nothing_about_the_unit(one: str, other: str, by: Fraction) -> None:
    assert scale(one, other) == Scale(by)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("code", ["[" * 2_000_000, "{" * 2_000_000, "mg{" + "x" * 1_000_000 + "}"])
def test_what_nobody_would_write_as_a_unit_is_not_looked_into(code: str) -> None:
    assert scale(code, "mg") is None
    assert scale("mg", code) is None
    assert scale(code, code) == Scale()
