"""Long work, done beside requests: Tasks of one kind are found through the feed, and each is executed under a lease.

Every process does it. The feed has one follower over all of them; a Task is executed by whoever takes its lease.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hilum.feed.feed import PAGE, Feed
from hilum.fhir.resource import Resource
from hilum.fhir.task import CANCELLED
from hilum.oauth.lease import Held, Lapsed, Leases
from hilum.oauth.ledger import Lost
from hilum.problems import Problem
from hilum.web import log

POLL_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 5.0
"""After which a Task is gone on with that could not be, since the store was busy."""


def lease_of(kind: str, id: str) -> bytes:
    """The key of the lease that a Task of the kind of this name is executed under."""
    return f"{kind}:{id}".encode()


def owner_of(kind: str, lane: str = "") -> bytes:
    """The owner of the leases of Tasks of this kind that go in this lane: "" for the one that all kinds have."""
    return (f"{kind}-{lane}" if lane else kind).encode()


async def _one_lane(_: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Kind:
    """Tasks of one kind. `name`: of one of them, for leases and the log. `is_one`: whether stored bytes of a Task may
    be one of these. `run`: goes on with the one of this id; when to go on again, in seconds since 1970; None: there is
    nothing left to be done. `wanted`: whether nobody has cancelled it. `lane`: which it goes in, where there are
    several: none waits for those in another.
    """

    name: str
    is_one: Callable[[bytes], bool]
    run: Callable[[str], Coroutine[Any, Any, float | None]]
    wanted: Callable[[str], Awaitable[bool]]
    lane: Callable[[str], Awaitable[str]] = _one_lane

    def id_of(self, lease: bytes) -> str:
        """The id of the Task of a lease."""
        return lease.removeprefix(lease_of(self.name, "")).decode()


class Working:
    """The Tasks of a kind in one process. `feed`: of Tasks alone. `at_once`: how many it executes at the same time, by
    their lanes.
    """

    def __init__(
        self, feed: Feed, leases: Leases, kind: Kind, at_once: Mapping[str, int], clock: Callable[[], float] = time.time
    ) -> None:
        self._feed, self._leases, self._kind, self._clock = feed, leases, kind, clock
        self._at_once = {owner_of(kind.name, lane): most for lane, most in at_once.items()}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._of = Counter[bytes]()
        self._wanted = asyncio.Event()
        self._only = ""

    def nudge(self) -> None:
        """There is something new: look at once."""
        self._wanted.set()

    def only(self, id: str) -> None:
        """Execute this one alone, for which somebody waits here; others are left to servers."""
        self._only = id

    async def run(self) -> None:
        """Until it is cancelled; then what is under way is left to whoever comes next."""
        try:
            while True:
                self._wanted.clear()
                try:
                    more = await self.turn()
                except Problem as problem:
                    log.warning(f"{self._kind.name}s", text=str(problem))
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
        for owner, most in self._at_once.items():
            if self._of[owner] < most:
                async for key in self._due(owner):
                    if self._of[owner] >= most:
                        break
                    if self._kind.id_of(key) not in self._under_way and (held := await self._leases.take(key)):
                        self._begin(held)
        return news == PAGE

    async def _due(self, owner: bytes) -> AsyncIterator[bytes]:
        """Leases to try."""
        if self._only:
            yield lease_of(self._kind.name, self._only)
            return
        async for key in self._leases.due(owner):
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
            log.warning(f"{self._kind.name}s", text=str(problem))

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(list(self._under_way.values()))

    async def _found(self, some: Sequence[Resource]) -> None:
        """Of versions of Tasks that were committed: a new one gets the lease that it is executed under, and one that
        was cancelled is taken up at once, for what is held of it to be deleted.
        """
        for one in some:
            if not (one.deleted or self._kind.is_one(one.raw)):
                continue
            key = lease_of(self._kind.name, one.id)
            if not one.deleted and one.body.get("status") == "requested":
                await self._leases.offer(key, await self._owner(one.id))
            elif one.deleted or one.body.get("status") in CANCELLED:
                if one.id in self._under_way:
                    self._under_way[one.id].cancel()
                elif not await self._leases.offer(key, await self._owner(one.id)):
                    await self._leases.hasten(key)

    async def _owner(self, id: str) -> bytes:
        return owner_of(self._kind.name, await self._kind.lane(id))

    def _begin(self, held: Held) -> None:
        id = self._kind.id_of(held.key)
        name = f"hilum-{self._kind.name}-{id}"
        task = self._under_way[id] = asyncio.create_task(self._execute(id, held), name=name)
        self._of[held.owner] += 1
        task.add_done_callback(lambda _: self._over(id, held.owner))

    def _over(self, id: str, owner: bytes) -> None:
        self._under_way.pop(id, None)
        self._of[owner] -= 1
        self.nudge()

    async def _execute(self, id: str, held: Held) -> None:
        name, about = self._kind.name, {self._kind.name: id}
        until: float | None = 0.0
        try:
            until = await held.during(self._kind.run(id), lambda: self._kind.wanted(id))
        except Lapsed:
            log.info(f"{name} left", **about)  # cancelled, or somebody else's by now: whoever takes it sees which
        except Lost:
            log.info(f"{name} goes on elsewhere", **about)
        except Problem as problem:
            until = self._clock() + AGAIN_SECONDS
            log.warning(name, text=str(problem), **about)
        except Exception as error:  # nobody awaits it, and the others go on
            until = self._clock() + 12 * AGAIN_SECONDS
            log.error(name, error=type(error).__name__, **about)
        finally:
            await self._let_go(held, until)

    async def _let_go(self, held: Held, until: float | None) -> None:
        try:
            await (held.end() if until is None else held.lay_down(until))
        except Problem as problem:
            log.warning("lease", text=str(problem))  # it ends by itself
