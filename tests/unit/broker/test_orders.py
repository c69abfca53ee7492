"""Orders as who gives them sees them: what is accepted, who may look and cancel, and what is told while it is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.broker.ordered import EHR, START, WHO, World, world
from tests.unit.broker.receiver import SECRET

from hilum.access.granting import of_scopes
from hilum.access.policy import Principal
from hilum.broker.connection import Connection
from hilum.broker.destinations import Destination
from hilum.interactions import granting
from hilum.interactions.create import create
from hilum.oauth.ledger import PARCEL
from hilum.oauth.scopes import parse
from hilum.problems import Conflict, Forbidden, Invalid, NotFound
from hilum.web.webhooks import decoded


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        yield found


def allowed(*scopes: str) -> Principal:
    return Principal("eve", "app", "jti", of_scopes(parse(" ".join(scopes)), None), 1 << 62)


async def test_an_order_is_a_task_that_says_what_was_asked_and_by_whom(here: World) -> None:
    made = await here.orders.accept(WHO, EHR, "video", START, "video")
    body = made.body
    assert (body["status"], body["intent"]) == ("requested", "order")
    assert body["code"] == {"coding": [{"system": "urn:hilum:gather", "code": "gather"}]}
    assert body["requester"] == {"identifier": {"system": "urn:hilum:agent", "value": "ada"}}
    said = {one["type"]["coding"][0]["code"]: one.get("valueString", one.get("valueBoolean")) for one in body["input"]}
    assert said == {
        "ehr": "epic",
        "environment": "sandbox",
        "recipe": "video",
        "deliver-to": "video",
        "store": True,
    }
    assert await here.orders.get(WHO, made.id) == made


@pytest.mark.parametrize(
    ("changes", "options", "problem", "says"),
    [
        ({"disabled": True}, {}, Invalid, "is disabled"),
        ({"recipes": ("record",)}, {}, Forbidden, "Allowed: record"),
        ({"recipes": ()}, {}, Forbidden, "Allowed: none"),
        ({}, {"deliver_to": "nowhere"}, Invalid, "There is no destination 'nowhere'"),
        ({}, {"deliver_to": "", "store": False}, Invalid, "neither stored nor delivered"),
        ({"environment": "production"}, {}, Invalid, "environments never mix"),
    ],
)
async def test_what_can_not_be_done_is_not_accepted(
    here: World, changes: dict[str, Any], options: dict[str, Any], problem: type[Exception], says: str
) -> None:
    options = {"deliver_to": "video", **options}
    with pytest.raises(problem, match=says):
        await here.orders.accept(WHO, replace(EHR, **changes), "video", START, **options)
    assert await here.store.ledger.of(PARCEL) == []


@pytest.mark.parametrize("named", [{}, {"recipes": ("*",)}, {"recipes": ("record", "video")}])
async def test_a_connection_takes_every_recipe_unless_it_names_those_that_it_takes(
    here: World, named: dict[str, Any]
) -> None:
    fields = {name: getattr(EHR, name) for name in EHR.__struct_fields__ if name != "recipes"}
    await here.orders.accept(WHO, Connection(**fields | named), "video", START, "video")
    assert len(await here.store.ledger.of(PARCEL)) == 1


async def test_who_may_not_write_tasks_gives_no_orders_and_ends_none(here: World) -> None:
    id = await here.accept()
    reader = allowed("system/Task.rs")
    with pytest.raises(Forbidden):
        await here.orders.accept(reader, EHR, "video", START, "video")
    with pytest.raises(Forbidden):
        await here.orders.cancel(reader, id)
    with pytest.raises(Forbidden):
        await here.orders.get(allowed("system/Patient.rs"), id)
    assert (await here.orders.get(reader, id)).id == id
    assert len(await here.store.ledger.of(PARCEL)) == 1


async def test_another_task_is_no_order(here: World) -> None:
    body = {"resourceType": "Task", "status": "requested", "intent": "order"}
    other = (await create(here.door, granting.server(), "Task", body)).resource
    for call in (here.orders.get, here.orders.cancel):
        with pytest.raises(NotFound, match="no order to gather"):
            await call(WHO, other.id)
    await here.work()
    assert (await here.task(other.id))["status"] == "requested"


async def test_a_task_that_only_looks_like_an_order_is_none(here: World) -> None:
    """Anybody who may write Tasks can write one; the record is what makes an order."""
    body = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": "urn:hilum:gather", "code": "gather"}]},
    }
    other = (await create(here.door, granting.server(), "Task", body)).resource
    await here.work()
    assert (await here.task(other.id))["status"] == "requested"
    assert await here.left() == (0, 0)


async def test_who_watches_is_told_until_the_end(here: World) -> None:
    id = await here.accept()
    told = []
    async for task in here.orders.watch(WHO, id, 0.001):
        told.append(task.body["status"])
        if len(told) == 1:
            await here.work()
    assert (told[0], told[-1]) == ("requested", "completed")


async def test_one_that_is_over_can_not_be_cancelled_and_one_that_was_stays_so(here: World) -> None:
    id = await here.accept()
    cancelled = await here.orders.cancel(WHO, id)
    assert await here.orders.cancel(WHO, id) == cancelled
    await here.work()
    assert (await here.task(id))["status"] == "cancelled"
    assert here.gatherer.signed_in == 0
    assert await here.left() == (0, 0)
    other = await here.accept()
    await here.work()
    with pytest.raises(Conflict, match="completed already"):
        await here.orders.cancel(WHO, other)


async def test_what_was_gathered_never_goes_to_another_environment(here: World) -> None:
    """The destination is another one by the time that it is delivered to."""
    here.receiver.script = [500]
    id = await here.accept()
    await here.work()
    await here.destinations.remove("video")
    await here.destinations.add(
        Destination("video", "https://render.example.org", "production", decoded(SECRET)), here.time[0]
    )
    here.move(10)
    await here.work()
    task = await here.task(id)
    assert task["status"] == "failed"
    assert task["statusReason"]["coding"][0]["code"] == "environment"
    assert len(here.receiver.attempts) == 1
