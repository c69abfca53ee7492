"""PCD-01 as a web service: the same messages in envelopes, faults for envelopes that are none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.devices.uploading import FEVER, GLUCOSE, World, agent, er7, with_header, world

from hilum.devices import soap
from hilum.hl7v2 import soap as envelopes
from hilum.hl7v2.ack import acknowledged
from hilum.hl7v2.message import parse


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        yield one


def enveloped(raw: bytes) -> bytes:
    return envelopes.request(parse(raw), to="https://hilum.test/devices/hl7v2", message_id="urn:uuid:1")


async def test_a_message_in_an_envelope_is_stored_and_its_answer_relates_to_it(gate: World) -> None:
    found = await soap.answer(gate.messages, agent(), enveloped(er7(GLUCOSE, FEVER)), lambda: "urn:uuid:2")
    said = envelopes.parse_response(found.content)
    assert (found.status, said.message_id, said.relates_to) == (200, "urn:uuid:2", "urn:uuid:1")
    assert acknowledged(parse(said.content))[:2] == ("AA", "M1")
    assert len(found.outcomes) == 1
    assert await gate.values() == ["18.9 mmol/L", "37.6 Cel"]


async def test_the_same_message_gets_the_same_answer_in_an_envelope_and_without_one(gate: World) -> None:
    bare = await gate.send(er7(GLUCOSE))
    found = await soap.answer(gate.messages, agent(), enveloped(er7(GLUCOSE)))
    assert envelopes.parse_response(found.content).content.decode() == bare
    assert len(await gate.values()) == 1


async def test_what_is_wrong_with_the_message_is_no_fault(gate: World) -> None:
    found = await soap.answer(gate.messages, agent(), enveloped(with_header(er7(), f12="2.5")))
    assert found.status == 200
    assert acknowledged(parse(envelopes.parse_response(found.content).content))[0] == "AR"


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"<x/>", 500, envelopes.Code.VERSION),
        (b"no xml", 400, envelopes.Code.SENDER),
        (b'<!DOCTYPE x [<!ENTITY e "e">]><x/>', 400, envelopes.Code.SENDER),
    ],
    ids=["no envelope", "no xml", "a document type"],
)
async def test_an_envelope_that_is_none_is_a_fault(gate: World, raw: bytes, status: int, code: envelopes.Code) -> None:
    found = await soap.answer(gate.messages, agent(), raw)
    assert found.status == status
    with pytest.raises(envelopes.Fault) as fault:
        envelopes.parse_response(found.content)
    assert fault.value.fault is code
