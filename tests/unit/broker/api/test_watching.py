"""An order, watched: what is streamed, from where on, and until when."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.broker.api.asked import Answer, Here, here

GATHER = "/api/v1/gather"
Event = dict[str, Any]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Here]:
    async with here(tmp_path) as found:
        yield found


async def watch(api: Here, id: str, **options: Any) -> Answer:
    return await api.ask("GET", f"{GATHER}/{id}/events", **options)


def event(piece: bytes) -> Event:
    """As https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation reads it."""
    found: Event = {}
    for line in piece.decode().splitlines():
        name, _, value = line.partition(":")
        if name:
            found[name] = value.removeprefix(" ")
    return found | ({"data": json.loads(found["data"])} if "data" in found else {})


async def events(answer: Answer) -> list[Event]:
    return [found async for piece in answer.pieces() if "event" in (found := event(piece))]


async def test_the_stream_tells_of_the_order_as_it_changes_and_ends_with_it(api: Here) -> None:
    id = await api.order()
    answer = await watch(api, id)
    assert (answer.status, answer.header(b"content-type")) == (200, "text/event-stream; charset=utf-8")
    assert (answer.header(b"cache-control"), answer.header(b"content-length")) == ("no-store", None)
    working = asyncio.create_task(api.world.work())
    found = await events(answer)
    await working
    versions = [int(one["id"]) for one in found if one["event"] == "order"]
    assert versions == sorted(set(versions))
    assert found[0]["data"]["status"] == "requested"
    assert found[-2]["data"]["step"] == "delivered"
    assert (found[-1]["event"], found[-1]["data"]) == ("end", {"status": "completed"})
    assert found[-2]["data"] == (await api.ask("GET", f"{GATHER}/{id}")).json


async def test_who_comes_again_is_told_what_is_newer_and_nothing_twice(api: Here) -> None:
    id = await api.order()
    await api.world.work()
    last = (await api.ask("GET", f"{GATHER}/{id}")).json["version"]
    found = await events(await watch(api, id, headers={"last-event-id": "1"}))
    assert [(one["event"], one["id"]) for one in found] == [("order", str(last)), ("end", str(last))]


async def test_who_has_seen_the_end_is_told_not_to_come_again(api: Here) -> None:
    id = await api.order()
    await api.world.work()
    last = (await api.ask("GET", f"{GATHER}/{id}")).json["version"]
    answer = await watch(api, id, headers={"last-event-id": str(last)})
    assert (answer.status, answer.response.body, answer.response.stream) == (204, b"", None)


@pytest.mark.parametrize("said", ["", "x", "-1", "1.5", "9" * 400, "²"])
async def test_an_event_id_that_is_none_of_ours_counts_as_none(api: Here, said: str) -> None:
    id = await api.order()
    await api.world.work()
    found = await events(await watch(api, id, headers={"last-event-id": said}))
    assert [one["event"] for one in found] == ["order", "end"]


async def test_a_stream_in_which_nothing_happens_says_now_and_then_that_it_is_there(api: Here) -> None:
    id = await api.order()
    pieces = (await watch(api, id)).pieces()
    found = [await anext(pieces) for _ in range(9)]
    assert found[0].startswith(b"retry: ")
    assert found[1].startswith(b"event: order\n")
    assert found[2:] == [b"", b"", b":\n\n", b"", b"", b":\n\n", b""]


async def test_a_token_that_ends_ends_the_stream(api: Here) -> None:
    id = await api.order()
    pieces = (await watch(api, id, token="reader")).pieces()
    assert [await anext(pieces) for _ in range(2)]
    del api.tokens[b"reader"]
    found = [event(one) async for one in pieces if one]
    assert [one["event"] for one in found] == ["problem"]
    assert found[0]["data"]["issue"][0]["code"] == "login"


async def test_a_dead_letter_that_was_replayed_is_watched_to_its_new_end(api: Here) -> None:
    api.world.receiver.script = [400]
    id = await api.order()
    await api.world.work()
    await api.ask("POST", f"{GATHER}/{id}/replay")
    answer = await watch(api, id)
    working = asyncio.create_task(api.world.work())
    found = await events(answer)
    await working
    assert found[0]["data"]["step"] == "dead-letter"
    assert found[-1]["data"] == {"status": "completed"}


async def test_a_cancelled_order_ends_the_stream_when_it_has_told_what_was_done_by_then(api: Here) -> None:
    id = await api.order()
    await api.ask("POST", f"{GATHER}/{id}/cancel")
    answer = await watch(api, id)
    working = asyncio.create_task(api.world.work())
    found = await events(answer)
    await working
    assert found[0]["data"]["step"] == "cancelled"
    assert found[-2]["data"]["version"] > found[0]["data"]["version"]
    assert (found[-2]["data"]["step"], found[-1]["data"]) == ("cancelled", {"status": "cancelled"})


async def test_each_version_that_is_shown_is_audited(api: Here) -> None:
    id = await api.order()
    await api.ask("DELETE", f"{GATHER}/{id}")
    await api.world.work()
    before = len(api.trail.accesses)
    await events(await watch(api, id, token="reader"))
    assert api.trail.accesses[before:] == [("kim", "read", "Task", id, 200)]


@pytest.mark.parametrize(("token", "status"), [("", 401), ("patient", 404), ("owner", 403), ("reader", 200)])
async def test_an_order_is_watched_by_who_may_read_its_task(api: Here, token: str, status: int) -> None:
    id = await api.order()
    assert (await watch(api, id, token=token)).status == status


async def test_a_question_for_the_head_is_no_stream(api: Here) -> None:
    id = await api.order()
    answer = await api.ask("HEAD", f"{GATHER}/{id}/events")
    assert (answer.status, answer.response.stream) == (200, None)
