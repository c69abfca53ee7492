"""A video as the Task that people and apps see. https://hl7.org/fhir/R4/task.html

It holds no patient data beyond the reference to the Patient (`for`): no MRN, no sentence of the script; but who rejects
a video says why in words of their own. Its elements are these; what others add to it stays.

| element | what it tells |
|---|---|
| status | requested, in-progress, on-hold (somebody has to approve it), completed, failed, cancelled |
| businessStatus | `urn:hilum:video-step`: what is being done, or how it ended; its text, until when it waits |
| statusReason | `urn:hilum:video-failure`: why it failed; its text is ours. `urn:hilum:video-rejection`: why it was rejected; its text is that of who did so |
| for | the Patient here, once that is known |
| input | `urn:hilum:video`: template, language, shape, codec, renderer, narrated, ehr |
| output | `urn:hilum:video`: document, element (what to mend), seconds, spoken, in-step (its captions), edited, decided-by, decided-at, decision, outdated (how the record has left it behind); `urn:hilum:video-progress`: percent, while it is rendered |
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from hilum.fhir.resource import instant
from hilum.fhir.task import CANCELLED as CANCELLED
from hilum.fhir.task import FINAL as FINAL
from hilum.video.order import APPROVED, ASKED, AWAITING, REJECT, SETTLED, Order, document_of

Body = dict[str, Any]

VIDEO: Final = "urn:hilum:video"
STEP: Final = "urn:hilum:video-step"
FAILURE: Final = "urn:hilum:video-failure"
REJECTION: Final = "urn:hilum:video-rejection"
PROGRESS: Final = "urn:hilum:video-progress"

REQUESTED: Final = "requested"
GATHERING: Final = "gathering"
WRITING: Final = "writing"
RENDERING: Final = "rendering"
AWAITING_APPROVAL: Final = "awaiting-approval"
WAITING: Final = "waiting"
"""Business statuses beside those that a video ends with: approved, rejected, failed, cancelled."""
ON_HOLD: Final = "on-hold"
RESTING: Final = (*FINAL, ON_HOLD)
"""Statuses at which nothing is done before somebody does something."""
_WHOLE: Final = 100

_CODE: Final = f'"{VIDEO}"'.encode()


def is_video(raw: bytes) -> bool:
    """Whether stored bytes of a Task may be one of these: cheap, and never wrong about one that is."""
    return _CODE in raw


def asked(order: Order) -> Body:
    """A new Task."""
    said = [("template", order.template), ("language", order.language), ("shape", order.shape)]
    said += [("codec", order.codec), ("renderer", order.renderer)]
    if order.ehr:
        said.append(("ehr", order.ehr))
    inputs: list[Body] = [{"type": concept(VIDEO, name), "valueString": value} for name, value in said]
    inputs.append({"type": concept(VIDEO, "narrated"), "valueBoolean": order.narrated})
    whom = {"for": {"reference": order.patient}} if order.patient else {}
    return {
        "resourceType": "Task",
        "status": "requested",
        "businessStatus": concept(STEP, REQUESTED),
        "intent": "order",
        "code": concept(VIDEO, "video"),
        **whom,
        "authoredOn": instant(order.asked),
        "lastModified": instant(order.at),
        "requester": {"identifier": {"system": "urn:hilum:agent", "value": order.by}},
        "input": inputs,
    }


def shown(body: Body, id: str, order: Order, doing: str = "", part: float | None = None, at: int = 0) -> Body:
    """The Task `body` of this id, as the order is now. `doing`: the business status while something is done.

    `part`: how much of it is rendered, from 0 to 1. `at`: the moment of progress, which no record has.
    """
    status, step = _status(order, doing)
    new = body | {"status": status, "businessStatus": concept(STEP, step), "lastModified": instant(at or order.at)}
    if step == WAITING and order.again:
        new["businessStatus"]["text"] = f"not before {instant(order.again)}"
    new.pop("statusReason", None)
    new.pop("output", None)
    if order.failure is not None:
        new["statusReason"] = concept(FAILURE, order.failure.code) | {"text": order.failure.text}
    elif order.decision is not None and order.decision.reason:
        new["statusReason"] = concept(REJECTION, order.decision.verdict) | {"text": order.decision.reason}
    if order.patient:
        new["for"] = {"reference": order.patient}
    output = list(_output(id, order))
    if part is not None:
        output.append({"type": concept(PROGRESS, "percent"), "valueUnsignedInt": percent(part)})
    if output:
        new["output"] = output
    return new


def ended_by_others(body: Body) -> Body:
    """A Task that somebody has cancelled: what was made is deleted."""
    told = body | {"businessStatus": concept(STEP, body["status"])}
    told.pop("output", None)
    return told


def percent(part: float) -> int:
    """How much of it is done, from 0 to 100."""
    return max(0, min(_WHOLE, int(part * _WHOLE)))


def concept(system: str, code: str) -> Body:
    """A CodeableConcept with one coding."""
    return {"coding": [{"system": system, "code": code}]}


def _status(order: Order, doing: str) -> tuple[str, str]:
    if order.step == AWAITING:
        return ON_HOLD, AWAITING_APPROVAL
    if order.step == APPROVED:
        return "completed", "approved"
    if order.step != SETTLED:
        return "in-progress", doing or {ASKED: REQUESTED}.get(order.step, WAITING)
    if order.decision is not None and order.decision.verdict == REJECT:
        return "cancelled", "rejected"
    return "failed", "failed"


def _output(id: str, order: Order) -> Iterator[Body]:
    def one(code: str, **value: Any) -> Body:
        return {"type": concept(VIDEO, code), **value}

    left = order.outdated if order.step in (AWAITING, APPROVED) else None
    mended = order.failure or left
    if mended is not None and mended.element:
        yield one("element", valueString=mended.element)
    if left is not None:
        yield one("outdated", valueString=left.text)
    if order.step in (AWAITING, APPROVED):
        yield one("document", valueReference={"reference": f"DocumentReference/{document_of(id, order)}"})
        yield one("seconds", valueDecimal=Decimal(f"{order.seconds:.1f}"))
        yield one("spoken", valueBoolean=order.spoken)
        yield one("in-step", valueBoolean=order.in_step)
    if order.edited:
        yield one("edited", valueString=order.edited)
    decision = order.decision
    if decision is not None:
        yield one("decision", valueCode=decision.verdict)
        yield one("decided-by", valueString=decision.by)
        yield one("decided-at", valueInstant=instant(decision.at))
