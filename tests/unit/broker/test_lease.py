"""A lease has one holder at a time, whoever takes, keeps, leaves, sleeps and dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.smart.pages import Clock

from hilum.broker import lease
from hilum.broker.lease import Lease
from hilum.store.memory import MemoryLedger
from hilum.store.sqlite import open_sqlite

KEY = b"what is done once"
SECONDS = 10
STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(("take", "keep", "leave", "die")), st.integers(0, 14)), max_size=40
)


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_nobody_has_it_while_another_has(steps: list[tuple[int, str, int]]) -> None:
    clock = Clock()
    ledger = MemoryLedger(lambda: int(clock() * 1_000_000))
    has: dict[int, Lease] = {}
    terms: list[int] = []

    async def play() -> None:
        for who, step, seconds in steps:
            if step == "take":
                taken = await lease.take(ledger, KEY, SECONDS, clock)
                if taken is not None:
                    assert [one for one in has.values() if one.held.until > clock()] == []
                    has[who] = taken
                    terms.append(taken.held.term)
            elif step == "keep" and who in has:
                kept = await lease.keep(ledger, has[who], SECONDS, clock)
                if kept is None:
                    del has[who]
                else:
                    has[who] = kept
            elif step == "leave" and who in has:
                await lease.leave(ledger, has.pop(who))
            elif step == "die" and who in has:
                has[-len(terms)] = has.pop(who)  # it is his still, and he does nothing more
            clock.now += seconds

    asyncio.run(play())
    assert terms == list(range(1, len(terms) + 1))


async def test_of_many_who_take_it_at_once_in_two_processes_one_has_it(tmp_path: Path) -> None:
    stores = [await open_sqlite(str(tmp_path / "store.sqlite")) for _ in range(2)]
    clock = Clock()
    try:
        for _ in range(5):
            taken = await asyncio.gather(*(lease.take(s.ledger, KEY, 5, clock) for s in stores for _ in range(10)))
            assert len([one for one in taken if one is not None]) == 1
            clock.now += 5
    finally:
        for store in stores:
            await store.close()


async def test_who_slept_too_long_neither_keeps_it_nor_gives_that_of_another_back() -> None:
    clock = Clock()
    ledger = MemoryLedger(lambda: int(clock() * 1_000_000))
    first = await lease.take(ledger, KEY, 5, clock)
    clock.now += 6
    second = await lease.take(ledger, KEY, 5, clock)
    assert first is not None
    assert second is not None
    assert await lease.keep(ledger, first, 5, clock) is None
    await lease.leave(ledger, first)
    assert await lease.take(ledger, KEY, 5, clock) is None
    await lease.leave(ledger, second)
    assert await lease.take(ledger, KEY, 5, clock) is not None
