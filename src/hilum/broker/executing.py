"""An order, done step by step: whatever is done is written before the next thing begins (docs/adr/0014-orders.md).

Who executes holds the order's lease. Each step reads the record and ends in one write in its place; killed in between,
the next process does the step again. Gathering and storing may be done twice; a POST has the order's id as its key.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import msgspec

from hilum.audit.recording import Silent, Trail
from hilum.broker import deliver, shown
from hilum.broker import order as orders
from hilum.broker.destinations import Destination, Destinations
from hilum.broker.far import Failed
from hilum.broker.gathering import Gathering, Storing, Tell, Templates, bundle
from hilum.broker.order import (
    ASKED,
    DEAD,
    DELIVERED,
    GATHERED,
    READY,
    SETTLED,
    UNANSWERED,
    Failure,
    Order,
    Start,
    changed,
)
from hilum.broker.parcels import Parcel, Parcels
from hilum.broker.payload import Unfit
from hilum.broker.telling import Stopped, Telling
from hilum.feed.tried import tried
from hilum.fhir import json
from hilum.fhir.resource import instant
from hilum.interactions import granting
from hilum.oauth.ledger import Lost
from hilum.problems import Busy, Problem
from hilum.web import log
from hilum.web.outbound import Guard

TRIES: Final = (10, 60, 300, 1800, 7200)
"""Seconds after which signing in and gathering, or storing, is tried again; after that the order has failed."""
PROGRESS_SECONDS: Final = 2.0
"""So often, at most, a Task tells how far it is: each time is a version of it."""
TYPE: Final = "patient.gathered"
"""Of a delivery: what the receiver knows its payload by."""
_MICRO: Final = 1_000_000

SILENT: Final = Silent()
"""Records nothing: `--auth off`."""

Next = Parcel | float
"""The order as it is after a step; or when it goes on, in seconds since 1970."""
Step = Callable[[Parcel], Awaitable[Next]]


class Executing:
    """What one process needs to do orders. `clock`: seconds since 1970."""

    def __init__(
        self,
        parcels: Parcels,
        telling: Telling,
        gathering: Gathering,
        storing: Storing,
        templates: Templates,
        destinations: Destinations,
        guard: Guard,
        trail: Trail = SILENT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._parcels, self._telling = parcels, telling
        self._gathering, self._storing, self._templates = gathering, storing, templates
        self._destinations, self._guard, self._trail, self._clock = destinations, guard, trail, clock
        self._steps: Mapping[str, Step] = {
            ASKED: partial(self._tried, self._gather),
            GATHERED: partial(self._tried, self._store),
            READY: self._deliver,
        }

    async def run(self, id: str) -> float | None:
        """Go on with an order as far as it goes now. When to go on again; None: there is nothing left to be done.

        Raises Lost (somebody else goes on with it), Busy.
        """
        parcel = await self._parcels.get(id)
        if parcel is None:
            return None
        try:
            if not await self._telling.wanted(id):
                raise Stopped
            if parcel.order.again > self._now():
                return parcel.order.again / _MICRO
            while step := self._steps.get(parcel.order.step):
                found = await (self._given_up(parcel) if _hopeless(parcel.order) else step(parcel))
                if isinstance(found, float):
                    return found
                parcel = found
            await self._telling.show(parcel)
        except Stopped:
            await self._stopped(parcel.id)
            return None
        if parcel.order.step == SETTLED:
            await self._parcels.forget(parcel)
        return None

    async def _stopped(self, id: str) -> None:
        """Somebody has cancelled it: what was done by then is told, and what is held is deleted."""
        parcel = await self._parcels.get(id)
        if parcel is not None:
            await self._telling.show_stopped(parcel)
            await self._parcels.forget(parcel)
            log.info("order cancelled", order=id)

    # --- asked: sign in, gather ---------------------------------------------------------------------------------------

    async def _gather(self, parcel: Parcel) -> Next:
        order = parcel.order
        start = msgspec.convert(await self._parcels.opened(parcel), Start)
        try:
            await self._telling.show(parcel, shown.SIGNING_IN)
            far = await self._gathering.sign_in(order, start)
            await self._telling.show(parcel, shown.GATHERING)
            async with self._progress(parcel) as tell:
                gathered = await self._gathering.gather(far, order, start, tell)
        except Failed as failed:
            return await self._not_yet(
                parcel, Failure(failed.kind, failed.text, failed.side), failed.again, failed.retry_at or 0.0
            )
        except (Busy, Stopped):
            raise
        except Problem as problem:
            return await self._not_yet(parcel, Failure("unusable", str(problem)), False)
        except Exception as error:
            return await self._not_yet(parcel, _defect(error), True)
        came = gathered.came
        if order.store:
            return await self._put(parcel, gathered.content, step=GATHERED, came=came, tries=0)
        return await self._made_ready(parcel, gathered.content, came=came)

    @asynccontextmanager
    async def _progress(self, parcel: Parcel) -> AsyncIterator[Tell]:
        """Tells the Task how far it is, now and then, while others go on."""
        counts: dict[str, int] = {}

        async def tell() -> None:
            told: dict[str, int] = {}
            while True:
                await asyncio.sleep(PROGRESS_SECONDS)
                if counts != told:
                    told = counts.copy()
                    with suppress(Stopped, Busy):  # the next step meets the same, and heeds it
                        await self._telling.progress(parcel, told, self._now())

        task = asyncio.create_task(tell())
        try:
            yield counts.update
        finally:
            task.cancel()
            await asyncio.wait({task})

    # --- gathered: store ----------------------------------------------------------------------------------------------

    async def _store(self, parcel: Parcel) -> Next:
        await self._telling.show(parcel, shown.STORING)
        content = await self._parcels.opened(parcel)
        try:
            stored = await self._storing(parcel.id, parcel.order, content)
        except Busy:
            raise
        except Problem as problem:
            text = "hilum's store did not take what came: " + ", ".join(sorted({one.code for one in problem.issues}))
            return await self._not_yet(parcel, Failure("unstorable", text), False)
        except Exception as error:
            return await self._not_yet(parcel, _defect(error), True)
        came = (*parcel.order.came, *stored.came)
        return await self._made_ready(parcel, content, patient=stored.patient, came=came)

    async def _made_ready(self, parcel: Parcel, content: dict[str, Any], **news: Any) -> Next:
        """The payload, frozen: what is sent again later is the same, byte for byte. Nothing else is held any longer."""
        order = parcel.order
        if not order.deliver_to:
            return await self._put(parcel, step=SETTLED, sealed="", **news)
        now = self._clock()
        try:
            fill = self._templates(order.recipe)
            if fill is None:
                raise Unfit("", "the recipe has no payload.")
            data = await asyncio.to_thread(fill, bundle(content), datetime.fromtimestamp(now, UTC))
        except Unfit as unfit:
            return await self._put(parcel, step=SETTLED, sealed="", failure=Failure("payload", str(unfit)), **news)
        made = changed(order, order.at, **news)
        body = json.encode(_envelope(parcel.id, made, data, now)).decode()
        return await self._put(parcel, {"body": body}, step=READY, tries=0, **news)

    # --- ready: deliver -----------------------------------------------------------------------------------------------

    async def _deliver(self, parcel: Parcel) -> Next:
        destination = await self._destinations.get(parcel.order.deliver_to)
        if (reason := _unfit(destination, parcel.order)) is not None or destination is None:
            return await self._put(parcel, step=DEAD, failure=reason)
        await self._trail.certain(granting.server(), "deliver", 200, _about(parcel))  # nothing goes out unrecorded
        parcel = await self._parcels.put(parcel, orders.begun(parcel.order, self._now()))
        try:
            await self._telling.show(parcel, shown.DELIVERING)
            content = await self._parcels.opened(parcel)
            answer = await self._posted(destination, parcel.id, content["body"].encode())
        except asyncio.CancelledError:
            with suppress(Lost, Problem):
                await self._parcels.put(parcel, orders.left(parcel.order, self._now()))
            raise
        now = max(self._now(), parcel.order.at)
        attempt = msgspec.structs.replace(
            parcel.order.attempts[-1], ended=now, result=answer.result, status=answer.status, kind=answer.kind
        )
        log.info("delivery", order=parcel.id, result=answer.result, status=answer.status, kind=answer.kind)
        news: dict[str, Any]
        if answer.result == DELIVERED:
            news = {"step": SETTLED, "sealed": ""}
        elif (wait := deliver.again(answer, parcel.order.tries)) is not None:
            news = {"again": now + int(wait * _MICRO)}
        else:
            news = {"step": DEAD, "failure": _undelivered(answer)}
        parcel = await self._parcels.put(parcel, orders.ended(parcel.order, attempt, now, **news))
        if parcel.order.step == READY:
            await self._telling.show(parcel, shown.WAITING)
            return parcel.order.again / _MICRO
        return parcel

    async def _posted(self, destination: Destination, id: str, body: bytes) -> deliver.Answer:
        """What came of it. An error that nobody foresaw counts as no answer: each attempt has to be one of so many."""
        try:
            return await deliver.post(destination, id, body, self._guard, self._clock())
        except Exception as error:
            log.error("delivery", order=id, error=type(error).__name__)
            return deliver.Answer(UNANSWERED, kind="defect")

    # --- what all steps do --------------------------------------------------------------------------------------------

    async def _tried(self, step: Step, parcel: Parcel) -> Next:
        return await tried(step, parcel, lambda one, tries: self._put(one, tries=tries), self._parcels.get)

    async def _given_up(self, parcel: Parcel) -> Parcel:
        text = f"hilum was ended {parcel.order.tries} times while it was at this step: {parcel.order.step}."
        return await self._put(parcel, step=SETTLED, sealed="", failure=Failure("given-up", text))

    async def _not_yet(self, parcel: Parcel, failure: Failure, again: bool, at: float = 0.0) -> Next:
        """Try it later, or let the order fail: then nothing is held any longer."""
        log.warning("order", order=parcel.id, step=parcel.order.step, code=failure.code, side=failure.side)
        if not again or parcel.order.tries > len(TRIES):
            return await self._put(parcel, step=SETTLED, sealed="", failure=failure)
        wait = max(at, self._clock() + TRIES[parcel.order.tries - 1])
        parcel = await self._put(parcel, again=int(wait * _MICRO))
        await self._telling.show(parcel, shown.WAITING)
        return wait

    async def _put(self, parcel: Parcel, content: dict[str, Any] | None = None, **news: Any) -> Parcel:
        return await self._parcels.put(parcel, changed(parcel.order, self._now(), **news), content)

    def _now(self) -> int:
        return int(self._clock() * _MICRO)


def _hopeless(order: Order) -> bool:
    """Whether a step was begun as often as it may be, and never ended."""
    return order.step != READY and order.tries > len(TRIES)


def _about(parcel: Parcel) -> dict[str, str]:
    """What the audit says of an attempt. The reference to the patient is the only thing in it about one."""
    order = parcel.order
    found = {"order": parcel.id, "destination": order.deliver_to, "ehr": order.ehr, "recipe": order.recipe}
    return found | ({"patient": order.patient} if order.patient else {})


def _envelope(id: str, order: Order, data: dict[str, Any], now: float) -> dict[str, Any]:
    """What is POSTed. https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    return {
        "type": TYPE,
        "timestamp": instant(int(now * _MICRO)),
        "order": id,
        "ehr": order.ehr,
        "environment": order.environment,
        "recipe": order.recipe,
        "complete": order.complete,
        "data": data,
    }


def _unfit(destination: Destination | None, order: Order) -> Failure | None:
    """Why nothing may be sent there."""
    if destination is None:
        text = f"There is no destination {order.deliver_to!r} any more. Add it again, and replay what it did not get."
        return Failure("no-destination", text)
    if destination.environment != order.environment:
        text = f"The destination is for {destination.environment}, and what was gathered is of {order.environment}."
        return Failure("environment", text)
    return None


def _undelivered(answer: deliver.Answer) -> Failure:
    if answer.status:
        text = f"The receiver answered HTTP {answer.status}, and is not asked again before this is replayed."
        return Failure("undelivered", text, "theirs")
    text = f"The receiver did not answer ({answer.kind}), and is not asked again before this is replayed."
    return Failure("undelivered", text, "network")


def _defect(error: Exception) -> Failure:
    """An error that nobody foresaw: its name alone, since its text may hold anything."""
    return Failure("defect", f"hilum met an error that it did not foresee ({type(error).__name__}).")
