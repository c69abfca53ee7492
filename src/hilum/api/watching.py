"""Something that changes, watched: server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html

Each event tells all that there is to know, so that nothing has to be kept of what was missed in between, and another
process can go on with the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hilum.fhir import json
from hilum.problems import Problem

MEDIA: Final = "text/event-stream"
STREAM: Final = "hilum.response.stream"
"""The message of an answer that is sent in pieces, as they come; an empty one says nothing. `length`: of all; -1: there
is none.
"""
RETRY: Final = b"retry: 2000\n\n"
BEAT: Final = b":\n\n"
"""Says that the stream is there."""
WATCHED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {MEDIA: {}}, "description": "Server-sent events, until nothing is done any more."},
    204: {"description": "It is over, and you have seen the end of it: do not come again."},
}


class Pieces(Response):
    """Handed as it is to what sends it: nothing is copied on the way, and who has gone away is seen there."""

    def __init__(
        self,
        pieces: Callable[[], AsyncIterator[bytes]],
        status: int = 200,
        headers: dict[str, str] | None = None,
        media_type: str | None = None,
        length: int = -1,
    ) -> None:
        super().__init__(status_code=status, headers=headers, media_type=media_type)
        self._pieces, self._length = pieces, length

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises what `send` raises."""
        headers = [header for header in self.raw_headers if header[0] != b"content-length"]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": STREAM, "pieces": self._pieces, "length": self._length})


class Stream(Pieces):
    """Server-sent events."""

    media_type = MEDIA

    def __init__(self, pieces: Callable[[], AsyncIterator[bytes]]) -> None:
        super().__init__(pieces, headers={"x-accel-buffering": "no"})  # nginx would keep them together


def seen(last_event_id: str) -> int:
    """The version that a client has seen; 0 for none, or what was no id of ours."""
    return int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 16 else 0


class Look(NamedTuple):
    """What somebody who watches sees. `news`: what to tell of this version, None where it was told before; `end`: what
    is told last, None where more may come.
    """

    version: int
    news: bytes | None
    end: bytes | None


async def changes(
    name: str, look: Callable[[int], Awaitable[Look]], seen: int, seconds: float, beat: int
) -> AsyncIterator[bytes]:
    """The stream; an empty piece at each look in which there was nothing, so that who has gone away is noticed.

    `look`: is told what was seen, and looks at the token each time: one that ends, ends the stream. `seconds`: between
    two looks; `beat`: after so many in which nothing happened the stream says that it is there.
    """
    yield RETRY
    quiet = 0
    while True:
        try:
            found = await look(seen)
        except Problem as problem:
            yield event("problem", outcome(problem))
            return
        if found.news is not None:
            seen, quiet = found.version, 0
            yield event(name, found.news, seen)
        if found.end is not None:
            yield event("end", found.end, seen)
            return
        quiet += 1
        yield b"" if quiet % beat else BEAT
        await asyncio.sleep(seconds)


def event(name: str, data: bytes, version: int = 0) -> bytes:
    """JSON as it is written here has no line breaks."""
    return b"event: %b\n%bdata: %b\n\n" % (name.encode(), b"id: %d\n" % version if version else b"", data)


def outcome(problem: Problem) -> bytes:
    """An OperationOutcome."""
    issues = [{"severity": one.severity, "code": one.code, "diagnostics": one.diagnostics} for one in problem.issues]
    return json.encode({"resourceType": "OperationOutcome", "issue": issues})
