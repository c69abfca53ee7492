"""Who an agent is that comes by MQTT, and that of several processes one listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.devices.mosquitto import Mosquitto
from tests.unit.devices.test_mqtt import talking
from tests.unit.devices.uploading import FEVER, GLUCOSE, World, er7, world

from hilum.access.policy import Principal
from hilum.app.listening import Enrolled, Listens
from hilum.app.settings import Settings
from hilum.devices.records import Agent
from hilum.oauth.lease import Leases
from hilum.oauth.ledger import CLIENT, DEVICE_AGENT, Client, Put, write
from hilum.problems import Forbidden, Misconfigured
from hilum.rest.message import Response


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


CLIENT_OF_AN_AGENT = Client("meter", "private_key_jwt", "system/Observation.c system/Device.c patient/*.cruds")


async def enrol(gate: World, id: str, client: Client = CLIENT_OF_AN_AGENT, agent: bool = True) -> None:
    ledger = gate.gateway.door.store.ledger
    await ledger.add(Put(CLIENT, id.encode(), write(client)))
    if agent:
        await ledger.add(Put(DEVICE_AGENT, id.encode(), write(Agent("a meter", anyone=True))))


async def test_an_enrolled_agent_may_what_its_client_is_registered_for_as_a_service(gate: World) -> None:
    await enrol(gate, "meter")
    who = await Enrolled(gate.gateway.door.store.ledger, open=False)("meter")
    assert (who.client, who.agent) == ("meter", "meter")
    assert [
        bool(who.policy.permits(*one)) for one in (("Observation", "c"), ("Observation", "r"), ("Patient", "c"))
    ] == [
        True,
        False,
        False,
    ]


async def test_who_is_unknown_disabled_revoked_or_no_agent_is_refused(gate: World) -> None:
    ledger = gate.gateway.door.store.ledger
    await enrol(gate, "disabled", Client("x", "private_key_jwt", "system/*.c", disabled=True))
    await enrol(gate, "service", agent=False)
    await enrol(gate, "revoked")
    await ledger.end(CLIENT, key=b"revoked")
    enrolled = Enrolled(ledger, open=False)
    for id in ("unknown", "disabled", "service", "revoked"):
        with pytest.raises(Forbidden):
            await enrolled(id)
    assert (await Enrolled(ledger, open=True)("unknown")).policy.searches_all


def listens(gate: World, broker: Mosquitto, seconds: float = 1.5) -> Listens:
    settings = replace(Settings(), mqtt=f"mqtt://hilum:gate@127.0.0.1:{broker.port}/home")

    async def bundle(who: Principal, content: bytes, sealed: bool) -> Response:
        return Response(200, [], b"{}")

    ledger = gate.gateway.door.store.ledger
    return Listens(settings, ledger, gate.seal, bundle, gate.messages, Leases(ledger, seconds=seconds))


async def test_one_process_listens_and_when_it_is_gone_the_other_one_does(broker: Mosquitto, gate: World) -> None:
    await enrol(gate, "meter")
    one, other = listens(gate, broker), listens(gate, broker)
    one.start()
    await asyncio.wait_for(one.connected.wait(), 20)
    other.start()
    async with talking(broker) as meter:
        meter.send(er7(GLUCOSE))
        assert await meter.receipt_of("M1") == "AA"
        assert not other.connected.is_set()
        await one.stop()
        meter.send(er7(FEVER, id="M2"))
        assert await meter.receipt_of("M2") == "AA"
        assert other.connected.is_set()
    await other.stop()
    assert await gate.values() == ["18.9 mmol/L", "37.6 Cel"]


async def test_an_agent_that_is_revoked_is_refused_at_once(broker: Mosquitto, gate: World) -> None:
    await enrol(gate, "meter")
    one = listens(gate, broker)
    one.start()
    await asyncio.wait_for(one.connected.wait(), 20)
    async with talking(broker) as meter:
        meter.send(er7(GLUCOSE))
        await meter.receipt()
        await gate.gateway.door.store.ledger.end(CLIENT, key=b"meter")
        meter.send(er7(FEVER, id="M2"))
        while (answer := await meter.receipt())["status"] == 200:
            pass
    await one.stop()
    assert (answer["status"], answer["answer"]["resourceType"]) == (403, "OperationOutcome")
    assert await gate.values() == ["18.9 mmol/L"]


def test_production_listens_in_clear_on_this_machine_alone() -> None:
    Settings(environment="production", mqtt="mqtt://127.0.0.1/x")
    with pytest.raises(Misconfigured):
        Settings(environment="production", mqtt="mqtt://broker.test/x")


def test_the_password_of_a_broker_is_not_shown() -> None:
    shown = repr(Settings(mqtt="mqtts://hilum:se:cret@broker.test/x"))
    assert "cret" not in shown and "mqtts://hilum@broker.test/x" in shown
