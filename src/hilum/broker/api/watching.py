"""An order, watched: server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html

Each event tells all that there is to know, so that nothing has to be kept of what was missed in between, and another
process can go on with the stream. The token is looked at each time: one that ends, ends the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hilum.access.policy import Principal
from hilum.broker import shown
from hilum.broker.api import views
from hilum.broker.api.broker import Broker, Headers
from hilum.broker.order import DEAD, SETTLED
from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.problems import Problem

MEDIA: Final = "text/event-stream"
STREAM: Final = "hilum.response.stream"
"""The message of an answer that has no length: its `pieces` are sent as they come; an empty one says nothing."""
_RETRY: Final = b"retry: 2000\n\n"
_BEAT: Final = b":\n\n"


class Stream(Response):
    """Handed as it is to what sends it: nothing is copied on the way, and who has gone away is seen there."""

    media_type = MEDIA

    def __init__(self, pieces: Callable[[], AsyncIterator[bytes]]) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})  # nginx would keep them together
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises what `send` raises."""
        headers = [header for header in self.raw_headers if header[0] != b"content-length"]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": STREAM, "pieces": self._pieces})


def seen(last_event_id: str) -> int:
    """The version that a client has seen; 0 for none, or what was no id of ours."""
    return int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 16 else 0


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


async def events(broker: Broker, headers: Headers, who: Principal, id: str, seen: int) -> AsyncIterator[bytes]:
    """The stream; an empty piece at each look in which there was nothing, so that who has gone away is noticed."""
    yield _RETRY
    quiet = 0
    while True:
        try:
            who = await broker.authenticate(headers)
            task, over = await look(broker, who, id)
            if task.version > seen:
                await broker.seen(who, task)
                seen, quiet = task.version, 0
                yield _event("order", views.order(task, broker.door.base).model_dump_json().encode(), seen)
            if over:
                yield _event("end", json.encode({"status": task.body["status"]}), seen)
                return
        except Problem as problem:
            yield _event("problem", _outcome(problem))
            return
        quiet += 1
        yield b"" if quiet % broker.beat else _BEAT
        await asyncio.sleep(broker.look_seconds)


def _event(name: str, data: bytes, version: int = 0) -> bytes:
    """JSON as it is written here has no line breaks."""
    return b"event: %b\n%bdata: %b\n\n" % (name.encode(), b"id: %d\n" % version if version else b"", data)


def _outcome(problem: Problem) -> bytes:
    issues = [{"severity": one.severity, "code": one.code, "diagnostics": one.diagnostics} for one in problem.issues]
    return json.encode({"resourceType": "OperationOutcome", "issue": issues})
