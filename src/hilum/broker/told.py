"""An order's Task read back: what came, what was refused, what failed, and what became of the delivery.

The other way round from `hilum.broker.shown`. Whoever may write the Task may have put anything into it: what has
another shape than hilum gives it is left out.
"""

from __future__ import annotations

import msgspec

from hilum.broker import shown
from hilum.fhir.resource import Resource
from hilum.fhir.said import Element, coding, elements, mapping, number, text


class Came(msgspec.Struct, frozen=True):
    """Resources of one type that came, and how many."""

    type: str
    count: int


class Missing(msgspec.Struct, frozen=True):
    """Of one type: why it, or a part of it, did not come."""

    type: str
    why: str


class Delivery(msgspec.Struct, frozen=True):
    """One attempt. `answer`: HTTP and the status, or why there was none."""

    result: str
    answer: str = ""
    begun: str = ""
    ended: str = ""


class Reason(msgspec.Struct, frozen=True):
    """Why an order failed, in hilum's words."""

    code: str
    text: str


class Told(msgspec.Struct, frozen=True):
    """An order as its Task tells it. `waits`: until when, in words; `patient`: the reference to the Patient here; ""
    where there is none.
    """

    id: str
    status: str
    step: str
    waits: str
    ehr: str
    environment: str
    recipe: str
    deliver_to: str
    store: bool
    created: str
    patient: str
    progress: dict[str, int]
    came: tuple[Came, ...]
    refused: tuple[Missing, ...]
    failed: tuple[Missing, ...]
    deliveries: tuple[Delivery, ...]
    reason: Reason | None

    @property
    def over(self) -> bool:
        """Whether nothing is done any more."""
        return self.status in shown.FINAL


def told(task: Resource) -> Told:
    """What the Task of an order says."""
    body = task.body
    asked = {one.code: one.value for one in elements(body, "input") if one.system == shown.GATHER}
    output = list(elements(body, "output"))
    gathered = [one for one in output if one.system == shown.GATHERED_OF]
    reason = mapping(body.get("statusReason"))
    status = text(body.get("status"))
    by_others = status in shown.CANCELLED  # who ended it may have left the step as it was
    return Told(
        id=task.id,
        status=status,
        step=status if by_others else coding(body.get("businessStatus"))[1],
        waits="" if by_others else text(mapping(body.get("businessStatus")).get("text")),
        ehr=text(asked.get("ehr")),
        environment=text(asked.get("environment")),
        recipe=text(asked.get("recipe")),
        deliver_to=text(asked.get("deliver-to")),
        store=asked.get("store") is not False,
        created=text(body.get("authoredOn")),
        patient=text(mapping(body.get("for")).get("reference")),
        progress={one.text: number(one.value) for one in output if one.system == shown.PROGRESS},
        came=tuple(Came(one.text, number(one.value)) for one in gathered if one.code == "came"),
        refused=_missing(gathered, "refused"),
        failed=_missing(gathered, "failed"),
        deliveries=tuple(_delivery(one) for one in output if one.system == shown.ATTEMPT),
        reason=Reason(coding(reason)[1], text(reason.get("text"))) if reason else None,
    )


def _missing(gathered: list[Element], wanted: str) -> tuple[Missing, ...]:
    return tuple(Missing(one.text, text(one.value)) for one in gathered if one.code == wanted)


def _delivery(one: Element) -> Delivery:
    period = mapping(one.value)
    return Delivery(one.code, one.text, text(period.get("start")), text(period.get("end")))
