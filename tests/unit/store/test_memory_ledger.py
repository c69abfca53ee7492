"""The ledger in memory goes by the clock that it is given. What else it does: tests/contract/test_ledger.py."""

from __future__ import annotations

from hilum.oauth.ledger import CODE, Put, Revoked, Taken
from hilum.store.memory import MemoryLedger


async def test_records_end_by_the_clock() -> None:
    now = 1000
    ledger = MemoryLedger(lambda: now)
    await ledger.add(Put(CODE, b"c", b"", 1010))
    await ledger.revoke([Revoked(1, b"t", 0, 1010)])
    row = await ledger.get(CODE, b"c")
    assert row is not None
    assert row.changed == 1000
    now = 1010
    assert await ledger.get(CODE, b"c") is None
    assert await ledger.take(CODE, b"c") == Taken(row, False)
    assert await ledger.sweep() == 2
    assert await ledger.take(CODE, b"c") == Taken(None, False)


async def test_tries_are_forgotten_by_the_clock() -> None:
    now = 0
    ledger = MemoryLedger(lambda: now)
    assert [await ledger.count(b"k", 2) for _ in range(3)] == [1, 2, 3]
    now = 1_999_999
    assert await ledger.count(b"k", 2) == 4
    now = 2_000_000
    assert await ledger.count(b"k", 2) == 1
