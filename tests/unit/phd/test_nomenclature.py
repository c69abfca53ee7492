"""Codes in words: the blocks of the table do not contradict each other."""

from __future__ import annotations

from fractions import Fraction

import pytest

from hilum.fhir import units
from hilum.phd import nomenclature
from hilum.phd.nomenclature import Bit, Term, Unit


def test_a_code_has_a_reference_identifier_and_a_text() -> None:
    assert nomenclature.term(160184) == Term("MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD", "Glucose in capillary whole blood")
    assert nomenclature.term(8454999) is None


def test_a_unit_is_ucums() -> None:
    assert nomenclature.unit(266866) == Unit("MDC_DIM_MILLI_MOLE_PER_L", "mmol/L", "mmol/L")
    assert nomenclature.unit(266560) == Unit("MDC_DIM_FAHR", "[degF]", "°F")
    assert (nomenclature.unit_of("mm[Hg]"), nomenclature.unit_of("furlong")) == (266016, None)


def test_no_code_stands_in_two_blocks() -> None:
    codes = [code for code, _ in nomenclature._rows("terms")]
    assert len(codes) == len(set(codes))
    assert all(name.startswith("MDC_") and text for name, text in (row for _, row in nomenclature._rows("terms")))


def test_every_block_says_where_and_when_it_is_from() -> None:
    blocks = [one for name in nomenclature._blocks().values() for one in name]
    assert all(one["title"] and one["source"] and one["date"] and one["codes"] for one in blocks)


@pytest.mark.parametrize("name", ["vital", "parts", "loinc"])
def test_what_has_a_loinc_code_has_a_name_and_units_that_are_known(name: str) -> None:
    known = {one.ucum for one in nomenclature._units().values()}
    for code, row in nomenclature._rows(name):
        assert nomenclature.term(int(code)) is not None
        assert set(row if name == "loinc" else [one for one in row[1:] if isinstance(one, str)]) <= known


def test_all_units_are_of_their_partition() -> None:
    assert {code >> 16 for code in nomenclature._units()} == {4}


def test_a_mass_and_an_amount_of_glucose_have_different_codes() -> None:
    assert nomenclature.loinc(160184, "mg/dL") == "41653-7"
    assert nomenclature.loinc(160184, "mmol/L") == "14743-9"
    assert nomenclature.loinc(160184, "kg/L") is None


def test_a_vital_sign_is_one_in_the_units_that_r4_takes() -> None:
    assert nomenclature.vital_sign(150020, "mm[Hg]") == "85354-9"
    assert nomenclature.vital_sign(150020, "kPa") is None
    assert nomenclature.vital_sign(150364, "[degF]") == "8310-5"
    assert nomenclature.vital_sign(160184, "mg/dL") is None
    assert (nomenclature.part(150021, "mm[Hg]"), nomenclature.part(150021, "kPa")) == ("8480-6", None)
    assert nomenclature.needed() == {150021, 150022}


def test_a_bit_is_an_event_or_a_state() -> None:
    assert nomenclature.bits(150604)[2] == Bit("sensor-displaced", "Sensor is incorrectly placed on user")
    assert nomenclature.bits(532354)[0].cleared == "Device is regulated"
    assert nomenclature.bits(1) == {}


@pytest.mark.parametrize(
    ("code", "other", "by"),
    [
        (264274, "g/L", Fraction(1, 100)),
        (266866, "mol/m3", 1),
        (263904, "g", Fraction(45359237, 100000)),
        (265987, "Pa", 1000),
        (263520, "cm", Fraction(254, 100)),
        (266872, "mmol/L/min", 1),
        (270528, "cal", 1000),
    ],
)
def test_a_unit_measures_what_it_says(code: int, other: str, by: Fraction | int) -> None:
    known = nomenclature.unit(code)
    assert known is not None
    assert units.scale(known.ucum, other) == units.Scale(Fraction(by))


def test_all_units_are_read_by_who_knows_ucum() -> None:
    """A temperature is no multiple of another, and a decibel is a logarithm."""
    for one in nomenclature._units().values():
        other = {"Cel": "K", "[degF]": "K", "dB": "dB"}.get(one.ucum, f"{one.ucum}/10")
        assert units.scale(one.ucum, other) is not None, one


def test_what_characteristics_are_said_by_is_named_alike() -> None:
    codes = pytest.importorskip("hilum.phd.codes")
    for name, code in vars(codes).items():
        if name[0] != "_" and isinstance(code, int):
            known = nomenclature.unit(code) if name.startswith("DIM_") else nomenclature.term(code)
            assert known is not None, name
            assert known.reference.replace("_X_", "_") == f"MDC_{name}"
