"""An order, watched by server-sent events. The token is looked at each time: one that ends, ends the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator

from hilum.access.policy import Principal
from hilum.api.watching import Look, changes
from hilum.broker import shown
from hilum.broker.api import views
from hilum.broker.api.broker import Broker, Headers
from hilum.broker.order import DEAD, SETTLED
from hilum.fhir import json
from hilum.fhir.resource import Resource


async def look(broker: Broker, who: Principal, id: str) -> tuple[Resource, bool]:
    """The Task of an order, and whether nothing more will be told of it. Raises as `Orders.get`.

    The record is looked at first: it goes, or rests as a dead letter, when the Task has been told. That of one that was
    cancelled tells yet what had been done by then, and a dead letter that is replayed begins again.
    """
    parcel = await broker.parcels.get(id)
    task = await broker.orders.get(who, id)
    status = task.body["status"]
    resting = parcel is not None and parcel.order.step in (DEAD, SETTLED) and status not in shown.CANCELLED
    return task, status in shown.FINAL and (parcel is None or resting)


def events(broker: Broker, headers: Headers, id: str, seen: int) -> AsyncIterator[bytes]:
    """The stream."""

    async def looked(seen: int) -> Look:
        who = await broker.authenticate(headers)
        task, over = await look(broker, who, id)
        news = None
        if task.version > seen:
            await broker.seen(who, task)
            news = views.order(task, broker.door.base).model_dump_json().encode()
        return Look(task.version, news, json.encode({"status": task.body["status"]}) if over else None)

    return changes("order", looked, seen, broker.look_seconds, broker.beat)
