"""Sending an answer piece by piece: as fast as the client takes it, and no further once nobody takes it any more.

https://asgi.readthedocs.io/en/latest/specs/www.html#response-body-send-event
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, cast

from hilum.problems import Problem
from hilum.rest.message import Response
from hilum.web import log
from hilum.web.body import Receive

Send = Callable[[dict[str, Any]], Awaitable[None]]
PATIENCE_SECONDS: Final = 60.0
"""How long a client may take for one piece, a quarter of a megabyte or so, before it counts as gone."""


async def send(response: Response, stream: Callable[[], AsyncIterator[bytes]], receive: Receive, send: Send) -> None:
    """Send it. What goes wrong on the way ends the connection before the last byte, so that the client notices.

    An empty piece is not sent: it is a moment at which a client that has gone away is noticed.
    """
    if response.length >= 0:
        response.headers.append((b"content-length", b"%d" % response.length))
    await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
    gone = asyncio.ensure_future(_gone(receive))
    try:
        async with aclosing(cast(Any, stream())) as chunks:
            async for chunk in chunks:
                if gone.done():
                    return
                if not chunk:
                    continue
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except Problem as problem:
        log.error("answer cut off", text=str(problem))
        return
    except TimeoutError:
        log.info("answer cut off", text="The client did not take it.")
        return
    finally:
        gone.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    """Until the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
