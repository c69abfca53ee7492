"""DTM: as precise as it was written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.hl7v2.refused import Condition, Refused
from hilum.hl7v2.times import DAY, SECOND, dtm, exact


@pytest.mark.parametrize(
    "text",
    [
        "2026",
        "202607",
        "20260713",
        "2026071309",
        "202607130900",
        "20260713090030",
        "20260713090030.1",
        "20260713090030.1234",
    ],
)
@pytest.mark.parametrize("offset", ["", "+0000", "-0430", "+1345"])
def test_a_time_is_written_as_it_was_read(text: str, offset: str) -> None:
    assert str(dtm(text + offset)) == text + offset


def test_a_time_has_its_precision_and_its_offset() -> None:
    assert dtm("20260713") == type(dtm("2026"))(datetime(2026, 7, 13), DAY)
    read = dtm("20260713090030.25-0430")
    assert read.time == datetime(2026, 7, 13, 9, 0, 30, 250000, timezone(-timedelta(hours=4, minutes=30)))
    assert read.precision == SECOND + 2


@pytest.mark.parametrize(
    "text",
    ["", "20", "20261", "20261301", "20260230", "20260713T09", "2026071309003", "20260713090030.",
     "20260713090030.12345", "20260713+99", "20260713+9900", "20260713+0060", "0000", "２０２６", " 2026"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        dtm(text)
    assert refused.value.condition is Condition.DATA_TYPE


def test_what_is_finer_than_dtm_is_cut_off() -> None:
    assert str(exact(datetime(2026, 7, 13, 9, 0, 30, 123456, UTC))) == "20260713090030.1234+0000"
    assert str(exact(datetime(7, 7, 13, 9, 0, 30))) == "00070713090030"


@given(
    st.datetimes(timezones=st.none() | st.integers(-840, 840).map(lambda m: timezone(timedelta(minutes=m)))),
    st.integers(0, 9999),
)
def test_every_time_to_a_ten_thousandth_is_read_back(time: datetime, fraction: int) -> None:
    time = time.replace(microsecond=fraction * 100)
    read = dtm(str(exact(time))).time
    assert (read, read.utcoffset()) == (time, time.utcoffset())
