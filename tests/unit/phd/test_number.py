"""SFLOAT and FLOAT: the tables of HL7's PHD guide, and that nothing is rounded or lost on the way and back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.phd.malformed import Malformed
from hilum.phd.number import Special, float32, sfloat, to_float32, to_sfloat

SFLOATS = {
    0x0002: "2",
    0xF014: "2.0",
    0xE0C8: "2.00",
    0x1002: "20",
    0x2002: "200",
    0x00C8: "200",
    0x04D2: "1234",
    0x0B2E: "-1234",
    0xF0BD: "18.9",
    0xF7FF: "204.7",
    0x8001: "0.00000001",
    0x0000: "0",
    0xF000: "0.0",
}
FLOATS = {
    0x00000002: "2",
    0xFF000014: "2.0",
    0xFE0000C8: "2.00",
    0x01000002: "20",
    0x02000002: "200",
    0x000004D2: "1234",
    0x00FFFB2E: "-1234",
    0xFF000178: "37.6",
    0xFE000EB0: "37.60",
}
SPECIALS = {
    Special.NAN: (0x07FF, 0x007FFFFF),
    Special.POSITIVE_INFINITY: (0x07FE, 0x007FFFFE),
    Special.NEGATIVE_INFINITY: (0x0802, 0x00800002),
    Special.NRES: (0x0800, 0x00800000),
    Special.RESERVED: (0x0801, 0x00800001),
}


@pytest.mark.parametrize(("raw", "text"), SFLOATS.items())
def test_an_sfloat_keeps_its_precision(raw: int, text: str) -> None:
    assert f"{sfloat(raw):f}" == text


@pytest.mark.parametrize(("raw", "text"), FLOATS.items())
def test_a_float_keeps_its_precision(raw: int, text: str) -> None:
    assert f"{float32(raw):f}" == text


@pytest.mark.parametrize("special", Special)
def test_special_values_are_no_numbers(special: Special) -> None:
    short, long = SPECIALS[special]
    assert (sfloat(short), float32(long)) == (special, special)
    assert (to_sfloat(special), to_float32(special)) == (short, long)


@given(st.integers(0, 0xFFFF))
def test_what_an_sfloat_says_comes_back(raw: int) -> None:
    assert repr(sfloat(to_sfloat(sfloat(raw)))) == repr(sfloat(raw))


@given(st.integers(0, 0xFFFFFFFF))
def test_what_a_float_says_comes_back(raw: int) -> None:
    assert repr(float32(to_float32(float32(raw)))) == repr(float32(raw))


@pytest.mark.parametrize("text", ["2049", "1.234567", "1E+12", "1E-9", "20470000000000", "NaN", "Infinity"])
def test_what_would_lose_a_digit_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="SFLOAT"):
        to_sfloat(Decimal(text))


@pytest.mark.parametrize("raw", [-1, 0x10000])
def test_other_than_sixteen_bits_is_refused(raw: int) -> None:
    with pytest.raises(Malformed):
        sfloat(raw)
