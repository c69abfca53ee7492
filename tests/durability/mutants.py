"""Faults seeded into the product, so that the crash test is seen to fail: each breaks one promise of an order."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from hilum.broker import deliver, executing, orders
from hilum.broker.order import SETTLED
from hilum.broker.parcels import Parcel, Parcels
from hilum.feed import feed
from hilum.feed.feed import Feed
from hilum.interactions.ids import uuid7
from hilum.oauth.lease import Held, Leases
from hilum.oauth.ledger import CURSOR, LEASE, Put, write


def another_key_each_time() -> None:
    """The receiver can't know that it has it already."""
    headers = deliver.headers
    deliver.headers = lambda secret, id, at, body: headers(secret, uuid7(), at, body)


def another_body_each_time() -> None:
    """The payload is not frozen before the first attempt."""
    post = deliver.post

    async def posted(destination: Any, id: str, body: bytes, *rest: Any) -> deliver.Answer:
        return await post(destination, id, body.replace(b"{", b'{"at":%d,' % time.time_ns(), 1), *rest)

    deliver.post = posted


def forgotten_before_it_is_told() -> None:
    """The record goes before the Task says what became of it."""
    put = Parcels.put

    async def without(self: Parcels, parcel: Parcel, order: Any, content: Any = None) -> Parcel:
        if order.step != SETTLED:
            return await put(self, parcel, order, content)
        await self.forget(parcel)
        return Parcel(parcel.id, order, parcel.version + 1)

    Parcels.put = without  # type: ignore[method-assign]


def the_cursor_first() -> None:
    """The feed's cursor moves before the work on what it passes is done."""

    async def turn(self: Feed, work: Any, limit: int = feed.PAGE) -> int:
        await self.begin()
        if not await self._ours():
            return 0
        row = await self._store.ledger.get(CURSOR, self._name)
        assert row is not None
        news = await self._store.changes(feed.read(row, feed.Cursor).seq, limit)
        if news:
            moved = Put(CURSOR, self._name, write(feed.Cursor(news[-1].seq)))
            await self._store.ledger.replace(moved, row.version)
            await work(news)
        return len(news)

    Feed.turn = turn  # type: ignore[method-assign]


def the_record_after_its_task() -> None:
    """An order is accepted by two commits."""
    create = orders.create

    async def apart(door: Any, *args: Any, once: Put, **named: Any) -> Any:
        made = await create(door, *args, **named)
        await door.store.ledger.add(once)
        return made

    orders.create = apart


def leases_of_others() -> None:
    """Whoever wants a lease takes it, whoever has it."""

    async def due(self: Leases, owner: bytes) -> AsyncIterator[bytes]:
        for row in await self.ledger.of(LEASE, owner=owner):
            yield row.key

    async def take(self: Leases, key: bytes) -> Held | None:
        row = await self.ledger.get(LEASE, key)
        held = None if row is None else Held(self, row)
        return held if held is not None and await held.renew() else None

    Leases.due = due  # type: ignore[method-assign, assignment]
    Leases.take = take  # type: ignore[method-assign]


def failed_when_interrupted() -> None:
    """A step that was begun and not ended is taken for one that can't be done."""
    executing._hopeless = lambda order: order.step != SETTLED and order.tries > 0


MUTANTS: Final[dict[str, Callable[[], None]]] = {
    one.__name__: one
    for one in (
        another_key_each_time,
        another_body_each_time,
        forgotten_before_it_is_told,
        the_cursor_first,
        the_record_after_its_task,
        leases_of_others,
        failed_when_interrupted,
    )
}
