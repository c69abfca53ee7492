"""Contract: of all who sign in to an EHR, in all processes, one does, by a lease that one of them has."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.unit.broker import ehr
from tests.unit.broker.ehr import answering, broker, connection, granted
from tests.unit.smart.pages import Clock

from hilum.oauth.lease import Leases
from hilum.store.interface import Store

KEY = b"what is done once"


async def test_of_many_who_take_a_lease_at_once_one_has_it(store: Store, other: Store) -> None:
    clock = Clock()
    both = Leases(store.ledger, clock, 5), Leases(other.ledger, clock, 5)
    for _ in range(5):
        taken = await asyncio.gather(*(one.claim(KEY, b"owner") for one in both for _ in range(10)))
        assert len([one for one in taken if one is not None]) == 1
        clock.now += 5


async def test_a_lease_is_kept_left_and_lost(store: Store, other: Store) -> None:
    clock = Clock()
    ours, theirs = Leases(store.ledger, clock, 5), Leases(other.ledger, clock, 5)
    first = await ours.claim(KEY)
    assert first is not None
    clock.now += 4
    assert await first.renew()
    clock.now += 4
    assert await theirs.claim(KEY) is None
    clock.now += 1
    second = await theirs.claim(KEY)
    assert second is not None
    assert not await first.renew()
    assert not await first.lay_down()
    assert await ours.claim(KEY) is None
    assert await second.lay_down()
    assert await ours.claim(KEY) is not None


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
