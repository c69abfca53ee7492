"""CommunicatePCDData: envelopes read and written, and what no envelope may do."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.hl7v2.message import Message, Segment, built, components, parse
from hilum.hl7v2.refused import Refused
from hilum.hl7v2.soap import (
    ACTION,
    DEPTH,
    ENVELOPE,
    ENVELOPE_1_1,
    SERVICE,
    SIZE,
    Code,
    Envelope,
    Fault,
    fault,
    parse_request,
    parse_response,
    request,
    response,
)

ID = "urn:uuid:5f2b3c8e-1111-4222-8333-944455556666"


def message(text: str) -> Message:
    return built(Segment.of("MSH", *[""] * 15, components("UNICODE UTF-8")), Segment.of("ZZZ", text))


def test_a_call_carries_a_message_to_the_byte() -> None:
    sent = message("<ö> & \"]]>\"\r\n'&amp;'")
    found = parse_request(request(sent, to="https://example.org/pcd?a=1&b=2", message_id=ID))
    assert found == Envelope(sent.write(), ACTION, "https://example.org/pcd?a=1&b=2", ID)
    assert parse(found.content, codec="utf-8").write() == sent.write()


def test_an_answer_says_which_call_it_is_of() -> None:
    found = parse_response(response(message("AA"), message_id=ID, relates_to="urn:uuid:1"))
    assert (found.relates_to, parse(found.content)["ZZZ"][1]) == ("urn:uuid:1", "AA")


def test_a_fault_comes_back_as_one() -> None:
    with pytest.raises(Fault) as found:
        parse_response(fault(Fault(Code.NOT_UNDERSTOOD, "no <such> header"), message_id=ID))
    assert (found.value.fault, found.value.reason) == (Code.NOT_UNDERSTOOD, "no <such> header")
    assert "such" not in str(found.value)


def wrapped(body: str, header: str = "", envelope: str = ENVELOPE, before: str = "") -> bytes:
    return (
        f'{before}<e:Envelope xmlns:e="{envelope}"><e:Header>{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>'
    ).encode()


CALL = f'<x:CommunicatePCDData xmlns:x="{SERVICE}">\n  MSH|^~\\&amp;|A\nPID|1\n  </x:CommunicatePCDData>'


def test_an_envelope_of_another_sender_is_read() -> None:
    found = parse_request(wrapped(CALL))
    assert found.content == b"MSH|^~\\&|A\nPID|1\r"
    assert parse(found.content, codec="utf-8")["PID"][1] == "1"


def test_xml_in_utf_16_is_read_by_its_mark() -> None:
    assert parse_request(wrapped(CALL).decode().encode("utf-16")) == parse_request(wrapped(CALL))


def test_the_character_set_is_that_of_the_xml() -> None:
    latin = message("ö").write().replace(b"UNICODE UTF-8", b"8859/1")
    assert parse(latin, codec="utf-8")["ZZZ"][1] == "ö"


BOMB = '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]>'
SECURITY = '<s:Security xmlns:s="urn:s" xmlns:e="%s" e:mustUnderstand="%s"/>'


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.SENDER),
        (b"nothing", Code.SENDER),
        (wrapped(CALL, before=BOMB), Code.SENDER),
        (wrapped(CALL, before='<!DOCTYPE a SYSTEM "file:///etc/passwd">'), Code.SENDER),
        (wrapped(CALL, before="<?a b?>"), Code.SENDER),
        (wrapped(CALL.replace("PID", "&d;")), Code.SENDER),
        (wrapped(CALL, envelope=ENVELOPE_1_1), Code.VERSION),
        (wrapped(CALL, envelope="urn:other"), Code.VERSION),
        (wrapped(""), Code.SENDER),
        (wrapped(CALL + CALL), Code.SENDER),
        (wrapped(CALL.replace(SERVICE, "urn:other")), Code.SENDER),
        (wrapped(CALL.replace("PID", "<a/>")), Code.SENDER),
        (wrapped("<a>" * DEPTH + "</a>" * DEPTH), Code.SENDER),
        (wrapped(CALL, SECURITY % (ENVELOPE, "true")), Code.NOT_UNDERSTOOD),
        (wrapped(CALL, SECURITY % (ENVELOPE, "1")), Code.NOT_UNDERSTOOD),
        (wrapped(CALL, '<w:Action xmlns:w="http://www.w3.org/2005/08/addressing">urn:b</w:Action>'), Code.SENDER),
        (b" " * (SIZE + 1), Code.SENDER),
    ],
)
def test_what_is_no_call_is_a_fault(data: bytes, code: Code) -> None:
    with pytest.raises(Fault) as found:
        parse_request(data)
    assert found.value.fault is code


def test_a_header_that_need_not_be_understood_is_let_pass() -> None:
    assert parse_request(wrapped(CALL, SECURITY % (ENVELOPE, "false"))).content.startswith(b"MSH")


def test_a_control_character_is_refused_when_written() -> None:
    with pytest.raises(Refused):
        request(message("a\x0bb"), to="https://example.org", message_id=ID)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_every_text_goes_through_an_envelope(text: str) -> None:
    sent = message(text)
    assert parse_request(request(sent, to="https://example.org", message_id=ID)).content == sent.write()


@given(st.binary(max_size=60), st.integers(0, 400))
def test_any_bytes_are_read_or_refused(noise: bytes, at: int) -> None:
    data = wrapped(CALL)
    with suppress(Refused):
        parse_request(data[:at] + noise + data[at + len(noise) :])
