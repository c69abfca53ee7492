"""What a server process does for orders to gather beside requests: it executes those that are due."""

from __future__ import annotations

from hilum.app.background import Background
from hilum.broker.running import Running


class Ordering(Background):
    """That of one process."""

    name = "hilum-ordering"

    def __init__(self, running: Running) -> None:
        super().__init__()
        self._running = running

    async def _run(self) -> None:
        await self._running.run()
