"""Work that a server process does beside requests, for as long as it lives."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import ClassVar


class Background:
    """One task. `start` and `stop` it within the event loop."""

    name: ClassVar[str]
    """What asyncio calls the task."""

    def __init__(self) -> None:
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._work = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """End it where it waits: what is under way is whole afterwards, or was never begun."""
        if self._work is not None:
            self._work.cancel()
            with suppress(asyncio.CancelledError):
                await self._work

    async def _run(self) -> None:
        raise NotImplementedError
