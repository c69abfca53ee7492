"""Messages of HL7 v2.x: read, asked, written back to the byte."""

from __future__ import annotations

import re

import hl7
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.shared_data import DATA, needs_data

from hilum.hl7v2.batch import parse_file
from hilum.hl7v2.delimiters import Delimiters
from hilum.hl7v2.message import NULL, Limits, Segment, built, components, parse
from hilum.hl7v2.refused import Condition, Place, Refused

ORU = (
    b"MSH|^~\\&|Meter^ACDE48^EUI-64|||Clinic|20260713090030+0000||ORU^R01^ORU_R01|M1|P|2.6|||NE|AL||UNICODE UTF-8\r"
    b"PID|||7^^^House&1.2.3&ISO^PI~8^^^Town^PI||Doe^J\xc3\xb6hn||||\r"
    b'OBX|1|NM|1^A^MDC||18.9|u^v^MDC|""\r'
    b"OBX|2|ST|2^B^MDC||a\\T\\b\\S\\c\\F\\d\\R\\e\\E\\f\\X4142\\g\\.br\\h\\H\\i\\N\\\r"
)


def test_a_message_is_asked_by_segment_and_position() -> None:
    message = parse(ORU)
    assert (message.control_id, message["MSH"][1], message["MSH"][2], message["MSH"][9, 3]) == (
        "M1",
        "|",
        "^~\\&",
        "ORU_R01",
    )
    assert message["PID"][3, 4, 2] == "1.2.3"
    assert message["PID"].field(3)[1] == (("8",), ("",), ("",), ("Town",), ("PI",))
    assert message["PID"][5, 2] == "Jöhn"
    assert message["OBX", 1][5] == "18.9" and message["OBX", 2][3, 2] == "B"
    assert message.told == ()


def test_null_is_not_absent() -> None:
    obx = parse(ORU)["OBX"]
    assert (obx[7], obx[8], obx[4], obx.field(4), obx.field(99)) == (NULL, "", "", (), ())


def test_what_is_not_there_is_empty() -> None:
    message = parse(ORU)
    assert (message["ZZZ"][3], message["OBX", 9][5, 2, 3], message["OBX", 0][1], "ZZZ" in message) == (
        "",
        "",
        "",
        False,
    )


def test_escapes_are_undone_and_unknown_ones_stay() -> None:
    assert parse(ORU)["OBX", 2][5] == "a&b^c|d~e\\fABg\nh\\H\\i\\N\\"


def test_bytes_in_hexadecimal_are_of_the_message_s_character_set() -> None:
    latin = ORU.replace(b"UNICODE UTF-8", b"8859/1").replace(b"\xc3\xb6", b"\xf6").replace(b"X4142", b"XE4")
    message = parse(latin)
    assert message["PID"][5, 2] == "Jöhn" and "fäg" in message["OBX", 2][5] and message.write() == latin


def test_any_delimiters_are_those_of_the_message() -> None:
    message = parse(b"MSH#*!%@#A*B#\rPID###7*8@9!10#%S%x%F%y%E%\r")
    assert message.delimiters == Delimiters("#", "*", "!", "%", "@")
    assert message["PID"].field(3) == ((("7",), ("8", "9")), (("10",),))
    assert message["PID"][4] == "*x#y%"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r"])
def test_other_line_ends_are_taken_told_and_kept(end: bytes) -> None:
    raw = ORU.replace(b"\r", end)
    message = parse(raw)
    assert message.write() == raw and message.told == ("segments end with something else than one carriage return",)
    assert message["OBX", 1][5] == "18.9"


def test_a_truncation_character_has_an_escape() -> None:
    assert parse(b"MSH|^~\\&#|A\rPID|\\P\\\r")["PID"][1] == "#"


@pytest.mark.parametrize(
    ("raw", "condition", "at"),
    [
        (b"", Condition.SEGMENT_SEQUENCE, Place("MSH")),
        (b"PID|1\r", Condition.SEGMENT_SEQUENCE, Place("MSH")),
        (b"MSH", Condition.DATA_TYPE, Place("MSH", 1, 2)),
        (b"MSH|\r", Condition.DATA_TYPE, Place("MSH", 1, 2)),
        (b"MSH|^^\\&|A\r", Condition.DATA_TYPE, Place("MSH", 1, 2)),
        (b"MSH|^~\\A|A\r", Condition.DATA_TYPE, Place("MSH", 1, 2)),
        (b"MSH|^~\\&|A\rpid|1\r", Condition.SEGMENT_SEQUENCE, Place("???")),
        (b"MSH|^~\\&|A\rOBX|\rOBX1|\r", Condition.SEGMENT_SEQUENCE, Place("OBX", 2)),
        (b"MSH|^~\\&|A\rMSH|^~\\&|A\r", Condition.SEGMENT_SEQUENCE, Place("MSH")),
        (b"MSH|^~\\&" + b"|" * 16 + b"GB 18030-2000\r", Condition.TABLE_VALUE, Place("MSH", 1, 18)),
        (b"MSH|^~\\&" + b"|" * 16 + b"UNICODE UTF-8\rPID|\xff\r", Condition.DATA_TYPE, Place("MSH", 1, 18)),
        (b"MSH|^~\\&\rPID|\xff\r", Condition.DATA_TYPE, Place("MSH", 1, 18)),
    ],
)
def test_what_is_no_message_is_refused_with_its_place(raw: bytes, condition: Condition, at: Place) -> None:
    with pytest.raises(Refused) as refused:
        parse(raw)
    assert (refused.value.condition, refused.value.at) == (condition, at)


def test_limits_hold() -> None:
    for limits in (Limits(size=10), Limits(segments=2), Limits(fields=5)):
        with pytest.raises(Refused):
            parse(ORU, limits)


def test_a_field_of_very_many_repetitions_is_read_in_one_go() -> None:
    segment = parse(b"MSH|^~\\&|A\rZZZ|" + b"~" * 300_000 + b"\r")["ZZZ"]
    assert len(segment.field(1)) == 300_001 and segment[1] == ""


def test_utf8_that_is_not_declared_is_told() -> None:
    message = parse(b"MSH|^~\\&|A\rPID|\xc3\xb6\r")
    assert (message["PID"][1], message.told) == ("ö", ("MSH-18 does not say UTF-8",))


def test_a_character_that_the_character_set_lacks_is_refused() -> None:
    with pytest.raises(Refused):
        built(Segment.of("MSH", "ö"), codec="ascii").write()


def test_a_file_of_batches_is_counted() -> None:
    raw = b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + ORU + ORU + b"BTS|2\rBHS|^~\\&|B\r" + ORU + b"BTS|1\rFTS|2\r"
    file = parse_file(raw)
    assert [len(batch.messages) for batch in file.batches] == [2, 1]
    assert file.header and file.header[3] == "A" and file.messages[2].write() == ORU
    for wrong in (raw.replace(b"BTS|2", b"BTS|3"), raw.replace(b"FTS|2", b"FTS|1"), raw + b"PID|\r"):
        with pytest.raises(Refused):
            parse_file(wrong)
    assert len(parse_file(ORU + ORU).messages) == 2


# Any tree, any bytes.

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
trees = st.lists(
    st.lists(st.lists(texts, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple),
    min_size=1,
    max_size=3,
).map(tuple)


@given(st.lists(st.lists(trees, max_size=5), max_size=5))
def test_every_tree_is_read_back_as_it_was_written(
    segments: list[list[tuple[tuple[tuple[str, ...], ...], ...]]],
) -> None:
    header = Segment.of("MSH", *[""] * 15, components("UNICODE UTF-8"))
    written = built(header, *(Segment.of("ZZZ", *fields) for fields in segments)).write()
    message = parse(written)
    assert message.write() == written and message.told == ()
    for segment, fields in zip(message.all("ZZZ"), segments, strict=True):
        for number, field in enumerate(fields, 1):
            assert (segment.field(number) or ((("",),),)) == field


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: b"MSH|^~\\&|" + tail))
@example(b"MSH|^~\\&|\\X\\|\\XFF\\")
def test_any_bytes_are_read_and_written_back_or_refused(raw: bytes) -> None:
    try:
        message = parse(raw)
    except Refused:
        return
    assert message.write() == raw
    for segment in message.segments:
        for number in range(len(segment) + 2):
            segment.field(number)


@needs_data
def test_other_people_s_messages_are_written_back_to_the_byte() -> None:
    files = sorted((DATA / "hl7v2").rglob("*.hl7"))
    assert len(files) > 50
    for file in files:
        raw = file.read_bytes()
        assert parse(raw).write() == raw, file.name


@needs_data
def test_other_people_s_messages_say_what_another_parser_reads() -> None:
    compared = 0
    for file in sorted((DATA / "hl7v2").rglob("*.hl7")):
        raw = re.sub(b"[\r\n]+", b"\r", file.read_bytes()).removeprefix(b"\xef\xbb\xbf")
        ours, theirs = parse(raw), hl7.parse(raw, encoding="utf-8")
        assert [segment.name for segment in ours.segments] == [str(segment[0]) for segment in theirs]
        for segment, other in zip(ours.segments[1:], list(theirs)[1:], strict=True):
            for number in range(1, len(segment) + 1):
                assert segment.raw[number - 1] == str(other[number])
                compared += 1
    assert compared > 5000
