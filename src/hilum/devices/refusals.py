"""What came by MQTT and could not be taken, kept for who wants to look at it: sealed, bounded, and for a month.

Over HTTP the sender has its bytes and the reason in one hand. A broker has handed them on and forgotten them.
"""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from hilum.access.seal import Seal
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import DEVICE_REFUSED, Put, Record, digest, read, write

MOST: Final = 100
"""Of one client; the oldest goes first."""
LONGEST: Final = 1 << 18
"""Bytes that are kept of one."""
DAYS: Final = 30
_MICRO: Final = 1_000_000


class Refusal(Record, frozen=True, omit_defaults=True):
    """One (kind DEVICE_REFUSED, key: SHA-256 of client, kind and bytes). `kind`: bundles or hl7v2. `size`: of all of
    it, of which `sealed` has the beginning. `at`: microseconds since 1970.
    """

    client: str
    kind: str
    why: str
    size: int
    at: int
    sealed: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """`clock`: seconds since 1970."""

    ledger: Ledger
    seal: Seal = field(repr=False)
    clock: Callable[[], float] = time.time

    async def keep(self, client: str, kind: str, content: bytes, why: str) -> None:
        """Keep it, once however often it comes. Raises Busy."""
        key = sha256(b"\0".join((client.encode(), kind.encode(), content))).digest()
        at, owner = int(self.clock() * _MICRO), digest(client)
        sealed = self.seal.seal(DEVICE_REFUSED, key, b64encode(content[:LONGEST]).decode())
        value = write(Refusal(client, kind, why, len(content), at, sealed))
        put = Put(DEVICE_REFUSED, key, value, at + DAYS * 86_400 * _MICRO, owner, owner + at.to_bytes(8, "big"))
        if not await self.ledger.add(put):
            return
        rows = await self.ledger.ranged(DEVICE_REFUSED, owner, owner + b"\xff" * 8, 2 * MOST)
        for row in rows[: max(0, len(rows) - MOST)]:
            await self.ledger.remove(DEVICE_REFUSED, row.key)

    async def of(self, client: str) -> list[tuple[Refusal, bytes]]:
        """Those of a client with the beginning of their bytes, the oldest first. Raises Busy, Misconfigured."""
        owner = digest(client)
        rows = await self.ledger.ranged(DEVICE_REFUSED, owner, owner + b"\xff" * 8, 2 * MOST)
        found = [(row.key, read(row, Refusal)) for row in rows]
        return [(one, b64decode(self.seal.open(DEVICE_REFUSED, key, one.sealed))) for key, one in found]
