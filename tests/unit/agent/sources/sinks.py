"""Sinks to see sources by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hilum.agent.source import Full, Source
from hilum.phd.reading import Device, Taken


class Kept:
    """Keeps all in memory. `full`: whether there is no room; `gate`: closed, nothing is kept until it opens."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.refused: list[tuple[str, str, bytes, str]] = []
        self.contacts: list[Device] = []
        self.full = False
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._came = asyncio.Condition()

    async def take(self, taken: Taken) -> None:
        self.asked += 1
        await self._tell()
        await self.gate.wait()
        if self.full:
            raise Full
        self.taken.append(taken)
        await self._tell()

    async def refuse(self, source: str, device: str, data: bytes, why: str) -> None:
        self.refused.append((source, device, data, why))
        await self._tell()

    async def seen(self, device: Device, battery: int | None = None) -> None:
        self.contacts.append(device)
        await self._tell()

    async def until(self, taken: int = 0, refused: int = 0, asked: int = 0) -> None:
        """Until so much was seen here."""

        def there() -> bool:
            return len(self.taken) >= taken and len(self.refused) >= refused and self.asked >= asked

        async with asyncio.timeout(20), self._came:
            await self._came.wait_for(there)

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()


@asynccontextmanager
async def running(source: Source, sink: Kept) -> AsyncIterator[asyncio.Task[None]]:
    """The source, until the block ends."""
    task = asyncio.create_task(source.run(sink))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
