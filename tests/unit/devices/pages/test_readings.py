"""Readings by kind, out of Observations, and where a chart has them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.devices.pages.chart import Chart, chart
from hilum.devices.pages.readings import Kind, Readings, Value, readings

GLUCOSE = {
    "coding": [
        {"system": "urn:iso:std:iso:11073:10101", "code": "160184"},
        {"system": "http://loinc.org", "code": "14743-9"},
    ],
    "text": "MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD: Glucose",
}


def quantity(value: str, unit: str = "mmol/L") -> dict[str, Any]:
    return {"valueQuantity": {"value": Decimal(value), "unit": unit}}


def observation(id: str = "o", at: str = "2026-11-20T08:00:00+01:00", **more: Any) -> dict[str, Any]:
    said = {"resourceType": "Observation", "id": id, "status": "final", "code": GLUCOSE, "effectiveDateTime": at}
    return said | (more or quantity("6.10"))


def test_a_number_keeps_its_digits_and_its_time_that_of_its_place() -> None:
    (series,) = readings([observation()]).series
    assert series.kind == Kind("14743-9", "Glucose", "mmol/L")
    (one,) = series.readings
    assert (one.values, one.time, one.estimate) == (
        (Value("", Decimal("6.10"), "6.10"),),
        "2026-11-20 08:00 +01:00",
        False,
    )


def test_other_units_have_a_chart_of_their_own() -> None:
    found = readings([observation(), observation("p", **quantity("110", "mg/dL"))])
    assert {one.kind.unit for one in found.series} == {"mmol/L", "mg/dL"}


def test_the_newest_stands_first_by_instant_whatever_the_offset() -> None:
    early, late = observation("e", "2026-11-20T08:00:00+01:00"), observation("l", "2026-11-20T07:30:00Z")
    assert [one.id for one in readings([early, late]).series[0].readings] == ["l", "e"]


def test_an_early_estimate_is_told_and_a_test_left_out() -> None:
    test = observation("t") | {"meta": {"security": [{"code": "HTEST"}]}}
    found = readings([observation() | {"status": "preliminary"}, test])
    assert found.tests == 1
    assert [one.estimate for one in found.series[0].readings] == [True]


def coded(code: str, **more: Any) -> dict[str, Any]:
    return observation(**(quantity("80", "%") | {"code": {"coding": [{"code": code}], "text": "x"}} | more))


LEFT_OUT = {
    "entered in error": observation() | {"status": "entered-in-error"},
    "what its clock said": observation() | {"meta": {"profile": ["http://x/PhdCoincidentTimeStampObservation"]}},
    "its battery": coded("67996"),
    "nothing": observation(note=[]),
    "no name": observation() | {"code": {}},
}


@pytest.mark.parametrize("what", LEFT_OUT)
def test_what_is_no_reading_is_left_out(what: str) -> None:
    assert readings([LEFT_OUT[what]]) == Readings((), 0)


def test_a_panel_is_one_reading_with_parts_and_what_stands_beside_is_none() -> None:
    parts = [
        {"code": {"text": "MDC_X: Systolic"}, **quantity("120", "mmHg")},
        {"code": {"text": "Diastolic"}, **quantity("80", "mmHg")},
        {"code": {"coding": [{"code": "68185"}]}, "valueCodeableConcept": {"text": "left arm"}},
    ]
    (series,) = readings([observation(component=parts)]).series
    assert (series.parts, series.kind.unit) == (("Systolic", "Diastolic"), "mmHg")
    drawn = chart(series)
    assert drawn is not None
    assert [(line.name, line.mark) for line in drawn.lines] == [("Systolic", "circle"), ("Diastolic", "square")]


TEXTS = {
    "a text": ({"valueString": "LOW"}, "LOW"),
    "a code": ({"valueCodeableConcept": {"text": "fasting"}}, "fasting"),
    "none, and why": ({"dataAbsentReason": {"coding": [{"code": "not-a-number"}]}}, "no value (not-a-number)"),
    "bits": (
        {"component": [{"code": {"text": "MDC_S: Battery"}, "valueCodeableConcept": {"coding": [{"display": "Yes"}]}}]},
        "Battery: Yes",
    ),
}


@pytest.mark.parametrize("what", TEXTS)
def test_what_is_no_number_is_told_in_words_and_not_drawn(what: str) -> None:
    more, text = TEXTS[what]
    (series,) = readings([observation(**more)]).series
    assert [value.text for value in series.readings[0].values] == [text]
    assert chart(series) is None


def test_a_time_that_is_no_instant_is_in_the_table_alone() -> None:
    (series,) = readings([observation(at="2026-11")]).series
    assert (series.readings[0].time, chart(series)) == ("2026-11", None)


INSTANTS = st.datetimes().map(lambda at: f"{at.replace(microsecond=0):%Y-%m-%dT%H:%M:%S}Z".rjust(20, "0"))
NUMBERS = st.decimals(Decimal(-1000), Decimal(100_000), places=2).map(str)


@given(st.lists(st.tuples(INSTANTS, NUMBERS), min_size=1, max_size=12))
def test_every_point_is_in_the_field_and_higher_numbers_are_never_lower(some: list[tuple[str, str]]) -> None:
    told = readings([observation(str(n), at, **quantity(value)) for n, (at, value) in enumerate(some)])
    drawn = chart(told.series[0])
    assert isinstance(drawn, Chart)
    (line,) = drawn.lines
    assert len(line.points) == len(some)
    for point in line.points:
        assert drawn.left <= point.x <= drawn.right
        assert drawn.top <= point.y <= drawn.bottom
    assert 2 <= len(drawn.up) <= 7
    ticks = [Decimal(tick.text) for tick in drawn.up]
    values = [Decimal(value) for _, value in some]
    assert ticks == sorted(set(ticks))
    assert ticks[0] <= min(values)
    assert max(values) <= ticks[-1]
    assert [one.x for one in line.points] == sorted(one.x for one in line.points)
