"""Blobs in memory, for a store that keeps nothing when the process ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from hilum.store.blobs.blob import CHUNK, Lying, damaged


class MemoryBlobs:
    """See `hilum.store.blobs.blob.Blobs`. `clock`: seconds since 1970."""

    name = "memory"
    memory = 2 << 20

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: dict[bytes, tuple[bytes, float]] = {}
        self._mark: str | None = None

    async def put(self, key: bytes, chunks: AsyncIterator[bytes], size: int | None = None) -> None:
        """Keep it."""
        parts = [chunk async for chunk in chunks]
        self._kept[key] = b"".join(parts), self._clock()

    async def get(self, key: bytes, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes, in chunks."""
        content, _ = self._kept.get(key, (b"", 0.0))
        if len(content) < stop:
            raise damaged()
        for at in range(start, stop, CHUNK):
            await asyncio.sleep(0)
            yield content[at : min(at + CHUNK, stop)]

    async def size(self, key: bytes) -> int | None:
        """How long it is."""
        return len(self._kept[key][0]) if key in self._kept else None

    async def remove(self, key: bytes) -> None:
        """Let go of it."""
        self._kept.pop(key, None)

    async def listed(self) -> AsyncIterator[Lying]:
        """All that there are."""
        for key, (_, changed) in tuple(self._kept.items()):
            yield Lying(key, changed)

    async def sweep(self, before: float) -> int:
        """Nothing is ever half there."""
        return 0

    async def mark(self) -> str | None:
        """Its mark."""
        return self._mark

    async def set_mark(self, text: str) -> None:
        """Give it this mark, unless it has one."""
        self._mark = self._mark or text
