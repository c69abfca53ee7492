"""A Task says to who reads it back what the order said that it shows, whatever others have put into it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from hilum.broker import shown
from hilum.broker.order import DELIVERED, READY, SETTLED, Attempt, Came, Failure, Order
from hilum.broker.told import Came as Count
from hilum.broker.told import Delivery, Missing, Reason, Told, told
from hilum.fhir import json
from hilum.fhir.resource import Resource

ORDER = Order("lake", "sandbox", "visits", "kim", 1_000_000, deliver_to="video")


def read(body: dict[str, Any]) -> Told:
    return told(Resource("Task", "t1", 1, 1_000_000, json.encode(body)))


def test_what_came_what_did_not_and_each_attempt_is_read_back() -> None:
    order = replace(
        ORDER,
        step=SETTLED,
        patient="Patient/p1",
        came=(Came("Encounter", 2), Came("Location", 0, "forbidden", True), Came("Observation", 7, "throttled")),
        attempts=(Attempt(2_000_000, 3_000_000, DELIVERED, 200),),
    )
    found = read(shown.shown(shown.asked(ORDER), order, ""))
    assert found.over
    assert (found.status, found.step, found.ehr, found.recipe) == ("completed", "delivered", "lake", "visits")
    assert (found.deliver_to, found.store, found.patient) == ("video", True, "Patient/p1")
    assert found.came == (Count("Encounter", 2), Count("Observation", 7))
    assert (found.refused, found.failed) == (
        (Missing("Location", "forbidden"),),
        (Missing("Observation", "throttled"),),
    )
    assert found.deliveries == (
        Delivery("delivered", "HTTP 200", "1970-01-01T00:00:02.000000Z", "1970-01-01T00:00:03.000000Z"),
    )


def test_one_that_waits_says_until_when_and_one_that_failed_says_why() -> None:
    waits = read(shown.shown(shown.asked(ORDER), replace(ORDER, step=READY, again=5_000_000), shown.WAITING))
    assert (waits.over, waits.step, waits.waits) == (False, "waiting", "not before 1970-01-01T00:00:05.000000Z")
    failed = replace(ORDER, step=SETTLED, failure=Failure("absent", "There is nobody."))
    assert read(shown.shown(shown.asked(ORDER), failed, "")).reason == Reason("absent", "There is nobody.")


def test_what_has_another_shape_is_left_out() -> None:
    odd = {"type": {"coding": "x"}, "valueUnsignedInt": "many"}
    came = {"type": {"coding": [{"system": shown.GATHERED_OF, "code": "came"}], "text": 5}, "valueUnsignedInt": "2"}
    found = read(
        {"resourceType": "Task", "status": 5, "input": "x", "output": [odd, came, 7], "for": [], "statusReason": "x"}
    )
    assert (found.status, found.ehr, found.came, found.reason) == ("", "", (Count("", 0),), None)
