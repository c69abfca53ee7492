"""What a server makes of it: hilum's own door, over SQLite, takes it once however often and from wherever it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.phd.fhir.making import (
    AT,
    BATCH,
    CUFF,
    GATEWAY,
    IDENTIFIED,
    SYNCED,
    glucose,
    pressure,
    reading,
    taken,
)

from hilum.access.policy import EVERYTHING, Principal
from hilum.fhir import json as fhir_json
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry
from hilum.interactions.transaction import transaction
from hilum.phd.fhir import bundle
from hilum.phd.reading import Coded, Device, Taken
from hilum.store.sqlite import open_sqlite

OWNER = Principal("owner", "test", "jti", EVERYTHING, 1 << 62)
HARD = "Strip, 1|2 \\ 3$ + 100% & ?#é"


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    store = await open_sqlite(str(tmp_path / "store.db"))
    yield Door(store, "http://hilum.test/fhir")
    await store.close()


async def sent(door: Door, *batch: Taken, gateway: Device = GATEWAY) -> list[bool]:
    """Whether each entry was created."""
    body = fhir_json.parse(fhir_json.encode(bundle(batch, gateway, IDENTIFIED, BATCH)))
    entries = [
        Entry(
            one["request"]["method"],
            one["request"]["url"],
            one["resource"],
            one["fullUrl"],
            if_none_exist=one["request"].get("ifNoneExist"),
            index=number,
        )
        for number, one in enumerate(body["entry"])
    ]
    return [one.created for one in await transaction(door, OWNER, tuple(entries))]


async def test_what_is_there_is_not_created_again(door: Door) -> None:
    one = taken(glucose(), pressure(), reading(HARD, 8452096), reading(Coded(8417872), 8417864, of=(0,)))
    assert await sent(door, one) == [True] * 8
    assert await sent(door, one) == [False, False, False, True, False, False, False, False], "the clock was read anew"


async def test_nor_from_another_gateway_whose_clock_is_another(door: Door) -> None:
    await sent(door, taken(glucose()))
    later = taken(glucose(), glucose("18.90"), coincidence=replace(SYNCED, at=AT.replace(hour=13)))
    other = replace(GATEWAY, system_id="EC-DE-3D-4E-58-53-2D-32")
    # gateway, patient, device, clock, the same value, and one that is more precise
    assert await sent(door, later, gateway=other) == [True, False, False, True, False, True]


async def test_devices_without_a_system_identifier_are_not_taken_for_each_other(door: Door) -> None:
    first = Device(transport="bluetooth", address="F4-5E-AB-A8-08-32")
    second = Device(transport="bluetooth", address="F4-5E-AB-A8-08-33")
    await sent(door, taken(glucose(), device=first))
    assert await sent(door, taken(glucose(), device=second)) == [False, False, True, True, True]
    assert await sent(door, taken(glucose(), device=first)) == [False, False, False, True, False]


async def test_what_is_streamed_is_new_each_time(door: Door) -> None:
    one = taken(glucose(stamp=None), device=CUFF)
    await sent(door, one)
    assert await sent(door, one) == [False, False, False, True]
