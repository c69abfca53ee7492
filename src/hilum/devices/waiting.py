"""What is held until somebody has said whose it is, as people look at it; the gateway holds and releases it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hilum.devices import holding
from hilum.devices.gateway import Gateway, release


@dataclass(frozen=True, slots=True)
class Waiting:
    """A batch that is held, without its readings. `id`: of its receipt. `why`: for people; names no patient.
    `entries`: how many it has. `at`: seconds since 1970.
    """

    id: str
    client: str
    at: int
    why: str
    entries: int = 0


class Waits(Protocol):
    """Where it is held. All may raise Busy."""

    async def waiting(self) -> Sequence[Waiting]:
        """All that is held, the oldest first."""
        ...

    async def release(self, id: str = "") -> int:
        """Try again what is held, or this one: what is said to be somebody's by now is stored. How many were."""
        ...


@dataclass(frozen=True, slots=True)
class AtGateway:
    """What a gateway holds."""

    gateway: Gateway

    async def waiting(self) -> Sequence[Waiting]:
        """Raises Busy."""
        return [
            Waiting(one.id, one.client, one.at // 1_000_000, one.why, one.entries)
            async for one in holding.waiting(self.gateway.door.store.ledger)
        ]

    async def release(self, id: str = "") -> int:
        """Raises Busy."""
        return (await release(self.gateway, id)).stored
