"""What a server process does beside requests: learn new search parameters, index them in small steps, keep their Tasks.

Every process does it; a store sees to it that one at a time indexes.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from hilum.app.background import Background
from hilum.interactions.defining import tell
from hilum.interactions.door import Door
from hilum.problems import Damaged, Problem
from hilum.search.catalogue import Defined
from hilum.store.interface import Audit
from hilum.web import log

POLL_SECONDS: Final = 0.25
"""How soon a process learns what another one has changed, at the latest; what writes learns it before."""
REST_SECONDS: Final = 0.02
"""Between two steps others write."""
TELL_SECONDS: Final = 2.0
"""How often a Task gets a new version while its parameter is being indexed."""
AUDIT: Final = Audit("hilum", "hilum", "index", "")


class Indexing(Background):
    """Of the custom search parameters of one process. Stopped, the step that it was at is on disk or is not."""

    name = "hilum-indexing"

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door
        self._told: dict[tuple[str, str], float] = {}

    async def _run(self) -> None:
        warned = ""
        while True:
            try:
                worked = await self.turn()
                warned = ""
            except Damaged as problem:  # a restart with a backup is what helps
                log.error("indexing ended", text=str(problem))
                return
            except Problem as problem:
                if str(problem) != warned:  # a server that has to be restarted says so once
                    log.warning("indexing", text=str(problem))
                warned, worked = str(problem), False
            await asyncio.sleep(REST_SECONDS if worked else POLL_SECONDS)

    async def turn(self) -> bool:
        """Learn, do one step, tell; whether there was anything to do."""
        store = self._door.store
        catalogue = await store.learn()
        one = None
        if any(one.pending for one in catalogue.defined):
            one = await asyncio.shield(store.proceed())
        if one is not None:
            await self._tell(one)
        for other in store.catalogue.defined:
            if other.task and not other.pending:
                await self._tell(other)
        return one is not None

    async def _tell(self, one: Defined) -> None:
        key = (one.task, one.state)
        if time.monotonic() >= self._told.get(key, 0.0):
            final = await tell(self._door, one, AUDIT)
            self._told[key] = float("inf") if final else time.monotonic() + TELL_SECONDS
            if final:
                log.info("search parameter", state=one.state, code=one.definition.code, resources=one.done)
