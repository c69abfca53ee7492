"""IHE PCD-01: readings become a message, a message becomes the same readings, and what is wrong is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.hl7v2.message import parse
from hilum.hl7v2.pcd01 import Gateway, Identifier, Upload, codes, line, read, write
from hilum.hl7v2.refused import Condition, Place, Refused
from hilum.phd.number import Special
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

NOW = datetime(2026, 7, 13, 9, 0, 30, tzinfo=UTC)
GATEWAY = Gateway("EC-DE-3D-4E-58-53-2D-31", "hilum", 532226, 100)
PATIENT = (Identifier("7", "House", "1.2.3", "ISO", "PI"),)
METER = Device("FE-ED-AB-EE-DE-AD-77-C3", "bluetooth", "FE-ED-AB-AD-77-C3", specializations=((528401, 1),))
NAMES = {
    160184: "MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD",
    266866: "MDC_DIM_MILLI_MOLE_PER_L",
    150364: "MDC_TEMP_BODY",
    268192: "MDC_DIM_DEGC",
    528401: "MDC_DEV_SPEC_PROFILE_GLUCOSE",
}


def absolute(year: int, month: int, day: int, hour: int, minute: int, second: int = 0) -> Stamp:
    time = datetime(year, month, day, hour, minute, second)
    return Stamp(Clock.ABSOLUTE, line.reported(Clock.ABSOLUTE, time, None), time)


def upload(*readings: Reading, coincidence: Coincidence | None = None, device: Device = METER) -> Upload:
    return Upload("M1", NOW, PATIENT, GATEWAY, (Taken(device, NOW, readings, coincidence),))


def there_and_back(one: Upload) -> Upload:
    return read(parse(write(one, lambda code: NAMES.get(code, "")).write()))


GLUCOSE = Reading(160184, Quantity(Decimal("18.9"), 266866), absolute(2026, 7, 13, 8, 54, 30))
FEVER = Reading(150364, Quantity(Decimal("37.6"), 268192), absolute(2026, 7, 13, 8, 50, 0))
SIX_LATE = Coincidence(NOW, absolute(2026, 7, 13, 8, 54, 30))


def test_a_message_has_what_the_profile_asks_for() -> None:
    message = write(upload(GLUCOSE, FEVER, coincidence=SIX_LATE), lambda code: NAMES.get(code, ""))
    assert message.write().decode().split("\r") == [
        "MSH|^~\\&|hilum^ECDE3D4E58532D31^EUI-64||||20260713090030+0000||ORU^R01^ORU_R01|M1|P|2.6|||NE|AL|"
        "|UNICODE UTF-8|||IHE_PCD_ORU_R01^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO",
        "PID|||7^^^House&1.2.3&ISO^PI||^^^^^^U",
        "OBR|1|M1.1^hilum^ECDE3D4E58532D31^EUI-64|M1.1^hilum^ECDE3D4E58532D31^EUI-64"
        "|182777000^monitoring of patient^SNOMED-CT|||20260713085600+0000|20260713090030+0000",
        "OBX|1||531981^MDC_MOC_VMS_MDS_AHD^MDC|0|||||||X|||||||ECDE3D4E58532D31^^ECDE3D4E58532D31^EUI-64",
        "OBX|2|CWE|68220^MDC_TIME_SYNC_PROTOCOL^MDC|0.0.0.1|532226^^MDC||||||R",
        "OBX|3|NM|68221^MDC_TIME_SYNC_ACCURACY^MDC|0.0.0.2|100|264339^MDC_DIM_MICRO_SEC^MDC|||||R",
        "OBX|4||528401^MDC_DEV_SPEC_PROFILE_GLUCOSE^MDC|1|||||||X|||20260713090030+0000||||"
        "FEEDABEEDEAD77C3^^FEEDABEEDEAD77C3^EUI-64~FE-ED-AB-AD-77-C3^bluetooth^FE-ED-AB-AD-77-C3^L",
        "OBX|5|CWE|68186^MDC_ATTR_SYS_TYPE_SPEC_LIST^MDC|1.0.0.1|528401^MDC_DEV_SPEC_PROFILE_GLUCOSE^MDC^^^^^^1||||||R",
        "OBX|6|DTM|67975^MDC_ATTR_TIME_ABS^MDC|1.0.0.2|20260713085430||||||R|||20260713090030+0000",
        "OBX|7|NM|160184^MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD^MDC|1.0.0.3|18.9|266866^MDC_DIM_MILLI_MOLE_PER_L^MDC|||||R"
        "|||20260713090030+0000",
        "OBX|8|NM|150364^MDC_TEMP_BODY^MDC|1.0.0.4|37.6|268192^MDC_DIM_DEGC^MDC|||||R|||20260713085600+0000",
        "",
    ]


def test_times_are_moved_to_the_gateway_s_line_and_back() -> None:
    one = upload(GLUCOSE, FEVER, coincidence=SIX_LATE)
    assert there_and_back(one) == one


@pytest.mark.parametrize("number", ["18.9", "37.6", "18.90", "0", "-0.5", "0.000", "100", "8388605"])
def test_numbers_keep_their_digits(number: str) -> None:
    (reading,) = there_and_back(upload(Reading(160184, Quantity(Decimal(number), 266866)))).taken[0].readings
    assert isinstance(reading.value, Quantity) and str(reading.value.value) == number


@pytest.mark.parametrize("special", list(Special))
@pytest.mark.parametrize("status", [Status(0), Status.NOT_AVAILABLE, Status.INVALID | Status.EXCEEDS_BOUNDARIES])
def test_what_is_no_number_stays_what_it_is(special: Special, status: Status) -> None:
    one = upload(Reading(160184, Quantity(special, 266866), status=status))
    assert there_and_back(one) == one
    row = write(one).segments[-1] if special in codes.ABSENT else write(one)["OBX", 6]
    assert (row[5], row[11]) == ("", "X") or row[4].count(".") == 4


@pytest.mark.parametrize(
    ("status", "flag", "result"),
    [
        (Status.TEST_DATA, "TEST", "R"),
        (Status.DEMO_DATA, "DEMO", "R"),
        (Status.EARLY_INDICATION, "EARLY", "P"),
        (Status.VALIDATED_DATA, "VALID", "F"),
        (Status.QUESTIONABLE, "QUES", "R"),
    ],
)
def test_a_status_is_told_in_its_fields(status: Status, flag: str, result: str) -> None:
    row = write(upload(Reading(160184, Quantity(Decimal(5), 266866), status=status))).segments[-1]
    assert (row[8], row[11]) == (flag, result)


def test_a_blood_pressure_is_a_channel_of_its_own() -> None:
    mmhg = 266016
    value = Compound(((150021, Quantity(Decimal(120), mmhg)), (150022, Quantity(Special.NRES, mmhg))))
    pulse = Reading(149546, Quantity(Decimal("75.5"), 264864), of=(0,))
    one = upload(Reading(150020, value, SIX_LATE.device), pulse, coincidence=SIX_LATE)
    assert there_and_back(one) == one
    assert [row[4] for row in write(one).all("OBX")][-6:] == [
        "1.0.1", "1.0.1.1", "1.0.1.2", "1.0.1.2.1", "1.0.0.3", "1.0.0.3.1"
    ]  # fmt: skip


def test_a_time_fault_leaves_the_stamps_as_they_are() -> None:
    one = upload(GLUCOSE, coincidence=Coincidence(NOW, None))
    assert there_and_back(one) == one
    assert write(one).segments[-1][14] == "20260713085430"


def test_a_better_clock_of_the_device_is_left_alone() -> None:
    one = upload(GLUCOSE, coincidence=Coincidence(NOW, SIX_LATE.device, ours=False, serial="3"))
    assert there_and_back(one) == one
    assert write(one).segments[-1][14] == "20260713085430"


def test_ticks_become_a_time() -> None:
    device = Stamp(Clock.RELATIVE, "100000", None, 100000)
    later = Stamp(Clock.RELATIVE, "108000", None, 108000)
    one = upload(
        Reading(160184, Quantity(Decimal(5), 266866), later), coincidence=Coincidence(NOW, device, Clock.RELATIVE)
    )
    assert write(one).segments[-1][14] == "20260713090031+0000"
    assert there_and_back(one) == one


def test_another_parser_finds_the_structure_of_version_2_6(tmp_path: Path) -> None:
    pressure = Reading(150020, Compound(((150021, Quantity(Decimal(120), 266016)),)), status=Status.INVALID)
    written = write(upload(GLUCOSE, FEVER, pressure, coincidence=SIX_LATE)).write().decode()
    parsed = parse_message(written)
    assert (parsed.name, parsed.version, parsed.to_er7() + "\r") == ("ORU_R01", "2.6", written)
    assert parsed.validate(report_file=str(tmp_path / "report"))


@pytest.mark.parametrize("code", [68225, 68226])
def test_a_base_offset_clock_is_told_by_20601_s_code_and_read_by_the_guide_s_too(code: int) -> None:
    time = datetime(2026, 7, 13, 8, 54, 30, tzinfo=UTC)
    device = Stamp(Clock.BASE_OFFSET, line.reported(Clock.BASE_OFFSET, time, None), time)
    one = upload(coincidence=Coincidence(NOW, device, Clock.BASE_OFFSET))
    text = write(one).write().decode()
    assert "|68225^MDC_ATTR_TIME_BO^MDC|" in text
    assert read(parse(text.replace("|68225^", f"|{code}^").encode())) == one


# Messages of others: after Continua's example, as Inera's IHE PCD DEC 1.0.1 (2017-10-18) has it.

SCALE = (
    "MSH|^~\\&|AcmeInc^ACDE48234567ABCD^EUI-64|||SE-ABCD1234|20090813100030+0000||ORU^R01^ORU_R01|MSGID1234|P|2.6|||NE|AL"
    "||UTF-8|||IHE PCD ORU-R01 2006^HL7^2.16.840.1.113883.9.n.m^HL7\r"
    "PID|||191212129876^^^1.2.752.129.2.1.3.1^PI||Tolvan^Tolvansson^Mellannamn^^^^L^A|||M\r"
    "OBR|1|AB1^AcmePHG^ACDE48234567ABCD^EUI-64|CD1^AcmePHG^ACDE48234567ABCD^EUI-64"
    "|182777000^monitoring of patient^SNOMED-CT|||20090813095715+0000\r"
    "OBX|1|CWE|68220^MDC_TIME_SYNC_PROTOCOL^MDC|0.0.0.1|532224^MDC_TIME_SYNC_NONE^MDC||||||R\r"
    "OBX|2||528399^MDC_DEV_SPEC_PROFILE_SCALE^MDC|1|||||||X|||||||0123456789ABCDEF^EUI-64\r"
    "OBX|3|DTM|67975^MDC_ATTR_TIME_ABS^MDC|1.0.0.1|20090813083030||||||R|||20090813100030+0000\r"
    "OBX|4|NM|188736^MDC_MASS_BODY_ACTUAL^MDC|1.0.0.2|156.30|263875^MDC_DIM_KILO_G^MDC|||||R|||20090813095500+0000\r"
    "OBX|5|NM|188740^MDC_LEN_BODY_ACTUAL^MDC|1.0.0.3|180|263441^MDC_DIM_CENTI_M^MDC|||||R\r"
)


def refused(text: str) -> tuple[Condition, Place | None]:
    with pytest.raises(Refused) as found:
        read(parse(text.encode()))
    return found.value.condition, found.value.at


def test_a_message_of_another_sender_is_read() -> None:
    assert read(parse(SCALE.encode())) == Upload(
        "MSGID1234",
        datetime(2009, 8, 13, 10, 0, 30, tzinfo=UTC),
        (Identifier("191212129876", "1.2.752.129.2.1.3.1", type="PI"),),
        Gateway("AC-DE-48-23-45-67-AB-CD", "AcmeInc", 532224),
        (
            Taken(
                Device("01-23-45-67-89-AB-CD-EF", specializations=((528399, 0),)),
                datetime(2009, 8, 13, 10, 0, 30, tzinfo=UTC),
                (
                    Reading(188736, Quantity(Decimal("156.30"), 263875), absolute(2009, 8, 13, 8, 25)),
                    Reading(188740, Quantity(Decimal(180), 263441), absolute(2009, 8, 13, 8, 27, 15)),
                ),
                Coincidence(datetime(2009, 8, 13, 10, 0, 30, tzinfo=UTC), absolute(2009, 8, 13, 8, 30, 30)),
            ),
        ),
        receiver="SE-ABCD1234",
    )


def test_codes_of_mdc_may_stand_beside_others() -> None:
    text = SCALE.replace("188736^MDC_MASS_BODY_ACTUAL^MDC", "29463-7^Weight^LN^188736^MDC_MASS_BODY_ACTUAL^MDC")
    text = text.replace("263875^MDC_DIM_KILO_G^MDC", "kg^kg^UCUM^263875^MDC_DIM_KILO_G^MDC")
    assert read(parse(text.encode())) == read(parse(SCALE.encode()))


def test_a_hospital_s_containment_is_read() -> None:
    text = SCALE.replace(
        "OBX|4|",
        "OBX|9||69854^MDC_DEV_METER_PHYSIO_MULTI_PARAM_VMD^MDC|1.1|||||||X\r"
        "OBX|10||69855^MDC_CHAN^MDC|1.1.1|||||||X\rOBX|4|",
    ).replace("|1.0.0.2|", "|1.1.1.2|")
    assert read(parse(text.encode())).taken == read(parse(SCALE.encode())).taken


def test_a_device_may_be_told_by_its_metrics() -> None:
    text = "".join(row + "\r" for row in SCALE.split("\r") if row and not row.startswith("OBX|2|"))
    text = text.replace(
        "R|||20090813095500+0000", "R|||20090813095500+0000||||0123456789ABCDEF^V^0123456789ABCDEF^EUI-64"
    )
    assert read(parse(text.encode())).taken[0].device == Device("01-23-45-67-89-AB-CD-EF")


@pytest.mark.parametrize(
    ("old", "new", "condition", "at"),
    [
        ("|P|2.6|", "|P|2.3|", Condition.UNSUPPORTED_VERSION, Place("MSH", 1, 12)),
        ("|MSGID1234|", "||", Condition.REQUIRED_FIELD, Place("MSH", 1, 10)),
        ("|P|2.6|", "|X|2.6|", Condition.UNSUPPORTED_PROCESSING, Place("MSH", 1, 11)),
        ("ORU^R01^ORU_R01", "ADT^A01^ADT_A01", Condition.UNSUPPORTED_MESSAGE, Place("MSH", 1, 9)),
        ("ORU^R01^ORU_R01", "ORU^R30^ORU_R01", Condition.UNSUPPORTED_EVENT, Place("MSH", 1, 9, 1, 2)),
        ("|20090813100030+0000||ORU", "|20090813100030||ORU", Condition.DATA_TYPE, Place("MSH", 1, 7)),
        ("191212129876^^^1.2.752.129.2.1.3.1^PI", "", Condition.REQUIRED_FIELD, Place("PID", 1, 3)),
        ("191212129876^^^1.2.752.129.2.1.3.1^PI", '""', Condition.REQUIRED_FIELD, Place("PID", 1, 3)),
        ("188736^MDC_MASS_BODY_ACTUAL^MDC", "", Condition.REQUIRED_FIELD, Place("OBX", 4, 3)),
        ("188736^MDC_MASS_BODY_ACTUAL^MDC", "29463-7^Weight^LN", Condition.TABLE_VALUE, Place("OBX", 4, 3)),
        ("188736^MDC_MASS_BODY_ACTUAL^MDC", "MASS^Weight^MDC", Condition.DATA_TYPE, Place("OBX", 4, 3)),
        ("263875^MDC_DIM_KILO_G^MDC", "", Condition.REQUIRED_FIELD, Place("OBX", 4, 6)),
        ("263875^MDC_DIM_KILO_G^MDC", "kg^kg^UCUM", Condition.TABLE_VALUE, Place("OBX", 4, 6)),
        ("|156.30|", "|heavy|", Condition.DATA_TYPE, Place("OBX", 4, 5)),
        ("|156.30|", "|1,563|", Condition.DATA_TYPE, Place("OBX", 4, 5)),
        ("|156.30|", "|1E3|", Condition.DATA_TYPE, Place("OBX", 4, 5)),
        ("|156.30|", "|NaN|", Condition.DATA_TYPE, Place("OBX", 4, 5)),
        ("|156.30|", "||", Condition.REQUIRED_FIELD, Place("OBX", 4, 5)),
        ("OBX|4|NM|", "OBX|4|ED|", Condition.TABLE_VALUE, Place("OBX", 4, 2)),
        ("OBX|4|NM|", "OBX|4||", Condition.REQUIRED_FIELD, Place("OBX", 4, 2)),
        ("|1.0.0.2|", "||", Condition.REQUIRED_FIELD, Place("OBX", 4, 4)),
        ("|1.0.0.2|", "|1.a|", Condition.DATA_TYPE, Place("OBX", 4, 4)),
        ("|1.0.0.3|", "|1.0.0.2|", Condition.DUPLICATE_KEY, Place("OBX", 5, 4)),
        ("|1.0.0.2|", "|1.0.0.9.1|", Condition.SEGMENT_SEQUENCE, Place("OBX", 4, 4)),
        ("|20090813095500+0000", "|20090230", Condition.DATA_TYPE, Place("OBX", 4, 14)),
        ("R|||20090813095500", "W|||20090813095500", Condition.TABLE_VALUE, Place("OBX", 4, 11)),
        ("PID|", "ZZZ|", Condition.SEGMENT_SEQUENCE, Place("OBR", 1)),
        ("OBR|", "ZZZ|", Condition.SEGMENT_SEQUENCE, Place("OBX", 1)),
        ("OBR|1", "PID|||8\rOBR|1", Condition.SEGMENT_SEQUENCE, Place("PID", 2)),
        ("AcmeInc^ACDE48234567ABCD^EUI-64", "AcmeInc", Condition.REQUIRED_FIELD, Place("MSH", 1, 3, 1, 2)),
    ],
)
def test_what_is_wrong_is_refused_with_its_condition_and_place(
    old: str, new: str, condition: Condition, at: Place
) -> None:
    assert old in SCALE
    assert refused(SCALE.replace(old, new, 1)) == (condition, at)


def test_a_gateway_without_an_eui_64_is_not_written() -> None:
    with pytest.raises(Refused):
        write(Upload("M1", NOW, PATIENT, Gateway("hilum"), ()))


def test_a_measurement_belongs_to_one_before_it() -> None:
    one = upload(GLUCOSE, Reading(160184, Quantity(Decimal(5), 266866), of=(0,)))
    text = write(one).write().decode()
    assert there_and_back(one) == one
    for other in ("1.0.0.3", "1.0.0.9", "9", "a"):
        assert (
            refused(text.replace("REF^MDC|1.0.0.3.1|1.0.0.2|", f"REF^MDC|1.0.0.3.1|{other}|"))[0]
            is Condition.UNKNOWN_KEY
        )
    with pytest.raises(Refused):
        write(upload(Reading(160184, Quantity(Decimal(5), 266866), of=(0,))))


# Any reading.

numbers = st.decimals(allow_nan=False, allow_infinity=False, places=3) | st.integers(-(10**9), 10**9).map(Decimal)
number = numbers | st.sampled_from(Special)
scales = numbers.filter(bool)
units = st.integers(262144, 327679)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda text: text != '""')
types = st.integers(2 << 16, (3 << 16) - 1)
naive = st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)).map(lambda time: time.replace(fold=0))
zones = st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
aware = st.builds(lambda time, zone: time.replace(tzinfo=zone), naive, zones)
ours = aware.map(lambda time: time.replace(microsecond=time.microsecond // 100 * 100))


def stamp(clock: Clock, time: datetime | None, ticks: int | None) -> Stamp:
    return Stamp(clock, line.reported(clock, time, ticks), time, ticks)


clocked = {
    Clock.ABSOLUTE: naive.map(lambda time: stamp(Clock.ABSOLUTE, time, None)),
    Clock.BASE_OFFSET: aware.map(lambda time: stamp(Clock.BASE_OFFSET, time, None)),
    Clock.RELATIVE: st.integers(0, 2**32 - 1).map(lambda ticks: stamp(Clock.RELATIVE, None, ticks)),
    Clock.HIGH_RESOLUTION: st.integers(0, 2**64 - 1).map(lambda ticks: stamp(Clock.HIGH_RESOLUTION, None, ticks)),
}
stamps = st.one_of(*clocked.values())
coincidences = st.sampled_from(Clock).flatmap(
    lambda clock: st.builds(Coincidence, ours, st.none() | clocked[clock], st.just(clock), st.booleans(), texts)
)
quantities = st.builds(Quantity, number, units)
masks = st.sampled_from([16, 32]).flatmap(
    lambda size: st.builds(Bits, st.integers(0, 2**size - 1), st.just(size), st.none() | st.integers(0, 2**size - 1))
)
samples = st.builds(
    Samples, st.lists(st.integers(-(2**31), 2**31), max_size=6).map(tuple), units, number, scales, numbers
)
values = st.one_of(
    quantities,
    st.builds(Compound, st.lists(st.tuples(types, quantities), max_size=3).map(tuple)),
    st.builds(Coded, st.integers(0, 2**32 - 1)),
    masks,
    samples,
    texts,
)
readings = st.builds(
    Reading,
    types,
    values,
    st.none() | stamps,
    st.integers(0, 0xFFFF).map(Status),
    st.none() | number,
    st.lists(types, max_size=2).map(tuple),
    st.none() | number,
    st.just(()),
    st.none() | st.integers(0, 2**32),
)
eui = st.binary(min_size=8, max_size=8).map(lambda raw: raw.hex("-").upper())
devices = st.builds(
    Device,
    eui,
    texts, texts, texts, texts, texts, texts, texts, texts, texts, texts, texts, texts,
    st.lists(st.tuples(st.integers(528384, 528895), st.integers(0, 99)), max_size=2).map(tuple),
    st.lists(st.integers(0, 65535), max_size=3).map(tuple),
    st.none() | st.booleans(),
    st.none() | st.integers(532224, 532240),
    st.none() | st.integers(0, 2**32),
)  # fmt: skip


@st.composite
def takens(draw: st.DrawFn) -> Taken:
    found: list[Reading] = []
    for reading in draw(st.lists(readings, max_size=4)):
        of = draw(st.lists(st.integers(0, len(found) - 1), max_size=2)) if found else []
        found.append(Reading(*(getattr(reading, name) for name in reading.__slots__[:7]), tuple(of), reading.record))
    device, coincidence = draw(devices), draw(st.none() | coincidences)
    return Taken(device, draw(ours), tuple(found), coincidence, draw(st.none() | st.integers(0, 100)))


def one_message(taken: Taken) -> str:
    return write(Upload("M1", NOW, PATIENT, GATEWAY, (taken,))).write().decode()


@settings(deadline=None, max_examples=60)
@given(st.lists(takens(), min_size=1, max_size=2), ours)
def test_whatever_was_taken_is_read_back_as_it_was(taken: list[Taken], sent: datetime) -> None:
    one = Upload("M1", sent, PATIENT, GATEWAY, tuple(taken))
    message = write(one)
    assert parse(message.write()).write() == message.write()
    back = there_and_back(one)
    assert back == one
    assert repr(back) == repr(one)


@settings(deadline=None, max_examples=150)
@given(st.just(SCALE) | takens().map(one_message), st.data())
def test_any_change_to_a_message_is_read_or_refused(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        change = data.draw(st.text(max_size=4) | st.sampled_from(["|", "^", "~", "9", "0", "-", "67975", "NA"]))
        text = text[:at] + change + text[at + data.draw(st.integers(0, 6)) :]
    try:
        read(parse(text.encode("utf-8", "replace")))
    except Refused as error:
        assert "Tolvan" not in str(error) and "191212129876" not in str(error)
