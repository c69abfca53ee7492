"""Devices over TCP, over a serial line and from a recording, read by the source."""

from __future__ import annotations

import asyncio
import os
import pty
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.sources.sinks import Kept, running

from hilum.agent.sources import ieee20601
from hilum.agent.sources.ieee20601 import MALFORMED_MOST, Ieee20601, source
from hilum.phd.ieee20601 import simulated
from hilum.phd.ieee20601.agent import Agent, State
from hilum.phd.reading import Quantity, Taken
from hilum.problems import Misconfigured

US = "11-22-33-44-55-66-77-88"
AT = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)


class Plugged:
    """A simulated device at the other end of a stream. `recorded`: all that it sent."""

    def __init__(self, agent: Agent, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.agent, self.reader, self.writer = agent, reader, writer
        self.confirmed: list[int] = []
        self.recorded = b""

    @classmethod
    async def into(cls, wire: Ieee20601, name: str = "glucometer", number: int = 1) -> Plugged:
        while wire.port is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return cls(simulated.device(name, number), *await asyncio.open_connection("127.0.0.1", wire.port))

    async def say(self, *data: bytes) -> None:
        self.recorded += b"".join(data)
        self.writer.write(b"".join(data))
        await self.writer.drain()

    async def hear(self, confirmed: int = 0, state: State | None = None) -> None:
        """Answer until so many reports are confirmed, and that is the state. Raises EOFError where the stream ends."""
        async with asyncio.timeout(20):
            while len(self.confirmed) < confirmed or (state is not None and self.agent.state is not state):
                data = await self.reader.read(1 << 16)
                if not data:
                    raise EOFError
                answered = self.agent.received(data, AT)
                self.confirmed += answered.confirmed
                await self.say(*answered.send)

    async def associate(self) -> None:
        await self.say(self.agent.associate())
        await self.hear(state=State.OPERATING)

    async def report(self, *values: Any) -> None:
        await self.say(self.agent.report(simulated.measured(self.agent, AT, *values)))

    async def silence(self) -> None:
        """Until the far side ends the stream; what it says until then is answered."""
        with pytest.raises((EOFError, ConnectionError)):
            await self.hear(confirmed=1 << 30)

    def gone(self) -> None:
        self.writer.transport.abort()


def listening(**more: Any) -> Ieee20601:
    return source({"name": "wire", "system_id": US, "kind": "ieee20601", "listen": "127.0.0.1:0", **more})


def values(taken: list[Taken]) -> list[object]:
    return [one.value.value for each in taken for one in each.readings if isinstance(one.value, Quantity)]


async def test_a_device_over_tcp_is_confirmed_and_seen() -> None:
    wire, sink = listening(), Kept()
    async with running(wire, sink):
        device = await Plugged.into(wire)
        await device.associate()
        await device.report(Decimal(105))
        await device.hear(confirmed=1)
        assert values(sink.taken) == [Decimal(105)]
        assert sink.taken[0].received.tzinfo is not None
        assert {one.system_id for one in sink.contacts} == {"FE-ED-AB-EE-DE-00-00-01"}
        assert sink.refused == []
        await device.say(device.agent.release())
        await device.hear(state=State.UNASSOCIATED)
        device.gone()


async def test_several_devices_at_once_wait_for_none_of_the_others() -> None:
    wire, sink = listening(), Kept()
    async with running(wire, sink):
        slow, *others = [await Plugged.into(wire, number=number) for number in range(1, 5)]
        await slow.say(slow.agent.associate()[:7])
        for one in others:
            await one.associate()
            await one.report(Decimal(one.agent.system_id[-1]))
            await one.hear(confirmed=1)
        assert sorted(map(str, values(sink.taken))) == ["2", "3", "4"]
        for one in (slow, *others):
            one.gone()


async def test_a_report_that_was_cut_in_the_middle_is_sent_again_and_taken_once() -> None:
    wire, sink = listening(), Kept()
    async with running(wire, sink):
        device = await Plugged.into(wire)
        await device.associate()
        report = device.agent.report(simulated.measured(device.agent, AT, Decimal(105)))
        await device.say(report[: len(report) // 2])
        device.gone()
        again = await Plugged.into(wire)
        await again.associate()
        await again.report(Decimal(105))
        await again.hear(confirmed=1)
        assert values(sink.taken) == [Decimal(105)]
        again.gone()


async def test_nothing_is_confirmed_before_it_is_kept() -> None:
    wire, sink = listening(), Kept()
    async with running(wire, sink):
        device = await Plugged.into(wire)
        await device.associate()
        sink.gate.clear()
        await device.report(Decimal(105))
        await sink.until(asked=1)
        assert (sink.taken, device.confirmed) == ([], [])
        sink.gate.set()
        await device.hear(confirmed=1)
        assert values(sink.taken) == [Decimal(105)]
        device.gone()


async def test_what_was_not_confirmed_when_the_agent_died_comes_again_and_is_not_lost() -> None:
    first, sink = listening(), Kept()
    async with running(first, sink):
        device = await Plugged.into(first)
        await device.associate()
        sink.gate.clear()
        await device.report(Decimal(105))
        await sink.until(asked=1)
    await device.silence()
    assert (sink.taken, device.confirmed) == ([], [])
    second = listening()
    sink.gate.set()
    async with running(second, sink):
        again = await Plugged.into(second)
        await again.associate()
        await again.report(Decimal(105))
        await again.hear(confirmed=1)
        assert values(sink.taken) == [Decimal(105)]
        again.gone()


async def test_without_room_nothing_is_confirmed_and_the_association_ends() -> None:
    wire, sink = listening(), Kept()
    async with running(wire, sink):
        device = await Plugged.into(wire)
        await device.associate()
        sink.full = True
        await device.report(Decimal(105))
        await device.silence()
        assert (sink.taken, device.confirmed, sink.refused) == ([], [], [])
        assert device.agent.state is State.UNASSOCIATED


async def test_a_device_that_says_the_same_nonsense_again_and_again_is_let_alone() -> None:
    wire, sink = listening(), Kept()
    nonsense = bytes.fromhex("e7000004") + b"\0\2\0\0"
    async with running(wire, sink):
        for _ in range(MALFORMED_MOST):
            device = await Plugged.into(wire)
            await device.associate()
            await device.say(nonsense)
            with pytest.raises(EOFError):
                await device.hear(state=State.UNASSOCIATED)
                device.writer.write_eof()
                await device.hear(confirmed=1)
        assert [(who, data) for _, who, data, _ in sink.refused] == [("FE-ED-AB-EE-DE-00-00-01", nonsense)]
        shunned = await Plugged.into(wire)
        await shunned.say(shunned.agent.associate())
        await shunned.hear(state=State.UNASSOCIATED)
        other = await Plugged.into(wire, number=2)
        await other.associate()
        for one in (shunned, other):
            one.gone()


async def test_only_devices_that_are_named_may_associate() -> None:
    wire, sink = listening(devices=["FE-ED-AB-EE-DE-00-00-02"]), Kept()
    async with running(wire, sink):
        stranger, known = await Plugged.into(wire), await Plugged.into(wire, number=2)
        await stranger.say(stranger.agent.associate())
        await stranger.hear(state=State.UNASSOCIATED)
        await known.associate()
        stranger.gone()
        known.gone()


async def test_no_more_connections_than_are_allowed() -> None:
    wire, sink = listening(connections=1), Kept()
    async with running(wire, sink):
        first = await Plugged.into(wire)
        await first.associate()
        second = await Plugged.into(wire, number=2)
        await second.say(second.agent.associate())
        await second.silence()
        first.gone()


async def test_a_device_that_listens_is_connected_to() -> None:
    found: asyncio.Future[Plugged] = asyncio.get_running_loop().create_future()

    async def dialled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.set_result(Plugged(simulated.device("scale"), reader, writer))

    server = await asyncio.start_server(dialled, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sink = Kept()
    async with running(source({"name": "far", "system_id": US, "connect": f"127.0.0.1:{port}"}), sink):
        device = await found
        await device.associate()
        await device.report(Decimal("70.0"))
        await device.hear(confirmed=1)
        assert [str(one) for one in values(sink.taken)] == ["70.0"]
        device.gone()
    server.close()


async def test_a_serial_line_carries_all_bytes_as_they_are() -> None:
    ours, theirs = pty.openpty()
    reader, writer = await ieee20601._opened(os.ttyname(theirs), 115200)
    wire, sink = source({"name": "usb", "system_id": US, "path": "/dev/none", "transport": "usb"}), Kept()
    conversation = asyncio.create_task(wire._converse(reader, writer, sink))
    far_reader, far_writer = await ieee20601._both_ways(ours)
    device = Plugged(simulated.device("thermometer"), far_reader, far_writer)
    await device.associate()
    await device.report(Decimal("37.60"))
    await device.hear(confirmed=1)
    (taken,) = sink.taken
    assert (taken.device.transport, values([taken])) == ("usb", [Decimal("37.60")])
    conversation.cancel()
    await asyncio.gather(conversation, return_exceptions=True)
    far_writer.close()
    os.close(ours)
    os.close(theirs)


async def recording() -> bytes:
    """What a glucometer sent that was read once."""
    wire, sink = listening(), Kept()
    async with running(wire, sink):
        device = await Plugged.into(wire)
        await device.associate()
        for value in (105, 106):
            await device.report(Decimal(value))
            await device.hear(confirmed=value - 104)
        await device.say(device.agent.release())
        await device.hear(state=State.UNASSOCIATED)
        device.gone()
    return device.recorded


async def test_a_recording_is_read_to_its_end_at_the_time_that_it_was_made(tmp_path: Path) -> None:
    file, sink = tmp_path / "glucometer.20601", Kept()
    file.write_bytes(await recording())
    os.utime(file, (AT.timestamp(), AT.timestamp()))
    await source({"name": "recorded", "system_id": US, "file": str(file)}).run(sink)
    assert values(sink.taken) == [Decimal(105), Decimal(106)]
    assert {one.received for one in sink.taken} == {AT}
    assert sink.refused == []


async def test_of_a_recording_that_is_cut_what_is_whole_is_taken(tmp_path: Path) -> None:
    file, sink = tmp_path / "glucometer.20601", Kept()
    data = await recording()
    file.write_bytes(data[:-20])
    await source({"name": "recorded", "system_id": US, "file": str(file)}).run(sink)
    assert values(sink.taken) == [Decimal(105)]
    assert [why for *_, why in sink.refused] == ["it ends in the middle of an APDU"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "expected one of listen, connect, path and file"),
        ({"listen": "127.0.0.1:1", "path": "/dev/x"}, "expected one of"),
        ({"listen": "here"}, "expected HOST:PORT"),
        ({"listen": "0.0.0.0:6024"}, "it listens on a network"),
        ({"path": "/dev/x", "speed": 7}, "speed 7"),
        ({"listen": "127.0.0.1:1", "devices": ["x"]}, "devices"),
        ({"port": 1}, "port"),
    ],
    ids=["nothing", "two", "no port", "network", "speed", "device", "unknown key"],
)
def test_settings_that_will_never_work_are_told(table: dict[str, Any], told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        source(table)


async def test_a_recording_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="No such file"):
        await source({"name": "recorded", "system_id": US, "file": str(tmp_path / "none")}).run(Kept())
