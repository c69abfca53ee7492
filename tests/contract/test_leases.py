"""Contract: leases. Of processes that want one, one has it; who slept past its end ends nothing of another's."""

from __future__ import annotations

import asyncio

from tests.contract.conftest import Open

from hilum.oauth.lease import Leases
from hilum.oauth.ledger import LEASE
from hilum.store.interface import Store

AGAIN = 10


async def test_of_processes_that_want_one_at_once_one_has_it(opened: Open) -> None:
    now = 1_800_000_000.0
    processes = [Leases((await opened()).ledger, lambda: now) for _ in range(3)]
    for number in range(AGAIN):
        key = b"%d" % number
        found = await asyncio.gather(*(one.claim(key) for one in processes for _ in range(2)))
        (held,) = [one for one in found if one is not None]
        now += 16  # whoever holds it sleeps, and all want it again
        found = await asyncio.gather(*(one.claim(key) for one in processes for _ in range(2)))
        assert len([one for one in found if one is not None]) == 1
        assert not await held.renew()


async def test_who_slept_past_the_end_of_one_ends_nothing_of_another(store: Store, other: Store) -> None:
    """Under the same key there is another one by then, changed as often."""
    now = 1_800_000_000.0
    one, two = Leases(store.ledger, lambda: now), Leases(other.ledger, lambda: now)
    sleeper = await one.claim(b"order")
    assert sleeper is not None
    now += 16
    heir = await two.claim(b"order")
    assert heir is not None
    assert await heir.end()
    assert await two.offer(b"order")
    third = await two.take(b"order")
    assert third is not None
    before = await store.ledger.get(LEASE, b"order")
    assert (await sleeper.end(), await sleeper.lay_down(), await sleeper.renew()) == (False, False, False)
    assert await store.ledger.get(LEASE, b"order") == before
    assert await third.end()


async def test_what_one_process_hastens_another_that_holds_it_lays_down_to_be_taken_at_once(
    store: Store, other: Store
) -> None:
    now = 1_800_000_000.0
    one, two = Leases(store.ledger, lambda: now), Leases(other.ledger, lambda: now)
    held = await one.claim(b"order", b"work")
    assert held is not None
    assert await two.hasten(b"order")
    assert (await held.renew(), await two.take(b"order")) == (True, None)
    assert await held.lay_down(now + 60)
    assert [key async for key in two.due(b"work")] == [b"order"]
    again = await two.take(b"order")
    assert again is not None
    assert await again.end()
