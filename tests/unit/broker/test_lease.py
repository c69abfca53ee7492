"""A lease has one holder at a time, whoever takes, keeps, leaves, sleeps and dies."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.smart.pages import Clock

from hilum.broker import lease
from hilum.broker.lease import Lease
from hilum.store.memory import MemoryLedger

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
