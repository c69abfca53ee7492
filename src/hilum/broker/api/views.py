"""An order's Task as JSON for apps: what `hilum.broker.told` reads, with moments and addresses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from hilum.broker import shown, told
from hilum.broker.api.shapes import Came, Delivery, Missing, Order, Reason
from hilum.fhir.resource import Resource, instant


def order(task: Resource, base: str) -> Order:
    """The Task as an Order. `base`: of hilum's FHIR."""
    said = told.told(task)
    return Order(
        id=said.id,
        status=said.status,
        step=said.step,
        version=task.version,
        ehr=said.ehr,
        environment=said.environment,
        recipe=said.recipe,
        deliver_to=said.deliver_to,
        store=said.store,
        created=_moment(said.created),
        changed=_moment(instant(task.last_updated)),
        not_before=_moment(said.waits.removeprefix(shown.NOT_BEFORE)),
        patient=said.patient or None,
        progress=said.progress,
        came=[Came(type=one.type, count=one.count) for one in said.came],
        refused=_missing(said.refused),
        failed=_missing(said.failed),
        deliveries=[
            Delivery(result=one.result, answer=one.answer, begun=_moment(one.begun), ended=_moment(one.ended))
            for one in said.deliveries
        ],
        reason=Reason(code=said.reason.code, text=said.reason.text) if said.reason else None,
        task=f"{base}/Task/{task.id}",
    )


def _missing(some: Iterable[told.Missing]) -> list[Missing]:
    return [Missing(type=one.type, why=one.why) for one in some]


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
