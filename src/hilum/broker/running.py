"""What a process does about orders, beside requests: it follows the feed, and executes what is due.

Every process does it. The feed has one follower over all of them; an order is executed by whoever takes its lease.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from hilum.broker import shown
from hilum.broker.executing import Executing
from hilum.broker.parcels import OWNER, lease_of, order_of
from hilum.broker.telling import Telling
from hilum.feed.feed import PAGE, Feed
from hilum.fhir.resource import Resource
from hilum.oauth.lease import Held, Lapsed, Leases
from hilum.oauth.ledger import Lost
from hilum.problems import Problem
from hilum.web import log

NAME: Final = "orders"
"""Of the follower."""
POLL_SECONDS: Final = 1.0
AT_ONCE: Final = 8
"""Orders that one process executes at the same time."""
AGAIN_SECONDS: Final = 5.0
"""After which an order is gone on with that could not be, since the store was busy."""


class Running:
    """The orders of one process. `at_once`: how many it executes at the same time."""

    def __init__(
        self,
        feed: Feed,
        leases: Leases,
        executing: Executing,
        telling: Telling,
        at_once: int = AT_ONCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._feed, self._leases, self._executing, self._telling = feed, leases, executing, telling
        self._at_once, self._clock = at_once, clock
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._wanted = asyncio.Event()
        self._only = ""

    def nudge(self) -> None:
        """There is something new: look at once."""
        self._wanted.set()

    def only(self, id: str) -> None:
        """Execute this order alone, for which somebody waits here; others are left to servers."""
        self._only = id

    async def run(self) -> None:
        """Until it is cancelled; then orders that are under way are left to whoever comes next."""
        try:
            while True:
                self._wanted.clear()
                try:
                    more = await self.turn()
                except Problem as problem:
                    log.warning("orders", text=str(problem))
                    more = False
                if not more:
                    await self._wait()
        finally:
            await self.stop()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def turn(self) -> bool:
        """Look once: take in what was committed, begin what is due. Whether there was more than fits into a look.

        Raises Busy.
        """
        news = await self._feed.turn(self._found)
        if len(self._under_way) < self._at_once:
            async for key in self._due():
                if len(self._under_way) >= self._at_once:
                    break
                if order_of(key) not in self._under_way and (held := await self._leases.take(key)) is not None:
                    self._begin(held)
        return news == PAGE

    async def _due(self) -> AsyncIterator[bytes]:
        """Leases to try."""
        if self._only:
            yield lease_of(self._only)
            return
        async for key in self._leases.due(OWNER):
            yield key

    async def stop(self) -> None:
        """Leave off: what was written is whole, and another process may go on at once. Raises nothing."""
        some = list(self._under_way.values())
        for one in some:
            one.cancel()
        if some:
            await asyncio.wait(some)
        try:
            await self._feed.stop()
        except Problem as problem:
            log.warning("orders", text=str(problem))

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(list(self._under_way.values()))

    async def _found(self, some: Sequence[Resource]) -> None:
        """Of versions of Tasks that were committed: a new order gets the lease that it is executed under, and one that
        was cancelled is taken up at once, for what is held of it to be deleted.
        """
        for one in some:
            if not (one.deleted or shown.is_order(one.raw)):
                continue
            key = lease_of(one.id)
            if not one.deleted and one.body.get("status") == "requested":
                await self._leases.offer(key, OWNER)
            elif one.deleted or one.body.get("status") in shown.CANCELLED:
                if one.id in self._under_way:
                    self._under_way[one.id].cancel()
                elif not await self._leases.offer(key, OWNER):
                    await self._leases.hasten(key)

    def _begin(self, held: Held) -> None:
        id = order_of(held.key)
        task = self._under_way[id] = asyncio.create_task(self._execute(id, held), name=f"hilum-order-{id}")
        task.add_done_callback(lambda _: self._over(id))

    def _over(self, id: str) -> None:
        self._under_way.pop(id, None)
        self.nudge()

    async def _execute(self, id: str, held: Held) -> None:
        until: float | None = 0.0
        try:
            until = await held.during(self._executing.run(id), lambda: self._telling.wanted(id))
        except Lapsed:
            log.info("order left", order=id)  # cancelled, or somebody else's by now: whoever takes it sees which
        except Lost:
            log.info("order goes on elsewhere", order=id)
        except Problem as problem:
            until = self._clock() + AGAIN_SECONDS
            log.warning("order", order=id, text=str(problem))
        except Exception as error:  # nobody awaits it, and the others go on
            until = self._clock() + 12 * AGAIN_SECONDS
            log.error("order", order=id, error=type(error).__name__)
        finally:
            await self._let_go(held, until)

    async def _let_go(self, held: Held, until: float | None) -> None:
        try:
            await (held.end() if until is None else held.lay_down(until))
        except Problem as problem:
            log.warning("lease", text=str(problem))  # it ends by itself
