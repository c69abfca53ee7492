"""Topics of a real broker: Debian's mosquitto."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.unit.agent.sources.sinks import Kept, running

from hilum.agent.sources.mqtt import Mqtt, source
from hilum.phd.reading import Quantity, Taken
from hilum.problems import Misconfigured

paho = pytest.importorskip("paho.mqtt.client")
BINARY = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
needs_mosquitto = pytest.mark.skipif(not Path(BINARY).exists(), reason="needs mosquitto")
TOPIC = "home/1/readings"
FIRST = "30.0"


def measured(value: str) -> bytes:
    return (
        b'{"device": "FE-ED-AB-EE-DE-AD-77-C3", "measurements": [{"type": "body-temperature", "value": '
        + value.encode()
        + b', "unit": "Cel", "time": "2026-11-24T07:30:00+01:00"}]}'
    )


def values(taken: list[Taken]) -> list[str]:
    """What was measured, without what only made the session."""
    found = [str(one.readings[0].value.value) for one in taken if isinstance(one.readings[0].value, Quantity)]
    return [one for one in found if one != FIRST]


async def until(sink: Kept, *expected: str) -> None:
    async with asyncio.timeout(20):
        while values(sink.taken) != list(expected):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Broker:
    """With TLS, a user and a memory that outlives it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        key = ec.generate_private_key(ec.SECP256R1())
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
            .add_extension(x509.BasicConstraints(True, None), True)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        (folder / "ca.pem").write_bytes(certificate.public_bytes(pem))
        (folder / "key.pem").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        passwords, secret = folder / "passwords", folder / "secret"
        passwords.write_text("agent:opensesame\n")
        secret.write_text("opensesame\n")
        for one in (passwords, secret):
            one.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\ncertfile {folder}/ca.pem\nkeyfile {folder}/key.pem\nuser root\n"
            f"allow_anonymous false\npassword_file {passwords}\npersistence true\npersistence_location {folder}/\n"
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            [BINARY, "-c", str(self.folder / "mosquitto.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(500):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError("mosquitto did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def source(self, **more: Any) -> Mqtt:
        return source(
            {
                "kind": "mqtt",
                "broker": f"mqtts://localhost:{self.port}",
                "topics": ["home/+/readings"],
                "ca": str(self.folder / "ca.pem"),
                "user": "agent",
                "password": str(self.folder / "secret"),
                **more,
            }
        )

    async def subscribed(self) -> None:
        """Make the session that the broker keeps, as an agent that was there once."""
        sink = Kept()
        async with running(self.source(), sink):
            while not sink.taken:
                await self.publish(measured(FIRST))
                await asyncio.sleep(0.05)

    async def publish(self, *payloads: bytes, qos: int = 1) -> None:
        await asyncio.to_thread(self._publish, payloads, qos)

    def _publish(self, payloads: tuple[bytes, ...], qos: int) -> None:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.tls_set(str(self.folder / "ca.pem"))
        client.username_pw_set("agent", "opensesame")
        there = threading.Event()
        client.on_connect = lambda *_: there.set()
        client.connect("localhost", self.port)
        client.loop_start()
        assert there.wait(20)
        for one in payloads:
            client.publish(TOPIC, one, qos).wait_for_publish(20)
        client.disconnect()
        client.loop_stop()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    made.start()
    yield made
    made.stop()


@needs_mosquitto
async def test_what_was_sent_while_nobody_was_there_comes_in_its_order(broker: Broker) -> None:
    await broker.subscribed()
    await broker.publish(measured("36.60"), measured("37.6"))
    sink = Kept()
    async with running(broker.source(), sink):
        await until(sink, "36.60", "37.6")


@needs_mosquitto
async def test_what_was_not_kept_when_the_agent_died_comes_again(broker: Broker) -> None:
    await broker.subscribed()
    dying, sink = Kept(), Kept()
    dying.gate.clear()
    await broker.publish(measured("36.6"), measured("37.6"))
    async with running(broker.source(), dying):
        await dying.until(asked=1)
    assert dying.taken == []
    async with running(broker.source(), sink):
        await until(sink, "36.6", "37.6")


@needs_mosquitto
async def test_what_was_kept_does_not_come_again(broker: Broker) -> None:
    await broker.subscribed()
    first, second = Kept(), Kept()
    await broker.publish(measured("36.6"))
    async with running(broker.source(), first):
        await until(first, "36.6")
        await broker.publish(measured("36.7"))
        await until(first, "36.6", "36.7")
    await broker.publish(measured("36.8"))
    async with running(broker.source(), second):
        while "36.8" not in values(second.taken):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert "36.6" not in values(second.taken)


@needs_mosquitto
async def test_without_room_nothing_is_acknowledged_and_what_was_sent_comes_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hilum.agent.sources.mqtt._FULL_SECONDS", 0.01)
    await broker.subscribed()
    sink = Kept()
    sink.full = True
    await broker.publish(measured("36.6"))
    async with running(broker.source(), sink):
        await sink.until(asked=3)
        assert sink.taken == []
        sink.full = False
        await until(sink, "36.6")


@needs_mosquitto
async def test_a_broker_that_goes_and_comes_back_is_found_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hilum.agent.sources.mqtt._SHORTEST", 0.01)
    await broker.subscribed()
    sink = Kept()
    async with running(broker.source(), sink):
        await broker.publish(measured("36.6"))
        await until(sink, "36.6")
        broker.stop()
        broker.start()
        await broker.publish(measured("36.7"))
        while "36.7" not in values(sink.taken):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@needs_mosquitto
async def test_what_says_nothing_is_refused_and_stops_nothing(broker: Broker) -> None:
    await broker.subscribed()
    sink = Kept()
    await broker.publish(b"nonsense", b"", bytes(2 << 20), measured("36.6"))
    async with running(broker.source(), sink):
        await sink.until(refused=3)
        while "36.6" not in values(sink.taken):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert [(len(data), why.partition(";")[0]) for _, _, data, why in sink.refused] == [
        (8, "expected JSON, HL7 v2, or a recording that begins with an association request"),
        (0, "expected JSON, HL7 v2, or a recording that begins with an association request"),
        (1 << 20, "2097152 bytes"),
    ]


@needs_mosquitto
@pytest.mark.parametrize("what", ["password", "ca", "nobody"])
async def test_a_broker_that_does_not_let_us_in_or_is_another_gets_and_gives_nothing(
    broker: Broker, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    more: dict[str, Any] = {}
    if what == "password":
        (broker.folder / "secret").write_text("other")
    elif what == "ca":
        more["ca"] = ""
    else:
        broker.stop()
    sink = Kept()
    async with running(broker.source(**more), sink), asyncio.timeout(20):
        while not caplog.records:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    told = {"password": "mqtt-not-let-in", "ca": "SSLCertVerificationError", "nobody": "ConnectionRefusedError"}
    assert told[what] in caplog.text
    assert "opensesame" not in caplog.text


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "broker"),
        ({"broker": "mqtts://far"}, "topics"),
        ({"broker": "mqtts://far", "topics": []}, "topics"),
        ({"broker": "http://far", "topics": ["a"]}, "expected mqtts://HOST"),
        ({"broker": "mqtts://me:secret@far", "topics": ["a"]}, "expected mqtts://HOST"),
        ({"broker": "mqtts://far:port", "topics": ["a"]}, "expected mqtts://HOST"),
        ({"broker": "mqtt://far", "topics": ["a"]}, "in the clear"),
        ({"broker": "mqtts://far", "topics": ["a"], "ca": "/none"}, "no certificates"),
        ({"broker": "mqtts://far", "topics": ["a"], "password": "/none"}, "can't be read"),
        ({"broker": "mqtts://far", "topics": ["a"], "system_id": "x"}, "EUI-64"),
    ],
    ids=str,
)
def test_settings_that_will_never_work_are_told(table: dict[str, Any], told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        source(table)


def test_a_password_that_others_may_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("opensesame")
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(Misconfigured, match="others may read") as told:
        source({"broker": "mqtts://far", "topics": ["a"], "password": str(tmp_path / "secret")})
    assert "opensesame" not in str(told.value)


def test_the_broker_knows_us_again_and_settings_show_no_secret(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("opensesame\n")
    secret.chmod(0o600)
    table = {"broker": "mqtts://far", "topics": ["a"], "password": str(secret)}
    one, other = source(table), source(table)
    assert (one.client, one.password) == (other.client, "opensesame")
    assert "opensesame" not in repr(one)
