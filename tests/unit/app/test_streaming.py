"""An answer in pieces: with its length where that is known, and without one for what has no end of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from hilum.app import streaming
from hilum.rest.message import Response

Sent = list[dict[str, Any]]


async def sent(length: int, *pieces: bytes, gone_after: int = 99) -> Sent:
    found: Sent = []
    leaving = asyncio.Event()

    async def stream() -> AsyncIterator[bytes]:
        for number, piece in enumerate(pieces):
            if number == gone_after:
                leaving.set()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            yield piece

    async def receive() -> dict[str, Any]:
        await leaving.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        found.append(message)

    await streaming.send(Response(200, [], stream=stream, length=length), stream, receive, send)
    return found


def bodies(found: Sent) -> list[bytes]:
    return [one["body"] for one in found[1:]]


async def test_what_has_a_length_says_it() -> None:
    found = await sent(4, b"ab", b"cd")
    assert found[0]["headers"] == [(b"content-length", b"4")]
    assert (bodies(found), found[-1].get("more_body", False)) == ([b"ab", b"cd", b""], False)


async def test_what_has_none_says_none() -> None:
    assert (await sent(-1, b"ab"))[0]["headers"] == []


async def test_an_empty_piece_is_not_sent() -> None:
    assert bodies(await sent(-1, b"", b"ab", b"", b"cd")) == [b"ab", b"cd", b""]


async def test_nor_is_anything_to_who_has_gone_away() -> None:
    assert bodies(await sent(-1, b"ab", b"", b"cd", gone_after=1)) == [b"ab"]
