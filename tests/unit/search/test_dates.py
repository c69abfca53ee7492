"""Dates as intervals, and what the prefixes mean. https://hl7.org/fhir/R4/search.html#date"""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.search.oracle import span

from hilum.problems import Malformed
from hilum.search.dates import HOLDS, MAX_DATE, MIN_DATE, interval, period, timing

SECOND = 1_000_000
DAY = 86_400 * SECOND


@pytest.mark.parametrize(
    ("text", "low", "width"),
    [
        ("1970", 0, 365 * DAY),
        ("1970-02", 31 * DAY, 28 * DAY),
        ("1972-02", (365 + 365 + 31) * DAY, 29 * DAY),
        ("1970-12", 334 * DAY, 31 * DAY),
        ("1970-01-02", DAY, DAY),
        ("1970-01-01T00:01", 60 * SECOND, 60 * SECOND),
        ("1970-01-01T00:00:01", SECOND, SECOND),
        ("1970-01-01T00:00:01Z", SECOND, SECOND),
        ("1970-01-01T00:00:00.5Z", SECOND // 2, SECOND // 10),
        ("1970-01-01T00:00:00.123Z", 123_000, 1000),
        ("1970-01-01T00:00:00.123456789Z", 123_456, 1),
        ("1970-01-01T02:00:00+02:00", 0, SECOND),
        ("1969-12-31T19:00:00-05:00", 0, SECOND),
        ("1969-12-31T23:59:60Z", 0, SECOND),
        ("9999", 253_370_764_800 * SECOND, 365 * DAY),
        ("9999-12-31T23:59:59-14:00", 253_402_351_199 * SECOND, SECOND),
        ("0001-01-01T00:00:00+14:00", -62_135_647_200 * SECOND, SECOND),
    ],
)
def test_a_date_covers_the_time_that_its_precision_leaves_open(text: str, low: int, width: int) -> None:
    assert interval(text) == (low, low + width - 1)


@pytest.mark.parametrize(
    "text",
    ["", "19", "1970-1", "1970-13", "1970-02-30", "0000", "1970-01-01T", "1970-01-01T10", "1970-01-01T24:00:00Z",
     "1970-01-01T10:60", "1970-01-01 10:00", "1970-01-01T10:00:00+15:00", "1970-01-01T10:00:00z", "１９７０", "1970\n",
     "1970Z", "now"],
)  # fmt: skip
def test_what_is_no_date_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        interval(text)
    assert "Not a date" in str(refused.value)
    assert len(text) < 4 or text not in str(refused.value)


FORMS = ["%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"]


@given(st.datetimes(), st.sampled_from(FORMS), st.sampled_from(["", "Z", "+02:00", "-11:30"]))
def test_intervals_agree_with_datetime(when: datetime, form: str, zone: str) -> None:
    text = when.strftime(form)
    text = text.zfill(len(text) + 4 - len(text.partition("-")[0])) + (zone if "T" in form else "")
    if text != "9999":
        assert interval(text) == span(text)


def test_a_period_is_open_where_an_end_is_missing() -> None:
    assert period({"start": "1970-01-01", "end": "1970-01"}) == (0, 31 * DAY - 1)
    assert period({"start": "1970-01-01"}) == (0, MAX_DATE)
    assert period({"end": "1970"}) == (MIN_DATE, 365 * DAY - 1)
    assert period({"extension": []}) is None
    assert interval("0001-01-01T00:00:00+14:00")[0] > MIN_DATE
    assert interval("9999-12-31T23:59:59-14:00")[1] < MAX_DATE


def test_a_timing_is_its_outer_limits() -> None:
    assert timing({"event": ["1970-01-05", "1970-01-01", None]}) == (0, 5 * DAY - 1)
    assert timing({"event": ["1970-01-05"], "repeat": {"boundsPeriod": {"start": "1970-01-02"}}}) == (DAY, MAX_DATE)
    assert timing({"repeat": {"frequency": 1, "boundsDuration": {"value": 1}}}) is None


SMALL = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda pair: (min(pair), max(pair)))


@given(SMALL, SMALL)
def test_prefixes_mean_on_intervals_what_the_specification_says_of_sets(
    search: tuple[int, int], target: tuple[int, int]
) -> None:
    """https://hl7.org/fhir/R4/search.html#prefix, word for word, on sets of points."""
    value = set(range(search[0], search[1] + 1))
    above, below = set(range(search[1] + 1, 14)), set(range(-1, search[0]))
    points = set(range(target[0], target[1] + 1))
    expected = {
        "eq": points <= value,
        "ne": not points <= value,
        "gt": bool(above & points),
        "lt": bool(below & points),
        "ge": bool(above & points) or points <= value,
        "le": bool(below & points) or points <= value,
        "sa": not value & points and points <= above,
        "eb": not value & points and points <= below,
        "ap": bool(value & points),
        "co": value <= points,
    }
    assert {prefix: holds(*search, *target) for prefix, holds in HOLDS.items()} == expected
