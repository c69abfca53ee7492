"""Requests to hosts that others chose, over connections that are kept: EHRs and receivers of what was gathered.

https://www.rfc-editor.org/rfc/rfc9112#section-9.3, https://owasp.org/www-community/attacks/Server_Side_Request_Forgery

The guard is that of `outbound`: each connection goes to an address that was judged, and is kept for its own scheme,
host and port alone. There are no redirects, no proxies, no cookies, and no answer without bounds: what is compressed is
measured as it unfolds. Of methods there is no HEAD, since the parser can't be told that its answer has no body.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from hilum.web.addresses import Target, target
from hilum.web.line import Line
from hilum.web.outbound import Fetched, Guard, Unreachable, judged, trusting

LONGEST: Final = 8192
"""Of a URL: searches name many ids, and links to a next page carry what a server wants to remember."""
SECONDS: Final = 60.0
SILENCE: Final = 30.0
KEPT: Final = 16
IDLE_SECONDS: Final = 15.0
_AGAIN: Final = frozenset({"GET", "PUT", "DELETE"})
"""Methods that may be sent twice, https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2."""

_Origin = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Flowing:
    """An answer whose body is still coming: iterate over `pieces` within the block that opened it. Names of headers in
    lower case.
    """

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes] = field(repr=False)


class Pool:
    """Connections of one event loop. `seconds`: for one whole answer, or for the head of one that flows. `silence`: for
    how long nothing may come. `kept`: connections that wait for their next request, at most so many per host. How many
    there are at a time is for who asks to say.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        seconds: float = SECONDS,
        silence: float = SILENCE,
        kept: int = KEPT,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._guard, self._seconds, self._silence = guard, seconds, silence
        self._kept, self._idle_seconds = kept, idle_seconds
        self._idle: dict[_Origin, list[Line]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def send(
        self, method: str, url: str | Target, headers: Mapping[str, str], body: bytes = b"", *, limit: int
    ) -> Fetched:
        """One request and its whole answer, of whatever status: one of 3xx is not followed. `limit`: of bytes of the
        body, unfolded. A request that may be sent twice is, when a kept connection turns out to be closed. Raises
        Unreachable.
        """
        where = _target(url)
        head = _head(method, where, headers, body)
        line = self._take(where)
        if line is not None:
            try:
                return await self._exchange(line, where, head, limit)
            except Unreachable:
                if not line.unanswered or method not in _AGAIN:
                    raise
        return await self._exchange(await self._connected(where), where, head, limit)

    @asynccontextmanager
    async def stream(
        self, method: str, url: str | Target, headers: Mapping[str, str], body: bytes = b"", *, limit: int
    ) -> AsyncIterator[Flowing]:
        """One request and its answer, piece by piece; what is not read when the block ends is cut off. Raises
        Unreachable, here and where pieces are read.
        """
        where = _target(url)
        head = _head(method, where, headers, body)
        line = await self._connected(where)
        try:
            await line.ask(head, limit, self._seconds, self._silence, flowing=True)
            yield Flowing(line.status, line.headers, line.pieces())
        finally:
            self._give(line, where)

    async def close(self) -> None:
        """Connections that wait are closed; those in use are when their answer is there."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for lines in self._idle.values():
            for line in lines:
                line.abort()
        self._idle.clear()

    async def _exchange(self, line: Line, where: Target, head: bytes, limit: int) -> Fetched:
        try:
            await line.ask(head, limit, self._seconds, self._silence)
            return Fetched(line.status, line.headers, line.body())
        finally:
            self._give(line, where)

    async def _connected(self, where: Target) -> Line:
        """A connection to the first address that takes one; the certificate is that of the name."""
        guard = self._guard
        try:
            async with asyncio.timeout(self._seconds):
                addresses = await judged(where, guard)
        except TimeoutError:
            raise Unreachable("time") from None
        tls = (guard.tls or trusting()) if where.scheme == "https" else None
        loop = asyncio.get_running_loop()
        kind = "connect"
        for address in addresses:
            try:
                async with asyncio.timeout(guard.connect_seconds):
                    _, line = await loop.create_connection(
                        Line, address, where.port, ssl=tls, server_hostname=where.host if tls is not None else None
                    )
                    return line
            except ssl.SSLError:
                kind = "tls"
                break
            except OSError:  # TimeoutError among them
                continue
        raise Unreachable(kind)

    def _take(self, where: Target) -> Line | None:
        """The kept connection that was used last, if it is still open."""
        lines = self._idle.get((where.scheme, where.host, where.port))
        while lines:
            line = lines.pop()
            if line.usable:
                return line
        return None

    def _give(self, line: Line, where: Target) -> None:
        """Keep a connection that is ready for another request; close every other one."""
        lines = self._idle.setdefault((where.scheme, where.host, where.port), [])
        if not line.usable or len(lines) >= self._kept or self._closed:
            line.abort()
            return
        line.since = time.monotonic()
        lines.append(line)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._idle_seconds, self._swept)

    def _swept(self) -> None:
        """Close what has waited for too long: servers close such connections too, and a request may meet that."""
        self._sweep = None
        oldest = time.monotonic() - self._idle_seconds
        for origin, lines in list(self._idle.items()):
            for line in lines:
                if line.since <= oldest or not line.usable:
                    line.abort()
            lines[:] = [line for line in lines if line.usable]
            if not lines:
                del self._idle[origin]
        if self._idle:
            self._sweep = asyncio.get_running_loop().call_later(self._idle_seconds, self._swept)


def _target(url: str | Target) -> Target:
    where = target(url, LONGEST) if isinstance(url, str) else url
    if isinstance(where, str):
        raise Unreachable(where)
    return where


def _head(method: str, where: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    """The request as it goes over the line. A header that would end its own line is refused: some are others' words."""
    length = f"content-length: {len(body)}\r\n" if body or method != "GET" else ""
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    text = (
        f"{method} {where.path} HTTP/1.1\r\nhost: {where.authority}\r\nuser-agent: hilum\r\n"
        f"accept-encoding: gzip\r\n{length}{fields}\r\n"
    )
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        raise Unreachable("form") from None
    if not raw.count(b"\n") == raw.count(b"\r") == len(headers) + (6 if length else 5):
        raise Unreachable("form")
    return raw + body if body else raw
