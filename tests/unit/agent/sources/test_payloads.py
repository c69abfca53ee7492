"""What files and topics may hold."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from hilum.agent.sources.measurements import NAMES
from hilum.agent.sources.payloads import Reader
from hilum.hl7v2 import pcd01
from hilum.phd import kept, nomenclature
from hilum.phd.ieee20601 import simulated
from hilum.phd.ieee20601.agent import Agent
from hilum.phd.ieee20601.manager import Manager
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Clock, Compound, Device, Quantity, Reading, Stamp, Taken

US = bytes.fromhex("1122334455667788")
AT = datetime(2026, 11, 24, 7, 30, tzinfo=timezone(timedelta(hours=1)))
METER = "FE-ED-AB-EE-DE-AD-77-C3"
READER = Reader(US, {"789567": 1, "alone": 0})
GLUCOSE = {"type": "glucose-capillary", "value": 18.9, "unit": "mmol/L", "time": "2026-11-24T07:30:00+01:00"}


def written(*measurements: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"device": METER, "measurements": measurements, **more}).encode()


def one(data: bytes) -> Taken:
    found = READER.read(data, AT)
    assert found.wrong == ""
    (taken,) = found.taken
    return taken


def test_a_measurement_keeps_its_digits_and_its_time() -> None:
    taken = one(written(GLUCOSE, person=2, battery=80))
    time = datetime(2026, 11, 24, 7, 30, tzinfo=timezone(timedelta(hours=1)))
    assert taken == Taken(
        Device(METER),
        AT,
        (Reading(160184, Quantity(Decimal("18.9"), 266866), Stamp(Clock.BASE_OFFSET, "4004490600.0.+60", time)),),
        battery=80,
        person=2,
    )


def test_a_zero_at_the_end_is_a_digit() -> None:
    data = written({**GLUCOSE, "value": 0}).replace(b'"value": 0', b'"value": 18.90')
    value = one(data).readings[0].value
    assert isinstance(value, Quantity)
    assert str(value.value) == "18.90"


def test_a_time_without_an_offset_is_a_wall_clock_s() -> None:
    stamp = one(written({**GLUCOSE, "time": "2026-11-24T07:30:00"})).readings[0].stamp
    assert stamp == Stamp(Clock.ABSOLUTE, "20261124073000.00", datetime(2026, 11, 24, 7, 30))


def test_a_blood_pressure_is_one_measurement_of_several_values() -> None:
    pressure = {**GLUCOSE, "type": "blood-pressure", "unit": "mm[Hg]", "value": {"diastolic": 80, "systolic": 120}}
    assert one(written(pressure)).readings[0].value == Compound(
        ((150021, Quantity(Decimal(120), 266016)), (150022, Quantity(Decimal(80), 266016)))
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_a_code_that_is_known(name: str) -> None:
    assert nomenclature.term(NAMES[name]) is not None


@pytest.mark.parametrize(
    ("type_", "unit", "code"),
    [
        ("loinc:14743-9", "mmol/L", 160184),
        ("loinc:41653-7", "mg/dL", 160184),
        ("loinc:8310-5", "Cel", 150364),
        ("loinc:8867-4", "/min", 147842),
        ("loinc:29463-7", "kg", 188736),
        ("mdc:160188", "mg/dL", 160188),
    ],
)
def test_a_type_is_a_name_or_a_code(type_: str, unit: str, code: int) -> None:
    assert one(written({**GLUCOSE, "type": type_, "unit": unit})).readings[0].type == code


@pytest.mark.parametrize(
    "device",
    [
        {"transport": "bluetooth", "address": "00:11:22:33:44:55"},
        {"manufacturer": "Acme", "model": "G1", "serial": "7"},
        {"system_id": METER.lower(), "firmware": "1.2"},
    ],
    ids=["address", "serial", "system id"],
)
def test_a_device_is_told_by_what_tells_it_from_others(device: dict[str, str]) -> None:
    taken = one(json.dumps({"device": device, "measurements": [GLUCOSE]}).encode())
    assert taken.device == Device(**{**device, **({"system_id": METER} if "system_id" in device else {})})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "expected JSON"),
        (b"hello", "expected JSON"),
        (b"{", "JSON"),
        (b"{" * 100_000, "JSON"),
        (b"{}", "device"),
        (written(), "measurements"),
        (written(GLUCOSE, patient="x"), "patient"),
        (written({**GLUCOSE, "value": True}), "decimal"),
        (written({**GLUCOSE, "value": 37.600000000000001}).replace(b"37.6", b"37.600000000000001"), "7 digits"),
        (written({**GLUCOSE, "value": "NaN"}), "7 digits"),
        (written({**GLUCOSE, "unit": "furlong"}), "unit of UCUM"),
        (written({**GLUCOSE, "type": "mood"}), "as type"),
        (written({**GLUCOSE, "type": "mdc:99999999999"}), "as type"),
        (written({**GLUCOSE, "type": "loinc:14743-9", "unit": "mg/dL"}), "not in this unit"),
        (written({**GLUCOSE, "value": {"systolic": 120, "diastolic": 80}}), "several values"),
        (written({**GLUCOSE, "type": "blood-pressure"}), "systolic and a diastolic"),
        (written({key: GLUCOSE[key] for key in ("type", "value", "unit")}), "time"),
        (written({**GLUCOSE, "time": "1850-01-01T00:00:00+25:00"}), "datetime"),
        (written(GLUCOSE, received="2026-11-24T07:30:00"), "received"),
        (json.dumps({"device": "my meter", "measurements": [GLUCOSE]}).encode(), "EUI-64"),
        (json.dumps({"device": "00-" * 7 + "00", "measurements": [GLUCOSE]}).encode(), "zeros"),
        (json.dumps({"device": {"serial": "7"}, "measurements": [GLUCOSE]}).encode(), "manufacturer"),
        (json.dumps({"device": {"address": "7"}, "measurements": [GLUCOSE]}).encode(), "go together"),
        (b'{"is": "Taken"}', "not whole"),
        (b'{"ieee20601": "4gA="}', "recorded"),
        (b'{"ieee20601": "4gA=", "recorded": "2026-11-24T07:30:00"}', "recorded"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_says_nothing_is_refused_with_the_reason(data: bytes, told: str) -> None:
    with pytest.raises(Malformed, match=told) as refused:
        READER.read(data, AT)
    assert "18.9" not in str(refused.value)


def test_what_is_kept_of_a_device_is_read_as_it_was() -> None:
    taken = one(written(GLUCOSE))
    assert one(kept.write(taken).encode()) == taken


def uploaded(patient: str, processing: str = "P") -> bytes:
    upload = pcd01.Upload(
        "1", AT, (pcd01.Identifier(patient),), pcd01.Gateway(METER), (one(written(GLUCOSE)),), processing
    )
    return pcd01.write(upload).write()


@pytest.mark.parametrize(("patient", "person"), [("789567", 1), ("alone", None)])
def test_a_message_s_patient_says_which_of_the_device_s_users_it_was(patient: str, person: int | None) -> None:
    taken = one(uploaded(patient))
    assert (taken.person, taken.readings) == (person, one(written(GLUCOSE)).readings)


def test_several_messages_are_one_file() -> None:
    assert len(READER.read(uploaded("alone") * 2, AT).taken) == 2


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (uploaded("another"), "PID"),
        (uploaded("alone", "T"), "training"),
        (uploaded("alone")[:60], "MSH.*required"),
        (uploaded("alone").replace(b"|2.6|", b"|2.3|"), "2.6"),
    ],
    ids=["patient", "training", "cut", "version"],
)
def test_a_message_that_is_not_for_us_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        READER.read(data, AT)


def recorded(agent: Agent, *questions_before: int) -> bytes:
    """What a glucometer sends, its answers numbered as another manager asked."""
    manager, sent = Manager(US), b""
    manager._invoke = sum(questions_before)
    waiting = [agent.associate()]
    reported = False
    while waiting:
        said = waiting.pop(0)
        sent += said
        for heard in manager.received(said, AT):
            for data in (*heard.send, *heard.confirm):
                waiting += agent.received(data, AT).send
        if not waiting and not reported:
            reported = True
            waiting.append(agent.report(simulated.measured(agent, AT, Decimal(105))))
    return sent


@pytest.mark.parametrize("before", [0, 4711])
def test_a_recording_is_read_whoever_asked(before: int) -> None:
    taken = one(recorded(simulated.device("glucometer", skew=timedelta(minutes=-10)), before))
    assert [reading.value for reading in taken.readings] == [Quantity(Decimal(105), 264274)]
    assert taken.coincidence is not None
    assert taken.received == taken.coincidence.at == AT


def test_a_wrapped_recording_says_when_it_was_made() -> None:
    data = recorded(simulated.device("glucometer"))
    wrapped = {"recorded": "2026-11-20T07:30:00+01:00", "ieee20601": base64.b64encode(data).decode()}
    assert one(json.dumps(wrapped).encode()).received == AT - timedelta(days=4)


def test_a_recording_that_comes_at_an_unknown_time_is_refused() -> None:
    with pytest.raises(Malformed, match="does not say when"):
        READER.read(recorded(simulated.device("glucometer")), AT, recorded=False)


@pytest.mark.parametrize(
    ("cut", "told"), [(-4, "middle of an APDU"), (54, "never said what it is")], ids=["in the report", "after AARQ"]
)
def test_of_a_recording_without_an_end_is_said_what_is_missing(cut: int, told: str) -> None:
    found = READER.read(recorded(simulated.device("glucometer"))[:cut], AT)
    assert found.taken == ()
    assert told in found.wrong


def test_the_same_payload_says_the_same_each_time() -> None:
    for data in (written(GLUCOSE), uploaded("alone"), recorded(simulated.device("glucometer"))):
        assert READER.read(data, AT) == READER.read(data, AT)
    assert replace(READER) == READER
    assert AT.astimezone(UTC) == AT
