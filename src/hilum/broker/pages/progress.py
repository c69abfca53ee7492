"""An order as who gave it sees it: what is being done, and what came, was refused, failed and was sent.

The page has no script: while something is done, it asks the browser to load it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final, NamedTuple

from hilum.broker.grants import sign_in_of
from hilum.broker.pages import words
from hilum.broker.pages.desk import Desk, SignedIn, at
from hilum.broker.shown import CANCELLED, DEAD_LETTER, SIGN_IN
from hilum.broker.told import Missing, Told, told
from hilum.fhir.resource import Resource
from hilum.problems import Conflict, NotFound
from hilum.web.message import Answer, Asked, see_other
from hilum.web.pages import of_our_own
from hilum.web.routing import Route

SECONDS: Final = 3
"""Between two looks at an order that is not over."""


class Row(NamedTuple):
    """An order in a list. `tone`: of its state: `good`, `bad`, or `` for what is not over."""

    id: str
    title: str
    at: str
    state: str
    tone: str


class Line(NamedTuple):
    """Of one kind of entries: how many came, and why others did not."""

    name: str
    came: int
    refused: tuple[str, ...]
    failed: tuple[str, ...]


class Try(NamedTuple):
    """A delivery that was tried."""

    at: str
    result: str
    answer: str


async def show(desk: Desk, asked: Asked, ehr: str, order: str) -> Answer:
    """GET /gather/{ehr}/{order}. Raises Forbidden, NotFound where it was not ordered by this sign-in, Busy."""
    here = await at(desk, asked, ehr)
    found = told(await _mine(desk, here, order))
    return desk.page(
        "order.html",
        200,
        here.kept.grant,
        at=here,
        row=_row(desk, found),
        order=order,
        going=not found.over,
        partial=found.step == DEAD_LETTER,
        seconds=SECONDS,
        deliver_to=found.deliver_to,
        why="" if found.reason is None else found.reason.text,
        progress=found.progress,
        lines=lines(found),
        tries=tries(found),
    )


async def stop(desk: Desk, asked: Asked, ehr: str, order: str) -> Answer:
    """POST /gather/{ehr}/{order}: nothing more is done of it. Raises as `show`."""
    of_our_own(desk.launching.origin, asked.headers)
    here = await at(desk, asked, ehr)
    await _mine(desk, here, order)
    with suppress(Conflict):  # it was over a moment before, and the page says how
        await desk.orders.cancel(here.principal, order)
    return see_other(f"/gather/{ehr}/{order}")


def rows(desk: Desk, tasks: Iterable[Resource]) -> tuple[Row, ...]:
    """Orders as a list shows them."""
    return tuple(_row(desk, told(one)) for one in tasks)


def lines(order: Told) -> tuple[Line, ...]:
    """What came and what did not, by kind of entries."""
    came = {one.type: one.count for one in order.came}
    types = dict.fromkeys((*came, *(one.type for one in (*order.refused, *order.failed))))
    return tuple(
        Line(words.type(type), came.get(type, 0), _why(order.refused, type), _why(order.failed, type)) for type in types
    )


def tries(order: Told) -> tuple[Try, ...]:
    """Each time that it was sent, the newest last."""
    return tuple(
        Try(_moment(one.begun), words.TRIES.get(one.result, one.result), one.answer) for one in order.deliveries
    )


async def _mine(desk: Desk, here: SignedIn, order: str) -> Resource:
    task = await desk.orders.get(here.principal, order)
    if task.body.get("groupIdentifier") != {"system": SIGN_IN, "value": sign_in_of(here.kept.id)}:
        raise NotFound("There is no such order of this sign-in.")
    return task


def _row(desk: Desk, order: Told) -> Row:
    recipe = desk.recipes().get(order.recipe)
    tone = "" if not order.over else "good" if order.status == "completed" else "bad"
    if tone == "good" and (order.refused or order.failed):
        tone = ""
    title = order.recipe if recipe is None else recipe.title
    state = words.STOPPED if order.status in CANCELLED else words.STEPS.get(order.step, order.step)
    return Row(order.id, title, _moment(order.created), state, tone)


def _why(missing: Iterable[Missing], type: str) -> tuple[str, ...]:
    return tuple(words.WHY.get(one.why, one.why) for one in missing if one.type == type)


def _moment(text: str) -> str:
    return f"{text[:19].replace('T', ' ')} UTC"


ROUTES: Final = (
    Route("GET", "/gather/{ehr}/{order}", show),
    Route("POST", "/gather/{ehr}/{order}", stop),
)
