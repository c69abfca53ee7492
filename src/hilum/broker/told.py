"""An order's Task read back: what came, what was refused, what failed, and what became of the delivery.

The other way round from `hilum.broker.shown`. Whoever may write the Task may have put anything into it: what has
another shape than hilum gives it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from hilum.broker import shown
from hilum.fhir.resource import Resource


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


class _Element(NamedTuple):
    """An input or output. https://hl7.org/fhir/R4/task-definitions.html#Task.output"""

    system: str
    code: str
    text: str
    value: Any


def told(task: Resource) -> Told:
    """What the Task of an order says."""
    body = task.body
    asked = {one.code: one.value for one in _elements(body, "input") if one.system == shown.GATHER}
    output = list(_elements(body, "output"))
    gathered = [one for one in output if one.system == shown.GATHERED_OF]
    reason = _object(body.get("statusReason"))
    status = _text(body.get("status"))
    by_others = status in shown.CANCELLED  # who ended it may have left the step as it was
    return Told(
        id=task.id,
        status=status,
        step=status if by_others else _coding(body.get("businessStatus"))[1],
        waits="" if by_others else _text(_object(body.get("businessStatus")).get("text")),
        ehr=_text(asked.get("ehr")),
        environment=_text(asked.get("environment")),
        recipe=_text(asked.get("recipe")),
        deliver_to=_text(asked.get("deliver-to")),
        store=asked.get("store") is not False,
        created=_text(body.get("authoredOn")),
        patient=_text(_object(body.get("for")).get("reference")),
        progress={one.text: _number(one.value) for one in output if one.system == shown.PROGRESS},
        came=tuple(Came(one.text, _number(one.value)) for one in gathered if one.code == "came"),
        refused=_missing(gathered, "refused"),
        failed=_missing(gathered, "failed"),
        deliveries=tuple(_delivery(one) for one in output if one.system == shown.ATTEMPT),
        reason=Reason(_coding(reason)[1], _text(reason.get("text"))) if reason else None,
    )


def _missing(gathered: list[_Element], wanted: str) -> tuple[Missing, ...]:
    return tuple(Missing(one.text, _text(one.value)) for one in gathered if one.code == wanted)


def _delivery(one: _Element) -> Delivery:
    period = _object(one.value)
    return Delivery(one.code, one.text, _text(period.get("start")), _text(period.get("end")))


def _elements(body: Mapping[str, Any], name: str) -> Iterator[_Element]:
    for one in _list(body.get(name)):
        system, code = _coding(one.get("type"))
        value = next((value for key, value in one.items() if key.startswith("value")), None)
        yield _Element(system, code, _text(_object(one.get("type")).get("text")), value)


def _coding(concept: Any) -> tuple[str, str]:
    first = next(iter(_list(_object(concept).get("coding"))), {})
    return _text(first.get("system")), _text(first.get("code"))


def _number(value: Any) -> int:
    return value if type(value) is int else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
