"""A Task is a function of its order's record: shown twice it is the same, and all in it is R4."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hilum.broker import order as orders
from hilum.broker import shown
from hilum.broker.order import Attempt, Came, Failure, Order
from hilum.validation import validate

AT = 1_800_000_000_000_000

moments = st.integers(AT, AT + 10**12)
attempts = st.builds(
    Attempt,
    moments,
    st.just(0) | st.integers(AT + 10**12, AT + 10**13),
    st.sampled_from(["", *(orders.DELIVERED, orders.REFUSED, orders.UNANSWERED, orders.INTERRUPTED)]),
    st.sampled_from([0, 200, 503]),
    st.sampled_from(["", "connect"]),
).map(lambda one: one if one.ended else Attempt(one.begun))
came = st.builds(
    Came, st.sampled_from(["Patient", "Condition"]), st.integers(0, 99), st.sampled_from(["", "broken"]), st.booleans()
)
some = st.builds(
    Order,
    ehr=st.just("epic"),
    environment=st.just("sandbox"),
    recipe=st.just("video"),
    by=st.just("ada"),
    at=moments,
    deliver_to=st.sampled_from(["", "video"]),
    store=st.booleans(),
    step=st.sampled_from([orders.ASKED, orders.GATHERED, orders.READY, orders.DEAD, orders.SETTLED]),
    came=st.lists(came, max_size=3).map(tuple),
    patient=st.sampled_from(["", "Patient/1"]),
    attempts=st.lists(attempts, max_size=3).map(tuple),
    failure=st.none() | st.just(Failure("broken", "The EHR answered HTTP 502.", "theirs")),
)
progress = st.none() | st.dictionaries(st.sampled_from(["resources", "requests"]), st.integers(0, 9))


def errors(body: dict[str, Any]) -> list[str]:
    return [one.diagnostics for one in validate(body) if one.severity == "error"]


@given(some, st.sampled_from(["", shown.GATHERING, shown.DELIVERING]), progress)
def test_what_is_shown_is_r4_and_the_same_when_it_is_shown_again(
    order: Order, doing: str, counts: dict[str, int] | None
) -> None:
    asked = shown.asked(Order("epic", "sandbox", "video", "ada", AT, order.deliver_to, order.store))
    first = shown.shown(asked, order, doing, counts)
    assert errors(asked) == errors(first) == []
    assert shown.shown(first, order, doing, counts) == first
    assert shown.is_order(str(first).replace("'", '"').encode())
    cancelled = shown.ended_by_others(first | {"status": "cancelled"}, order)
    assert (errors(cancelled), cancelled["status"]) == ([], "cancelled")


@given(some)
def test_what_others_add_to_a_task_stays(order: Order) -> None:
    asked = shown.asked(order) | {"note": [{"text": "hurry"}], "owner": {"reference": "Practitioner/1"}}
    found = shown.shown(asked, order, "")
    assert {name: found[name] for name in ("note", "owner", "input", "code")} == {
        name: asked[name] for name in ("note", "owner", "input", "code")
    }


def test_of_many_attempts_the_newest_are_told_and_one_that_never_ended_was_interrupted() -> None:
    order = Order("epic", "sandbox", "video", "ada", AT, "video", step=orders.READY)
    for number in range(orders.MOST_ATTEMPTS_TOLD + 5):
        order = orders.begun(order, AT + number)
    assert len(order.attempts) == orders.MOST_ATTEMPTS_TOLD
    assert order.tries == orders.MOST_ATTEMPTS_TOLD + 5
    assert order.attempts[-1] == Attempt(AT + 44)
    assert order.attempts[-2] == Attempt(AT + 43, AT + 44, orders.INTERRUPTED)
