"""Whatever a device may report: strategies of Hypothesis."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from decimal import Decimal

from hypothesis import strategies as st

from hilum.phd.number import Number, Special, sfloat
from hilum.phd.reading import (
    Bits,
    Clock,
    Coded,
    Coincidence,
    Compound,
    Device,
    Quantity,
    Reading,
    Samples,
    Stamp,
    Status,
    Taken,
)

CODES = st.integers(65536, (1 << 32) - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
NUMBERS: st.SearchStrategy[Number] = st.integers(0, 0xFFFF).map(sfloat) | st.sampled_from(Special)
FINITE = NUMBERS.filter(lambda one: isinstance(one, Decimal))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
LOCAL = st.datetimes().map(lambda one: one.replace(microsecond=one.microsecond // 10_000 * 10_000, fold=0))
MOMENTS = st.datetimes(timezones=OFFSETS | st.just(UTC)).map(lambda one: one.replace(fold=0))

STAMPS = st.one_of(
    st.builds(Stamp, st.just(Clock.ABSOLUTE), TEXTS, LOCAL),
    st.builds(Stamp, st.just(Clock.BASE_OFFSET), TEXTS, MOMENTS),
    st.builds(
        Stamp, st.sampled_from((Clock.RELATIVE, Clock.HIGH_RESOLUTION)), TEXTS, st.none(), st.integers(0, 1 << 60)
    ),
)
QUANTITIES = st.builds(Quantity, NUMBERS, CODES)
VALUES = st.one_of(
    QUANTITIES,
    st.builds(Compound, st.lists(st.tuples(CODES, QUANTITIES), min_size=1, max_size=4).map(tuple)),
    st.builds(Coded, CODES),
    st.builds(Bits, st.integers(0, 0xFFFF), st.just(16), st.none() | st.integers(0, 0xFFFF)),
    st.builds(Samples, st.lists(st.integers(-999, 999), max_size=9).map(tuple), CODES, FINITE, FINITE, FINITE),
    TEXTS,
)
READINGS = st.builds(
    Reading,
    type=CODES,
    value=VALUES,
    stamp=st.none() | STAMPS,
    status=st.sampled_from(Status) | st.just(Status(0)),
    lasting=st.none() | FINITE,
    supplemental=st.lists(CODES, max_size=3).map(tuple),
    accuracy=st.none() | FINITE,
    record=st.none() | st.integers(0, 0xFFFF),
)
DEVICES = st.builds(
    Device,
    system_id=st.binary(min_size=8, max_size=8).map(lambda raw: raw.hex("-").upper()),
    transport=st.sampled_from(("bluetooth", "usb", "")),
    manufacturer=TEXTS,
    model=TEXTS,
    specializations=st.lists(st.tuples(CODES, st.integers(0, 9)), max_size=2).map(tuple),
    certified=st.lists(st.integers(0, 0xFFFF), max_size=2).map(tuple),
    regulated=st.none() | st.booleans(),
)
COINCIDENCES = st.builds(Coincidence, MOMENTS, st.none() | STAMPS, st.sampled_from(Clock), st.booleans(), TEXTS)
TAKEN = st.builds(
    Taken,
    DEVICES,
    MOMENTS,
    st.lists(READINGS, max_size=4).map(tuple),
    st.none() | COINCIDENCES,
    st.none() | st.integers(0, 100),
)
