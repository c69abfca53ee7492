"""An order as JSON: whatever others wrote into its Task is shown as far as it is understood, and is no defect."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hilum.broker import shown
from hilum.broker.api import views
from hilum.broker.order import Attempt, Came, Failure, Order
from hilum.fhir import json
from hilum.fhir.resource import Resource

WORDS = st.sampled_from((
    "coding", "system", "code", "text", "type", "start", "end", "reference", "value", "valueUnsignedInt", "valueCode",
    "valuePeriod", shown.GATHER, shown.GATHERED_OF, shown.PROGRESS, shown.ATTEMPT, "came", "refused", "failed", "ehr",
    "2026-11-23T12:00:00Z",
))  # fmt: skip
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(Decimal("1.50")) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
NAMES = ("status", "businessStatus", "statusReason", "input", "output", "for", "authoredOn")


def task(body: dict[str, Any]) -> Resource:
    return Resource("Task", "t", 3, 1_790_000_000_000_000, json.encode({"resourceType": "Task", "id": "t", **body}))


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, ANY)))
def test_any_task_has_a_view(body: dict[str, Any]) -> None:
    found = views.order(task(body), "https://hilum.test/fhir")
    assert (found.id, found.version, found.task) == ("t", 3, "https://hilum.test/fhir/Task/t")
    assert found.model_dump_json()


COUNTS = st.integers(0, 1 << 31)
TYPES = st.sampled_from(("Patient", "Observation", "Vital signs"))
PARTS = st.builds(
    Came, TYPES, COUNTS, problem=st.sampled_from(("", "forbidden", "broken", "throttled")), refused=st.booleans()
)
ATTEMPTS = st.builds(
    Attempt,
    st.integers(0, 1 << 50),
    ended=st.integers(1, 1 << 50),
    result=st.sampled_from(("delivered", "refused", "unanswered")),
    status=st.sampled_from((0, 200, 503)),
    kind=st.sampled_from(("", "timeout")),
)


@given(st.lists(PARTS, max_size=4), st.lists(ATTEMPTS, max_size=4), st.booleans(), st.sampled_from(("", "video")))
def test_what_an_order_says_is_in_its_view(
    came: list[Came], attempts: list[Attempt], store: bool, deliver_to: str
) -> None:
    order = Order(
        "epic", "sandbox", "visits", "kim", 1_790_000_000_000_000, deliver_to, store=store, step="settled",
        came=tuple(came), attempts=tuple(attempts), patient="Patient/1", failure=Failure("broken", "It broke."),
    )  # fmt: skip
    found = views.order(task(shown.shown(shown.asked(order), order, "")), "https://hilum.test/fhir")
    assert (found.ehr, found.environment, found.recipe, found.deliver_to, found.store, found.patient) == (
        "epic", "sandbox", "visits", deliver_to, store, "Patient/1",
    )  # fmt: skip
    assert [(one.type, one.count) for one in found.came] == [
        (one.type, one.count) for one in came if one.count or not one.problem
    ]
    missing = [(one.type, one.problem) for one in came if one.problem and one.refused]
    assert [(one.type, one.why) for one in found.refused] == missing
    assert len(found.refused) + len(found.failed) == sum(bool(one.problem) for one in came)
    assert [one.result for one in found.deliveries] == [one.result for one in attempts]
    assert [(one.begun, one.ended) for one in found.deliveries if one.begun is None or one.ended is None] == []
    assert (found.status, found.reason and found.reason.code) == ("failed", "broken")
    assert found.not_before is None


def test_what_waits_says_until_when() -> None:
    order = Order("epic", "sandbox", "visits", "kim", 1_790_000_000_000_000, step="asked", again=1_790_000_060_000_000)
    found = views.order(task(shown.shown(shown.asked(order), order, shown.WAITING)), "https://hilum.test/fhir")
    assert found.step == "waiting"
    assert found.not_before == datetime(2026, 9, 21, 14, 14, 20, tzinfo=UTC)


def test_what_somebody_has_cancelled_waits_for_nothing() -> None:
    order = Order("epic", "sandbox", "visits", "kim", 1_790_000_000_000_000, step="asked", again=1_790_000_060_000_000)
    waiting = shown.shown(shown.asked(order), order, shown.WAITING)
    found = views.order(task(waiting | {"status": "cancelled"}), "https://hilum.test/fhir")
    assert (found.status, found.step, found.not_before) == ("cancelled", "cancelled", None)
