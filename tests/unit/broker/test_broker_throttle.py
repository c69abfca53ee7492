"""How much is asked of one host, by a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.broker.far import Failed
from hilum.broker.throttle import LONGEST, Throttle, Throttles, retry_at
from hilum.broker.vendors import vendor

PLAIN = vendor("plain")


class Time:
    """A clock that goes on where somebody sleeps. Sleepers wake in the order of their times."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeping: list[tuple[float, int, asyncio.Event]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self.sleeping.append((self.now + seconds, len(self.sleeping), event))
        await event.wait()

    async def run(self, *tasks: asyncio.Task[None]) -> None:
        while not all(task.done() for task in tasks):
            for _ in range(20):
                await asyncio.sleep(0)
            if self.sleeping:
                until, _, event = self.sleeping.pop(self.sleeping.index(min(self.sleeping, key=lambda one: one[:2])))
                self.now = max(self.now, until)
                event.set()


async def starts(requests: int, concurrency: int, per_second: float, takes: float = 0.0) -> tuple[list[float], int]:
    """When each request started, and how many were under way at once."""
    time = Time()
    throttle = Throttle(replace(PLAIN, concurrency=concurrency, per_second=per_second), clock=time, sleep=time.sleep)
    began: list[float] = []
    under_way = most = 0

    async def one() -> None:
        nonlocal under_way, most
        async with throttle:
            under_way += 1
            most = max(most, under_way)
            began.append(time() - 1000)
            await time.sleep(takes)
            under_way -= 1

    await time.run(*[asyncio.create_task(one()) for _ in range(requests)])
    return began, most


async def test_no_more_than_so_many_are_under_way() -> None:
    assert await starts(5, 2, 0, takes=1) == ([0, 0, 1, 1, 2], 2)


async def test_no_more_than_so_many_start_within_a_second() -> None:
    began, _ = await starts(6, 2, 4)
    assert began == [0, 0, 0.25, 0.5, 0.75, 1.0]


@given(st.integers(1, 30), st.integers(1, 8), st.sampled_from([1.0, 4.0, 16.0]), st.sampled_from([0.0, 0.125, 1.0]))
def test_in_no_span_of_time_start_more_than_the_rate_allows(n: int, many: int, rate: float, takes: float) -> None:
    began, most = asyncio.run(starts(n, many, rate, takes))
    assert most <= many
    for first in range(n):
        for last in range(first, n):
            assert last - first + 1 <= many + (began[last] - began[first]) * rate + 1e-9


async def test_a_host_that_wants_to_be_left_alone_for_a_moment_is() -> None:
    time = Time()
    throttle = Throttle(PLAIN, clock=time, sleep=time.sleep)
    throttle.hold(time() + 20)

    async def one() -> None:
        async with throttle:
            assert time() == 1020

    task = asyncio.create_task(one())
    await time.run(task)
    task.result()


async def test_for_longer_than_hilum_waits_a_request_fails_at_once_with_the_time_to_come_back() -> None:
    time = Time()
    throttle = Throttle(PLAIN, clock=time, sleep=time.sleep)
    throttle.hold(time() + 7200)
    with pytest.raises(Failed) as caught:
        async with throttle:
            pass
    assert (caught.value.kind, caught.value.retry_at, caught.value.again) == ("throttled", 8200.0, True)
    time.now = 8200
    async with throttle:
        pass


async def test_who_waited_for_a_turn_and_may_not_take_it_gives_it_back() -> None:
    time = Time()
    throttle = Throttle(replace(PLAIN, concurrency=1), clock=time, sleep=time.sleep)

    async def one() -> None:
        async with throttle:
            pass

    async with throttle:
        waiting = asyncio.create_task(one())
        await asyncio.sleep(0)
        throttle.hold(time() + 7200)
    with pytest.raises(Failed, match="throttled"):
        await waiting
    time.now += 7200
    await one()


async def test_connections_to_one_host_share_its_throttle() -> None:
    throttles = Throttles()
    one = throttles.of("https://ehr.example/site/1", PLAIN)
    assert one is throttles.of("https://EHR.example/site/2", vendor("epic"))
    assert one is not throttles.of("https://ehr.example:8443/site/1", PLAIN)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("120", 1120.0),
        (" 0 ", 1000.0),
        ("Thu, 01 Jan 1970 01:00:00 GMT", 3600.0),
        ("999999999", 1000.0 + LONGEST),
        ("Fri, 31 Dec 9999 23:59:59 -0500", 1000.0 + LONGEST),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 40, None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, expected: float | None) -> None:
    assert retry_at(header, 1000.0) == expected
