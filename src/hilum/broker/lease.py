"""A lease: of all who want to do one thing, in all processes, one does it at a time; whoever dies loses it by time.

https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html: a lease alone protects nothing once it has
run out, for its holder may have slept. So its `term` grows with every holder, and what must not happen twice compares.

Its record (kind LEASE) doesn't expire as others do, since an expired one can neither be seen nor be written over: when
it ends stands in its value, and it passes on by `replace` of the version that was seen.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import LEASE, Put, Record, Row, read, write


class Held(Record, frozen=True, omit_defaults=True):
    """Who has it until when (seconds since 1970); 0: nobody. `term`: how often it was taken."""

    by: str
    until: float
    term: int


@dataclass(frozen=True, slots=True)
class Lease:
    """One that is ours until `held.until`."""

    key: bytes
    held: Held


async def take(
    ledger: Ledger, key: bytes, seconds: float, clock: Callable[[], float], owner: bytes = b""
) -> Lease | None:
    """Take it, if nobody has it; None: somebody has. `owner`: what the record belongs to. Raises Busy."""
    row = await ledger.get(LEASE, key)
    before = None if row is None else read(row, Held)
    now = clock()
    if before is not None and before.until > now:
        return None
    held = Held(secrets.token_hex(8), now + seconds, 1 if before is None else before.term + 1)
    return await _written(ledger, row, key, held, owner)


async def keep(ledger: Ledger, lease: Lease, seconds: float, clock: Callable[[], float]) -> Lease | None:
    """Have it for longer. None: it has passed to somebody else. Raises Busy."""
    row = await _ours(ledger, lease)
    if row is None:
        return None
    held = Held(lease.held.by, clock() + seconds, lease.held.term)
    return await _written(ledger, row, lease.key, held, row.owner)


async def leave(ledger: Ledger, lease: Lease) -> None:
    """Give it back, if it is ours still. Raises Busy."""
    row = await _ours(ledger, lease)
    if row is not None:
        await _written(ledger, row, lease.key, Held("", 0, lease.held.term), row.owner)


async def _ours(ledger: Ledger, lease: Lease) -> Row | None:
    row = await ledger.get(LEASE, lease.key)
    return row if row is not None and read(row, Held).by == lease.held.by else None


async def _written(ledger: Ledger, row: Row | None, key: bytes, held: Held, owner: bytes) -> Lease | None:
    put = Put(LEASE, key, write(held), owner=owner)
    if row is None:
        return Lease(key, held) if await ledger.add(put) else None
    return Lease(key, held) if await ledger.replace(put, row.version) else None
