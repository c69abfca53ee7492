"""What a server process does beside requests: it deletes what has expired or was replaced, and ends grants that no app
came for, or whose app was shut out.

Every process does it; twice is as good as once.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from hilum.app.background import Background
from hilum.problems import Problem
from hilum.smart.site import Site
from hilum.smart.tokens import granted
from hilum.web import log

SECONDS: Final = 60.0
_HOUR: Final = 3_600_000_000
_DAY: Final = 24 * _HOUR
"""Microseconds: how far back is looked for grants, after a start and from then on."""
MOST: Final = 500
"""Records deleted in one transaction: others write between two of them."""


class Housekeeping(Background):
    """That of one process. `wanted`: set by who can't wait for its next turn."""

    name = "hilum-housekeeping"

    def __init__(self, site: Site, wanted: asyncio.Event | None = None) -> None:
        super().__init__()
        self._site = site
        self._wanted = wanted or asyncio.Event()
        self._since = site.now - _DAY

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SECONDS):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self.turn()
            except Problem as problem:
                log.warning("housekeeping", text=str(problem))

    async def turn(self) -> int:
        """Look once; how many records were deleted. Raises Busy, Damaged."""
        now = self._site.now
        if ended := await granted.abandoned(self._site, self._since):
            log.info("grants ended that no app came for", grants=ended)
        await granted.of_lost_clients(self._site, self._since)
        self._since = now - _HOUR
        ledger = self._site.ledger
        gone = deleted = await ledger.sweep(MOST)
        while deleted == MOST:
            deleted = await ledger.sweep(MOST)
            gone += deleted
        if gone:
            log.info("expired records deleted", records=gone)
        if replaced := await self._site.door.store.concepts.sweep():
            log.info("replaced code systems deleted", systems=replaced)
        return gone
