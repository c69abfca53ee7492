"""When it was measured: every row of the guide's table, and that differences are neither lost nor invented."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.phd.malformed import Malformed
from hilum.phd.number import Special
from hilum.phd.reading import Clock, Coded, Coincidence, Device, Reading, Stamp, Taken
from hilum.phd.times import Effective, coincident, effective, placed, written

EST = timezone(timedelta(hours=-5))
AT = datetime(2017, 11, 27, 5, 31, 44, 555000, tzinfo=EST)
RECEIVED = AT + timedelta(seconds=3)


def wall(time: datetime) -> Stamp:
    return Stamp(Clock.BASE_OFFSET if time.tzinfo else Clock.ABSOLUTE, "x", time)


def ticks(count: int, clock: Clock = Clock.RELATIVE) -> Stamp:
    return Stamp(clock, str(count), ticks=count)


MEASURED = wall(datetime(2017, 11, 26, 8, 0))
BEHIND = wall(datetime(2017, 11, 27, 5, 25, 44, 555000))
"""Six minutes, as in the guide."""
INDIA = timezone(timedelta(hours=5, minutes=30))


def test_without_a_stamp_it_is_the_time_of_reception() -> None:
    assert effective(Reading(1, Coded(1)), RECEIVED, Coincidence(AT, BEHIND)) == Effective(RECEIVED)


def test_a_worse_clock_is_corrected_by_the_difference() -> None:
    found = placed(MEASURED, RECEIVED, Coincidence(AT, BEHIND))
    assert found.isoformat() == "2017-11-26T08:06:00-05:00"


def test_a_better_clock_is_left_alone() -> None:
    found = placed(MEASURED, RECEIVED, Coincidence(AT, BEHIND, ours=False))
    assert found.isoformat() == "2017-11-26T08:00:00-05:00"


def test_stamps_of_a_device_that_does_not_tell_its_time_are_left_alone() -> None:
    assert placed(MEASURED, RECEIVED, None).isoformat() == "2017-11-26T08:00:00-05:00"


@pytest.mark.parametrize("ours", [True, False])
def test_stamps_of_a_device_that_says_that_its_time_is_wrong_are_left_alone(ours: bool) -> None:
    assert placed(MEASURED, RECEIVED, Coincidence(AT, None, ours=ours)).isoformat() == "2017-11-26T08:00:00-05:00"


@pytest.mark.parametrize("ours", [True, False])
def test_ticks_are_counted_from_when_both_clocks_were_read_whosever_is_better(ours: bool) -> None:
    found = placed(ticks(108000), RECEIVED, Coincidence(AT, ticks(100000), Clock.RELATIVE, ours=ours))
    assert found == AT + timedelta(seconds=1)
    high = Clock.HIGH_RESOLUTION
    found = placed(ticks(500_000, high), RECEIVED, Coincidence(AT, ticks(2_000_000, high), high, ours=ours))
    assert found == AT - timedelta(seconds=1.5)


@pytest.mark.parametrize("coincidence", [None, Coincidence(AT, None, Clock.RELATIVE), Coincidence(AT, BEHIND)])
def test_ticks_of_a_device_that_does_not_tell_its_count_are_of_no_use(coincidence: Coincidence | None) -> None:
    assert placed(ticks(108000), RECEIVED, coincidence) == RECEIVED


def test_a_time_with_an_offset_keeps_it_and_is_corrected_all_the_same() -> None:
    stamp, device = wall(datetime(2017, 11, 26, 18, 30, tzinfo=INDIA)), wall(AT.astimezone(INDIA) + timedelta(hours=1))
    assert placed(stamp, RECEIVED, Coincidence(AT, device)).isoformat() == "2017-11-26T17:30:00+05:30"
    assert placed(stamp, RECEIVED, Coincidence(AT, device, ours=False)).isoformat() == "2017-11-26T18:30:00+05:30"


@pytest.mark.parametrize("minutes", [-10, -1, 0, 1, 10])
def test_a_skew_of_minutes_is_corrected(minutes: int) -> None:
    device = wall((AT + timedelta(minutes=minutes)).replace(tzinfo=None))
    found = placed(MEASURED, RECEIVED, Coincidence(AT, device))
    assert found == datetime(2017, 11, 26, 8, 0, tzinfo=EST) - timedelta(minutes=minutes)


@given(st.timedeltas(timedelta(days=-3000), timedelta(days=3000)), st.timedeltas(timedelta(days=-900), timedelta(0)))
def test_what_was_measured_so_long_before_both_clocks_were_read_is_placed_so_long_before(
    skew: timedelta, before: timedelta
) -> None:
    now = AT.replace(tzinfo=None) + skew
    assert placed(wall(now + before), RECEIVED, Coincidence(AT, wall(now))) == AT + before


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_so_are_ticks(now: int, then: int) -> None:
    found = placed(ticks(then), RECEIVED, Coincidence(AT, ticks(now), Clock.RELATIVE))
    assert (found - AT) / timedelta(microseconds=125) == then - now


def test_a_gateway_in_a_zone_that_changes_its_clocks_reckons_in_elapsed_time() -> None:
    at = datetime(2026, 3, 29, 3, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    stamp = placed(wall(datetime(2026, 3, 29, 1, 30)), at, Coincidence(at, wall(datetime(2026, 3, 29, 3, 30))))
    assert at.astimezone(UTC) - stamp == timedelta(hours=2)
    assert written(stamp) == "2026-03-29T01:30:00+02:00"


def test_what_lasted_began_at_its_stamp() -> None:
    found = effective(Reading(1, Coded(1), MEASURED, lasting=Decimal("1800.5")), RECEIVED, Coincidence(AT, BEHIND))
    assert found.end is not None
    assert (written(found.start), written(found.end)) == (
        "2017-11-26T08:06:00-05:00",
        "2017-11-26T08:36:00.500000-05:00",
    )


def test_without_a_stamp_it_ended_when_it_was_received() -> None:
    found = effective(Reading(1, Coded(1), lasting=Decimal(60)), RECEIVED, None)
    assert found == Effective(RECEIVED - timedelta(minutes=1), RECEIVED)


def test_a_time_that_is_no_number_lasted_nobody_knows_how_long() -> None:
    assert effective(Reading(1, Coded(1), lasting=Special.NAN), RECEIVED, None) == Effective(RECEIVED)


def test_what_leads_out_of_the_calendar_is_refused() -> None:
    with pytest.raises(Malformed, match="out of the calendar"):
        effective(Reading(1, Coded(1), wall(datetime(9999, 12, 31)), lasting=Decimal(10) ** 8), RECEIVED, None)


@pytest.mark.parametrize("stamp", [Stamp(Clock.RELATIVE, "1"), Stamp(Clock.ABSOLUTE, "1")])
def test_a_stamp_that_says_nothing_is_refused(stamp: Stamp) -> None:
    with pytest.raises(Malformed, match="without a"):
        placed(stamp, RECEIVED, Coincidence(AT, stamp, stamp.clock))


def test_a_gateway_has_to_know_its_offset() -> None:
    with pytest.raises(ValueError, match="offset"):
        placed(MEASURED, RECEIVED.replace(tzinfo=None), None)


def test_the_clock_is_told_of_where_something_is_stamped_and_silence_is_a_fault() -> None:
    told = Coincidence(AT, BEHIND)
    assert coincident(Taken(Device(), RECEIVED, (Reading(1, Coded(1)),), told)) is None
    assert coincident(Taken(Device(), RECEIVED, (Reading(1, Coded(1), MEASURED),), told)) is told
    fault = coincident(Taken(Device(), RECEIVED, (Reading(1, Coded(1), ticks(1)),)))
    assert fault == Coincidence(RECEIVED, None, Clock.RELATIVE)
