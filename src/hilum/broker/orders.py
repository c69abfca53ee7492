"""Orders as who gives them sees them: one is accepted, looked at, and cancelled.

An order is a Task and a record, committed together; the feed finds the Task, and makes the lease that it is executed
under.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from hilum.access.policy import Principal
from hilum.access.repeated import Key, Repeated
from hilum.broker import parcels as records
from hilum.broker import shown
from hilum.broker.connection import Connection
from hilum.broker.destinations import Destinations
from hilum.broker.order import Order, Start
from hilum.broker.parcels import Parcels
from hilum.broker.telling import TASK
from hilum.feed.feed import Feed
from hilum.fhir.resource import Resource
from hilum.interactions.create import create
from hilum.interactions.door import Door
from hilum.interactions.ids import uuid7
from hilum.interactions.read import read
from hilum.interactions.update import update
from hilum.problems import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed

LOOK_SECONDS: Final = 0.5
"""Between two looks at a Task that somebody watches."""
_MICRO: Final = 1_000_000


class Orders:
    """Those of one store. `accepted`: called when there is a new one, so that nobody has to wait for the next look."""

    def __init__(
        self,
        door: Door,
        parcels: Parcels,
        destinations: Destinations,
        repeated: Repeated,
        feed: Feed,
        accepted: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._door, self._parcels, self._destinations = door, parcels, destinations
        self._repeated, self._feed, self._accepted, self._clock = repeated, feed, accepted, clock

    async def accept(
        self,
        who: Principal,
        connection: Connection,
        recipe: str,
        start: Start,
        deliver_to: str = "",
        *,
        store: bool = True,
        key: Key | None = None,
        id: str = "",
    ) -> Resource:
        """A new order: its Task. When this returns, no crash loses it. `key`: of all orders with the same one is made.
        `id`: of the Task, where it is made already.

        Raises Forbidden (the token may not create Tasks; the recipe is none of the connection's), Invalid, Busy;
        Conflict where the key was given with an order meanwhile (`first`).
        """
        await self._judge(connection, recipe, deliver_to, store=store)
        await self._feed.begin()
        id = id or uuid7()
        sealed = await self._parcels.sealed(id, msgspec.to_builtins(start))
        order = Order(
            ehr=connection.name,
            environment=connection.environment,
            recipe=recipe,
            by=who.agent,
            at=int(self._clock() * _MICRO),
            deliver_to=deliver_to,
            store=store,
            sealed=sealed,
        )
        once = [records.new(id, order)]
        if key is not None:
            once.append(await self._repeated.new(key, id, self._clock()))
        made = await create(self._door, who, TASK, shown.asked(order, start.session), id=id, once=once)
        self._accepted()
        return made.resource

    async def first(self, key: Key) -> Resource | None:
        """What the order was answered with that this key was given with before: its Task, as it was then.

        Raises Unprocessable where that is another order, Busy.
        """
        id = await self._repeated.first(key, self._clock())
        return None if id is None else await self._door.store.read(TASK, id, 1)

    async def _judge(self, connection: Connection, recipe: str, deliver_to: str, *, store: bool) -> None:
        if connection.disabled:
            raise Invalid(f"The connection {connection.name!r} is disabled. `hilum ehr list` shows those that are not.")
        if not connection.allows(recipe):
            allowed = ", ".join(connection.recipes) or "none"
            text = f"The recipe {recipe[:64]!r} may not be used with {connection.name!r}. Allowed: {allowed}."
            raise Forbidden(
                f"{text} Its `recipes` say so: in ehrs.toml, by `hilum ehr change --recipe`, or by the API."
            )
        if not (store or deliver_to):
            raise Invalid(
                "What is gathered is neither stored nor delivered: say where it is to go (deliver_to).",
                expression="deliver_to",
            )
        if not deliver_to:
            return
        destination = await self._destinations.get(deliver_to)
        if destination is None:
            text = f"There is no destination {deliver_to[:64]!r}. `hilum destination list` shows those there are, and"
            raise Invalid(f"{text} `hilum destination add NAME URL` adds one.", expression="deliver_to")
        if destination.environment != connection.environment:
            raise Invalid(
                f"The destination {deliver_to!r} is for {destination.environment}, and the connection "
                f"{connection.name!r} is one of {connection.environment}: environments never mix."
            )

    async def get(self, who: Principal, id: str) -> Resource:
        """The Task of an order. Raises NotFound, Gone, Forbidden."""
        task = await read(self._door, who, TASK, id)
        if not shown.is_order(task.raw):
            raise NotFound(f"{TASK}/{id[:64]} is no order to gather.")
        return task

    async def watch(self, who: Principal, id: str, seconds: float = LOOK_SECONDS) -> AsyncIterator[Resource]:
        """Its Task, and again whenever it has changed, until nothing is done any more. Raises as `get`."""
        version = 0
        while True:
            task = await self.get(who, id)
            if task.version != version:
                version = task.version
                yield task
            if task.body["status"] in shown.FINAL:
                return
            await asyncio.sleep(seconds)

    async def cancel(self, who: Principal, id: str) -> Resource:
        """Nothing more is done of it, and what is held is deleted; an attempt that is under way may still be heard.

        Raises Conflict where it is over, NotFound, Forbidden, Busy.
        """
        while True:
            task = await self.get(who, id)
            status = task.body["status"]
            if status in shown.CANCELLED:
                return task
            if status in shown.FINAL:
                raise Conflict(f"The order is {status} already: there is nothing left to cancel.")
            body = task.body | {"status": "cancelled"}
            try:
                written = await update(self._door, who, TASK, id, body, f'W/"{task.version}"')
            except PreconditionFailed:
                continue
            self._accepted()
            return written.resource
