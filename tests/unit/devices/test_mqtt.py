"""Readings over a real broker: nothing is lost and nothing doubled, whatever is cut off, and who it is from counts."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from tests.unit.devices.mosquitto import USERS, Mosquitto
from tests.unit.devices.uploading import FEVER, GLUCOSE, World, agent, er7, with_header, world

from hilum.access.keys import load_or_create
from hilum.access.policy import Principal
from hilum.access.rerooting import reroot
from hilum.access.seal import Seal
from hilum.devices.broker import Address
from hilum.devices.mqtt import Arrived, Arriving, Listening, Told
from hilum.devices.refusals import MOST, Refusals
from hilum.fhir import json
from hilum.hl7v2.ack import acknowledged
from hilum.hl7v2.message import parse
from hilum.problems import Busy, Forbidden, Invalid, Misconfigured, Problem


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    one = Mosquitto(folder)
    one.start()
    yield one
    one.stop()


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as one:
        yield one


class Agent:
    """One that publishes and hears its receipts."""

    def __init__(self, broker: Mosquitto, name: str = "meter") -> None:
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        self.name = name
        self._client = Client(CallbackAPIVersion.VERSION2, f"{name}-itself", clean_session=False, protocol=MQTTv311)
        self._client.username_pw_set(name, USERS[name])
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(f"home/{name}/receipts", 1)
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_message = lambda *said: self.heard.put(json.parse(said[2].payload))
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert ready.wait(20)

    def send(self, content: bytes, kind: str = "hl7v2", whose: str = "") -> None:
        self._client.publish(f"home/{whose or self.name}/{kind}", content, qos=1)

    async def receipt(self) -> dict[str, Any]:
        return await asyncio.to_thread(self.heard.get, timeout=20)

    async def receipt_of(self, id: str) -> str:
        """MSA-1 of it; answers that are repeated for others are passed over."""
        while True:
            code, of = said(await self.receipt())
            if of == id:
                return code

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@asynccontextmanager
async def talking(broker: Mosquitto, name: str = "meter") -> AsyncIterator[Agent]:
    one = await asyncio.to_thread(Agent, broker, name)
    yield one
    await asyncio.to_thread(one.close)


def told(problem: Problem) -> Told:
    return Told(403 if isinstance(problem, Forbidden) else 400, json.encode({"said": str(problem)}))


def arriving(gate: World, whom: Callable[[str], Awaitable[Principal]] | None = None) -> Arriving:
    async def known(client: str) -> Principal:
        if client != "meter":
            raise Forbidden("not enrolled")
        return agent(client)

    async def bundle(who: Principal, content: bytes) -> Told:
        if not content.startswith(b"{"):
            raise Invalid("no bundle")
        return Told(200, json.encode({"of": who.client}))

    refusals = Refusals(gate.gateway.door.store.ledger, gate.seal)
    return Arriving(whom or known, bundle, gate.messages, told, refusals, 1 << 20)


@asynccontextmanager
async def listening(broker: Mosquitto, some: Arriving) -> AsyncIterator[asyncio.Task[None]]:
    address = Address.of(f"mqtt://hilum:gate@127.0.0.1:{broker.port}/home")
    one = Listening(address, some, 0.05)
    task = asyncio.create_task(one.run("hilum-test"))
    try:
        await asyncio.wait_for(one.connected.wait(), 20)
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def said(answer: dict[str, Any]) -> tuple[str, str]:
    return acknowledged(parse(answer["answer"].encode()))[:2]


async def test_a_message_is_stored_and_its_receipt_published(broker: Mosquitto, gate: World) -> None:
    async with listening(broker, arriving(gate)), talking(broker) as meter:
        raw = er7(GLUCOSE, FEVER)
        meter.send(raw)
        answer = await meter.receipt()
    assert (answer["sent"], answer["status"], said(answer)) == (sha256(raw).hexdigest(), 200, ("AA", "M1"))
    assert await gate.values() == ["18.9 mmol/L", "37.6 Cel"]


async def test_a_bundle_goes_where_bundles_go(broker: Mosquitto, gate: World) -> None:
    async with listening(broker, arriving(gate)), talking(broker) as meter:
        meter.send(b"{}", "bundles")
        answer = await meter.receipt()
    assert (answer["status"], answer["answer"]) == (200, {"of": "meter"})


async def test_what_is_published_while_nobody_listens_waits_at_the_broker(broker: Mosquitto, gate: World) -> None:
    async with talking(broker) as meter:
        async with listening(broker, arriving(gate)):
            meter.send(er7(GLUCOSE))
            await meter.receipt()
        for number in range(2, 30):
            meter.send(er7(FEVER, id=f"M{number}"))
        broker.stop()
        broker.start()
        async with listening(broker, arriving(gate)):
            for number in range(2, 30):
                assert await meter.receipt_of(f"M{number}") == "AA"
    assert await gate.values() == ["18.9 mmol/L", "37.6 Cel"]


async def test_what_was_stored_and_not_acknowledged_comes_again_and_is_stored_once(
    broker: Mosquitto, gate: World
) -> None:
    stored = asyncio.Event()

    async def cut_off(*given: Any, **named: Any) -> Any:
        outcome = await gate.messages.take(*given, **named)
        stored.set()
        await asyncio.sleep(3600)
        return outcome

    dying = arriving(replace(gate, messages=replace(gate.messages, take=cut_off)))
    async with talking(broker) as meter:
        async with listening(broker, dying):
            meter.send(er7(GLUCOSE))
            await asyncio.wait_for(stored.wait(), 20)
        assert meter.heard.empty()
        async with listening(broker, arriving(gate)):
            assert await meter.receipt_of("M1") == "AA"
    assert await gate.values() == ["18.9 mmol/L"]


async def test_a_broker_that_dies_is_connected_to_again(broker: Mosquitto, gate: World) -> None:
    async with listening(broker, arriving(gate)), talking(broker) as meter:
        for number in range(6):
            meter.send(er7(GLUCOSE, id=f"M{number}"))
            if number % 2:
                broker.stop()
                broker.start()
        ids = set[str]()
        while len(ids) < 6:
            ids.add(said(await meter.receipt())[1])
    assert await gate.values() == ["18.9 mmol/L"]


async def test_what_the_store_can_not_take_now_waits(broker: Mosquitto, gate: World) -> None:
    tries = 0

    async def busy(*given: Any, **named: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Busy("not now")
        return await gate.messages.take(*given, **named)

    some = arriving(replace(gate, messages=replace(gate.messages, take=busy)))
    async with listening(broker, some), talking(broker) as meter:
        meter.send(er7(GLUCOSE))
        assert said(await meter.receipt()) == ("AA", "M1")
    assert tries == 3


async def test_an_agent_that_is_not_enrolled_is_refused_and_nothing_of_it_kept(broker: Mosquitto, gate: World) -> None:
    some = arriving(gate)
    async with listening(broker, some), talking(broker, "other") as other:
        other.send(er7(GLUCOSE))
        answer = await other.receipt()
    assert (answer["status"], answer["answer"]) == (403, {"said": "not enrolled"})
    assert await gate.values() == []
    assert await some.refusals.of("other") == []


async def test_the_broker_lets_nobody_publish_for_another(broker: Mosquitto, gate: World) -> None:
    async with listening(broker, arriving(gate)), talking(broker) as meter, talking(broker, "other") as other:
        other.send(er7(FEVER), whose="meter")
        other.send(er7(FEVER))
        await other.receipt()
        meter.send(er7(GLUCOSE))
        await meter.receipt()
    assert await gate.values() == ["18.9 mmol/L"]


async def test_what_is_refused_is_answered_with_the_reason_and_kept_sealed(broker: Mosquitto, gate: World) -> None:
    some = arriving(gate)
    wrong = with_header(er7(), f12="2.5")
    async with listening(broker, some), talking(broker) as meter:
        meter.send(wrong)
        assert said(await meter.receipt()) == ("AR", "M1")
        meter.send(b"nothing", "bundles")
        assert (await meter.receipt())["answer"] == {"said": "no bundle"}
        meter.send(b"x" * ((1 << 20) + 1), "bundles")
        assert (await meter.receipt())["status"] == 400
        meter.send(b"nothing", "bundles")
        await meter.receipt()
    kept = await some.refusals.of("meter")
    assert [(one.kind, one.why, content) for one, content in kept[:2]] == [
        ("hl7v2", "MSH[1]-12: expected 2.6", wrong),
        ("bundles", "no bundle", b"nothing"),
    ]
    assert [(one.size, len(content)) for one, content in kept[2:]] == [((1 << 20) + 1, 1 << 18)]


async def test_of_what_is_refused_the_oldest_goes(gate: World) -> None:
    now = 1_800_000_000.0

    def clock() -> float:
        nonlocal now
        now += 1
        return now

    refusals = Refusals(gate.gateway.door.store.ledger, gate.seal, clock)
    for number in range(MOST + 3):
        await refusals.keep("meter", "bundles", b"%d" % number, "no")
    await refusals.keep("other", "bundles", b"0", "no")
    assert [int(content) for _, content in await refusals.of("meter")] == list(range(3, MOST + 3))


async def test_a_defect_is_told_and_stops_nobody(gate: World) -> None:
    async def broken(*given: Any, **named: Any) -> Any:
        raise KeyError("meter")

    some = arriving(replace(gate, messages=replace(gate.messages, take=broken)))
    answer = json.parse(await some.take(Arrived("meter", "hl7v2", er7())))
    assert "failed" in answer["answer"]["said"]
    assert len(await some.refusals.of("meter")) == 1


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("mqtts://h/home", Address("h", 8883, "home")),
        ("mqtt://u:p%40@h:99/a/b/", Address("h", 99, "a/b", False, "u", "p@")),
        ("mqtts://u@h/x?password-file=/p&ca=/c", Address("h", 8883, "x", True, "u", "", "/p", "/c")),
    ],
    ids=["least", "in clear", "files"],
)
def test_the_address_of_a_broker_is_a_url(url: str, found: Address) -> None:
    assert Address.of(url) == found


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:8883/x",
        "http://h/x",
        "mqtts://h",
        "mqtts://h/a/+",
        "mqtts://h/$SYS",
        "mqtts://:secret@h/x",
        "mqtts://h/x?y=1",
        "mqtts://h:x/x",
    ],
    ids=["nothing", "no scheme", "http", "no prefix", "a wildcard", "the broker's own", "no user", "unknown", "port"],
)
def test_what_is_no_such_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(Misconfigured) as problem:
        Address.of(url)
    assert "secret" not in str(problem.value)


async def test_a_broker_that_refuses_the_password_is_tried_again(
    broker: Mosquitto, gate: World, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong")
    address = Address.of(f"mqtt://hilum@127.0.0.1:{broker.port}/home?password-file={secret}")
    one = Listening(address, arriving(gate), 0.05)
    task = asyncio.create_task(one.run("hilum-test"))
    async with talking(broker) as meter:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(one.connected.wait(), 0.5)
        secret.write_text("gate\n")
        await asyncio.wait_for(one.connected.wait(), 20)
        meter.send(er7(GLUCOSE))
        await meter.receipt()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_is_refused_follows_the_root_key(gate: World, tmp_path: Path) -> None:
    ledger = gate.gateway.door.store.ledger
    await Refusals(ledger, gate.seal).keep("meter", "bundles", b"nothing", "no bundle")
    (tmp_path / "new").mkdir()
    new = load_or_create(tmp_path / "new", "sandbox")
    await reroot(ledger, load_or_create(tmp_path, "sandbox"), new, time.time(), at_once=True)
    ((one, content),) = await Refusals(ledger, Seal(new)).of("meter")
    assert (one.why, content) == ("no bundle", b"nothing")
