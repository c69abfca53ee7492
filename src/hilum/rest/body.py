"""Taking a request's body in, at most so many bytes of it. https://asgi.readthedocs.io/en/latest/specs/www.html"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hilum.problems import Malformed, TooLarge
from hilum.rest.message import Header

Receive = Callable[[], Awaitable[dict[str, Any]]]

_LINGER_BYTES = 1 << 20
_LINGER_SECONDS = 2.0


CLOSE: Header = (b"connection", b"close")
"""On an answer that was given before a long body was read: the rest of it is not wanted."""

_SHORT = 1 << 16


class Disconnected(Exception):
    """The client went away before its request was whole; nobody is there to answer."""


async def collect(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be over `limit`, before taking the rest in."""
    declared = headers.get(b"content-length")
    if declared is not None:
        if not declared.isdigit():
            raise Malformed("Content-Length must be a whole number.")
        if len(declared) > 18 or int(declared) > limit:
            raise _over(limit)
        if declared == b"0":
            return b""
    elif b"transfer-encoding" not in headers:
        return b""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _over(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


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
    left = _LINGER_BYTES
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return


def _over(limit: int) -> TooLarge:
    return TooLarge(f"The body is over the limit of {limit:,} bytes. Send less at once, or raise --max-body-bytes.")
