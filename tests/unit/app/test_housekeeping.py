"""What a process does beside requests for the authorization server."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.smart.world import World, answered, error, world

from hilum.app.housekeeping import MOST, Housekeeping
from hilum.oauth.ledger import FRESH, GRANT, JTI, REVOKED, Put
from hilum.smart.apps import clients
from hilum.smart.tokens.granted import ABANDONED_SECONDS, id_of


@pytest.fixture
async def here() -> World:
    return await world()


async def test_what_has_expired_is_deleted(here: World) -> None:
    soon = here.site.now + 60_000_000
    for number in range(2 * MOST + 200):
        await here.site.ledger.add(Put(JTI, b"%d" % number, b"{}", expires=soon if number else soon * 2))
    housekeeping = Housekeeping(here.site)
    assert await housekeeping.turn() == 0
    here.move(61)
    assert await housekeeping.turn() == 2 * MOST + 199
    assert len(await here.site.ledger.of(JTI, limit=2000)) == 1


async def test_a_grant_that_no_app_came_for_ends_and_others_stay(here: World) -> None:
    lost = answered(await here.through(await here.authorize()))["code"]
    given = await here.tokens()
    housekeeping = Housekeeping(here.site)
    here.move(ABANDONED_SECONDS)
    await housekeeping.turn()
    assert [row.state for row in await here.site.ledger.of(GRANT)].count(REVOKED) == 0
    here.move(1)
    await housekeeping.turn()
    assert [row.state for row in await here.site.ledger.of(GRANT)].count(REVOKED) == 1
    assert error(await here.exchange(lost)) == (400, "invalid_grant")
    assert await here.holds(given["access_token"])


async def test_who_can_not_wait_gets_a_turn_at_once(here: World) -> None:
    wanted, turns = asyncio.Event(), asyncio.Queue[None]()

    class Turning(Housekeeping):
        async def turn(self) -> int:
            turns.put_nowait(None)
            return 0

    housekeeping = Turning(here.site, wanted)
    housekeeping.start()
    try:
        for _ in range(2):
            wanted.set()
            await asyncio.wait_for(turns.get(), 30)  # the next by itself is after a minute
        assert turns.empty()
        assert not wanted.is_set()
    finally:
        await housekeeping.stop()


async def test_of_an_app_that_was_shut_out_the_consents_end(here: World) -> None:
    await here.tokens()
    await here.add("other")
    here.client = "other"
    await here.tokens()
    found = await clients.get(here.site.ledger, "app")
    assert found is not None
    await clients.revoke(here.site.ledger, found, here.site.clock())
    await Housekeeping(here.site).turn()
    states = {row.peer: row.state for row in await here.site.ledger.of(GRANT)}
    assert states == {b"app": REVOKED, b"other": FRESH}
    (gone,) = [row for row in await here.site.ledger.of(GRANT) if row.peer == b"app"]
    consent = await here.site.door.store.read("Consent", id_of(gone.key))
    assert consent is not None
    assert consent.body["status"] == "inactive"
