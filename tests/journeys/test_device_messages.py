"""HL7 v2 from devices, the whole way: over HTTP, in envelopes, and over MQTT while the server dies."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.journeys.server import Server
from tests.shared_data import DATA, needs_data
from tests.unit.devices.mosquitto import Mosquitto
from tests.unit.devices.test_mqtt import Agent
from tests.unit.devices.uploading import FEVER, GLUCOSE, er7

from hilum.hl7v2 import soap
from hilum.hl7v2.ack import acknowledged
from hilum.hl7v2.message import parse
from hilum.hl7v2.pcd01 import Identifier

MRN = "urn:oid:2.16.840.1.113883.19.5"
PATIENT = (Identifier("789567", "", "2.16.840.1.113883.19.5", "ISO", "MR"),)
ER7 = {"content-type": "application/hl7-v2"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("server"), "--max-body-bytes", "65536")
    patient = {"resourceType": "Patient", "identifier": [{"system": MRN, "value": "789567"}]}
    with one.client() as client:
        assert client.post("Patient", json=patient).status_code == 201
    yield one
    one.stop()


def send(server: Server, content: bytes, type: str = ER7["content-type"], scope: str = "system/*.c") -> httpx.Response:
    headers = {"content-type": type, "authorization": f"Bearer {server.token(scope)}"}
    return httpx.post(f"{server.url}/devices/hl7v2", content=content, headers=headers, timeout=30)


def told(answer: httpx.Response) -> tuple[str, str]:
    return acknowledged(parse(answer.content))[:2]


def values(server: Server) -> list[str]:
    with server.client() as client:
        found = client.get("Observation?code=160184,150364&_count=1000").text
    return sorted(part.split(",")[0] for part in found.split('"valueQuantity":{"value":')[1:])


def test_a_message_its_copy_and_the_same_in_an_envelope_are_stored_once(server: Server) -> None:
    raw = er7(GLUCOSE, FEVER, patient=PATIENT)
    first = send(server, raw)
    assert (first.status_code, told(first)) == (200, ("AA", "M1"))
    assert first.headers["content-type"] == "application/hl7-v2; charset=utf-8"
    assert send(server, raw).content == first.content
    envelope = soap.request(parse(raw), to=f"{server.url}/devices/hl7v2", message_id="urn:uuid:1")
    answer = send(server, envelope, "application/soap+xml; charset=UTF-8")
    assert soap.parse_response(answer.content).content == first.content
    assert values(server) == ["18.9", "37.6"]


def test_a_reading_of_an_unknown_patient_is_held(server: Server) -> None:
    answer = send(server, er7(patient=[Identifier("nobody", "", "1.2.3", "ISO")], id="M7"))
    assert (answer.status_code, told(answer)) == (202, ("AA", "M7"))


@pytest.mark.parametrize(
    ("type", "scope", "size", "status"),
    [
        ("application/hl7-v2", "system/*.rs", 0, 403),
        ("application/json", "system/*.c", 0, 415),
        ("text/xml", "system/*.c", 0, 415),
        ("application/hl7-v2", "system/*.c", 70_000, 413),
    ],
    ids=["reading only", "json", "soap 1.1", "too large"],
)
def test_what_is_no_matter_of_hl7_is_told_by_http(
    server: Server, type: str, scope: str, size: int, status: int
) -> None:
    answer = send(server, er7(id="M9") + b"x" * size, type, scope)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


def test_without_a_token_nothing_is_read(server: Server) -> None:
    answer = httpx.post(f"{server.url}/devices/hl7v2", content=er7(), headers=ER7)
    assert (answer.status_code, answer.json()["resourceType"]) == (401, "OperationOutcome")


@needs_data
def test_messages_of_hospitals_are_refused_and_none_is_stored(server: Server) -> None:
    before = values(server)
    for path in sorted((DATA / "hl7v2").rglob("*.hl7")):
        answer = send(server, path.read_bytes())
        assert answer.status_code == 200, path.name
        assert told(answer)[0] in ("AR", "AE", "CR", "CE"), path.name
    assert values(server) == before


def test_messages_over_mqtt_are_stored_once_while_the_server_dies(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Mosquitto(folder, "max_queued_messages 10000\n")
    broker.start()
    flags = ("--auth", "off", "--mqtt", f"mqtt://hilum:gate@127.0.0.1:{broker.port}/home")
    server = Server(tmp_path, *flags)
    try:
        while not any(one["event"] == "mqtt connected" for one in server.events):
            asyncio.run(asyncio.sleep(0.05))
        meter = Agent(broker)
        with httpx.Client(base_url=server.base + "/") as client:
            patient = {"resourceType": "Patient", "identifier": [{"system": MRN, "value": "789567"}]}
            assert client.post("Patient", json=patient).status_code == 201
        waited = {f"M{number}" for number in range(200)}
        for number in range(200):
            reading = FEVER if number % 2 else GLUCOSE
            meter.send(er7(reading, id=f"M{number}", patient=PATIENT))
        for _ in range(20):
            waited.discard(acknowledged(parse(meter.heard.get(timeout=30)["answer"].encode()))[1])
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        server = Server(tmp_path, *flags)
        while waited:
            answer = meter.heard.get(timeout=60)
            code, id = acknowledged(parse(answer["answer"].encode()))[:2]
            assert code == "AA"
            waited.discard(id)
        meter.close()
        with httpx.Client(base_url=server.base + "/") as client:
            total = client.get("Observation?code=160184,150364&_summary=count").json()["total"]
            devices = client.get("Device?_summary=count").json()["total"]
        assert (total, devices) == (2, 2)
    finally:
        server.stop()
        broker.stop()


def test_the_message_of_the_how_to_is_taken(server: Server) -> None:
    text = (Path(__file__).parents[2] / "docs/how-to/push-hl7v2-from-devices.md").read_text()
    lines = text.split("```hl7\n")[1].split("```")[0].splitlines()
    raw = "".join(f"{line.strip()}\n" for line in lines if line.strip())
    answer = send(server, raw.encode())
    assert (answer.status_code, told(answer)) == (200, ("AA", "M1"))
    assert values(server).count("18.9") >= 1
