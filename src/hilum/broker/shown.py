"""An order as the Task that people and apps see. https://hl7.org/fhir/R4/task.html

It holds no patient data beyond the reference to the Patient (`for`), where what was gathered is kept here: no MRN, no
payload, no word of the EHR's or the receiver's. Its elements are these; what others add to it stays.

| element | what it tells |
|---|---|
| status | requested, in-progress, completed, failed, cancelled |
| businessStatus | `urn:hilum:gather-step`: what is being done; its text, until when it waits |
| statusReason | `urn:hilum:gather-failure`: why it failed; its text is ours |
| input | `urn:hilum:gather`: ehr, environment, recipe, deliver-to, store |
| groupIdentifier | `urn:hilum:ehr-sign-in`: a digest of the sign-in, where a person has signed in: those of one have the same |
| output | `urn:hilum:gathered`: what came, was refused, or failed, by type; `urn:hilum:gather-progress`: counts, while it runs; `urn:hilum:delivery-attempt`: each POST, with its time |
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hilum.broker.grants import sign_in_of
from hilum.broker.order import ASKED, DEAD, DELIVERED, GATHERED, INTERRUPTED, SETTLED, Attempt, Order
from hilum.fhir.resource import instant
from hilum.fhir.task import CANCELLED as CANCELLED
from hilum.fhir.task import FINAL as FINAL

Body = dict[str, Any]

GATHER: Final = "urn:hilum:gather"
STEP: Final = "urn:hilum:gather-step"
FAILURE: Final = "urn:hilum:gather-failure"
GATHERED_OF: Final = "urn:hilum:gathered"
PROGRESS: Final = "urn:hilum:gather-progress"
ATTEMPT: Final = "urn:hilum:delivery-attempt"
SIGN_IN: Final = "urn:hilum:ehr-sign-in"
"""Of the identifier that orders of one sign-in share."""


WAITING: Final = "waiting"
NOT_BEFORE: Final = "not before "
"""What stands before the moment until when it waits."""
SIGNING_IN: Final = "signing-in"
GATHERING: Final = "gathering"
STORING: Final = "storing"
DELIVERING: Final = "delivering"
DEAD_LETTER: Final = "dead-letter"
"""Business statuses beside `requested` and those that an order ends with: delivered, stored, failed."""


def asked(order: Order, session: str = "") -> Body:
    """A new Task. `session`: that of `Start`."""
    said = [("ehr", order.ehr), ("environment", order.environment), ("recipe", order.recipe)]
    if order.deliver_to:
        said.append(("deliver-to", order.deliver_to))
    inputs: list[Body] = [{"type": _concept(GATHER, name), "valueString": value} for name, value in said]
    inputs.append({"type": _concept(GATHER, "store"), "valueBoolean": order.store})
    group = {"groupIdentifier": {"system": SIGN_IN, "value": sign_in_of(session)}} if session else {}
    return {
        "resourceType": "Task",
        **group,
        "status": "requested",
        "businessStatus": _concept(STEP, "requested"),
        "intent": "order",
        "code": _concept(GATHER, "gather"),
        "authoredOn": instant(order.at),
        "lastModified": instant(order.at),
        "requester": {"identifier": {"system": "urn:hilum:agent", "value": order.by}},
        "input": inputs,
    }


def is_order(raw: bytes) -> bool:
    """Whether stored bytes of a Task may be one of these: cheap, and never wrong about one that is."""
    return _CODE in raw


_CODE: Final = f'"{GATHER}"'.encode()


def shown(body: Body, order: Order, doing: str, progress: Mapping[str, int] | None = None, at: int = 0) -> Body:
    """The Task `body`, as the order is now. `doing`: the business status while something is done. `at`: the moment of
    progress, which no record has; microseconds since 1970.
    """
    status, step = _status(order, doing)
    new = body | {"status": status, "businessStatus": _concept(STEP, step), "lastModified": instant(max(at, order.at))}
    if step == WAITING and order.again:
        new["businessStatus"]["text"] = f"{NOT_BEFORE}{instant(order.again)}"
    new.pop("statusReason", None)
    new.pop("output", None)
    if order.failure is not None:
        new["statusReason"] = _concept(FAILURE, order.failure.code) | {"text": order.failure.text}
    if order.patient:
        new["for"] = {"reference": order.patient}
    if output := [*_gathered(order), *_progress(progress or {}), *map(_attempt, order.attempts)]:
        new["output"] = output
    return new


def ended_by_others(body: Body, order: Order) -> Body:
    """A Task that somebody has cancelled, with what had been done by then."""
    told = shown(body, order, "")
    return told | {"status": body["status"], "businessStatus": _concept(STEP, body["status"])}


def _status(order: Order, doing: str) -> tuple[str, str]:
    if order.step == DEAD:
        return "failed", DEAD_LETTER
    if order.step != SETTLED:
        return "in-progress", doing or {ASKED: SIGNING_IN, GATHERED: STORING}.get(order.step, WAITING)
    if order.failure is not None:
        return "failed", "failed"
    return "completed", "delivered" if order.deliver_to else "stored"


def _gathered(order: Order) -> Iterator[Body]:
    for one in order.came:
        if one.count or not one.problem:
            yield {"type": _concept(GATHERED_OF, "came") | {"text": one.type}, "valueUnsignedInt": one.count}
        if one.problem:
            code = "refused" if one.refused else "failed"
            yield {"type": _concept(GATHERED_OF, code) | {"text": one.type}, "valueCode": one.problem}


def _progress(progress: Mapping[str, int]) -> Iterator[Body]:
    for name, count in progress.items():
        yield {"type": _concept(PROGRESS, "came") | {"text": name}, "valueUnsignedInt": count}


def _attempt(one: Attempt) -> Body:
    text = f"HTTP {one.status}" if one.status else one.kind
    type_ = _concept(ATTEMPT, one.result or "under-way") | ({"text": text} if text else {})
    if one.result in ("", INTERRUPTED):
        return {"type": type_, "valuePeriod": {"start": instant(one.begun)}}
    return {"type": type_, "valuePeriod": {"start": instant(one.begun), "end": instant(one.ended)}}


def delivered(order: Order) -> bool:
    """Whether the receiver has said that it has it."""
    return any(one.result == DELIVERED for one in order.attempts)


def _concept(system: str, code: str) -> Body:
    return {"coding": [{"system": system, "code": code}]}
