"""What holds of all bytes: attributes come back as they were written, and nothing but Malformed is ever raised."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.phd.ieee20601 import apdu as apdus
from hilum.phd.ieee20601 import attributes, clocks, operations, simulated
from hilum.phd.ieee20601.apdu import Ava, Frames
from hilum.phd.ieee20601.attributes import (
    BITS,
    FORMS,
    OBJECT,
    TEXTUAL,
    Battery,
    Certificate,
    Coding,
    Element,
    ElementStatics,
    EntryMap,
    Enumerated,
    HandleMap,
    Mapped,
    Model,
    Observed,
    Sampling,
    Scale,
    Specialization,
    Specification,
    Structure,
)
from hilum.phd.ieee20601.codes import Attribute
from hilum.phd.ieee20601.events import SCANS, read_scan
from hilum.phd.ieee20601.manager import Manager, State
from hilum.phd.ieee20601.mder import ANY, FLOAT, SFLOAT, TEXT, U8, U16, U32, Form
from hilum.phd.ieee20601.segments import ENTRIES, SEGMENTS
from hilum.phd.malformed import Malformed
from hilum.phd.number import float32, sfloat
from hilum.phd.reading import Clock

AT = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)


def _few(one: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(one, max_size=4).map(tuple)


u8, u16, u32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))
octets = st.binary(max_size=12)
text = st.text(st.characters(max_codepoint=0x2FF), max_size=12).map(lambda found: found.rstrip("\0"))
floats = st.builds(
    lambda m, e: float32((e & 0xFF) << 24 | m & 0xFFFFFF), st.integers(-8388605, 8388605), st.integers(-9, 0)
)
sfloats = st.builds(lambda m, e: sfloat((e & 0xF) << 12 | m & 0xFFF), st.integers(-2045, 2045), st.integers(-8, 0))
moments = st.datetimes(datetime(1900, 1, 2), datetime(2036, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))
zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
absolute = st.none() | moments.map(clocks.absolute)
based = st.builds(lambda one, zone: clocks.base_offset(one.astimezone(zone)), moments, zones)
avas = _few(st.builds(Ava, u16, octets))
maps = _few(st.builds(Mapped, u16, u16))
observed = st.builds(Observed, u16, u16, u16, floats)
codings = st.one_of(
    st.builds(Coding, st.just(OBJECT), u16),
    st.builds(Coding, st.just(TEXTUAL), text),
    st.builds(Coding, st.just(BITS), u32),
)
PRIMITIVE: list[tuple[Form[Any], st.SearchStrategy[Any]]] = [
    (U8, u8),
    (U16, u16),
    (U32, u32),
    (ANY, octets),
    (TEXT, text),
    (FLOAT, floats),
    (SFLOAT, sfloats),
    (clocks.ABSOLUTE, absolute),
    (clocks.BASE_OFFSET, based),
    (clocks.RELATIVE, u32.map(clocks.relative)),
    (clocks.HIGH_RESOLUTION, st.integers(0, (1 << 64) - 1).map(clocks.high_resolution)),
    (clocks.ADJUSTMENT, st.integers(-(1 << 47), (1 << 47) - 1)),
]
_A = Attribute
COMPOSED: dict[int, st.SearchStrategy[Any]] = {
    _A.ID_MODEL: st.builds(Model, text, text),
    _A.ID_PROD_SPECN: _few(st.builds(Specification, u16, u16, text)),
    _A.NU_CMPD_VAL_OBS: _few(observed),
    _A.NU_VAL_OBS: observed,
    _A.SA_SPECN: st.builds(Sampling, u16, u8, u8, u16),
    _A.SCALE_SPECN_I8: st.builds(Scale, floats, floats, u8, u8),
    _A.SCALE_SPECN_I16: st.builds(Scale, floats, floats, u16, u16),
    _A.SCALE_SPECN_I32: st.builds(Scale, floats, floats, u32, u32),
    _A.TIME_BATT_REMAIN: st.builds(Battery, floats, u16),
    _A.VAL_ENUM_OBS: st.builds(Enumerated, u16, u16, codings),
    _A.MDS_TIME_INFO: st.builds(clocks.TimeInfo, u16, u16, u32, u16, u16, u32),
    _A.REG_CERT_DATA_LIST: _few(st.builds(Certificate, u8, u8, octets)),
    _A.PM_SEG_MAP: st.builds(EntryMap, u16, _few(st.builds(Element, u16, u32, u16, maps))),
    _A.PM_SEG_ELEM_STAT_ATTR: _few(st.builds(ElementStatics, u16, u32, avas)),
    _A.SCAN_HANDLE_ATTR_VAL_MAP: _few(st.builds(HandleMap, u16, maps)),
    _A.ATTRIBUTE_VAL_MAP: maps,
    _A.SYS_TYPE_SPEC_LIST: _few(st.builds(Specialization, u16, u16)),
    _A.SUPPLEMENTAL_TYPES: _few(u32),
    _A.METRIC_STRUCT_SMALL: st.builds(Structure, u8, u8),
    _A.NU_CMPD_VAL_OBS_SIMP: _few(floats),
    _A.NU_CMPD_VAL_OBS_BASIC: _few(sfloats),
    _A.ID_PHYSIO_LIST: _few(u16),
    _A.SCAN_HANDLE_LIST: _few(u16),
    _A.SOURCE_HANDLE_REF_LIST: _few(u16),
}


def _values(code: int) -> st.SearchStrategy[Any]:
    if code in COMPOSED:
        return COMPOSED[code]
    return next(values for form, values in PRIMITIVE if form is FORMS[code])


@pytest.mark.parametrize("code", sorted(FORMS), ids=lambda code: Attribute(code).name)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_attribute_is_read_as_it_was_written(code: int, data: st.DataObject) -> None:
    value = data.draw(_values(code))
    written = FORMS[code].encode(value)
    assert attributes.decode(code, written) == value
    assert FORMS[code].encode(attributes.decode(code, written)) == written


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64), st.sampled_from(sorted(FORMS)))
def test_an_attribute_of_any_bytes_is_a_value_or_malformed(data: bytes, code: int) -> None:
    try:
        attributes.decode(code, data)
    except Malformed:
        return


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(sorted(SCANS)))
def test_any_bytes_are_a_report_or_malformed(data: bytes, event: int) -> None:
    readers: tuple[Callable[[], object], ...] = (
        lambda: apdus.read(data),
        lambda: operations.read(data),
        lambda: ENTRIES.decode(data, ""),
        lambda: SEGMENTS.decode(data, ""),
        lambda: read_scan(event, data),
    )
    for read in readers:
        try:
            read()
        except Malformed:
            continue


def _conversation(name: str) -> list[bytes]:
    """What the manager hears of a device in a whole association."""
    agent, manager = simulated.device(name), Manager(bytes(8))
    heard = [agent.associate()]
    waiting = [one for said in manager.received(heard[0], AT) for one in said.send]
    while waiting:
        for one in agent.received(waiting.pop(0), AT).send:
            heard.append(one)
            waiting += [two for said in manager.received(one, AT) for two in said.send]
    values: dict[str, tuple[Any, ...]] = {
        "blood-pressure": ((Decimal(120), Decimal(80), Decimal(93)), Decimal(60)),
        "oximeter-spot": (Decimal(98), Decimal(60)),
        "glucometer": (Decimal(105),),
    }
    return [*heard, agent.report(simulated.measured(agent, AT, *values[name])), agent.release()]


NAMES = ["blood-pressure", "oximeter-spot", "glucometer"]


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation_of_every_apdu_is_refused_and_ends_in_abort(name: str) -> None:
    conversation = _conversation(name)
    for index, apdu in enumerate(conversation):
        for length in range(len(apdu) - 4):
            manager = Manager(bytes(8))
            for before in conversation[:index]:
                manager.received(before, AT)
            cut = apdu[:2] + length.to_bytes(2, "big") + apdu[4 : 4 + length]
            (heard,) = manager.received(cut, AT)
            assert heard.refused is not None
            assert heard.refused.data == cut
            assert (heard.taken, heard.confirm, manager.state) == ((), (), State.UNASSOCIATED)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_whatever_is_changed_on_the_way_raises_nothing(name: str, data: st.DataObject) -> None:
    manager = Manager(bytes(8))
    for apdu in CONVERSATIONS[name]:
        changed = bytearray(apdu)
        if data.draw(st.booleans()):
            at = data.draw(st.integers(4, len(apdu) - 1))
            changed[at] = data.draw(u8)
        for heard in manager.received(bytes(changed), AT):
            assert all(one.readings for one in heard.taken)


CONVERSATIONS = {name: _conversation(name) for name in NAMES}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=6), st.sampled_from(NAMES), st.integers(0, 4))
def test_random_bytes_raise_nothing(noise: list[bytes], name: str, after: int) -> None:
    manager, agent = Manager(bytes(8)), simulated.device(name)
    agent.associate()
    for apdu in CONVERSATIONS[name][:after]:
        manager.received(apdu, AT)
    for one in noise:
        manager.received(one, AT)
        agent.received(one, AT)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(NAMES), st.sampled_from([0x0100, 0x0101, 0x0203, 0x0207]), u16)
def test_well_framed_noise_raises_nothing(noise: bytes, name: str, choice: int, event: int) -> None:
    manager = Manager(bytes(8))
    for apdu in CONVERSATIONS[name][:2]:
        manager.received(apdu, AT)
    head = bytes(6) + (event if event % 3 else 3357 + event % 17).to_bytes(2, "big")
    info = head + len(noise).to_bytes(2, "big") + noise
    inner = (1).to_bytes(2, "big") + choice.to_bytes(2, "big") + len(info).to_bytes(2, "big") + info
    manager.received(apdus.write(apdus.Prst(inner)), AT)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_a_stream_is_cut_into_the_same_apdus_however_it_comes(name: str, data: st.DataObject) -> None:
    whole = b"".join(CONVERSATIONS[name])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    frames = Frames()
    found = [one for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True) for one in frames.feed(whole[a:b])]
    assert found == CONVERSATIONS[name]


@given(moments, zones)
def test_a_clock_keeps_what_it_reported(moment: datetime, zone: timezone) -> None:
    time = moment.astimezone(zone)
    for clock in (Clock.ABSOLUTE, Clock.BASE_OFFSET):
        stamp = clocks.stamp(clock, time)
        form: Form[Any] = clocks.ABSOLUTE if clock is Clock.ABSOLUTE else clocks.BASE_OFFSET
        assert form.decode(form.encode(stamp), "") == stamp
        assert stamp.time is not None
        assert abs(stamp.time.replace(tzinfo=zone) - time) < timedelta(milliseconds=10)


def test_the_reported_times_of_the_guide() -> None:
    """HL7's PHD guide, "Generating the Reported Time Stamp Identifier"."""
    absolute = clocks.ABSOLUTE.decode(bytes.fromhex("2007020112052086"), "")
    assert absolute is not None
    assert absolute.reported == "20070201120520.86"
    based = clocks.BASE_OFFSET.decode(bytes.fromhex("D46740381314FED4"), "")
    assert based.reported == "3563536440.4884.-300"
    assert based.time == datetime(2012, 12, 3, 10, 14, 0, 74523, tzinfo=timezone(timedelta(hours=-5)))


def test_a_clock_that_was_never_set_says_nothing() -> None:
    assert clocks.ABSOLUTE.decode(bytes(8), "") is None
