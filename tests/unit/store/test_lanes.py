"""Few long works at a time, few that wait, and the time that they wait counts."""

from __future__ import annotations

import asyncio

import pytest

from hilum.problems import Busy, Unprocessable
from hilum.store.lanes import Lane, begin, remaining


async def test_so_many_at_a_time_and_then_in_the_order_they_came() -> None:
    lane = Lane(2, 10)
    order: list[int] = []
    within: list[int] = []

    async def work(n: int) -> None:
        await lane.enter(10)
        order.append(n)
        within.append(n)
        assert len(within) <= 2
        await asyncio.sleep(0)
        within.remove(n)
        lane.leave()

    await asyncio.gather(*(work(n) for n in range(9)))
    assert order == list(range(9))


async def test_when_too_many_wait_the_next_is_told_so_at_once() -> None:
    lane = Lane(1, 1)
    await lane.enter(10)
    second = asyncio.create_task(lane.enter(10))
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="narrower parameters"):
        await lane.enter(10)
    lane.leave()
    assert 0 < await second < 10
    lane.leave()
    assert await lane.enter(10) == 10


async def test_the_time_that_one_waits_counts() -> None:
    lane = Lane(1, 1)
    await lane.enter(10)
    with pytest.raises(Busy, match="Too many long searches"):
        await lane.enter(0.01)
    lane.leave()
    assert await lane.enter(10) == 10


async def test_who_gives_up_waiting_leaves_the_place_to_others() -> None:
    lane = Lane(1, 1)
    await lane.enter(10)
    second = asyncio.create_task(lane.enter(10))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    third = asyncio.create_task(lane.enter(10))
    await asyncio.sleep(0)
    lane.leave()
    assert 0 < await third <= 10


async def test_a_place_given_to_who_gives_up_in_the_same_turn_goes_to_the_next() -> None:
    lane = Lane(1, 2)
    await lane.enter(10)
    second, third = asyncio.create_task(lane.enter(10)), asyncio.create_task(lane.enter(10))
    await asyncio.sleep(0)
    lane.leave()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert 0 < await third <= 10
    lane.leave()
    assert await lane.enter(10) == 10


async def test_a_place_is_not_given_to_who_has_waited_too_long() -> None:
    lane = Lane(1, 1)
    await lane.enter(10)
    for _ in range(3):  # each of them makes room for the next
        with pytest.raises(Busy, match="Too many long searches"):
            await lane.enter(0)
    lane.leave()
    assert await lane.enter(10) == 10
    with pytest.raises(Busy):
        await lane.enter(0)


async def test_the_searches_of_a_request_share_its_time() -> None:
    async def request(seconds: float) -> float:
        begin(seconds)
        return remaining(30)

    assert await asyncio.create_task(request(60)) == 30
    assert 9 < await asyncio.create_task(request(10)) <= 10
    with pytest.raises(Unprocessable, match="30 seconds, with those before it in the same request") as caught:
        await asyncio.create_task(request(0))
    assert caught.value.issues[0].code == "too-costly"
    assert remaining(30) == 30  # outside of any request
