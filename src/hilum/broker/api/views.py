"""An order's Task as the API shows it: the same, in less words (`hilum.broker.shown` says what stands where).

Whoever may write the Task may have put anything into it: what has another shape than hilum gives it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from hilum.broker import shown
from hilum.broker.api.shapes import Came, Delivery, Missing, Order, Reason
from hilum.fhir.resource import Resource, instant

Element = tuple[str, str, str, Any]
"""System and code of an input's or output's type, its text, and the value."""


def order(task: Resource, base: str) -> Order:
    """The Task as an Order. `base`: of hilum's FHIR."""
    body = task.body
    asked = {code: value for system, code, _, value in _elements(body, "input") if system == shown.GATHER}
    output = list(_elements(body, "output"))
    reason = _object(body.get("statusReason"))
    return Order(
        id=task.id,
        status=_text(body.get("status")),
        step=_coding(body.get("businessStatus"))[1],
        version=task.version,
        ehr=_text(asked.get("ehr")),
        environment=_text(asked.get("environment")),
        recipe=_text(asked.get("recipe")),
        deliver_to=_text(asked.get("deliver-to")),
        store=asked.get("store") is not False,
        created=_moment(body.get("authoredOn")),
        changed=_moment(instant(task.last_updated)),
        patient=_text(_object(body.get("for")).get("reference")) or None,
        progress={text: _number(value) for system, _, text, value in output if system == shown.PROGRESS},
        came=[
            Came(type=text, count=_number(value))
            for system, code, text, value in output
            if system == shown.GATHERED_OF and code == "came"
        ],
        refused=_missing(output, "refused"),
        failed=_missing(output, "failed"),
        deliveries=[
            _delivery(code, text, _object(value)) for system, code, text, value in output if system == shown.ATTEMPT
        ],
        reason=Reason(code=_coding(reason)[1], text=_text(reason.get("text"))) if reason else None,
        task=f"{base}/Task/{task.id}",
    )


def _elements(body: Mapping[str, Any], name: str) -> Iterator[Element]:
    """The inputs or outputs. https://hl7.org/fhir/R4/task-definitions.html#Task.output.value_x_"""
    for one in _list(body.get(name)):
        system, code = _coding(one.get("type"))
        value = next((value for key, value in one.items() if key.startswith("value")), None)
        yield system, code, _text(_object(one.get("type")).get("text")), value


def _missing(output: Sequence[Element], wanted: str) -> list[Missing]:
    return [
        Missing(type=text, why=_text(value))
        for system, code, text, value in output
        if system == shown.GATHERED_OF and code == wanted
    ]


def _delivery(result: str, answer: str, period: Mapping[str, Any]) -> Delivery:
    return Delivery(result=result, answer=answer, begun=_moment(period.get("start")), ended=_moment(period.get("end")))


def _coding(concept: Any) -> tuple[str, str]:
    first = next(iter(_list(_object(concept).get("coding"))), {})
    return _text(first.get("system")), _text(first.get("code"))


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(_text(value))
    except ValueError:
        return None


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, ArithmeticError):
        return 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
