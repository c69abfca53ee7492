"""Videos that are rendered elsewhere: none waits for them, they are few at a time, and a call moves them on at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.video.filmed import OWNER, Far, World, process, world

from hilum.feed.working import Working
from hilum.search.clauses import Permit
from hilum.store.interface import HistoryQuery
from hilum.video import executing
from hilum.video.videos import Videos

FAR = {"renderer": "studio"}


@dataclass
class Both:
    """A world with a renderer elsewhere, and a second process on the same store."""

    one: World
    far: Far
    videos: Videos
    working: Working

    async def step(self, id: str) -> str:
        return (await self.one.videos.look(OWNER, id)).step

    async def work(self) -> None:
        """All that is due now, in the first process."""
        await self.one.work()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Both]:
    far = Far()
    async with world(tmp_path, beside=(far,)) as one:
        _, videos, working, *_ = process(
            one.store, tmp_path, lambda: one.time[0], one.renderer, one.gatherer, beside=(far,)
        )
        yield Both(one, far, videos, working)
        await working.stop()


# --- turns ------------------------------------------------------------------------------------------------------------


async def test_one_that_is_under_way_elsewhere_takes_no_turn(here: Both) -> None:
    slow = await here.one.ask(**FAR)
    await here.work()
    local = await here.one.ask()
    await here.work()
    assert (await here.step(slow), await here.step(local)) == ("rendering", "awaiting-approval")
    here.far.all_done = True
    here.one.move(10)
    await here.work()
    assert await here.step(slow) == "awaiting-approval"
    assert here.far.ordered == [f"{slow}-1"]


async def test_nor_does_one_whose_service_hangs_when_it_is_asked(here: Both) -> None:
    here.far.gate = asyncio.Event()
    slow, local = await here.one.ask(**FAR), await here.one.ask()
    await here.one.working.turn()
    await asyncio.gather(here.far.begun.wait(), here.one.renderer.begun.wait())
    here.far.gate.set()
    await here.work()
    assert (await here.step(slow), await here.step(local)) == ("rendering", "awaiting-approval")


async def test_nor_does_it_wait_for_those_that_are_rendered_here(here: Both) -> None:
    here.far.all_done = True
    here.one.renderer.gate = asyncio.Event()
    local = [await here.one.ask() for _ in range(2)]
    quick = await here.one.ask(**FAR)
    work = asyncio.create_task(here.work())
    async for one in here.one.videos.events(OWNER, quick, 0.01):
        last = one
    assert last.step == "awaiting-approval"
    assert [await here.step(id) for id in local] == ["rendering", "requested"]
    here.one.renderer.gate.set()
    await work


async def test_a_service_has_so_many_at_a_time_of_all_processes_and_then_the_others(here: Both) -> None:
    ids = [await here.one.ask(**FAR) for _ in range(7)]
    for _ in range(3 * len(ids)):
        await asyncio.gather(here.one.working.turn(), here.working.turn())
        await asyncio.gather(here.one.working.idle(), here.working.idle())
        here.far.done |= set(here.far.ordered[: 1 + len(here.far.jobs)])
        here.one.move(10)
    assert [await here.step(id) for id in ids] == ["awaiting-approval"] * 7
    assert (sorted(here.far.ordered), here.far.most_ordered) == (sorted(f"{id}-1" for id in ids), 2)


async def test_looks_are_no_tries_and_no_versions(here: Both) -> None:
    id = await here.one.ask(**FAR)
    for _ in range(3 * len(executing.TRIES)):
        await here.work()
        here.one.move(10)
    here.far.part = 0.6
    await here.work()
    assert (await here.one.videos.look(OWNER, id)).progress == 60
    found = await here.one.store.history(HistoryQuery(("Task",), ((Permit(None),),), id))
    told = [one.body["businessStatus"]["coding"][0]["code"] for one in found.resources]
    assert told == ["rendering", "rendering", "rendering", "writing", "requested"]
    reel = await here.one.shelf.get(id)
    assert reel is not None
    assert reel.order.tries == 0


async def test_one_that_is_cancelled_is_cancelled_there(here: Both) -> None:
    id = await here.one.ask(**FAR)
    await here.work()
    await here.one.videos.cancel(OWNER, id)
    await here.work()
    assert here.far.cancelled == ["ticket"]
    assert await here.one.left() == (0, 0, 0)


# --- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("goes_on", ["who was called", "another"])
async def test_a_call_that_any_process_takes_moves_the_video_on_at_once_in_any(here: Both, goes_on: str) -> None:
    id = await here.one.ask(**FAR)
    await here.work()
    here.far.all_done = True
    await here.work()
    assert await here.step(id) == "rendering", "nobody knows yet"
    await here.videos.hearing.heard("studio", f"{id}-1")
    working = here.working if goes_on == "who was called" else here.one.working
    await working.turn()
    await working.idle()
    assert await here.step(id) == "awaiting-approval"
    assert here.far.ordered == [f"{id}-1"]


async def test_one_that_comes_while_another_process_looks_is_not_forgotten(here: Both) -> None:
    """That one has been told just before that it is not done yet."""
    id = await here.one.ask(**FAR)
    await here.work()
    here.far.gate = asyncio.Event()
    here.far.begun.clear()
    here.one.move(10)
    await here.one.working.turn()
    await here.far.begun.wait()
    here.far.all_done = True
    await here.videos.hearing.heard("studio", f"{id}-1")
    here.far.gate.set()
    await here.work()
    assert await here.step(id) == "awaiting-approval"
    assert len(here.far.jobs) == 1


async def test_calls_at_both_processes_at_once_make_it_once(here: Both) -> None:
    id = await here.one.ask(**FAR)
    await here.work()
    here.far.all_done = True
    await asyncio.gather(*(videos.hearing.heard("studio", f"{id}-1") for videos in (here.videos, here.one.videos) * 3))
    await asyncio.gather(here.one.working.turn(), here.working.turn())
    await asyncio.gather(here.one.working.idle(), here.working.idle())
    assert await here.step(id) == "awaiting-approval"
    assert (here.far.ordered, len(here.far.jobs)) == ([f"{id}-1"], 1)


async def test_calls_about_others_jobs_and_about_what_is_over_change_nothing(here: Both) -> None:
    here.far.all_done = True
    id = await here.one.ask(**FAR)
    await here.work()
    for renderer, job in (("studio", f"{id}-1"), ("studio", ""), ("studio", "x"), ("played", f"{id}-1")):
        await here.videos.hearing.heard(renderer, job)
    await here.work()
    assert (await here.step(id), here.far.looks) == ("awaiting-approval", 1)
    assert await here.one.left() == (1, 0, 0)


async def test_one_that_is_lost_is_made_up_for_by_time(here: Both) -> None:
    id = await here.one.ask(**FAR)
    await here.work()
    here.far.all_done = True
    here.one.move(10)
    await here.work()
    assert await here.step(id) == "awaiting-approval"
