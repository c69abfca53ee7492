"""The fetching of what a service has made: streamed to a file, bounded in size and time, wherever it lies.

Services keep results at stores of others, and lead there. Each hop is judged like the first, and our secret goes to the
service's own origin alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

from hilum.video.remote.asking import Asking, refused, unreachable
from hilum.video.remote.services import Service
from hilum.video.renderer import Unrendered
from hilum.web.addresses import Target, target
from hilum.web.outbound import Fetched, Unreachable
from hilum.web.pool import Flowing, Pool

SECONDS: Final = 900.0
"""For one file."""
HEAD_SECONDS: Final = 30.0
HOPS: Final = 3
_LEADS: Final = frozenset((301, 302, 303, 307, 308))


class Fetching:
    """Files of one service."""

    def __init__(self, service: Service, asking: Asking, clock: Callable[[], float]) -> None:
        self._service, self._asking, self._clock = service, asking, clock

    async def file(self, url: str, to: Path, tell: Callable[[float], None]) -> None:
        """Into a file, which is whole or not there. `tell`: the share that has come. Raises Unrendered, OSError."""
        part = to.with_name(f"{to.name}.part")
        try:
            async with asyncio.timeout(SECONDS), self._opened(url, self._service.most_bytes) as flowing:
                length = int(flowing.headers.get("content-length", "0"))
                came = 0
                with await asyncio.to_thread(part.open, "wb") as file:
                    async for piece in flowing.pieces:
                        await asyncio.to_thread(file.write, piece)
                        came += len(piece)
                        tell(came / length if length else 0.0)
            part.replace(to)
        except TimeoutError:
            raise Unrendered("slow", f"{self._it} sends the video too slowly.", "network", again=True) from None
        finally:
            part.unlink(missing_ok=True)

    async def small(self, url: str, limit: int) -> bytes:
        """What is smaller than that. Raises Unrendered."""
        try:
            async with asyncio.timeout(HEAD_SECONDS), self._opened(url, limit) as flowing:
                return b"".join([piece async for piece in flowing.pieces])
        except TimeoutError:
            raise Unrendered("slow", f"{self._it} sends a file too slowly.", "network", again=True) from None

    @property
    def _it(self) -> str:
        return f"The video service {self._service.name!r}"

    @asynccontextmanager
    async def _opened(self, url: str, limit: int) -> AsyncIterator[Flowing]:
        """The answer with the file. Raises Unrendered, also while it is read."""
        url = urljoin(f"{self._service.base}/", url)
        pool = Pool(self._asking.guard, seconds=HEAD_SECONDS)
        try:
            for _ in range(HOPS + 1):
                async with pool.stream("GET", url, await self._headers(url), limit=limit) as flowing:
                    if flowing.status == 200:
                        yield flowing
                        return
                    if flowing.status not in _LEADS:
                        raise self._refused(flowing)
                    url = urljoin(url, flowing.headers.get("location", ""))
            raise Unrendered("unexpected", f"{self._it} leads from one address of the video to the next.", "theirs")
        except Unreachable as problem:
            raise self._broken(problem, limit) from None
        finally:
            await pool.close()

    async def _headers(self, url: str) -> dict[str, str]:
        where = target(url)
        ours = isinstance(where, Target) and (where.scheme, where.host, where.port) == self._service.origin
        return {"accept": "*/*"} | (await self._asking.authorization() if ours else {})

    def _refused(self, flowing: Flowing) -> Unrendered:
        if flowing.status in (403, 404, 410):  # an address that was signed for some hours answers with 403 afterwards
            return Unrendered("result-gone", f"{self._it} has made the video, and does not have it any more.", "theirs")
        return refused(self._service.name, Fetched(flowing.status, flowing.headers, b""), self._clock())

    def _broken(self, problem: Unreachable, limit: int) -> Unrendered:
        if problem.kind == "size":
            text = f"{self._it} has made a file of more than {limit >> 20} MB: see most_mb."
            return Unrendered("result-too-big", text, "theirs")
        if problem.kind in ("protocol", "coding"):
            return Unrendered("result-cut-off", f"{self._it} broke off while it sent the video.", "network", again=True)
        return unreachable(self._service.name, problem)
