"""An order that is given again under its Idempotency-Key is the first one: at once, later, elsewhere and for whom.

https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.unit.broker.api.asked import ORDER, Answer, Here, here, holder
from tests.unit.broker.ordered import MRN, process

from hilum.access.repeated import KEPT_SECONDS
from hilum.app.api import Api
from hilum.app.described import application
from hilum.oauth.ledger import IDEMPOTENCY_KEY, PARCEL
from hilum.store.sqlite import open_sqlite

GATHER = "/api/v1/gather"
KEY = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Here]:
    async with here(tmp_path) as found:
        yield found


async def order(api: Here, key: str = KEY, token: str = "all", body: Any = None, **headers: str) -> Answer:
    return await api.ask("POST", GATHER, body or ORDER, token=token, headers={"idempotency-key": key, **headers})


async def test_the_same_order_again_is_answered_as_the_first_time_and_done_once(api: Here) -> None:
    first = await order(api)
    again = await order(api)
    await api.world.work()
    later = await order(api)
    assert (first.status, again.status, later.status) == (202, 202, 202)
    assert again.json == later.json == first.json, "whatever has become of it since: Location leads there"
    assert again.header(b"location") == later.header(b"location") == first.header(b"location")
    assert api.world.gatherer.gathered == 1
    assert ("kim", "read", "Task", first.json["id"], 200) in api.trail.accesses


async def test_the_same_order_written_otherwise_is_the_same(api: Here) -> None:
    first = await order(api)
    text = json.dumps(dict(reversed(ORDER.items())), indent=2).encode()
    assert (await order(api, body=text)).json == first.json
    assert (await order(api, body={**ORDER, "patient": ORDER["patient"]["mrn"]})).json == first.json  # type: ignore[index]
    assert (await order(api, KEY.strip('"'))).json == first.json, "a bare value is the same key"


async def test_another_order_under_the_same_key_is_refused_and_the_first_stays(api: Here) -> None:
    first = await order(api)
    other = await order(api, body={**ORDER, "patient": {"mrn": "another"}})
    assert (other.status, "given with another order" in other.says) == (422, True)
    assert (await order(api)).json == first.json
    assert len(await api.world.store.ledger.of(PARCEL)) == 1


async def test_what_was_refused_took_no_key(api: Here) -> None:
    assert (await order(api, body={**ORDER, "ehr": "nowhere"})).status == 400
    assert (await order(api)).status == 202


async def test_it_is_answered_so_when_what_it_names_is_gone_meanwhile(api: Here) -> None:
    first = await order(api)
    await api.world.destinations.remove("video")
    assert (await order(api)).json == first.json


async def test_each_principal_has_keys_of_its_own(api: Here) -> None:
    api.tokens[b"eve"] = holder("system/Task.cruds", agent="eve")
    api.tokens[b"other"] = holder("system/Task.cruds", client="other")
    api.tokens[b"renewed"] = holder("system/Task.cruds", token="another jti")
    first, eve, other, renewed = [await order(api, token=token) for token in ("gatherer", "eve", "other", "renewed")]
    assert len({first.json["id"], eve.json["id"], other.json["id"]}) == 3
    assert renewed.json == first.json, "a token says nothing of who holds it"


async def test_who_may_not_order_is_told_nothing_of_a_key(api: Here) -> None:
    await order(api, token="gatherer")
    assert (await order(api, token="reader")).status == 403


async def test_of_many_that_come_at_the_same_time_to_two_processes_one_is_done(api: Here, tmp_path: Path) -> None:
    store = await open_sqlite(str(tmp_path / "hilum.sqlite"), environment="sandbox")
    world = api.world
    try:
        door, _, _, _, _, orders, running = process(store, tmp_path, world.receiver, lambda: world.time[0])
        broker = replace(api.broker, door=door, orders=orders)
        other = Here(world, broker, Api(broker), api.trail, api.tokens)
        answers = await asyncio.gather(*(order((api, other)[n % 2]) for n in range(12)))
        assert {one.status for one in answers} == {202}
        assert len({one.json["id"] for one in answers}) == 1
        assert len(await store.ledger.of(PARCEL)) == 1
        await running.stop()
    finally:
        await store.close()


async def test_after_a_crash_the_order_and_its_key_are_there_or_neither_is(api: Here, tmp_path: Path) -> None:
    """They are one commit: a process that knows nothing answers as the one that is gone would have."""
    first = await order(api)
    store = await open_sqlite(str(tmp_path / "hilum.sqlite"), environment="sandbox")
    try:
        door, _, _, _, _, orders, running = process(store, tmp_path, api.world.receiver, lambda: api.world.time[0])
        broker = replace(api.broker, door=door, orders=orders)
        assert (await order(Here(api.world, broker, Api(broker), api.trail, api.tokens))).json == first.json
        await running.stop()
    finally:
        await store.close()


async def test_a_key_is_kept_for_a_day_and_then_takes_another_order(api: Here) -> None:
    first = await order(api)
    api.world.move(KEPT_SECONDS - 1)
    assert (await order(api)).json == first.json
    api.world.move(2)
    second = await order(api, body={**ORDER, "patient": {"mrn": "another"}})
    assert (second.status, second.json["id"] == first.json["id"]) == (202, False)
    assert (await order(api)).status == 422
    (row,) = await api.world.store.ledger.of(IDEMPOTENCY_KEY)
    assert row.expires > (api.world.time[0] + KEPT_SECONDS) * 1_000_000


async def test_neither_the_key_nor_the_patient_can_be_read_from_what_is_kept(api: Here) -> None:
    await order(api)
    (row,) = await api.world.store.ledger.of(IDEMPOTENCY_KEY)
    for word in (KEY.strip('"'), MRN, "kim"):
        assert word.encode() not in row.value + row.key
    said = json.loads(row.value)["asked"]
    assert sha256(json.dumps(ORDER).encode()).hexdigest() not in said


@pytest.mark.parametrize("key", ["", '""', '"a', 'a"b', '"a\\b"', "a, b", '"é"', '"' + "x" * 300 + '"', '"a";q=1'])
async def test_what_is_no_key_is_refused(api: Here, key: str) -> None:
    answer = await api.ask("POST", GATHER, ORDER, headers={"idempotency-key": key})
    assert answer.status == 400
    assert await api.world.store.ledger.of(PARCEL) == []


def test_it_is_documented() -> None:
    post = application().openapi()["paths"][GATHER]["post"]
    (header,) = [one for one in post["parameters"] if one["in"] == "header"]
    assert (header["name"], header["required"]) == ("Idempotency-Key", False)
    assert "another order" in post["responses"]["422"]["description"]
    assert "HTTPValidationError" not in json.dumps(post)
