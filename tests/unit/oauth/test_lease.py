"""Leases: one holder at a time, taken over when its end has passed, and never a word from one who slept past it."""

from __future__ import annotations

import asyncio
import gc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.oauth.lease import Held, Lapsed, Lease, Leases, offered
from hilum.oauth.ledger import LEASE, Row, read
from hilum.problems import Busy
from hilum.store.memory import MemoryLedger


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> MemoryLedger:
    return MemoryLedger(lambda: int(clock.now * 1_000_000))


def some(ledger: MemoryLedger, clock: Clock, seconds: float = 15.0) -> tuple[Leases, Leases]:
    """Those of two processes."""
    return Leases(ledger, clock, seconds), Leases(ledger, clock, seconds)


async def due(leases: Leases) -> list[bytes]:
    return [key async for key in leases.due(b"work")]


async def test_what_was_offered_is_taken_by_one_and_by_another_when_its_end_has_passed(
    ledger: MemoryLedger, clock: Clock
) -> None:
    one, other = some(ledger, clock)
    assert await one.offer(b"a", b"work")
    assert not await other.offer(b"a", b"work")
    first = await one.take(b"a")
    assert first is not None
    assert await other.take(b"a") is None
    clock.now += 14.9
    assert await first.renew()
    clock.now += 14.9
    assert (await other.take(b"a"), await due(other)) == (None, [])
    clock.now += 0.2
    assert await due(other) == [b"a"]
    second = await other.take(b"a")
    assert second is not None
    assert not await first.renew()
    assert not await first.lay_down()
    assert not await first.end()
    assert await second.end()
    assert await ledger.get(LEASE, b"a") is None


async def test_nobody_takes_what_was_not_offered(ledger: MemoryLedger, clock: Clock) -> None:
    one, other = some(ledger, clock)
    assert await one.take(b"a") is None
    assert await one.claim(b"a") is not None
    assert await other.claim(b"a") is None


async def test_one_that_was_laid_down_until_later_is_not_due_before_unless_it_is_hastened(
    ledger: MemoryLedger, clock: Clock
) -> None:
    one, other = some(ledger, clock)
    held = await one.claim(b"a", b"work")
    assert held is not None
    await held.lay_down(clock.now + 60)
    assert (await due(other), await one.take(b"a")) == ([], None)
    clock.now += 60
    assert await due(other) == [b"a"]
    clock.now -= 30
    assert await other.hasten(b"a")
    assert await due(other) == [b"a"]
    assert not await other.hasten(b"b")


@pytest.mark.parametrize("renewed", ["before", "after", "never"])
async def test_one_that_is_hastened_while_it_is_held_is_kept_and_then_taken_again_at_once(
    ledger: MemoryLedger, clock: Clock, renewed: str
) -> None:
    """Whoever holds it may have looked just before there was something new."""
    one, other = some(ledger, clock)
    for ends in (False, True):
        held = await one.claim(b"a", b"work")
        assert held is not None
        clock.now += 1
        assert renewed != "before" or await held.renew()
        assert await other.hasten(b"a")
        assert await other.hasten(b"a"), "it is already"
        assert renewed != "after" or await held.renew()
        assert (await due(other), await other.take(b"a")) == ([], None)
        assert await (held.end() if ends else held.lay_down(clock.now + 60))
        assert await due(other) == [b"a"]
        again = await other.take(b"a")
        assert again is not None
        assert await again.lay_down(clock.now + 60)
        assert await due(other) == [], "once"
        clock.now += 60


async def test_who_slept_past_the_end_of_one_that_was_hastened_has_lost_it(ledger: MemoryLedger, clock: Clock) -> None:
    one, other = some(ledger, clock)
    held = await one.claim(b"a", b"work")
    assert held is not None
    await other.hasten(b"a")
    clock.now += 16
    heir = await other.take(b"a")
    assert heir is not None
    assert (await held.renew(), await held.lay_down(), await held.end()) == (False, False, False)
    assert await heir.end()
    assert await ledger.get(LEASE, b"a") is None


async def test_those_that_are_due_are_found_among_many_pages(ledger: MemoryLedger, clock: Clock) -> None:
    one, _ = some(ledger, clock)
    for number in range(450):
        await ledger.add(offered(b"%04d" % number, b"work"))
    await ledger.add(offered(b"0000-of-another", b"other"))
    taken = await one.take(b"0007")
    assert taken is not None
    assert len(await due(one)) == 449


async def test_a_look_for_what_is_due_reads_nothing_that_waits(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = MemoryLedger(lambda: int(clock.now * 1_000_000))
    one, _ = some(ledger, clock)
    for number in range(300):
        await ledger.add(offered(b"%04d" % number, b"work", clock.now + number))
    shown: list[bytes] = []
    ranged = ledger.ranged

    async def watched(kind: int, after: bytes, until: bytes, limit: int = 200) -> list[Row]:
        rows = await ranged(kind, after, until, limit)
        shown.extend(row.key for row in rows)
        return rows

    monkeypatch.setattr(ledger, "ranged", watched)
    clock.now += 2
    assert await due(one) == shown == [b"0000", b"0001", b"0002"]


async def test_one_is_renewed_as_long_as_the_work_goes_on(ledger: MemoryLedger, clock: Clock) -> None:
    one, _ = some(ledger, clock, seconds=0.03)
    held = await one.claim(b"a")
    assert held is not None

    async def work() -> str:
        for _ in range(3):
            clock.now += 0.02
            before = held.until
            while held.until == before:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        return "done"

    assert await held.during(work()) == "done"
    row = await ledger.get(LEASE, b"a")
    assert row is not None
    assert read(row, Lease) == Lease(one.holder, int((clock.now + 0.03) * 1_000_000))


@pytest.mark.parametrize("how", ["taken", "unwanted"])
async def test_work_is_cancelled_when_its_lease_is_lost_or_nobody_wants_it(
    ledger: MemoryLedger, clock: Clock, how: str
) -> None:
    one, other = some(ledger, clock, seconds=0.03)
    held = await one.claim(b"a")
    assert held is not None
    if how == "taken":
        clock.now += 1
        assert await other.take(b"a") is not None
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def wanted() -> bool:
        return how == "taken"

    with pytest.raises(Lapsed):
        await held.during(work(), wanted)
    assert ended.is_set()


async def test_what_fails_while_its_lease_is_lost_is_heard(ledger: MemoryLedger, clock: Clock) -> None:
    """And is no error of asyncio's in the log."""
    one, _ = some(ledger, clock, seconds=0.03)
    held = await one.claim(b"a")
    assert held is not None
    looks, unheard = asyncio.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))

    async def work() -> None:
        await looks.wait()
        raise Busy("full")

    async def wanted() -> bool:
        looks.set()
        await asyncio.sleep(0.01)
        return False

    with pytest.raises(Lapsed):
        await held.during(work(), wanted)
    gc.collect()
    assert unheard == []


async def test_what_the_work_raises_is_raised_and_who_cancels_cancels_it(ledger: MemoryLedger, clock: Clock) -> None:
    one, _ = some(ledger, clock)
    held = await one.claim(b"a")
    assert held is not None

    async def fails() -> None:
        raise Busy("full")

    with pytest.raises(Busy, match="full"):
        await held.during(fails())
    begun, ended = asyncio.Event(), asyncio.Event()

    async def long() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    waiting = asyncio.create_task(held.during(long()))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()


async def test_a_store_that_is_busy_ends_nothing_before_the_lease_does(ledger: MemoryLedger, clock: Clock) -> None:
    one, _ = some(ledger, clock, seconds=0.03)
    held = await one.claim(b"a")
    assert held is not None
    asked = 0

    async def wanted() -> bool:
        nonlocal asked
        asked += 1
        if asked == 3:
            clock.now += 1
        raise Busy("full")

    with pytest.raises(Lapsed):
        await held.during(asyncio.sleep(60), wanted)
    assert asked == 3


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(("claim", "renew", "lay down", "die")), st.integers(0, 14)),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_nobody_has_one_while_another_has(steps: list[tuple[int, str, int]]) -> None:
    """Whoever claims, renews, lays down, sleeps and dies: who is told that it is theirs is alone with it."""
    clock = Clock()
    ledger = MemoryLedger(lambda: int(clock() * 1_000_000))
    processes = [Leases(ledger, clock, 10.0) for _ in range(3)]
    has: dict[int, Held] = {}
    dead: list[Held] = []

    async def play() -> None:
        for who, step, seconds in steps:
            if step == "claim":
                taken = await processes[who].claim(b"once")
                if taken is not None:
                    assert [one for one in (*has.values(), *dead) if one.until > clock()] == []
                    has[who] = taken
            elif step == "renew" and who in has:
                if not await has[who].renew():
                    del has[who]
            elif step == "lay down" and who in has:
                await has.pop(who).lay_down()
            elif step == "die" and who in has:
                dead.append(has.pop(who))
            clock.now += seconds

    asyncio.run(play())
