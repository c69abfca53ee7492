"""What those who render elsewhere say of their jobs: it is looked at now, by whichever process comes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hilum.feed.working import lease_of
from hilum.oauth.lease import Leases
from hilum.video.shelf import KIND, Shelf


@dataclass(frozen=True, slots=True)
class Hearing:
    """`accepted`: called when there is something new to do."""

    shelf: Shelf
    leases: Leases
    accepted: Callable[[], None]

    async def heard(self, renderer: str, job: str) -> None:
        """There is something new of this job. Raises Busy."""
        for id in await self.shelf.of_job(renderer, job):
            await self.leases.hasten(lease_of(KIND, id))
            self.accepted()
