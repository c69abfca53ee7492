"""Several searches as one: the first begins alone, then all run at once, and their pages come in the order of searches.

The first one tells, by one request, what concerns them all: a token that is not taken, a restricted patient.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from hilum.broker.far import Failed, Page

_OF_THE_WHOLE = frozenset({"unreachable", "unauthorized", "break-the-glass", "throttled", "ambiguous"})
"""Kinds of failure that would meet the other parts too."""


class _Part:
    """A search that is read ahead of who wants it, by two pages."""

    def __init__(self, pages: AsyncGenerator[Page, None]) -> None:
        self._ready: asyncio.Queue[Page | Exception | None] = asyncio.Queue(1)
        self.task = asyncio.create_task(self._run(pages))

    async def _run(self, pages: AsyncGenerator[Page, None]) -> None:
        end: Exception | None = None
        try:
            async with aclosing(pages):
                async for page in pages:
                    await self._ready.put(page)
        except Exception as caught:  # told to who wants the pages
            end = caught
        await self._ready.put(end)

    async def next(self) -> Page | None:
        """The next page; None after the last. Raises what the search raised."""
        found = await self._ready.get()
        if isinstance(found, Exception):
            raise found
        return found


async def together(searches: Sequence[AsyncGenerator[Page, None]]) -> AsyncGenerator[tuple[int, Page | Failed], None]:
    """Pages, each with the number of its search. A search that fails is told of in its place and loses none of the
    others, unless its failure would be theirs as well: that one is raised.
    """
    parts = [_Part(searches[0])]
    try:
        for number in range(len(searches)):
            while True:
                try:
                    page = await parts[number].next()
                except Failed as caught:
                    if caught.kind in _OF_THE_WHOLE:
                        raise
                    yield number, caught
                    page = None
                if len(parts) < len(searches):
                    parts += map(_Part, searches[1:])
                if page is None:
                    break
                yield number, page
    finally:
        for part in parts:
            part.task.cancel()
        await asyncio.gather(*[part.task for part in parts], return_exceptions=True)
