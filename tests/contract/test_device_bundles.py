"""Contract: a bundle of readings is stored once, whoever brings it when, over two processes on the same data."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from tests.unit.devices.world import METER, ORIGIN, Links, person, push, reading, sent, stored, values

from hilum.access.keys import load_or_create
from hilum.access.seal import Seal
from hilum.devices.gateway import Gateway, release
from hilum.interactions.door import Door
from hilum.phd.reading import Status
from hilum.store.interface import Store

PERSON = f"{METER.system_id}#"


@pytest.fixture
def links() -> Links:
    return Links()


@pytest.fixture
def gateways(store: Store, other: Store, links: Links, tmp_path: Path) -> list[Gateway]:
    seal = Seal(load_or_create(tmp_path, "sandbox"))
    return [Gateway(Door(one, f"{ORIGIN}/fhir", integrity=True), links, seal) for one in (store, other)]


async def test_replayed_concurrently_it_has_one_receipt(gateways: list[Gateway], links: Links) -> None:
    links.known[PERSON] = await person(gateways[0])
    body = sent(*(reading(str(value), value) for value in range(1, 5)))
    outcomes = await asyncio.gather(*(push(gateways[n % 2], body) for n in range(12)))
    assert sum(not one.replayed for one in outcomes) == 1
    assert len({one.receipt for one in outcomes}) == 1
    assert sorted(await values(gateways[0])) == ["1", "2", "3", "4"]


async def test_duplicates_in_any_order_are_stored_once_each(gateways: list[Gateway], links: Links) -> None:
    links.known[PERSON] = await person(gateways[0])
    bundles = [sent(reading(str(v), v), reading(str(v + 1), v + 1), number=v) for v in range(1, 9)] * 3
    random.Random(7).shuffle(bundles)
    await asyncio.gather(*(push(gateways[n % 2], body) for n, body in enumerate(bundles)))
    assert sorted(map(int, await values(gateways[0]))) == list(range(1, 10))
    assert len(await stored(gateways[0], "Device")) == 2


async def test_of_an_estimate_and_its_final_value_the_final_one_stays(gateways: list[Gateway], links: Links) -> None:
    links.known[PERSON] = await person(gateways[0])
    statuses = (Status.EARLY_INDICATION, Status(0))
    some = [
        sent(reading(str(v), v, status), number=2 * v + n) for v in range(1, 5) for n, status in enumerate(statuses)
    ]
    await asyncio.gather(*(push(gateways[n % 2], body) for n, body in enumerate(some)))
    found = [one.body for one in await stored(gateways[0]) if "identifier" in one.body]
    assert [one["status"] for one in found] == ["final"] * 4


async def test_held_and_released_by_several_at_once_it_is_stored_once(gateways: list[Gateway], links: Links) -> None:
    body = sent()
    outcomes = await asyncio.gather(*(push(gateways[n % 2], body) for n in range(6)))
    assert sum(not one.replayed for one in outcomes) == 1
    links.known[PERSON] = await person(gateways[0])
    await asyncio.gather(*(release(gateways[n % 2]) for n in range(4)))
    assert await values(gateways[1]) == ["104"]
    again = await push(gateways[1], body)
    assert (again.replayed, again.receipt.held) == (True, "")
