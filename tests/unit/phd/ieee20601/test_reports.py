"""Reports of scanners, waveforms and stores, and what a device says of itself."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from tests.unit.phd.ieee20601.examples import EXAMPLES, needs_checkout

from hilum.phd.ieee20601 import apdu as apdus
from hilum.phd.ieee20601 import attributes, clocks, mds, operations
from hilum.phd.ieee20601.agent import Agent
from hilum.phd.ieee20601.apdu import Ava, Prst
from hilum.phd.ieee20601.attributes import (
    Attributes,
    Certificate,
    Element,
    EntryMap,
    HandleMap,
    Mapped,
    Model,
    Observed,
    Sampling,
    Scale,
    Specialization,
    Specification,
)
from hilum.phd.ieee20601.codes import Action, Attribute, Class, Event
from hilum.phd.ieee20601.configurations import STANDARD, STORED, numeric
from hilum.phd.ieee20601.events import (
    CONFIGURATION,
    Configuration,
    Fixed,
    Object,
    Of,
    Scan,
    Variable,
    write_scan,
)
from hilum.phd.ieee20601.manager import Heard, Manager
from hilum.phd.ieee20601.model import Model as Objects
from hilum.phd.ieee20601.operations import (
    Acted,
    ConfirmedAct,
    ConfirmedEventReport,
    Data,
    EventReport,
    EventReported,
    Got,
    Message,
)
from hilum.phd.ieee20601.segments import (
    DESCRIBED,
    ENTRIES,
    SEGMENTS,
    TRANSFER,
    Described,
    Entries,
    Segment,
    Status,
    Transfer,
    write_entry,
)
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Clock, Compound, Device, Quantity, Reading, Samples
from hilum.phd.reading import Status as ReadingStatus

AT = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)


def _message(name: str) -> Message:
    apdu = apdus.read(EXAMPLES[name])
    assert isinstance(apdu, Prst)
    return operations.read(apdu.data).message


def _report(name: str) -> EventReport | ConfirmedEventReport:
    message = _message(name)
    assert isinstance(message, EventReport | ConfirmedEventReport)
    return message


@needs_checkout
@pytest.mark.parametrize("form", ["unbuf_scan_report", "buf_scan_report"])
@pytest.mark.parametrize(("kind", "person"), [("fixed", None), ("var", None), ("mp_fixed", 2), ("mp_var", 2)])
def test_the_oximeter_s_examples_say_98_and_72(form: str, kind: str, person: int | None) -> None:
    """SpO2 98 %, pulse 72, on 2007-12-06 at 12:10: of each kind of report, to configuration 401."""
    report = _report(f"pulse_oximeter/pulse_oximeter_{form}_{kind}")
    found = Objects(STANDARD[401]).scan(report.handle, report.event, report.info)
    scanned = found[-1]
    values = [one.value for one in scanned.readings]
    assert values == [Quantity(Decimal(98), 262688), Quantity(Decimal(72), 264864)]
    assert {one.stamp.reported for one in scanned.readings if one.stamp} == {"20071206121000.00"}
    assert (scanned.person is None) == (person is None)


@needs_checkout
def test_the_scale_s_extended_configuration_and_its_report() -> None:
    """Configuration 16384 and a report of ten objects, one person: a scale of 2010, as antidote met it."""
    config = _report("weighing_scale/roiv_mdc_noti_config")
    model = Objects(CONFIGURATION.decode(config.info, ""))
    report = _report("weighing_scale/data_report")
    (scanned,) = model.scan(report.handle, report.event, report.info)
    first = scanned.readings[0]
    assert (first.type, first.value) == (188736, Quantity(Decimal("79.6"), 263875))
    assert len(scanned.readings) == 10
    assert scanned.person == 0x34


@needs_checkout
def test_the_blood_pressure_monitor_s_extended_configuration_and_its_report() -> None:
    config = _report("blood_pressure/roiv_mdc_noti_config")
    model = Objects(CONFIGURATION.decode(config.info, ""))
    report = _report("blood_pressure/roiv_mds_note_scan_report_mp_fixed")
    (scanned,) = model.scan(report.handle, report.event, report.info)
    assert len(scanned.readings) == 3
    assert {one.stamp.reported for one in scanned.readings if one.stamp} == {"20100721153553.00"}


def test_a_grouped_report_is_read_by_the_scanner_s_map() -> None:
    basic, stamp = Mapped(Attribute.NU_VAL_OBS_BASIC, 2), Mapped(Attribute.TIME_STAMP_ABS, 8)
    map = (HandleMap(1, (basic, stamp)), HandleMap(10, (basic,)))
    scanner = Object(Class.PERIODIC_SCANNER, 55, attributes.write({Attribute.SCAN_HANDLE_ATTR_VAL_MAP: map}))
    model = Objects(Configuration(0x4000, (*STANDARD[400].objects, scanner)))
    grouped = bytes.fromhex("0062 2007120612100000 0048")
    for event, person in ((Event.UNBUF_SCAN_REPORT_GROUPED, None), (Event.BUF_SCAN_REPORT_MP_GROUPED, 7)):
        info = write_scan(event, Scan((Of(person, (grouped,)),)))
        (scanned,) = model.scan(55, event, info)
        assert [one.value for one in scanned.readings] == [
            Quantity(Decimal(98), 262688),
            Quantity(Decimal(72), 264864),
        ]
        assert scanned.person == person
    short = write_scan(Event.UNBUF_SCAN_REPORT_GROUPED, Scan((Of(None, (grouped[:-1],)),)))
    with pytest.raises(Malformed):
        model.scan(55, Event.UNBUF_SCAN_REPORT_GROUPED, short)


def _wave(size: int, significant: int, scale: Scale | None) -> Objects:
    codes = {8: Attribute.SCALE_SPECN_I8, 16: Attribute.SCALE_SPECN_I16, 32: Attribute.SCALE_SPECN_I32}
    said: Attributes = {
        Attribute.ID_TYPE: 2 << 16 | 19380,
        Attribute.UNIT_CODE: 512,
        Attribute.TIME_PD_SAMP: 100,
        Attribute.SA_SPECN: Sampling(3, size, significant, 0),
        Attribute.ATTRIBUTE_VAL_MAP: (Mapped(Attribute.SIMP_SA_OBS_VAL, 2 + 3 * size // 8),),
    }
    more: Attributes = {codes[size]: scale} if scale else {}
    return Objects(Configuration(0x4000, (Object(Class.RTSA, 3, attributes.write({**said, **more})),)))


def _samples(model: Objects, data: str) -> object:
    octets = bytes.fromhex(data)
    whole = len(octets).to_bytes(2, "big") + octets
    info = write_scan(Event.SCAN_REPORT_FIXED, Scan((Of(None, (Fixed(3, whole),)),)))
    ((scanned),) = model.scan(0, Event.SCAN_REPORT_FIXED, info)
    return scanned.readings[0].value


def test_samples_stand_with_their_scale() -> None:
    """s = (A-B)/(I-J), b = (BI-AJ)/(I-J): here 100 to 0 over 200 to 0, and 4 to -4 over 400 to -400."""
    unit, period = 262656, Decimal("12.5")
    first = _samples(_wave(8, 8, Scale(Decimal(0), Decimal(100), 0, 200)), "00 64 c8")
    assert first == Samples((0, 100, 200), unit, period, Decimal("0.5"), Decimal(0))
    second = _samples(_wave(16, 255, Scale(Decimal(-4), Decimal(4), 0xFE70, 400)), "fe70 0000 0190")
    assert second == Samples((-400, 0, 400), unit, period, Decimal("0.01"), Decimal(0))
    third = _samples(_wave(16, 12, Scale(Decimal(10), Decimal(30), 0, 10)), "f001 0002 0003")
    assert third == Samples((1, 2, 3), unit, period, Decimal(2), Decimal(10))
    plain = _samples(_wave(32, 32, None), "00000001 00000002 ffffffff")
    assert plain == Samples((1, 2, 0xFFFFFFFF), unit, period, Decimal(1), Decimal(0))


def test_samples_of_another_number_than_said_are_refused() -> None:
    model = _wave(8, 8, None)
    said = attributes.write({Attribute.SIMP_SA_OBS_VAL: b"\1\2"})
    info = write_scan(Event.SCAN_REPORT_VAR, Scan((Of(None, (Variable(3, said),)),)))
    with pytest.raises(Malformed):
        model.scan(0, Event.SCAN_REPORT_VAR, info)


def test_a_device_s_own_words_are_kept() -> None:
    said: Attributes = {
        Attribute.SYS_ID: bytes.fromhex("1122334455667788"),
        Attribute.ID_MODEL: Model("TheCompany", "TheScaleABC"),
        Attribute.ID_PROD_SPECN: (
            Specification(1, 0, "DE124567"),
            Specification(5, 0, "1.2"),
            Specification(0, 0, "other"),
        ),
        Attribute.SYS_TYPE_SPEC_LIST: (Specialization(4111, 1),),
        Attribute.REG_CERT_DATA_LIST: (
            Certificate(2, 1, bytes.fromhex("0401 0001 0002 600f")),
            Certificate(2, 2, bytes.fromhex("0000")),
            Certificate(1, 1, b"?"),
            Certificate(2, 2, b"?"),
        ),
        Attribute.MDS_TIME_INFO: clocks.TimeInfo(0xC000, 7938, 80),
        Attribute.VAL_BATT_CHARGE: 90,
    }
    assert mds.device(Device(name="of the transport"), said) == Device(
        system_id="11-22-33-44-55-66-77-88",
        name="of the transport",
        manufacturer="TheCompany",
        model="TheScaleABC",
        serial="DE124567",
        firmware="1.2",
        specializations=((528399, 1),),
        certified=(0x600F,),
        regulated=True,
        synchronization=532226,
        accuracy=10_000,
    )
    assert mds.battery(said) == 90


def test_the_scale_of_the_example_says_who_it_is() -> None:
    message = _message("H233_ID_05DC")
    assert isinstance(message, Got)
    said = attributes.read(message.attributes)
    device = mds.device(Device(), said)
    assert (device.manufacturer, device.model, device.serial) == ("TheCompany", "TheScaleABC", "DE124567")
    assert device.system_id == "11-22-33-44-55-66-77-88"
    assert said[Attribute.TIME_ABS].reported == "20070201120500.00"


STORE = 20
MAP = EntryMap(0x8000, (Element(Class.NUMERIC, 2 << 16 | 29112, 1, (Mapped(Attribute.NU_VAL_OBS_BASIC, 2),)),))


class Stored:
    """A manager that talks to a glucometer which keeps what it measured."""

    def __init__(self) -> None:
        glucose = numeric(1, 2 << 16 | 29112, STORED, 4722, (Attribute.NU_VAL_OBS_BASIC, 2))
        store = Object(Class.PM_STORE, STORE, attributes.write({Attribute.NUM_SEG: 2}))
        agent = Agent(b"12345678", Configuration(0x4000, (glucose, store)), {})
        self.manager = Manager(bytes(8))
        waiting = [agent.associate()]
        self.asked: Data | None = None
        while waiting:
            for heard in self.manager.received(waiting.pop(0), AT):
                for one in heard.send:
                    data = _sent(one)
                    if data and isinstance(data.message, ConfirmedAct):
                        self.asked = data
                    else:
                        waiting += agent.received(one, AT).send

    def answer(self, info: bytes) -> Data | None:
        """The answer to what was asked -> what is asked next."""
        assert self.asked is not None
        assert isinstance(self.asked.message, ConfirmedAct)
        acted = Acted(STORE, self.asked.message.action, info)
        heard = self.tell(Data(self.asked.invoke, acted))
        self.asked = next((_sent(one) for two in heard for one in two.send), None)
        return self.asked

    def tell(self, data: Data) -> tuple[Heard, ...]:
        return self.manager.received(apdus.write(operations.write(data)), AT)


def _sent(apdu: bytes) -> Data | None:
    found = apdus.read(apdu)
    return operations.read(found.data) if isinstance(found, Prst) else None


def _segment(number: int, count: int) -> Segment:
    said: Attributes = {Attribute.PM_SEG_MAP: MAP, Attribute.SEG_USAGE_CNT: count, Attribute.PM_SEG_PERSON_ID: 0xFFFF}
    return Segment(number, attributes.write(said))


def _entries(status: int, index: int, *values: str) -> bytes:
    stamp = clocks.absolute(AT)
    data = b"".join(
        write_entry(MAP, {Clock.ABSOLUTE: stamp}, ({Attribute.NU_VAL_OBS_BASIC: Decimal(value)},)) for value in values
    )
    return ENTRIES.encode(Entries(Described(3, index, len(values), status), data))


def test_what_a_glucometer_stored_is_asked_for_taken_and_confirmed() -> None:
    talk = Stored()
    assert talk.asked is not None
    assert talk.asked.message == ConfirmedAct(STORE, Action.SEG_GET_INFO, bytes.fromhex("000100020000"))
    asked = talk.answer(SEGMENTS.encode((_segment(2, 0), _segment(3, 3))))
    assert asked is not None
    assert asked.message == ConfirmedAct(STORE, Action.SEG_TRIG_XFER, bytes.fromhex("0003"))
    assert talk.answer(TRANSFER.encode(Transfer(3, 0))) is None
    assert talk.manager.timeout == 30
    taken = []
    for invoke, (status, index, values) in enumerate(
        ((Status.FIRST, 0, ("5.5", "18.9")), (Status.LAST, 2, ("4.1",))), 10
    ):
        report = ConfirmedEventReport(STORE, Event.SEGMENT_DATA, _entries(status, index, *values))
        (heard,) = talk.tell(Data(invoke, report))
        (confirm,) = heard.confirm
        answer = _sent(confirm)
        described = Described(3, index, len(values), status | Status.CONFIRMED)
        assert answer == Data(invoke, EventReported(STORE, Event.SEGMENT_DATA, DESCRIBED.encode(described)))
        taken += [one.value for two in heard.taken for one in two.readings]
        assert all(one.stamp == clocks.absolute(AT) for two in heard.taken for one in two.readings)
        assert all(two.coincidence is not None for two in heard.taken)
    assert taken == [Quantity(Decimal(one), 266866) for one in ("5.5", "18.9", "4.1")]
    assert talk.manager.timeout is None


def test_a_segment_that_can_not_come_is_left_alone() -> None:
    talk = Stored()
    talk.answer(SEGMENTS.encode((_segment(3, 1), _segment(4, 1))))
    asked = talk.answer(TRANSFER.encode(Transfer(3, 2)))
    assert asked is not None
    assert asked.message == ConfirmedAct(STORE, Action.SEG_TRIG_XFER, bytes.fromhex("0004"))


def test_entries_that_nobody_can_read_end_in_abort() -> None:
    talk = Stored()
    report = ConfirmedEventReport(STORE, Event.SEGMENT_DATA, _entries(Status.FIRST, 0, "5.5"))
    (heard,) = talk.tell(Data(1, report))
    assert heard.refused is not None
    assert "without a map" in heard.refused.reason
    assert (heard.taken, heard.confirm) == ((), ())


def test_attributes_of_a_vendor_are_passed_over() -> None:
    said = (Ava(0xF001, b"?"), *attributes.write({Attribute.NU_VAL_OBS_BASIC: Decimal(5)}))
    info = write_scan(Event.SCAN_REPORT_VAR, Scan((Of(None, (Variable(1, said),)),)))
    (scanned,) = Objects(STANDARD[1700]).scan(0, Event.SCAN_REPORT_VAR, info)
    assert scanned.readings[0].value == Quantity(Decimal(5), 264274)


def _variable(said: Attributes, static: Attributes) -> Reading:
    model = Objects(Configuration(0x4000, (Object(Class.NUMERIC, 1, attributes.write(static)),)))
    info = write_scan(Event.SCAN_REPORT_VAR, Scan((Of(None, (Variable(1, attributes.write(said)),)),)))
    ((scanned),) = model.scan(0, Event.SCAN_REPORT_VAR, info)
    return scanned.readings[0]


def test_a_complex_value_brings_its_own_metric_unit_and_status() -> None:
    """The PHD guide, "Obtain Observation Code": the metric of the value, in the partition of the type."""
    observed = Observed(29116, ReadingStatus.QUESTIONABLE, 4722, Decimal("5.5"))
    found = _variable(
        {Attribute.NU_VAL_OBS: observed, Attribute.MSMT_STAT: int(ReadingStatus.TEST_DATA)},
        {Attribute.ID_TYPE: 2 << 16 | 29112, Attribute.UNIT_CODE: 2130},
    )
    assert (found.type, found.value) == (160188, Quantity(Decimal("5.5"), 266866))
    assert found.status == ReadingStatus.QUESTIONABLE | ReadingStatus.TEST_DATA


def test_a_metric_id_says_more_than_a_type() -> None:
    static: Attributes = {Attribute.ID_TYPE: 2 << 16 | 19292, Attribute.UNIT_CODE: 6048}
    value: Attributes = {Attribute.NU_VAL_OBS_SIMP: Decimal("37.60")}
    assert _variable({**value, Attribute.ID_PHYSIO: 57352}, static).type == 2 << 16 | 57352
    elsewhere: Attributes = {Attribute.ID_PHYSIO: 61000, Attribute.METRIC_ID_PART: 1024}
    found = _variable({**value, **elsewhere}, static)
    assert (found.type, str(found.value.value if isinstance(found.value, Quantity) else "")) == (
        1024 << 16 | 61000,
        "37.60",
    )


def test_a_complex_compound_has_a_unit_for_each_part() -> None:
    parts = (Observed(18949, 0, 3872, Decimal(120)), Observed(18950, 1 << 15, 3843, Decimal("10.7")))
    found = _variable({Attribute.NU_CMPD_VAL_OBS: parts}, {Attribute.ID_TYPE: 2 << 16 | 18948})
    assert found.value == Compound(
        ((150021, Quantity(Decimal(120), 266016)), (150022, Quantity(Decimal("10.7"), 265987)))
    )
    assert found.status == ReadingStatus.INVALID


def test_a_compound_of_more_numbers_than_codes_is_refused() -> None:
    static: Attributes = {Attribute.ID_TYPE: 2 << 16 | 18948, Attribute.UNIT_CODE: 3872, Attribute.ID_PHYSIO_LIST: (1,)}
    with pytest.raises(Malformed):
        _variable({Attribute.NU_CMPD_VAL_OBS_SIMP: (Decimal(1), Decimal(2))}, static)
