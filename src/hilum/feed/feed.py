"""A follower of `Store.changes` with a saved cursor: one over all processes, which another one takes over from.

Each committed version is shown at least once, in the order of commits: the cursor moves when the work on what was shown
is done. A crash in between shows it again, so the work on it must be one that can be done twice. Of what it does not
want a follower reads nothing, and its cursor moves past that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from hilum.fhir.resource import Resource
from hilum.oauth.lease import Held, Leases
from hilum.oauth.ledger import CURSOR, Put, Record, read, write
from hilum.store.interface import Store

PAGE: Final = 500

Work = Callable[[Sequence[Resource]], Awaitable[None]]


class Cursor(Record, frozen=True, omit_defaults=True):
    """A record of kind CURSOR; its key is the follower's name. `seq`: of the last version that was worked on, or that
    is past for not being wanted.
    """

    seq: int = 0


class Feed:
    """One follower, as one process knows it. `name`: the same in all processes. `types`: the resource types that it
    wants; none: all.
    """

    def __init__(self, store: Store, name: str, leases: Leases, types: Collection[str] = ()) -> None:
        self._store, self._leases, self._types = store, leases, types
        self._name = name.encode()
        self._held: Held | None = None
        self._begun = False

    async def begin(self) -> None:
        """Whatever is committed after this is shown. A cursor that is there already stays where it is. Raises Busy."""
        if self._begun:
            return
        ledger = self._store.ledger
        if await ledger.get(CURSOR, self._name) is None:
            seq = (await self._store.counts()).seq
            await ledger.add(Put(CURSOR, self._name, write(Cursor(seq))))
        self._begun = True

    async def turn(self, work: Work, limit: int = PAGE) -> int:
        """Work on what is new, at most so many versions; how many there were. 0, too, while another process follows.

        Raises Busy, and what the work raises: then the same is shown again.
        """
        await self.begin()
        if not await self._ours():
            return 0
        row = await self._store.ledger.get(CURSOR, self._name)
        if row is None:
            self._begun = False
            return 0
        before = read(row, Cursor).seq
        settled = await self._store.settled(before) if self._types else before
        news = await self._store.changes(before, limit, self._types)
        if news:
            await work(news)
        reached = max(news[-1].seq, settled if len(news) < limit else 0) if news else settled
        moved = Put(CURSOR, self._name, write(Cursor(reached)))
        if reached > before and not await self._store.ledger.replace(moved, row.version):
            self._held = None  # we slept, and another one has worked on it meanwhile
        return len(news)

    async def skip(self, unwanted: Callable[[], Awaitable[bool]]) -> bool:
        """Let pass unseen what is committed by now, where nobody wants it: asked once it is known how far that goes, so
        that what somebody begins to want after that is shown what comes then. Whether nobody does. Raises Busy.
        """
        await self.begin()
        row = await self._store.ledger.get(CURSOR, self._name)
        before = 0 if row is None else read(row, Cursor).seq
        reached = await self._store.settled(before)
        if not await unwanted():
            return False
        if row is not None and reached > before and await self._ours():
            await self._store.ledger.replace(Put(CURSOR, self._name, write(Cursor(reached))), row.version)
        return True

    @property
    def ours(self) -> bool:
        """Whether it is this process that follows, as of the last turn."""
        return self._held is not None

    async def stop(self) -> None:
        """Let another process follow at once. Raises Busy."""
        held, self._held = self._held, None
        if held is not None:
            await held.lay_down()

    async def _ours(self) -> bool:
        held, leases = self._held, self._leases
        if held is not None and leases.clock() < held.until - leases.seconds / 2:
            return True
        if held is not None and await held.renew():
            return True
        self._held = await leases.claim(b"feed:" + self._name)
        return self._held is not None
