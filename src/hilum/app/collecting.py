"""What a server process does for the content of large Binaries beside requests: it takes orphans away."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from hilum.app.background import Background
from hilum.oauth.keeping import Ledger
from hilum.problems import Problem
from hilum.store.blobs import claim
from hilum.store.blobs.blob import Blobs
from hilum.store.blobs.collect import GRACE_SECONDS, Collected, collect
from hilum.web import log

SECONDS: Final = 3600.0


class Collecting(Background):
    """That of one process. `clock`: seconds since 1970."""

    name = "hilum-collecting"

    def __init__(self, blobs: Blobs, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._blobs, self._ledger, self._clock = blobs, ledger, clock

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SECONDS * random.uniform(0.5, 1.5))  # processes that start together part here
            try:
                await self.turn()
            except Problem as problem:
                log.warning("collecting", text=str(problem))

    async def turn(self) -> Collected:
        """Look once. Raises Busy, and Misconfigured where the place is another store's by now."""
        if not (await claim.alone(self._ledger) and await claim.check(self._blobs, self._ledger)):
            return Collected()
        gone = await collect(self._blobs, self._ledger, self._clock() - GRACE_SECONDS)
        if any(gone):
            log.info("orphans collected", blobs=gone.orphans, unfinished=gone.unfinished)
        return gone
