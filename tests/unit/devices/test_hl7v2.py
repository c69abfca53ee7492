"""PCD-01 at the gateway: what is stored, what is answered, and that it is the same however often it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest
from tests.unit.devices.uploading import (
    FEVER,
    GLUCOSE,
    METER,
    PERSON,
    PERSONS,
    PHG,
    World,
    agent,
    er7,
    taken,
    upload,
    with_header,
    world,
)

from hilum.devices.gateway import Name, take
from hilum.devices.pcd01 import patients, system
from hilum.fhir import json
from hilum.hl7v2.ack import acknowledged
from hilum.hl7v2.batch import parse_file
from hilum.hl7v2.message import Message, parse
from hilum.hl7v2.pcd01 import Identifier
from hilum.hl7v2.refused import Condition, Place
from hilum.phd.fhir import Patient, bundle
from hilum.phd.reading import Device, Quantity, Reading
from hilum.problems import Busy


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        yield one


def answer(text: str) -> Message:
    return parse(text.encode())


def told(text: str) -> tuple[str, str, tuple[tuple[Condition | None, Place | None], ...]]:
    return acknowledged(answer(text))


async def test_a_message_is_stored_and_then_acknowledged_with_its_digits(gate: World) -> None:
    text = await gate.send(er7(GLUCOSE, FEVER))
    assert told(text) == ("AA", "M1", ())
    assert await gate.values() == ["18.9 mmol/L", "37.6 Cel"]
    bodies = [one for one in await gate.stored() if "valueQuantity" in one]
    assert [json.encode(one["valueQuantity"]["value"]) for one in bodies] == [b"18.9", b"37.6"]
    assert {one["subject"]["reference"] for one in bodies} == {f"Patient/{gate.patient}"}


async def test_the_acknowledgement_is_addressed_to_the_sender(gate: World) -> None:
    header = answer(await gate.send(with_header(er7(), f4="CLINIC", f5="GATE", f6="HILUM")))["MSH"]
    assert [header[3], header[4], header[6]] == ["GATE", "HILUM", "CLINIC"]
    assert [header[5], header[5, 2]] == ["hilum", PHG.system_id.replace("-", "")]
    assert [header[9], header[9, 2], header[11], header[12]] == ["ACK", "R01", "P", "2.6"]


async def test_the_same_message_gets_the_same_acknowledgement_and_is_stored_once(gate: World) -> None:
    first = await gate.send(er7(GLUCOSE, FEVER))
    assert await gate.send(er7(GLUCOSE, FEVER)) == first
    assert await gate.send(with_header(er7(GLUCOSE, FEVER), f7="20261124123000+0000")) == first
    assert await gate.send(er7(GLUCOSE, FEVER).replace(b"\r", b"\r\n")) == first
    assert len(await gate.values()) == 2


async def test_of_copies_that_come_at_once_one_is_stored(gate: World) -> None:
    texts = await asyncio.gather(*(gate.send(er7(GLUCOSE, FEVER)) for _ in range(8)))
    assert len(set(texts)) == 1
    assert len(await gate.values()) == 2


async def test_another_message_under_the_same_control_id_is_an_error_at_that_field(gate: World) -> None:
    await gate.send(er7(GLUCOSE))
    assert told(await gate.send(er7(FEVER))) == (
        "AE",
        "M1",
        ((Condition.DUPLICATE_KEY, Place("MSH", 1, 10)),),
    )
    assert await gate.values() == ["18.9 mmol/L"]


async def test_control_ids_of_other_senders_and_clients_are_others(gate: World) -> None:
    for raw, who in (
        (er7(GLUCOSE), agent()),
        (with_header(er7(FEVER), f4="OTHER"), agent()),
        (er7(FEVER), agent("agent-2")),
    ):
        assert told(await gate.send(raw, who))[0] == "AA"


async def test_a_reading_of_nobody_known_is_held_and_accepted_with_a_warning(gate: World) -> None:
    patient = (Identifier("81", "", "1.2.3", "ISO", "MR"),)
    found = await gate.messages.answer(agent(), er7(patient=patient))
    text = found.content.decode()
    assert found.status == 202
    code, id, _ = told(text)
    warning = answer(text)["ERR"]
    assert (code, id) == ("AA", "M1")
    assert [warning[3], warning[4], warning[5], warning[8]] == ["0", "W", "HELD", "Nobody has said whose these are."]
    assert await gate.values() == []
    assert await gate.send(er7(patient=patient)) == text


async def test_a_revoked_device_is_rejected_by_name(gate: World) -> None:
    gate.links.revoked.add(METER.system_id)
    found = await gate.messages.answer(agent(), er7())
    text = found.content.decode()
    assert (found.status, told(text)[:2]) == (403, ("AR", "M1"))
    assert METER.system_id in answer(text)["ERR"][7]


REFUSED = [
    ("version", {"f12": "2.5"}, "AR", Condition.UNSUPPORTED_VERSION, Place("MSH", 1, 12)),
    ("type", {"f9": "ADT^A01^ADT_A01"}, "AR", Condition.UNSUPPORTED_MESSAGE, Place("MSH", 1, 9)),
    ("trigger", {"f9": "ORU^R30^ORU_R01"}, "AR", Condition.UNSUPPORTED_EVENT, Place("MSH", 1, 9, 1, 2)),
    ("processing id", {"f11": "X"}, "AR", Condition.UNSUPPORTED_PROCESSING, Place("MSH", 1, 11)),
    ("character set", {"f18": "BIG-5"}, "AE", Condition.TABLE_VALUE, Place("MSH", 1, 18)),
    ("no time", {"f7": ""}, "AE", Condition.REQUIRED_FIELD, Place("MSH", 1, 7)),
    ("a time with no offset", {"f7": "20261124090000"}, "AE", Condition.DATA_TYPE, Place("MSH", 1, 7)),
    ("a control character", {"f3": "a\\X01\\^ECDE3D4E58532D31^EUI-64"}, "AE", Condition.DATA_TYPE, Place("MSH", 1, 3)),
]


@pytest.mark.parametrize(
    ("fields", "code", "condition", "place"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED]
)
async def test_what_the_profile_does_not_have_is_refused_with_its_place(
    gate: World, fields: dict[str, str], code: str, condition: Condition, place: Place
) -> None:
    assert told(await gate.send(with_header(er7(), **fields))) == (code, "M1", ((condition, place),))
    assert await gate.values() == []


@pytest.mark.parametrize("processing", ["T", "D"])
async def test_training_and_debugging_are_rejected_in_production_and_taken_in_the_sandbox(
    tmp_path: Path, processing: str
) -> None:
    for environment, code in (("production", "AR"), ("sandbox", "AA")):
        (tmp_path / environment).mkdir()
        async with world(tmp_path / environment, environment) as gate:
            assert told(await gate.send(er7(processing=processing)))[0] == code


@pytest.mark.parametrize(
    ("raw", "condition", "place"),
    [
        (b"", Condition.SEGMENT_SEQUENCE, Place("MSH")),
        (b"{}", Condition.SEGMENT_SEQUENCE, Place("MSH")),
        (b"PID|||7\r", Condition.SEGMENT_SEQUENCE, Place("MSH")),
        (b"MSH|\r", Condition.DATA_TYPE, Place("MSH", 1, 2)),
        (b"\x00\xff", Condition.SEGMENT_SEQUENCE, Place("MSH")),
    ],
    ids=["nothing", "json", "no header", "no delimiters", "bytes"],
)
async def test_what_is_no_message_is_rejected(gate: World, raw: bytes, condition: Condition, place: Place) -> None:
    assert told(await gate.send(raw)) == ("AR", "", ((condition, place),))


async def test_bytes_of_no_character_set_are_refused_to_the_one_who_sent_them(gate: World) -> None:
    raw = with_header(er7(), f4="Z").replace(b"|Z|", b"|Z\xfc|")
    code, id, errors = told(await gate.send(raw))
    assert (code, id, errors) == ("AE", "M1", ((Condition.DATA_TYPE, Place("MSH", 1, 18)),))


async def test_a_name_in_latin_1_is_read_and_answered_in_it(gate: World) -> None:
    raw = with_header(er7(), f4="Z", f18="8859/1").replace(b"|Z|", b"|Z\xfcrich|")
    found = await gate.messages.answer(agent(), raw)
    assert found.codec == "iso8859-1"
    assert b"|Z\xfcrich|" in found.content


MODES = [
    ("", "", "AA", "AE"),
    ("NE", "AL", "AA", "AE"),
    ("AL", "NE", "CA", "CE"),
    ("AL", "", "CA", "CE"),
    ("AL", "AL", "AA", "AE"),
    ("NE", "NE", "AA", "AE"),
    ("AL", "ER", "CA", "AE"),
    ("ER", "NE", "CA", "CE"),
    ("SU", "ER", "CA", "AE"),
]


@pytest.mark.parametrize(("accept", "application", "good", "bad"), MODES, ids=[f"{one[0]}-{one[1]}" for one in MODES])
async def test_msh_15_and_16_say_which_answer_is_given(
    gate: World, accept: str, application: str, good: str, bad: str
) -> None:
    fields = {"f15": accept, "f16": application}
    assert told(await gate.send(with_header(er7(), **fields)))[0] == good
    assert told(await gate.send(with_header(er7(), f7="", **fields)))[0] == bad


async def test_a_batch_is_answered_by_a_batch_with_an_answer_to_each(gate: World) -> None:
    messages = er7(GLUCOSE) + with_header(er7(FEVER, id="M2"), f7="") + er7(FEVER, id="M3")
    raw = b"FHS|^~\\&|A|B|C|D|||||F1\rBHS|^~\\&|A|B|C|D|||||B1\r" + messages + b"BTS|3\rFTS|1\r"
    text = await gate.send(raw)
    file = parse_file(text.encode())
    assert [acknowledged(one)[:2] for one in file.messages] == [("AA", "M1"), ("AE", "M2"), ("AA", "M3")]
    (batch,) = file.batches
    assert batch.header is not None and file.header is not None
    assert [batch.header[n] for n in (3, 4, 5, 6, 12)] == ["C", "D", "A", "B", "B1"]
    assert file.header[12] == "F1"
    assert await gate.values() == ["18.9 mmol/L", "37.6 Cel"]


async def test_messages_one_after_another_are_answered_one_after_another(gate: World) -> None:
    file = parse_file((await gate.send(er7(GLUCOSE) + er7(FEVER, id="M2"))).encode())
    assert [acknowledged(one)[:2] for one in file.messages] == [("AA", "M1"), ("AA", "M2")]
    assert file.header is None and file.batches[0].header is None


async def test_a_batch_that_counts_wrongly_is_not_begun(gate: World) -> None:
    text = await gate.send(b"BHS|^~\\&|A|B\r" + er7(GLUCOSE) + b"BTS|2\r")
    assert told(text) == ("AR", "", ((Condition.DATA_TYPE, Place("BTS", 1, 1)),))
    assert await gate.values() == []


async def test_what_may_be_tried_again_is_no_acknowledgement(gate: World) -> None:
    async def busy(*_: object, **__: object) -> None:
        raise Busy("not now")

    with pytest.raises(Busy):
        await replace(gate.messages, take=busy).answer(agent(), er7())


async def test_a_reading_that_came_as_fhir_is_the_same_one_as_pcd_01(gate: World) -> None:
    person = Patient(system=PERSONS, value=PERSON.value)
    id = "urn:uuid:00000000-0000-4000-8000-000000000001"
    phg = Device(PHG.system_id, name=PHG.name)
    body = json.parse(json.encode(bundle(taken(GLUCOSE, FEVER), phg, person, id)))
    name = Name("urn:ietf:rfc:3986", id)
    await take(gate.gateway, agent(), body, name=name, content=sha256(b"").digest())
    before = [one["identifier"] for one in await gate.stored() if "valueQuantity" in one]
    assert told(await gate.send(er7(GLUCOSE, FEVER)))[0] == "AA"
    assert [one["identifier"] for one in await gate.stored() if "valueQuantity" in one] == before
    assert len(await gate.stored("Device")) == 2


async def test_a_time_that_no_calendar_has_is_refused(gate: World) -> None:
    for lasting in ("1e17", "1e12"):
        text = await gate.send(er7(replace(GLUCOSE, lasting=Decimal(lasting))))
        assert told(text) == ("AE", "M1", ((Condition.DATA_TYPE, Place("OBX")),))


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        (Identifier("7", "", "1.2.3", "ISO"), "urn:oid:1.2.3"),
        (Identifier("7", "", "9F1B", "UUID"), "urn:uuid:9f1b"),
        (Identifier("7", "", "https://clinic.test/mrn", "URI"), "https://clinic.test/mrn"),
        (Identifier("7", "https://clinic.test/mrn"), "https://clinic.test/mrn"),
        (Identifier("7", "General Hospital"), "http://h.test/devices/authority/General%20Hospital"),
        (Identifier("7", "", "clinic.test", "DNS"), "http://h.test/devices/authority/clinic.test"),
        (Identifier("7"), "http://h.test/devices/authority"),
    ],
    ids=["oid", "uuid", "uri", "uri as a name", "name", "dns", "nobody"],
)
def test_who_assigned_an_identifier_is_its_system(identifier: Identifier, expected: str) -> None:
    assert system(identifier, "http://h.test") == expected


def test_a_logical_id_is_one_that_nobody_assigned_and_a_uuid() -> None:
    id = "01a20b5f-db01-7580-a109-866f5660c168"
    assert patients(upload(patient=[Identifier(id, type="PI")]), "http://h.test") == (Patient(id=id),)
    for other in (Identifier(id), Identifier(id, "Clinic", type="PI"), Identifier("7", type="PI")):
        assert patients(upload(patient=[other]), "http://h.test")[0].id == ""


async def test_a_message_with_a_logical_id_makes_the_same_identifiers_as_fhir(gate: World) -> None:
    found = await gate.messages.answer(agent(), er7(patient=[Identifier(gate.patient, type="PI")]))
    assert (found.status, told(found.content.decode())[0]) == (200, "AA")
    (one,) = [one for one in await gate.stored() if "valueQuantity" in one]
    assert f"-{gate.patient}-" in one["identifier"][0]["value"]


def test_the_identifier_of_a_user_of_a_device_comes_first_and_all_are_told() -> None:
    one = Identifier("7", "", "1.2.3", "ISO", "MR")
    found = patients(upload(patient=(one, PERSON, one)), "http://hilum.test")
    assert [(each.system, each.value) for each in found] == [(PERSONS, PERSON.value), ("urn:oid:1.2.3", "7")]


async def test_a_value_that_is_not_stored_in_the_unit_of_its_kind_is_not_converted(gate: World) -> None:
    await gate.send(er7(Reading(150364, Quantity(Decimal("99.70"), 266560), GLUCOSE.stamp)))
    assert await gate.values() == ["99.70 [degF]"]
