"""An order from its acceptance to its end: what is told, what is kept, what is sent, and what is left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.broker.ordered import MRN, START, WHO, World, process, world
from tests.unit.broker.receiver import CUT, LOST

from hilum.broker import deliver, executing
from hilum.broker.far import Failed
from hilum.broker.order import Came
from hilum.broker.replaying import replay
from hilum.interactions import granting
from hilum.interactions.delete import delete
from hilum.interactions.update import update
from hilum.oauth.ledger import LEASE, PARCEL
from hilum.problems import Invalid, NotFound
from hilum.search.clauses import Permit
from hilum.store.interface import HistoryQuery


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        yield found


def step(task: dict[str, Any]) -> tuple[str, str]:
    return task["status"], task["businessStatus"]["coding"][0]["code"]


def output(task: dict[str, Any], system: str) -> list[tuple[str, ...]]:
    """Codes and texts, and counts or codes, of what a Task tells by this system."""
    found = []
    for one in task.get("output", []):
        coding = one["type"]["coding"][0]
        if coding["system"] == system:
            said = str(one.get("valueUnsignedInt", one.get("valueCode", "")))
            found.append((coding["code"], one["type"].get("text", ""), said))
    return found


def attempts(task: dict[str, Any]) -> list[tuple[str, str]]:
    return [(code, text) for code, text, _ in output(task, "urn:hilum:delivery-attempt")]


async def history(world: World, id: str) -> list[tuple[str, str]]:
    """What the Task told, in its order."""
    found = await world.store.history(HistoryQuery(("Task",), ((Permit(None),),), id))
    return [step(one.body) for one in reversed(found.resources)]


async def test_an_order_is_gathered_stored_and_delivered_once(here: World) -> None:
    id = await here.accept()
    await here.work()
    task = await here.task(id)
    assert await history(here, id) == [
        ("requested", "requested"),
        ("in-progress", "signing-in"),
        ("in-progress", "gathering"),
        ("in-progress", "storing"),
        ("in-progress", "delivering"),
        ("completed", "delivered"),
    ]
    assert output(task, "urn:hilum:gathered") == [
        ("came", "Patient", "1"),
        ("came", "Encounter", "1"),
        ("refused", "Condition", "forbidden"),
    ]
    assert attempts(task) == [("delivered", "HTTP 200")]
    assert task["for"] == {"reference": "Patient/epic-far-1"}
    assert here.receiver.attempts == [id]
    assert here.receiver.wrong == []
    assert json.loads(here.receiver.effects[id]) == {
        "type": "patient.gathered",
        "timestamp": json.loads(here.receiver.effects[id])["timestamp"],
        "order": id,
        "ehr": "epic",
        "environment": "sandbox",
        "recipe": "video",
        "complete": False,
        "data": {"first_name": "Amy"},
    }
    about = {"order": id, "destination": "video", "ehr": "epic", "recipe": "video", "patient": "Patient/epic-far-1"}
    assert here.trail.noted == [("hilum", "deliver", about, 0)], "before it goes out"
    assert await here.left() == (0, 0)


async def test_nothing_about_the_patient_is_readable_but_its_reference(here: World, tmp_path: Path) -> None:
    """Neither in any version of the Task, nor in the records, at any step; with `store: none` nowhere at all."""
    here.receiver.script = [500]
    id = await here.accept(store=False)
    rows = [await here.store.ledger.get(PARCEL, id.encode())]
    await here.work()
    rows.append(await here.store.ledger.get(PARCEL, id.encode()))
    here.move(10)
    await here.work()
    found = await here.store.history(HistoryQuery(("Task",), ((Permit(None),),), id))
    for raw in (*(one.raw for one in found.resources), *(row.value for row in rows if row)):
        for word in (MRN, "Quimby", "Amy", "far-1"):
            assert word.encode() not in raw
    assert len([row for row in rows if row]) == 2
    assert here.shelf.stored == 0
    assert "for" not in await here.task(id)
    assert step(await here.task(id)) == ("completed", "delivered")


async def test_what_is_only_stored_is_not_delivered(here: World) -> None:
    id = await here.accept(deliver_to="")
    await here.work()
    assert step(await here.task(id)) == ("completed", "stored")
    assert here.receiver.attempts == []
    assert await here.left() == (0, 0)


async def test_a_delivery_is_tried_again_with_the_same_bytes_under_the_same_key(here: World) -> None:
    here.receiver.script = [503, CUT, LOST]
    id = await here.accept()
    await here.work()
    task = await here.task(id)
    assert (step(task), attempts(task)) == (("in-progress", "waiting"), [("refused", "HTTP 503")])
    for wait in deliver.BACKOFF[:3]:
        before = len(here.receiver.attempts)
        here.move(wait * 0.8)
        await here.work()
        assert len(here.receiver.attempts) == before, "not before its time"
        here.move(wait * 0.4)
        await here.work()
    assert here.receiver.attempts == [id] * 4
    assert attempts(await here.task(id)) == [
        ("refused", "HTTP 503"),
        ("unanswered", "protocol"),
        ("unanswered", "protocol"),
        ("delivered", "HTTP 200"),
    ]
    assert here.gatherer.gathered == 1
    assert len(here.receiver.effects) == 1


async def test_an_error_that_nobody_foresaw_while_sending_is_one_attempt_of_so_many(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> deliver.Answer:
        raise OverflowError

    monkeypatch.setattr(deliver, "post", broken)
    id = await here.accept()
    for wait in (0, *deliver.BACKOFF):
        here.move(wait * 1.3)
        await here.work()
    assert attempts(await here.task(id)) == [("unanswered", "defect")] * (1 + len(deliver.BACKOFF))
    assert step(await here.task(id)) == ("failed", "dead-letter")


async def test_a_delivery_that_hilum_ended_in_the_middle_of_is_told_so_and_sent_again(here: World) -> None:
    """Nobody knows whether it was heard: here it was."""
    here.receiver.gate = asyncio.Event()
    id = await here.accept()
    await here.running.turn()
    await here.receiver.asked.wait()
    await here.running.stop()
    here.receiver.gate.set()
    await here.work()
    assert attempts(await here.task(id)) == [("interrupted", ""), ("delivered", "HTTP 200")]
    assert here.receiver.attempts == [id, id]
    assert list(here.receiver.effects) == [id]


async def test_a_process_whose_clock_is_behind_tells_all_that_it_does(here: World, tmp_path: Path) -> None:
    """Another one has accepted the order, or has begun to deliver it; and a clock may be set back at any time."""
    here.receiver.script = [500]
    id = await here.accept()
    here.move(-60)
    await here.work()
    assert attempts(await here.task(id)) == [("refused", "HTTP 500")]
    here.move(60 + deliver.BACKOFF[0] * 1.2)
    here.receiver.gate, here.receiver.asked = asyncio.Event(), asyncio.Event()
    await here.running.turn()
    await here.receiver.asked.wait()
    here.move(-60)
    here.receiver.gate.set()
    await here.work()
    task = await here.task(id)
    assert (step(task), len(attempts(task))) == (("completed", "delivered"), 2)
    assert task["authoredOn"] <= task["lastModified"]


async def test_a_receiver_that_asks_for_more_time_gets_it(here: World) -> None:
    here.receiver.script, here.receiver.headers = [429], [b"retry-after: 900"]
    id = await here.accept()
    await here.work()
    here.move(800)
    await here.work()
    assert len(here.receiver.attempts) == 1
    here.move(101)
    await here.work()
    assert step(await here.task(id)) == ("completed", "delivered")


async def test_what_nobody_takes_is_a_dead_letter_and_can_be_replayed(here: World) -> None:
    here.receiver.script = [500] * 99
    id = await here.accept()
    for wait in (*deliver.BACKOFF, 0):
        await here.work()
        here.move(wait * 1.2)
    task = await here.task(id)
    assert step(task) == ("failed", "dead-letter")
    assert task["statusReason"] == {
        "coding": [{"system": "urn:hilum:gather-failure", "code": "undelivered"}],
        "text": "The receiver answered HTTP 500, and is not asked again before this is replayed.",
    }
    assert len(here.receiver.attempts) == len(deliver.BACKOFF) + 1
    assert await here.left() == (1, 0)
    here.receiver.script = [502]
    (dead,) = await here.parcels.dead("video")
    assert dead.id == id
    assert await replay(here.parcels, dead)
    assert not await replay(here.parcels, dead), "it is none any more"
    await here.work()
    assert step(await here.task(id)) == ("in-progress", "waiting")
    assert "statusReason" not in await here.task(id)
    here.move(6)
    await here.work()
    assert step(await here.task(id)) == ("completed", "delivered")
    assert set(here.receiver.attempts) == {id}
    assert await here.left() == (0, 0)


async def test_a_body_that_the_receiver_does_not_take_is_not_sent_twice(here: World) -> None:
    here.receiver.script = [422]
    id = await here.accept()
    await here.work()
    assert step(await here.task(id)) == ("failed", "dead-letter")
    assert len(here.receiver.attempts) == 1


async def test_a_destination_that_was_removed_leaves_a_dead_letter(here: World) -> None:
    id = await here.accept()
    await here.destinations.remove("video")
    await here.work()
    task = await here.task(id)
    assert step(task) == ("failed", "dead-letter")
    assert task["statusReason"]["coding"][0]["code"] == "no-destination"
    assert len(await here.parcels.dead("video")) == 1


async def test_what_may_succeed_later_is_tried_later(here: World) -> None:
    here.gatherer.raises = [
        Failed("throttled", "The EHR wants no more requests now.", status=429, retry_at=here.time[0] + 40, again=True),
        Failed("broken", "The EHR answered HTTP 502.", status=502, again=True),
    ]
    id = await here.accept()
    await here.work()
    assert step(await here.task(id)) == ("in-progress", "waiting")
    here.move(executing.TRIES[0] + 1)
    await here.work()
    assert here.gatherer.signed_in == 1, "the EHR has said when"
    here.move(30)
    await here.work()
    here.move(executing.TRIES[1] + 1)
    await here.work()
    assert step(await here.task(id)) == ("completed", "delivered")
    assert (here.gatherer.signed_in, here.gatherer.gathered) == (3, 1)
    assert here.gatherer.starts == [START] * 3


async def test_what_never_succeeds_fails_and_keeps_nothing(here: World) -> None:
    here.gatherer.raises = [Failed("ambiguous", "2 patients carry this record number.")]
    id = await here.accept()
    await here.work()
    task = await here.task(id)
    assert step(task) == ("failed", "failed")
    assert task["statusReason"]["coding"][0]["code"] == "ambiguous"
    assert task["statusReason"]["text"] == "2 patients carry this record number."
    assert await here.left() == (0, 0)


async def test_a_connection_that_can_not_be_used_is_told_in_our_words(here: World) -> None:
    here.gatherer.raises = [NotFound("There is no connection 'epic' any more.")]
    id = await here.accept()
    await here.work()
    assert (await here.task(id))["statusReason"]["text"] == "There is no connection 'epic' any more."


async def test_an_error_that_nobody_foresaw_is_told_by_its_name_alone(here: World) -> None:
    here.gatherer.raises = [KeyError(MRN) for _ in range(len(executing.TRIES) + 1)]
    id = await here.accept()
    for wait in (*executing.TRIES, 0):
        await here.work()
        here.move(wait + 1)
    task = await here.task(id)
    assert step(task) == ("failed", "failed")
    assert task["statusReason"]["text"] == "hilum met an error that it did not foresee (KeyError)."


async def test_what_the_store_does_not_take_fails_without_its_values(here: World) -> None:
    here.shelf.raises = [Invalid(f"Not {MRN}")]
    id = await here.accept()
    await here.work()
    task = await here.task(id)
    assert task["statusReason"]["text"] == "hilum's store did not take what came: invalid"
    assert here.receiver.attempts == []


async def test_what_hilum_itself_did_not_take_is_told_beside_what_the_ehr_refused(here: World) -> None:
    here.shelf.refused = (Came("Observation", problem="invalid"),)
    id = await here.accept()
    await here.work()
    assert output(await here.task(id), "urn:hilum:gathered")[2:] == [
        ("refused", "Condition", "forbidden"),
        ("failed", "Observation", "invalid"),
    ]
    assert json.loads(here.receiver.effects[id])["complete"] is False


async def test_a_payload_that_can_not_be_made_fails_after_all_was_stored(here: World) -> None:
    id = (await here.orders.accept(WHO, _with("bare"), "bare", START, "video")).id
    await here.work()
    task = await here.task(id)
    assert (step(task), here.shelf.stored) == (("failed", "failed"), 1)
    assert task["statusReason"]["text"] == "payload: the recipe has no payload."
    assert task["for"] == {"reference": "Patient/epic-far-1"}


def _with(recipe: str) -> Any:
    from msgspec.structs import replace
    from tests.unit.broker.ordered import EHR

    return replace(EHR, recipes=(recipe,))


class Died(BaseException):
    """As if the process had been killed: nobody catches it, and nothing more is written."""


async def test_an_order_that_ends_hilum_each_time_is_given_up(here: World) -> None:
    """The count of tries is there before, and nothing else."""
    id = await here.accept()
    here.gatherer.raises = [Died() for _ in range(len(executing.TRIES) + 1)]
    await here.work()
    task = await here.task(id)
    assert here.gatherer.signed_in == len(executing.TRIES) + 1
    assert task["statusReason"]["coding"][0]["code"] == "given-up"
    assert await here.left() == (0, 0)


async def stopped_in_the_middle(here: World, begun: asyncio.Event) -> None:
    """hilum, as often as it might be restarted in a day."""
    for _ in range(3 * len(executing.TRIES)):
        await here.running.turn()
        await begun.wait()
        begun.clear()
        await here.running.stop()


@pytest.mark.parametrize("at", ["gathering", "storing"])
async def test_a_step_that_hilum_is_stopped_in_the_middle_of_has_all_its_tries_yet(here: World, at: str) -> None:
    where = here.gatherer if at == "gathering" else here.shelf
    where.gate = asyncio.Event()
    id = await here.accept()
    await stopped_in_the_middle(here, where.begun)
    parcel = await here.parcels.get(id)
    assert parcel is not None
    assert parcel.order.tries == 0
    where.gate = None
    await here.work()
    assert step(await here.task(id)) == ("completed", "delivered")
    assert here.shelf.stored == (1 if at == "gathering" else 1 + 3 * len(executing.TRIES))


async def test_so_has_a_delivery_and_each_time_is_told(here: World) -> None:
    here.receiver.gate = asyncio.Event()
    id = await here.accept()
    await stopped_in_the_middle(here, here.receiver.asked)
    parcel = await here.parcels.get(id)
    assert parcel is not None
    assert parcel.order.tries == 0
    here.receiver.gate.set()
    await here.work()
    told = [("interrupted", "")] * 3 * len(executing.TRIES)
    assert attempts(await here.task(id)) == [*told, ("delivered", "HTTP 200")]


async def test_progress_is_told_while_it_gathers(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executing, "PROGRESS_SECONDS", 0.01)
    here.gatherer.gate = asyncio.Event()
    id = await here.accept()
    await here.running.turn()
    async for task in here.orders.watch(WHO, id, 0.01):
        if found := output(task.body, "urn:hilum:gather-progress"):
            break
    assert step(task.body) == ("in-progress", "gathering")
    assert found == [
        ("came", "resources", "1"),
        ("came", "requests", "2"),
    ]
    here.gatherer.gate.set()
    await here.work()
    assert output(await here.task(id), "urn:hilum:gather-progress") == []


async def test_cancelling_ends_what_is_under_way_and_deletes_what_is_held(here: World) -> None:
    here.gatherer.gate = asyncio.Event()
    id = await here.accept()
    await here.running.turn()
    await here.gatherer.begun.wait()
    await here.orders.cancel(WHO, id)
    here.gatherer.gate = None
    await here.work()
    assert step(await here.task(id)) == ("cancelled", "cancelled")
    assert here.gatherer.gathered == 0
    assert here.receiver.attempts == []
    assert here.trail.noted == []
    assert await here.left() == (0, 0)


@pytest.mark.parametrize("by", ["status", "deletion"])
async def test_a_task_that_is_ended_by_fhir_ends_an_order_that_waits(here: World, by: str) -> None:
    here.receiver.script = [500]
    id = await here.accept()
    await here.work()
    assert await here.left() == (1, 1)
    if by == "status":
        body = await here.task(id) | {"status": "cancelled"}
        await update(here.door, granting.server(), "Task", id, body)
    else:
        await delete(here.door, granting.server(), "Task", id)
    await here.work()
    assert await here.left() == (0, 0)
    here.move(10)
    await here.work()
    assert len(here.receiver.attempts) == 1
    if by == "status":
        assert attempts(await here.task(id)) == [("refused", "HTTP 500")]


async def test_who_rewrites_the_task_changes_nothing_of_the_order(here: World) -> None:
    id = await here.accept()
    body = await here.task(id)
    inputs = [{"type": {"text": "deliver-to"}, "valueString": "elsewhere"}]
    note = [{"text": "please hurry"}]
    await update(here.door, granting.server(), "Task", id, body | {"input": inputs, "note": note})
    await here.work()
    assert step(await here.task(id)) == ("completed", "delivered")
    assert (await here.task(id))["note"] == note
    assert here.receiver.attempts == [id]


async def test_of_several_processes_one_executes_an_order(here: World, tmp_path: Path) -> None:
    """Each takes some of twenty; none is done twice."""
    others = [process(here.store, tmp_path, here.receiver, lambda: here.time[0], here.gatherer)[-1] for _ in range(2)]
    ids = [await here.accept() for _ in range(20)]
    some = [here.running, *others]
    while await here.left() != (0, 0):
        await asyncio.gather(*(one.turn() for one in some))
        await asyncio.sleep(0.01)
    assert sorted(here.receiver.attempts) == sorted(ids)
    assert here.gatherer.gathered == 20
    for one in others:
        await one.stop()


async def test_who_holds_an_order_and_dies_loses_it_by_time(here: World, tmp_path: Path) -> None:
    here.gatherer.gate = asyncio.Event()
    id = await here.accept()
    await here.running.turn()
    await here.gatherer.begun.wait()
    other = process(here.store, tmp_path, here.receiver, lambda: here.time[0])[-1]
    await other.turn()
    assert not other._under_way
    here.move(16)  # the first one sleeps on
    await other.turn()
    await other.idle()
    assert step(await here.task(id)) == ("completed", "delivered")
    here.gatherer.gate.set()
    await here.work()
    assert here.receiver.attempts == [id], "who slept has found the order changed"
    assert await here.store.ledger.of(LEASE, owner=b"order") == []
    await other.stop()
