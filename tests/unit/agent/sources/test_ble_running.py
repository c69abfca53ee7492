"""The source as the agent runs it: several devices that come and go, and one that is trouble."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from bumble.link import LocalLink
from tests.unit.agent.sources.ble_air import Shelf, now, planned, until

from hilum.agent.simulating.kinds import peripheral
from hilum.agent.simulating.trying import OURS
from hilum.agent.sources.ble import bluetooth as ble
from hilum.agent.sources.ble.bluetooth import Bluetooth
from hilum.agent.sources.ble.by_bumble import BumbleRadio, on_air
from hilum.agent.sources.ble.transport import NoRadio
from hilum.agent.sources.ble.visit import How
from hilum.phd import codes
from hilum.phd.gatt import glucose

GLUCOSE = glucose.glucose_type(glucose.Sample.CAPILLARY_WHOLE_BLOOD)


@asynccontextmanager
async def running(source, shelf):
    task = asyncio.create_task(source.run(shelf))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def quickly(monkeypatch):
    """What is tried again is tried at once."""
    for name in ("_REST", "_FIRST", "_LONGEST"):
        monkeypatch.setattr(ble, name, 0)


def source(air, **more):
    return Bluetooth(BumbleRadio(on_air(air, OURS, "hilum agent")), How(quiet=0.2), now=now, **more)


async def test_devices_are_visited_as_they_come():
    air, shelf = LocalLink(), Shelf()
    meter, cuff = peripheral("glucometer", air, planned()), peripheral("blood-pressure", air, planned())
    async with running(source(air), shelf) as task:
        await meter.switch_on()
        await until(lambda: shelf.values(GLUCOSE))
        await meter.switch_off()
        await cuff.switch_on()
        await until(lambda: any(one.type == codes.PRESS_BLD_NONINV for one in shelf.readings))
        assert not task.done()
        await cuff.switch_off()


async def test_one_that_asks_for_pairing_stops_no_other(quickly, caplog):
    air, shelf = LocalLink(), Shelf()
    closed, meter = peripheral("scale", air, planned(encrypted=True)), peripheral("glucometer", air, planned())
    async with running(source(air), shelf):
        await closed.switch_on()
        await until(lambda: closed.visits >= 2)
        await meter.switch_on()
        await until(lambda: shelf.values(GLUCOSE))
        await closed.switch_off()
        await meter.switch_off()
    assert "talks only to a paired machine" in caplog.text


async def test_a_report_that_breaks_off_is_asked_for_again(quickly):
    air, shelf = LocalLink(), Shelf()
    meter = peripheral("glucometer", air, planned(breaks_after=2))
    async with running(source(air), shelf):
        await meter.switch_on()
        await until(lambda: {"5.4", "18.9", "7.8", "6.1"} <= set(shelf.values(GLUCOSE)))
        await meter.switch_off()


async def test_a_full_sink_takes_the_rest_later(quickly):
    air, shelf = LocalLink(), Shelf(room=1)
    cuff = peripheral("blood-pressure", air, planned())
    async with running(source(air), shelf):
        await cuff.switch_on()
        await until(lambda: cuff.visits >= 3)
        shelf.room = 100
        await until(lambda: len(shelf.taken) == 4)
        await cuff.switch_off()
    assert [taken.person for taken in shelf.taken] == [1, 2, 1, 2]


async def test_only_devices_that_are_named_are_visited(quickly):
    air, shelf = LocalLink(), Shelf()
    mine, other = peripheral("glucometer", air, planned(unit=1)), peripheral("glucometer", air, planned(unit=2))
    async with running(source(air, devices=(mine.address,)), shelf):
        await other.switch_on()
        await mine.switch_on()
        await until(lambda: shelf.taken)
        await other.switch_off()
        await mine.switch_off()
    assert other.visits == 0


async def test_a_radio_that_is_off_is_waited_for(quickly):
    air, shelf = LocalLink(), Shelf()
    meter = peripheral("glucometer", air, planned())
    await meter.switch_on()
    radio = BumbleRadio(on_air(air, OURS, "hilum agent"))

    class Late:
        tries = 0

        async def find(self, wanted):
            self.tries += 1
            if self.tries < 3:
                raise NoRadio("off")
            return await radio.find(wanted)

        async def connect(self, sighted):
            return await radio.connect(sighted)

    async with running(Bluetooth(Late(), How(quiet=0.2), now=now), shelf):
        await until(lambda: shelf.values(GLUCOSE))
        await meter.switch_off()


def test_the_same_device_is_left_alone_longer_each_time():
    one = Bluetooth(None, chance=lambda low, high: 1.0)
    waits = [one._wait("C0:26:DA:00:12:34") for _ in range(12)]
    assert [round(wait / 5) for wait in waits[:4]] == [1, 2, 4, 8]
    assert waits[-1] == 300
