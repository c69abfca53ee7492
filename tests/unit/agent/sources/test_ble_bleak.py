"""The stack of the operating system: bleak's own scanner and client, with a system below that is no radio."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from bumble.link import LocalLink
from tests.unit.agent.sources.ble_air import Shelf, now, planned, until
from tests.unit.agent.sources.bleak_over_bumble import Client, Off, Scanner

from hilum.agent.simulating.kinds import peripheral
from hilum.agent.simulating.trying import OURS
from hilum.agent.source import Full
from hilum.agent.sources.ble import source
from hilum.agent.sources.ble.bluetooth import Bluetooth
from hilum.agent.sources.ble.by_bleak import BleakRadio
from hilum.agent.sources.ble.by_bumble import on_air
from hilum.agent.sources.ble.transport import Gone, NoRadio, Sighted, Unpaired
from hilum.agent.sources.ble.visit import How
from hilum.phd import codes
from hilum.phd.gatt import glucose
from hilum.problems import Misconfigured

GLUCOSE = glucose.glucose_type(glucose.Sample.CAPILLARY_WHOLE_BLOOD)


@asynccontextmanager
async def near(kind, plan, *, pair=False):
    air = LocalLink()
    one = peripheral(kind, air, plan)
    await one.switch_on()
    ours = on_air(air, OURS, "a machine")
    radio = BleakRadio(
        pair=pair, scanner={"backend": Scanner, "device": ours}, client={"backend": Client, "device": ours}
    )
    try:
        yield one, radio, Bluetooth(radio, How(quiet=0.3), now=now)
    finally:
        await one.switch_off()


async def test_a_glucometer_gives_all_that_it_stored():
    shelf = Shelf()
    async with near("glucometer", planned()) as (_, _, bluetooth):
        await bluetooth.once(shelf)

    assert shelf.values(GLUCOSE) == ["5.4", "18.9", "7.8", "6.1"]
    assert shelf.contacts[0][0].name == "Simulated Glucometer"


async def test_a_thermometer_is_heard_in_its_order_until_it_hangs_up():
    shelf = Shelf()
    async with near("thermometer", planned()) as (_, _, bluetooth):
        await bluetooth.once(shelf)

    assert shelf.values(codes.TEMP_EAR) == ["36.6", "37.6", "38.2", "36.9"]


async def test_what_the_system_confirmed_while_there_was_no_room_is_kept_till_there_is():
    shelf = Shelf(room=0)
    async with near("thermometer", planned(number=1)) as (_, _, bluetooth):
        with pytest.raises(Full):
            await bluetooth.once(shelf)
        shelf.room = 5
        running = asyncio.create_task(bluetooth.run(shelf))
        await until(lambda: shelf.taken)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert shelf.values(codes.TEMP_EAR) == ["36.6"]


async def test_a_device_that_asks_for_pairing_is_told_of_with_what_to_do():
    async with near("glucometer", planned(encrypted=True)) as (one, _, bluetooth):
        with pytest.raises(Unpaired, match=f"bluetoothctl pair {one.address}"):
            await bluetooth.once(Shelf())


async def test_with_pair_the_system_pairs_first():
    shelf = Shelf()
    async with near("glucometer", planned(encrypted=True), pair=True) as (_, _, bluetooth):
        await bluetooth.once(shelf)

    assert len(shelf.values(GLUCOSE)) == 4


async def test_a_connection_that_is_lost_is_gone():
    async with near("glucometer", planned()) as (one, radio, _):
        link = await radio.connect(await radio.find(lambda _: True))
        await one.hang_up()
        with pytest.raises(Gone):
            await link.hear()
        with pytest.raises(Gone):
            await link.read((0x180F, 0x2A19))
        await link.disconnect()


async def test_a_machine_whose_bluetooth_is_off_says_so():
    radio = BleakRadio(scanner={"backend": Off, "device": on_air(LocalLink(), OURS, "a machine")})
    with pytest.raises(NoRadio, match="powered off"):
        await radio.find(lambda _: True)


async def test_services_that_are_not_of_the_sig_are_no_reason_to_visit():
    async with near("glucometer", planned()) as (one, radio, _):
        found = await radio.find(lambda _: True)
    assert found == Sighted(one.address, "Simulated Glucometer", frozenset({0x1808}))


def test_the_source_of_the_settings_uses_the_system():
    found = source({"kind": "ble", "name": "kitchen", "devices": ["c0:26:da:00:12:34"], "pair": True})
    assert isinstance(found, Bluetooth)
    assert found.name == "kitchen"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        pytest.param({"kind": "ble", "pin": "0000"}, "no setting pin: it has adapter, delete", id="unknown"),
        pytest.param({"kind": "ble", "delete": "yes"}, "delete of a source of the kind ble is no bool", id="type"),
        pytest.param({"kind": "ble", "devices": [17]}, "are addresses", id="address"),
    ],
)
def test_a_setting_that_there_is_not_ends_the_program(settings, why):
    with pytest.raises(Misconfigured, match=why):
        source(settings)
