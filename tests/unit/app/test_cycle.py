"""An answer's head is what uvicorn would write, and what would not be a head is refused."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from hilum.app.cycle import Cycle

Headers = list[tuple[bytes, bytes]]
HEADERS: Headers = [(b"content-type", b"application/fhir+json; charset=utf-8"), (b"x-request-id", b"a-1")]


class Wire(asyncio.Transport):
    """Remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def cycle(made: type[RequestResponseCycle], method: str = "GET", *, keep_alive: bool = True) -> tuple[Any, Wire]:
    wire = Wire()
    log = logging.getLogger("test")
    scope: Any = {"method": method}  # what `send` looks at
    found = RequestResponseCycle(
        scope=scope,
        transport=wire,
        flow=FlowControl(wire),
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[(b"date", b"Sun, 22 Nov 2026 12:00:00 GMT")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )
    found.__class__ = made
    return found, wire


async def answered(
    made: type[RequestResponseCycle], status: int, headers: list[tuple[bytes, bytes]], **how: Any
) -> Any:
    found, wire = cycle(made, **how)
    await found.send({"type": "http.response.start", "status": status, "headers": headers})
    await found.send({"type": "http.response.body", "body": b"" if status == 204 else b"{}"})
    assert found.response_complete
    return wire.written, wire.closed


@pytest.mark.parametrize("how", [{}, {"method": "HEAD"}, {"keep_alive": False}])
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, [*HEADERS, (b"content-length", b"2")]),
        (404, [(b"content-length", b"2"), *HEADERS]),
        (413, [*HEADERS, (b"connection", b"close"), (b"content-length", b"2")]),
        (200, HEADERS),
        (204, HEADERS),
    ],
)
async def test_the_answer_is_the_one_of_uvicorn(status: int, headers: Headers, how: Any) -> None:
    wanted = await answered(RequestResponseCycle, status, headers, **how)
    assert await answered(Cycle, status, headers, **how) == wanted


@pytest.mark.parametrize(
    "header", [(b"etag", b"a\r\nset-cookie: b"), (b"etag", b"a\0"), (b"e tag", b"a"), (b"a:b", b"c")]
)
async def test_a_header_that_would_end_early_is_refused(header: tuple[bytes, bytes]) -> None:
    found, wire = cycle(Cycle)
    with pytest.raises(RuntimeError):
        await found.send({"type": "http.response.start", "status": 200, "headers": [header, (b"content-length", b"0")]})
    assert wire.written == b""
    assert not found.response_started
