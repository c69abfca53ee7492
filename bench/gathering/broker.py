"""`python -m bench.gathering.broker`: hilum's broker in a process of its own, put together as `hilum gather` has it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import apsw

from bench.gathering import job
from hilum.app.desk import Desk, desk
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.broker import vendors
from hilum.broker.following import Following
from hilum.broker.order import Order, Start
from hilum.broker.shown import WAITING
from hilum.broker.told import told
from hilum.web import log
from hilum.web.outbound import Fetched
from hilum.web.pool import Pool

EHR, DESTINATION = "bench", "receiver"
"""The names of the connection and of the destination."""
AHEAD = 64
"""Orders that are given before the first of them is done: so many wait, as they would in a morning's list."""
_LOOK_SECONDS = 0.05


@dataclass(slots=True)
class Counted:
    """Requests of the pool to the EHR, which has no other use than to gather."""

    number: int = 0

    def count(self, pool: Pool) -> None:
        """From now on."""
        send = pool.send

        async def counted(*given: Any, **named: Any) -> Fetched:
            self.number += 1
            return await send(*given, **named)

        pool.send = counted  # type: ignore[method-assign]


async def measure(given: job.Job) -> job.Measured:
    """All patients, from the first order to the end of the last."""
    settings = Settings.read({"data": given.data, "environment": "sandbox"}, {})
    log.configure("warning", "text")
    store = await open_store(settings)
    requests = Counted()
    try:
        async with desk(settings, store) as here:
            requests.count(here.ways.pools())
            ways = {job.GATHERED: _gathered, job.STORED: _ordered, job.DELIVERED: _ordered}

            async def work() -> job.Work:
                resources, errors = await ways[given.what](here, given)
                _, sqlite = apsw.status(apsw.SQLITE_STATUS_MEMORY_USED)
                return job.Work(requests.number, resources, errors, sqlite // 1024)

            return await job.watched(work)
    finally:
        await store.close()


async def _ordered(here: Desk, given: job.Job) -> tuple[int, list[str]]:
    """Whole orders: given, executed, and looked at when all are over."""
    orders, store = here.ordered.orders, given.what == job.STORED
    connection = await here.ways.connections.usable(EHR)
    where = "" if store else DESTINATION
    waiting: deque[str] = deque()
    wrong: Counter[str] = Counter()
    came = 0

    async def one_less() -> None:
        """Wait for the end of the oldest, and keep no more of it than counts: what is measured is hilum's memory."""
        nonlocal came
        while True:
            order = told(await orders.get(here.who, waiting[0]))
            if order.over:
                break
            if order.step == WAITING:  # it would be tried again, and what is measured would be the wait
                raise ValueError("An order could not go on. What kept it is logged above.")
            await asyncio.sleep(_LOOK_SECONDS)
        waiting.popleft()
        came += sum(one.count for one in order.came)
        if order.status != "completed" or order.refused or order.failed:
            wrong[order.reason.text if order.reason else f"{order.status}, with something missing"] += 1

    running = asyncio.create_task(here.ordered.running.run())
    try:
        for number in given.numbers:
            if len(waiting) >= AHEAD:
                await one_less()
            task = await orders.accept(here.who, connection, given.recipe, Start("mrn", number), where, store=store)
            waiting.append(task.id)
        while waiting:
            await one_less()
    finally:
        running.cancel()
        await asyncio.wait({running})
    return came, [f"{times} x {what}" for what, times in wrong.items()]


async def _gathered(here: Desk, given: job.Job) -> tuple[int, list[str]]:
    """Sign-in and gather alone: what an order is beside, its Task, its record and its payload, is left out."""
    ways = here.ways
    following = Following(
        here.door, ways.connections, ways.backend, ways.renewing, vendors.packaged(), ways.pools, ways.recipes
    )
    waiting = iter(given.numbers)
    came = 0

    def tell(_: Mapping[str, int]) -> None:
        """Nobody is told."""

    async def one() -> None:
        nonlocal came
        for number in waiting:
            order = Order(ehr=EHR, environment="sandbox", recipe=given.recipe, by="bench", at=0, store=False)
            start = Start("mrn", number)
            far = await following.sign_in(order, start)
            found = await following.gather(far, order, start, tell)
            came += sum(one.count for one in found.came)

    await asyncio.gather(*(one() for _ in range(given.at_once)))
    return came, []


if __name__ == "__main__":
    job.main(measure)
