"""Work that a server process does beside requests, for as long as it lives."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar

from hilum.web import log


class Background(ABC):
    """One task. `start` and `stop` it within the event loop."""

    name: ClassVar[str]
    """What asyncio calls the task."""

    def __init__(self) -> None:
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._work = asyncio.create_task(self._run(), name=self.name)
        self._work.add_done_callback(_told)

    async def stop(self) -> None:
        """End it where it waits: what is under way is whole afterwards, or was never begun."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})  # raises nothing: what comes after it at a stop is done in any case

    @abstractmethod
    async def _run(self) -> None:
        """Until it is cancelled."""


def _told(done: asyncio.Task[None]) -> None:
    """Nobody awaits the task: of a defect that ended it the log tells."""
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("background work has ended", name=done.get_name(), error=type(error).__name__)
