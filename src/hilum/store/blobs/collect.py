"""Orphans: blobs that no version refers to, since the commit that was to do so failed, or a process died before it.

A blob is written before the version that refers to it is committed, under a key that nobody else ever writes. So what
is older than an upload and its commit can take, and is not referred to, never will be: it may go, whoever else uploads.
Every process collects; twice is as good as once. docs/adr/0013-binaries.md
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hilum.oauth.keeping import Ledger
from hilum.store.blobs.blob import Blobs
from hilum.store.blobs.references import referred

GRACE_SECONDS: Final = 24 * 3600.0
"""How old an orphan is before it goes: much longer than a commit tries, and than clocks of machines differ."""


class Collected(NamedTuple):
    """What went: `orphans` and `unfinished` uploads."""

    orphans: int = 0
    unfinished: int = 0


async def collect(blobs: Blobs, ledger: Ledger, before: float) -> Collected:
    """Take away orphans written before that second since 1970, and uploads that have not gone on since. Raises Busy."""
    gone = 0
    async for one in blobs.listed():
        if one.changed < before and not await referred(ledger, one.key):
            await blobs.remove(one.key)
            gone += 1
    return Collected(gone, await blobs.sweep(before))


async def orphans(blobs: Blobs, ledger: Ledger) -> int:
    """How many blobs there are that no version refers to, those of uploads under way among them. Raises Busy."""
    found = 0
    async for one in blobs.listed():
        found += not await referred(ledger, one.key)
    return found
