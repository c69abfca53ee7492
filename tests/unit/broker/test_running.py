"""What a process does about orders while it lives: it takes up what is new at once, and leaves what it can't finish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.broker.ordered import WHO, World, process, world

from hilum.app.ordering import Ordering
from hilum.broker import deliver
from hilum.feed import working
from hilum.oauth.lease import Lease
from hilum.oauth.ledger import LEASE, read
from hilum.problems import Busy
from hilum.web import log


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        yield found


async def until(world: World, id: str, status: str) -> None:
    async for task in world.orders.watch(WHO, id, 0.001):
        if task.body["status"] == status:
            return
    raise AssertionError(f"it never was {status}")


async def test_what_is_accepted_is_done_at_once(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "POLL_SECONDS", 3600)
    work = Ordering(here.running)
    work.start()
    for _ in range(3):
        await until(here, await here.accept(), "completed")
    await here.running.idle()
    await work.stop()
    assert await here.left() == (0, 0)


async def test_so_is_what_another_process_accepts_at_the_next_look(
    here: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "POLL_SECONDS", 0.01)
    other = process(here.store, tmp_path, here.receiver, lambda: here.time[0])[-1]
    work = Ordering(other)
    work.start()
    await until(here, await here.accept(), "completed")
    await work.stop()


async def test_a_process_that_stops_leaves_its_orders_to_the_next_at_once(here: World, tmp_path: Path) -> None:
    here.gatherer.gate = asyncio.Event()
    id = await here.accept()
    work = Ordering(here.running)
    work.start()
    await here.gatherer.begun.wait()
    await work.stop()
    (lease,) = await here.store.ledger.of(LEASE, owner=b"order")
    assert read(lease, Lease) == Lease()
    other = process(here.store, tmp_path, here.receiver, lambda: here.time[0])[-1]
    await other.turn()
    await other.idle()
    await until(here, id, "completed")
    await other.stop()


async def test_a_delivery_is_tried_again_by_another_process_after_a_restart(here: World, tmp_path: Path) -> None:
    here.receiver.script = [500]
    id = await here.accept()
    await here.work()
    await here.running.stop()
    other = process(here.store, tmp_path, here.receiver, lambda: here.time[0])[-1]
    await other.turn()
    await other.idle()
    assert len(here.receiver.attempts) == 1, "not before its time"
    here.move(deliver.BACKOFF[0] * 1.2)
    await other.turn()
    await other.idle()
    await until(here, id, "completed")
    assert here.receiver.attempts == [id, id]
    await other.stop()


async def test_no_more_are_done_at_the_same_time_than_a_process_may(tmp_path: Path) -> None:
    async with world(tmp_path, at_once=2) as here:
        here.gatherer.gate = asyncio.Event()
        for _ in range(5):
            await here.accept()
        await here.running.turn()
        while here.gatherer.signed_in < 2:
            here.gatherer.begun.clear()
            await here.gatherer.begun.wait()
        await here.running.turn()
        assert here.gatherer.signed_in == 2
        here.gatherer.gate.set()
        await here.work()
        assert here.gatherer.gathered == 5


async def test_a_store_that_is_busy_puts_an_order_off(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    here.gatherer.raises = [Busy("The disk is full.")]
    id = await here.accept()
    await here.work()
    assert here.gatherer.signed_in == 1
    here.move(working.AGAIN_SECONDS + 1)
    await here.work()
    await until(here, id, "completed")


async def test_an_error_that_nobody_foresaw_keeps_no_other_order_from_being_done(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(log, "error", lambda event, **values: told.append((event, values["error"])))
    get, wrong = here.destinations.get, [True]

    async def fails(name: str) -> object:
        if wrong:
            raise KeyError(wrong.pop())
        return await get(name)

    ids = [await here.accept(), await here.accept()]
    monkeypatch.setattr(here.destinations, "get", fails)
    await here.work()
    tasks = [(await here.task(id))["status"] for id in ids]
    assert sorted(tasks) == ["completed", "in-progress"]
    assert told == [("order", "KeyError")]
    here.move(100)
    await here.work()
    assert [(await here.task(id))["status"] for id in ids] == ["completed"] * 2


async def test_who_waits_for_one_order_executes_that_one_and_leaves_others_to_servers(here: World) -> None:
    other, mine = await here.accept(), await here.accept()
    here.running.only(mine)
    await here.work()
    assert (await here.orders.get(WHO, mine)).body["status"] == "completed"
    assert (await here.orders.get(WHO, other)).body["status"] == "requested"
    here.running.only("")
    await here.work()
    assert (await here.orders.get(WHO, other)).body["status"] == "completed"
