"""Contract: of all who sign in to an EHR, in all processes, one does, by a lease that one of them has."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.unit.broker import ehr
from tests.unit.broker.ehr import answering, broker, connection, granted
from tests.unit.smart.pages import Clock

from hilum.broker import lease
from hilum.store.interface import Store

KEY = b"what is done once"


async def test_of_many_who_take_a_lease_at_once_one_has_it(store: Store, other: Store) -> None:
    clock = Clock()
    for term in range(1, 6):
        taken = await asyncio.gather(
            *(lease.take(one.ledger, KEY, 5, clock, b"owner") for one in (store, other) for _ in range(10))
        )
        (ours,) = [one for one in taken if one is not None]
        assert ours.held.term == term
        clock.now += 5


async def test_a_lease_is_kept_left_and_lost(store: Store, other: Store) -> None:
    clock = Clock()
    first = await lease.take(store.ledger, KEY, 5, clock)
    assert first is not None
    clock.now += 4
    first = await lease.keep(store.ledger, first, 5, clock)
    assert first is not None
    clock.now += 4
    assert await lease.take(other.ledger, KEY, 5, clock) is None
    clock.now += 1
    second = await lease.take(other.ledger, KEY, 5, clock)
    assert second is not None
    assert await lease.keep(store.ledger, first, 5, clock) is None
    await lease.leave(store.ledger, first)
    assert await lease.take(store.ledger, KEY, 5, clock) is None
    await lease.leave(other.ledger, second)
    assert await lease.take(store.ledger, KEY, 5, clock) is not None


async def test_of_many_who_need_a_token_one_asks(store: Store, other: Store, tmp_path: Path) -> None:
    clock = Clock(time.time())
    async with ehr.telling(answering(*(granted(f"t-{n}") for n in range(20))), clock) as here:
        all = [broker(tmp_path, clock, one.ledger, sleep=asyncio.sleep) for one in (store, other)]
        lake = connection(here.base)
        tokens = await asyncio.gather(*(one.backend.token(lake) for one in all for _ in range(25)))
        assert set(tokens) == {"t-0"}
        again = await asyncio.gather(*(one.backend.token(lake, refused="t-0") for one in all for _ in range(25)))
        assert set(again) == {"t-1"}
        assert len(here.asked) == 2
