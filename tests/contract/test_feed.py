"""Contract: the feed. All that is committed, in its order, at least once, to one follower over all processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from hilum.feed.feed import Cursor, Feed
from hilum.fhir.resource import Resource
from hilum.interactions import granting
from hilum.interactions.create import create
from hilum.interactions.door import Door
from hilum.oauth.lease import Leases
from hilum.oauth.ledger import CURSOR, read
from hilum.store.interface import Store


class World:
    """Two processes of one store, time that stands still, and what was shown."""

    def __init__(self, store: Store, other: Store) -> None:
        self.store, self.other = store, other
        self.now = 1_800_000_000.0
        self.shown: list[str] = []

    def feed(self, store: Store | None = None) -> Feed:
        """As a process has it."""
        found = store or self.store
        return Feed(found, "test", Leases(found.ledger, lambda: self.now))

    async def commit(self, count: int = 1) -> list[str]:
        return [await self.commit_to(self.store) for _ in range(count)]

    async def commit_to(self, store: Store) -> str:
        door = Door(store, "https://hilum.test/fhir")
        made = await create(door, granting.server(), "Basic", {"resourceType": "Basic", "code": {"text": "x"}})
        return made.resource.id

    async def cursor(self) -> int:
        row = await self.store.ledger.get(CURSOR, b"test")
        assert row is not None
        return read(row, Cursor).seq

    async def work(self, some: Sequence[Resource]) -> None:
        self.shown += [one.id for one in some]


@pytest.fixture
def here(store: Store, other: Store) -> World:
    return World(store, other)


async def test_what_is_committed_after_the_beginning_is_shown_in_its_order(here: World) -> None:
    await here.commit(2)
    feed = here.feed()
    await feed.begin()
    ids = await here.commit(5)
    assert [await feed.turn(here.work, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert here.shown == ids


async def test_what_failed_is_shown_again(here: World) -> None:
    feed = here.feed()
    await feed.begin()
    ids = await here.commit(2)

    async def fails(some: Sequence[Resource]) -> None:
        await here.work(some[:1])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await feed.turn(fails)
    await feed.turn(here.work)
    assert here.shown == [ids[0], *ids]


async def test_another_process_goes_on_where_one_has_stopped_or_died(here: World) -> None:
    one, other = here.feed(), here.feed(here.other)
    await one.begin()
    first = await here.commit()
    assert await one.turn(here.work) == 1
    second = await here.commit()
    assert await other.turn(here.work) == 0, "the first one follows"
    await one.stop()
    assert await other.turn(here.work) == 1
    third = await here.commit()
    here.now += 16
    assert await one.turn(here.work) == 1
    assert here.shown == [*first, *second, *third]


async def test_who_slept_while_another_one_followed_moves_no_cursor_back(here: World) -> None:
    one, other = here.feed(), here.feed(here.other)
    await one.begin()
    await here.commit()

    async def sleeps(some: Sequence[Resource]) -> None:
        here.now += 16
        await here.commit(2)
        assert await other.turn(here.work) == 3

    assert await one.turn(sleeps) == 1
    assert await here.cursor() == (await here.store.counts()).seq
    assert await one.turn(here.work) == 0
    assert len(here.shown) == 3


async def test_a_follower_that_is_new_begins_with_what_comes_and_is_remembered(here: World) -> None:
    await here.commit(3)
    assert await here.feed().turn(here.work) == 0
    await here.commit()
    here.now += 16
    await here.feed(here.other).begin()
    assert await here.feed(here.other).turn(here.work) == 1


async def test_processes_that_follow_and_write_at_once_show_each_commit_in_one_order(here: World) -> None:
    """Each looks again and again, its leases ending meanwhile: what was shown twice was shown again from there on."""
    feeds = [here.feed(), here.feed(here.other)]
    await asyncio.gather(*(feed.begin() for feed in feeds))
    ids: list[str] = []

    async def write(store: Store) -> None:
        ids.extend([await here.commit_to(store) for _ in range(10)])

    async def follow(feed: Feed) -> None:
        while not writing.done():
            await feed.turn(here.work, limit=3)
            here.now += 4
            await asyncio.sleep(0)

    writing = asyncio.gather(write(here.store), write(here.other))
    await asyncio.gather(*map(follow, feeds))
    here.now += 16
    while await feeds[1].turn(here.work):
        pass
    assert set(here.shown) == set(ids)
    committed = [one.id for one in await here.store.changes(0, 500)]
    assert list(dict.fromkeys(here.shown)) == committed


async def test_who_wants_one_type_is_shown_that_alone_and_is_past_the_others(here: World) -> None:
    feed = Feed(here.store, "test", Leases(here.store.ledger, lambda: here.now), ("Patient",))
    await feed.begin()
    door = Door(here.store, "https://hilum.test/fhir")
    await here.commit(3)
    wanted = [(await create(door, granting.server(), "Patient", {"resourceType": "Patient"})).resource for _ in (1, 2)]
    await here.commit(3)
    assert await feed.turn(here.work, limit=1) == 1
    assert await here.cursor() == wanted[0].seq, "there may be more of them"
    assert await feed.turn(here.work) == 1
    assert here.shown == [one.id for one in wanted]
    assert await here.cursor() == (await here.store.counts()).seq
    await here.commit(3)
    assert await feed.turn(here.work) == 0
    assert await here.cursor() == (await here.store.counts()).seq
    version = await here.store.ledger.get(CURSOR, b"test")
    assert await feed.turn(here.work) == 0
    assert await here.store.ledger.get(CURSOR, b"test") == version, "nothing is written while nothing is committed"


async def test_what_nobody_wants_passes_unseen_and_what_comes_after_somebody_does_is_shown(here: World) -> None:
    feed = here.feed()
    wanted = False

    async def unwanted() -> bool:
        return not wanted

    await feed.begin()
    await here.commit(3)
    assert await feed.skip(unwanted)
    assert await feed.turn(here.work) == 0
    assert await here.cursor() == (await here.store.counts()).seq
    ids = await here.commit(2)
    wanted = True
    assert not await feed.skip(unwanted)
    assert await feed.turn(here.work) == 2
    assert here.shown == ids


async def test_who_does_not_follow_lets_nothing_pass(here: World) -> None:
    first, other = here.feed(), here.feed(here.other)

    async def unwanted() -> bool:
        return True

    await first.turn(here.work)
    assert first.ours
    before = await here.cursor()
    await here.commit(2)
    assert await other.skip(unwanted)
    assert not other.ours
    assert await here.cursor() == before
    assert await first.turn(here.work) == 2
