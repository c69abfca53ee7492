"""An order as who gave it sees it: what is being done, and what came, was refused, failed and was sent.

Others may write into its Task, too: what has another shape than hilum gives it is not shown.

The page has no script: while something is done, it asks the browser to load it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from hilum.broker.grants import sign_in_of
from hilum.broker.pages import words
from hilum.broker.pages.desk import Desk, SignedIn, at
from hilum.broker.shown import (
    ATTEMPT,
    CANCELLED,
    DEAD_LETTER,
    FINAL,
    GATHER,
    GATHERED_OF,
    PROGRESS,
    SIGN_IN,
)
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
    task = await _mine(desk, here, order)
    body = task.body
    return desk.page(
        "order.html",
        200,
        here.kept.grant,
        at=here,
        row=_row(desk, task),
        order=order,
        going=body["status"] not in FINAL,
        partial=_state(body) == DEAD_LETTER,
        seconds=SECONDS,
        deliver_to=_inputs(body).get("deliver-to", ""),
        why=body.get("statusReason", {}).get("text", ""),
        progress={one["type"].get("text", ""): one.get("valueUnsignedInt", 0) for one in _outputs(body, PROGRESS)},
        lines=lines(body),
        tries=tries(body),
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
    return tuple(_row(desk, one) for one in tasks)


def lines(body: Mapping[str, Any]) -> tuple[Line, ...]:
    """What came and what did not, by kind of entries, in the order in which it was asked for."""
    counts: dict[str, int] = {}
    missing: dict[tuple[str, str], list[str]] = {}
    for one in _outputs(body, GATHERED_OF):
        type, code = one["type"].get("text", ""), _first(one["type"]).get("code", "")
        counts[type] = counts.get(type, 0) + one.get("valueUnsignedInt", 0)
        if code != "came":
            problem = one.get("valueCode", "")
            missing.setdefault((type, code), []).append(words.WHY.get(problem, problem))
    return tuple(
        Line(words.type(one), count, tuple(missing.get((one, "refused"), ())), tuple(missing.get((one, "failed"), ())))
        for one, count in counts.items()
    )


def tries(body: Mapping[str, Any]) -> tuple[Try, ...]:
    """Each time that it was sent, the newest last."""
    return tuple(
        Try(
            _moment(one.get("valuePeriod", {}).get("start", "")),
            words.TRIES.get(code := _first(one["type"]).get("code", ""), code),
            one["type"].get("text", ""),
        )
        for one in _outputs(body, ATTEMPT)
    )


async def _mine(desk: Desk, here: SignedIn, order: str) -> Resource:
    task = await desk.orders.get(here.principal, order)
    if task.body.get("groupIdentifier") != {"system": SIGN_IN, "value": sign_in_of(here.kept.id)}:
        raise NotFound("There is no such order of this sign-in.")
    return task


def _row(desk: Desk, task: Resource) -> Row:
    body = task.body
    name = _inputs(body).get("recipe", "")
    recipe = desk.recipes().get(name)
    state, status = _state(body), body["status"]
    tone = "good" if status == "completed" else "bad" if status in FINAL else ""
    if tone == "good" and any(one.refused or one.failed for one in lines(body)):
        tone = ""
    title = name if recipe is None else recipe.title
    return Row(task.id, title, _moment(body.get("authoredOn", "")), words.STEPS.get(state, state), tone)


def _state(body: Mapping[str, Any]) -> str:
    if body["status"] in CANCELLED:  # whoever executes it has not said so yet
        return "cancelled"
    return str(_first(body.get("businessStatus", {})).get("code", ""))


def _first(concept: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its first coding; a CodeableConcept need not have one."""
    found: Mapping[str, Any] = next(iter(concept.get("coding", ())), {})
    return found


def _inputs(body: Mapping[str, Any]) -> dict[str, str]:
    found = ((_first(one["type"]), one.get("valueString", "")) for one in body.get("input", []))
    return {coding.get("code", ""): value for coding, value in found if coding.get("system") == GATHER}


def _outputs(body: Mapping[str, Any], system: str) -> list[Mapping[str, Any]]:
    return [one for one in body.get("output", []) if _first(one["type"]).get("system") == system]


def _moment(text: str) -> str:
    return f"{text[:19].replace('T', ' ')} UTC"


ROUTES: Final = (
    Route("GET", "/gather/{ehr}/{order}", show),
    Route("POST", "/gather/{ehr}/{order}", stop),
)
