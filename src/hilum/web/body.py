"""Taking a request's body in: at most so many bytes of it, and of all together. https://asgi.readthedocs.io/en/latest/specs/www.html"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from hilum.fhir import json
from hilum.problems import Busy, Malformed, TooLarge, UnsupportedMediaType
from hilum.web.fields import Header

Receive = Callable[[], Awaitable[dict[str, Any]]]

LINGER_BYTES: Final = 1 << 20
LINGER_SECONDS: Final = 2.0
"""How much of a refused request is still read, so that its sender reads the refusal."""

CLOSE: Header = (b"connection", b"close")
"""On an answer that was given before a long body was read: the rest of it is not wanted."""

_SHORT: Final = 1 << 16
_PIECE: Final = 1 << 20
LARGE: Final = 1 << 18
"""Bytes: a longer body is parsed in a thread, so that the event loop serves others meanwhile."""


class Disconnected(Exception):
    """The client went away before its request was whole; nobody is there to answer."""


class Budget:
    """How many bytes of bodies this process holds at once, at most; an event loop's own.

    The first 64 KiB of a body are free, so that who fills the budget does not stop everybody's small writes: those are
    bounded by the number of connections.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def take(self, size: int) -> int:
        """Hold so many bytes more, and say so. Raises Busy."""
        if self._held + size > self._limit:
            raise Busy("hilum holds as many large bodies as it may at the moment. Send this one again in a moment.")
        self._held += size
        return size

    def give_back(self, size: int) -> None:
        """What `take` said."""
        self._held -= size


class Incoming:
    """A body that is taken in piece by piece, and never held as a whole. `size`: how long it says that it is.

    What is not asked for is not read from the socket, so that a fast client waits for a slow disk. Raises, as `collect`
    does, what can be told from the headers.
    """

    def __init__(self, receive: Receive, headers: Mapping[bytes, bytes], limit: int, setting: str) -> None:
        _refuse_compressed(headers)
        self._receive, self._limit, self._setting = receive, limit, setting
        self.size = _declared(headers, limit, setting)
        self.finished = self.size == 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """What comes, in pieces of a megabyte and the rest. Once. Raises TooLarge, Disconnected."""
        parts: list[bytes] = []
        size = waiting = 0
        while not self.finished:
            message = await self._receive()
            if message["type"] != "http.request":
                raise Disconnected
            self.finished = not message.get("more_body", False)
            part = message.get("body", b"")
            size += len(part)
            if size > self._limit:
                raise _over(self._limit, self._setting)
            parts.append(part)
            waiting += len(part)
            if waiting >= _PIECE:
                yield b"".join(parts)
                parts, waiting = [], 0
        if waiting:
            yield b"".join(parts)


async def collect(
    receive: Receive, headers: Mapping[bytes, bytes], limit: int, budget: Budget, setting: str = "max-body-bytes"
) -> tuple[bytes, int]:
    """The whole body, and what of it has to be given back to the budget when it is no longer needed.

    Raises TooLarge as soon as it is known to be over `limit`, before taking the rest in; Busy; UnsupportedMediaType
    when it is compressed; Disconnected. `setting`: where the limit comes from.
    """
    _refuse_compressed(headers)
    if _declared(headers, limit, setting) == 0:
        return b"", 0
    parts: list[bytes] = []
    size = held = 0
    try:
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise Disconnected
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _over(limit, setting)
            if size > _SHORT + held:
                held += budget.take(size - _SHORT - held)
            parts.append(part)
            if not message.get("more_body", False):
                return (parts[0] if len(parts) == 1 else b"".join(parts)), held
    except BaseException:
        budget.give_back(held)
        raise


def _refuse_compressed(headers: Mapping[bytes, bytes]) -> None:
    if b"content-encoding" in headers and headers[b"content-encoding"].strip().lower() not in (b"", b"identity"):
        raise UnsupportedMediaType("hilum does not read compressed bodies: send it without Content-Encoding.")


def _declared(headers: Mapping[bytes, bytes], limit: int, setting: str) -> int | None:
    """How long the body says that it is, 0 for none; None: it does not say. Raises Malformed, TooLarge."""
    declared = headers.get(b"content-length")
    if declared is None:
        return None if b"transfer-encoding" in headers else 0
    if not declared.isdigit():
        raise Malformed("Content-Length must be a whole number.")
    if len(declared) > 18 or int(declared) > limit:
        raise _over(limit, setting)
    return int(declared)


async def parsed(raw: bytes) -> dict[str, Any]:
    """`json.parse`, in a thread when that takes long. Raises Malformed."""
    return await asyncio.to_thread(json.parse, raw) if len(raw) > LARGE else json.parse(raw)


def is_long(headers: Mapping[bytes, bytes]) -> bool:
    """Whether an unread body may be longer than is worth reading just to keep the connection."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit():
        return len(declared) > 9 or int(declared) > _SHORT
    return b"transfer-encoding" in headers


async def linger(receive: Receive) -> None:
    """Throw away a little more of a refused body, so that the client reads the refusal before the connection closes.

    Closing with unread bytes resets the connection, and the reset can overtake the answer
    (https://www.rfc-editor.org/rfc/rfc9112#section-9.6). Bounded in bytes and time.
    """
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return


def _over(limit: int, setting: str) -> TooLarge:
    advice = f"Send less at once, or raise --{setting}." if setting else "Send less at once."
    return TooLarge(f"The body is over the limit of {limit:,} bytes. {advice}")
