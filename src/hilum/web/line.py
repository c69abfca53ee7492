"""One connection of the pool: a request at a time goes out, and its answer comes back in pieces, bounded in every way.

https://www.rfc-editor.org/rfc/rfc9112, https://www.rfc-editor.org/rfc/rfc9110#section-8.4

One timer runs per request and is set anew only when it rings: a read notes the time and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import httptools

from hilum.web.outbound import HEAD_BYTES, Unfolding, Unreachable

_HIGH: Final = 256 * 1024
"""So much of a body may wait to be read by who streams it before the sender has to."""
_NO_BODY: Final = frozenset({204, 304})
_READY, _HEAD, _BODY, _DONE = range(4)
"""Where it stands: between two requests, within a head, within a body, after an answer that was its last."""


class Line(asyncio.Protocol):
    """A connection. It is `usable` between an answer that ended as it should and whatever the other side does next."""

    def __init__(self) -> None:
        self.since = 0.0
        """When it was put by."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._state = _READY
        self._broken: str | None = None
        self._heard = False
        self._waiting: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reset(0, flowing=False)

    def _reset(self, limit: int, *, flowing: bool) -> None:
        self.headers = {}
        self._limit, self._flowing = limit, flowing
        self._read = 0  # over the line, where chunks may be small, but not without end
        self._content = bytearray()
        self._unfolding = Unfolding("identity", limit)
        self._to_the_end = False
        self._paused = False

    # --- for the pool -------------------------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether it can carry another request."""
        return self._state == _READY and self._broken is None

    @property
    def unanswered(self) -> bool:
        """Whether the other side closed it before it said a byte about the last request."""
        return self._broken == "connect" and not self._heard

    async def ask(self, request: bytes, limit: int, seconds: float, silence: float, *, flowing: bool = False) -> None:
        """Send a request; come back when its answer is there, or where it flows, its head. Raises Unreachable."""
        if self._transport is None or not self.usable:
            self._broken = self._broken or "connect"
            raise Unreachable(self._broken)
        loop = self._loop
        self._reset(limit, flowing=flowing)
        self._state, self._heard = _HEAD, False
        self._last = now = loop.time()
        self._silence = silence
        self._until = now + seconds
        self._timer = loop.call_later(min(seconds, silence), self._ring)
        self._transport.write(request)
        await self._changed()
        if self._state == _HEAD or self._state == _BODY:  # else it is whole, whatever came after it
            if self._broken is not None:
                raise Unreachable(self._broken)
            self._until = float("inf")

    def body(self) -> bytes:
        """All of it, once the answer is there."""
        content, self._content = self._content, bytearray()
        return bytes(content)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises Unreachable where it does not come whole."""
        while True:
            if self._content:
                yield self.body()
                self._resume()
            elif self._state == _READY or self._state == _DONE:
                return
            elif self._broken is not None:
                raise Unreachable(self._broken)
            else:
                await self._changed()

    def abort(self) -> None:
        """Close at once."""
        self._fail("connect")

    # --- what asyncio calls -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes of an answer; when none was asked for, they can be of nothing good."""
        self._heard = True
        self._read += len(data)
        if self._state == _READY:
            self._fail("protocol")
            return
        self._last = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("protocol")
        if self._state == _HEAD and self._read > HEAD_BYTES:
            self._fail("protocol")
        elif self._state == _BODY and self._read > 2 * self._limit + HEAD_BYTES:
            self._fail("size")

    def eof_received(self) -> None:
        """The other side is done: where nothing said how long the body is, that is its end."""
        if self._state == _BODY and self._to_the_end:
            self._end(keep=False)
        else:
            self._fail("connect" if self._state == _READY or not self._heard else "protocol")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whomever."""
        if exc is None and self._broken is None:
            self.eof_received()
        else:
            self._fail("connect")
        self._transport = None

    # --- what the parser calls ----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer to come; one too many is not read."""
        if self._state != _HEAD:
            self._fail("protocol")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of two headers of one name the first counts; trailers don't."""
        if self._state == _HEAD:
            self.headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """The head is whole: judge it."""
        if self._state != _HEAD:
            return
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue, 103 Early Hints
            self.headers = {}
            return
        self.status = status
        headers = self.headers
        try:
            self._unfolding = Unfolding(headers.get("content-encoding", "identity"), self._limit)
        except Unreachable as error:
            self._fail(error.kind)
            return
        length = headers.get("content-length")
        if length is not None and int(length) > self._limit:
            self._fail("size")
            return
        self._to_the_end = length is None and "transfer-encoding" not in headers and status not in _NO_BODY
        self._state = _BODY
        if self._flowing:
            self._wake()

    def on_body(self, piece: bytes) -> None:
        """A piece of the body, unfolded no further than it may be."""
        if self._broken is not None:
            return
        try:
            self._content += self._unfolding.piece(piece)
        except Unreachable as error:
            self._fail(error.kind)
            return
        if self._flowing:
            self._wake()
            if len(self._content) > _HIGH and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is whole, or was one that only says that another will come."""
        if self._state == _BODY and self._broken is None:
            self._end(keep=self._parser.should_keep_alive())

    # --- endings ------------------------------------------------------------------------------------------------------

    def _end(self, *, keep: bool) -> None:
        try:
            self._unfolding.end()
        except Unreachable as error:
            self._fail(error.kind)
            return
        self._state = _READY if keep else _DONE
        self._settle()

    def _fail(self, kind: str) -> None:
        if self._broken is None:
            self._broken = kind
        if self._transport is not None:
            self._transport.abort()
        self._settle()

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None:
            if not self._waiting.done():
                self._waiting.set_result(None)
            self._waiting = None

    async def _changed(self) -> None:
        self._waiting = self._loop.create_future()
        await self._waiting

    def _resume(self) -> None:
        if self._paused and self._transport is not None and self._broken is None:
            self._paused = False
            self._last = self._loop.time()
            self._transport.resume_reading()

    def _ring(self) -> None:
        """Time may be up; if something came meanwhile, or our own side does not read, it is not."""
        now = self._loop.time()
        if self._paused:
            self._last = now
        due = min(self._last + self._silence, self._until)
        if now >= due:
            self._fail("time")
        else:
            self._timer = self._loop.call_at(due, self._ring)
