"""Orders to gather: given, listed, looked at, cancelled, replayed. docs/how-to/gather-by-api.md"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hilum.access.policy import Principal
from hilum.access.repeated import Key
from hilum.api.asking import OTHER, PREFIX, IdempotencyKey, key
from hilum.api.watching import MEDIA, Stream
from hilum.api.watching import seen as seen_version
from hilum.broker import shown
from hilum.broker.api import allowed, shapes, views, watching
from hilum.broker.api.asking import ABSENT, PROBLEMS, TAKEN, Here, Who, said
from hilum.broker.api.broker import Broker
from hilum.broker.order import DEAD, Start
from hilum.broker.replaying import replay
from hilum.broker.telling import TASK
from hilum.broker.wish import judged, signed_in
from hilum.fhir.resource import Resource, instant
from hilum.interactions import search as searching
from hilum.problems import Conflict, Invalid, NotFound
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed, parse_query
from hilum.web import uri

router: Final = APIRouter(prefix=f"{PREFIX}/gather", tags=["Gathering"])
Status = Literal["requested", "in-progress", "completed", "failed", "cancelled"]


@router.post("", status_code=202, response_model=shapes.Order, responses=PROBLEMS | OTHER)
async def gather(
    request: Request,
    broker: Here,
    who: Who,
    order: shapes.Gather,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Gather a patient's resources: they are signed in for, brought, stored and delivered after this has answered.

    Once it is answered with 202 no crash loses the order. `Location` is where it is looked at; `/events` below that
    tells what becomes of it as it happens. It takes a token that may create Tasks of all patients (`system/Task.c`),
    and with `sign_in` an administrator's (`Endpoint.u`).
    """
    allowed.to_gather(who)
    if order.sign_in:
        allowed.to_sign_in(who, broker.roles)
    once = key(request, who, idempotency_key, order)
    task = await _answered(broker, who, once) or await _ordered(broker, who, order, once)
    return said(request, broker, task, 202, location=f"{broker.origin}{PREFIX}/gather/{task.id}")


@router.get("", responses=PROBLEMS)
async def list_orders(
    broker: Here,
    who: Who,
    status: Annotated[Status | None, Query(description="Only those.")] = None,
    count: Annotated[int, Query(ge=1, le=100, description="How many a page has at most.")] = 20,
    before: Annotated[
        str | None,
        Query(
            pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$", description="Only those changed before: see `next`."
        ),
    ] = None,
) -> shapes.Orders:
    """The orders that this token may search (`Task.s`), the last changed first."""
    pairs = [("code", f"{shown.GATHER}|gather"), ("_sort", "-_lastUpdated"), ("_count", str(count))]
    if status is not None:
        pairs.append(("status", status))
    if before is not None:
        pairs.append(("_lastUpdated", f"lt{before}"))

    def understood(registry: Registry) -> Parsed:
        return parse_query(TASK, pairs, base=broker.door.base, registry=registry)

    page = await searching.search(broker.door, who, await searching.understood(broker.door, pairs, understood))
    disclosed = tuple(one.last_updated for one in page.resources)
    await broker.trail.flushed(broker.trail.note(who, "search-type", TASK, "", 0, 200, uri.encode(pairs), disclosed))
    following = None
    if page.next is not None:
        wanted = {"status": status} if status is not None else {}
        query = urlencode({**wanted, "count": count, "before": instant(disclosed[-1])})
        following = f"{broker.origin}{PREFIX}/gather?{query}"
    return shapes.Orders(orders=[views.order(one, broker.door.base) for one in page.resources], next=following)


@router.get("/{id}", response_model=shapes.Order, responses=PROBLEMS | ABSENT)
async def get_order(request: Request, broker: Here, who: Who, id: str) -> Response:
    """How far an order is: what came, what was refused, what failed, and each attempt to deliver (`Task.r`)."""
    task = await broker.orders.get(who, id)
    await broker.seen(who, task)
    return said(request, broker, task)


@router.get(
    "/{id}/events",
    status_code=200,
    response_class=Stream,
    responses=PROBLEMS
    | ABSENT
    | {
        200: {"content": {MEDIA: {}}, "description": "Server-sent events, until the order is over."},
        204: {"description": "The order is over, and you have seen the end of it: do not come again."},
    },
)
async def watch_order(request: Request, broker: Here, who: Who, id: str) -> Response:
    """What becomes of an order, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    `order`: an Order, at once and whenever it has changed; the event's id is its version. `end`: it is over, and so is
    the stream. `problem`: an OperationOutcome; the token has ended, say. Who comes again with `Last-Event-ID` is told
    what is newer than that; of several changes in between the last one, since each tells all. What begins with a colon
    says that the stream is there. A browser's EventSource can't send a token: read the stream of `fetch`.
    """
    seen = seen_version(request.headers.get("last-event-id", ""))
    task, over = await watching.look(broker, who, id)
    if over and task.version <= seen:
        return Response(status_code=204)
    headers = dict(request.headers.raw)
    return Stream(lambda: watching.events(broker, headers, id, seen))


@router.post("/{id}/cancel", response_model=shapes.Order, responses=PROBLEMS | ABSENT | TAKEN)
async def cancel_order(request: Request, broker: Here, who: Who, id: str) -> Response:
    """Do nothing more of it, and delete what is held (`Task.u`). An attempt that is under way may still be heard."""
    return said(request, broker, await broker.orders.cancel(who, id))


@router.delete("/{id}", response_model=shapes.Order, responses=PROBLEMS | ABSENT | TAKEN)
async def delete_order(request: Request, broker: Here, who: Who, id: str) -> Response:
    """The same as cancel: the order's Task stays, and says so."""
    return said(request, broker, await broker.orders.cancel(who, id))


@router.post("/{id}/replay", status_code=202, response_model=shapes.Order, responses=PROBLEMS | ABSENT | TAKEN)
async def replay_order(request: Request, broker: Here, who: Who, id: str) -> Response:
    """Deliver a dead letter again: the same bytes, under the same key as before (`Task.u`). Kept for 30 days."""
    task = await broker.orders.get(who, id)
    await allowed.to_change(broker, who, task)
    parcel = await broker.parcels.get(id)
    if parcel is None or parcel.order.step != DEAD:
        raise Conflict("This order is no dead letter: it was delivered, is still tried, or was kept for 30 days.")
    await broker.trail.certain(who, "destination", 202, {"replayed": parcel.order.deliver_to, "orders": id})
    if not await replay(broker.parcels, parcel, broker.clock()):
        raise Conflict("This order is no dead letter any more: somebody else has replayed it.")
    return said(request, broker, await broker.orders.get(who, id), 202)


async def _answered(broker: Broker, who: Principal, key: Key | None) -> Resource | None:
    """What the order was answered with that has this key already."""
    task = None if key is None else await broker.orders.first(key)
    if task is not None:
        await broker.seen(who, task)
    return task


async def _ordered(broker: Broker, who: Principal, order: shapes.Gather, key: Key | None) -> Resource:
    """Raises Invalid, Forbidden (the connection may not be used), Busy.

    A sign-in is told by what pages and Tasks show of it: its id stays in here.
    """
    try:
        connection = await broker.connections.usable(order.ehr)
    except NotFound as problem:  # what the address names is there
        raise Invalid(str(problem), expression="ehr") from None
    session = await signed_in(broker.grants, connection, order.sign_in, broker.origin)
    start, deliver_to = _start(order, session), order.deliver_to or ""
    recipe = judged(connection, broker.recipes(), order.recipe, start, deliver_to, broker.origin)
    try:
        return await broker.orders.accept(
            who, connection, recipe.name, start, deliver_to, store=recipe.store == "own", key=key
        )
    except Conflict:  # the same order came twice at the same time, and the other one was first
        if (task := await _answered(broker, who, key)) is None:
            raise
        return task


def _start(order: shapes.Gather, session: str) -> Start:
    whom = order.patient
    if whom is None:
        return Start("launch", session=session)
    return Start("mrn" if whom.mrn else "id", whom.mrn or whom.id or "", session)
