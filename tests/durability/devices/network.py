"""A network between agent and server that does to requests what networks, proxies and balancers do.

It knows where requests and answers of HTTP/1.1 end, and for each request that delivers something a seeded dice says
what becomes of it. Remembered requests come again later, out of order, also long after they were answered.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

FATES: Final = {
    "delivered": 60,
    "delayed": 6,
    "cut before": 5,
    "cut within": 5,
    "answer lost": 8,
    "answer cut": 4,
    "doubled": 8,
    "comes again": 8,
}
"""What becomes of a request -> how often."""
REMEMBERED: Final = 200
DELIVERS: Final = re.compile(rb"POST /(fhir|devices/\S*) ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.I)
_TOKEN: Final = re.compile(rb"\r\nauthorization: ([^\r]+)", re.I)
_TROUBLES: Final = (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


@dataclass
class Network:
    """`to`: the port of the server now. `calm`: nothing is done to requests any more. `sent`: whenever
    the server has one.

    `did`: what became of how many; `answers`: to what came again, by status.
    """

    to: int
    chance: random.Random
    calm: bool = False
    did: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    kept: list[bytes] = field(default_factory=list)
    _later: set[asyncio.Task[None]] = field(default_factory=set)
    _token: bytes = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the agent."""
        with suppress(*_TROUBLES):
            while (request := await _message(reader)) is not None:
                answer, whole = await self._carried(request)
                writer.write(answer)
                await writer.drain()
                if not whole:
                    break
        writer.transport.abort()

    async def _carried(self, request: bytes) -> tuple[bytes, bool]:
        """What comes back of it, and whether that is whole; after what is not the connection is cut."""
        if not DELIVERS.match(request):
            answer = await self._exchange(request)
            return answer or b"", answer is not None
        token = _TOKEN.search(request)
        self._token = token[1] if token else b""
        fate = "delivered" if self.calm else self.chance.choices([*FATES], [*FATES.values()])[0]
        self.did[fate] += 1
        self._keep(request)
        answer = await self._fared(fate, request)
        if answer is None or fate == "answer lost":
            return b"", False
        if fate == "answer cut":
            return answer[: self.chance.randrange(len(answer))], False
        return answer, True

    async def _fared(self, fate: str, request: bytes) -> bytes | None:
        """What the server answered in the end, if it was asked."""
        match fate:
            case "cut before":
                return None
            case "cut within":
                with suppress(*_TROUBLES):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.to)
                    writer.write(request[: self.chance.randrange(len(request))])
                    await writer.drain()
                    writer.close()
                return None
            case "delayed":
                await asyncio.sleep(self.chance.random() * 0.2)
            case "doubled":
                both = await asyncio.gather(*(self._exchange(request) for _ in range(self.chance.choice((2, 3)))))
                return self.chance.choice(both)
            case "comes again":
                self._soon(request)
        return await self._exchange(request)

    async def _exchange(self, request: bytes) -> bytes | None:
        """What the server answers, over a connection of its own; None where it went away."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.to, limit=1 << 24)
            try:
                writer.write(request)
                await writer.drain()
                self.sent.set()
                return await _message(reader)
            finally:
                writer.close()
        except _TROUBLES:
            return None

    # --- what comes again ---------------------------------------------------------------------------------------------

    def _keep(self, request: bytes) -> None:
        """A seeded choice of all there ever were, some of the first among them."""
        if len(self.kept) < REMEMBERED:
            self.kept.append(request)
        elif self.chance.random() < 0.1:
            self.kept[self.chance.randrange(REMEMBERED)] = request

    def _soon(self, request: bytes) -> None:
        async def later() -> None:
            await asyncio.sleep(self.chance.random())
            await self.again([request, self.chance.choice(self.kept)])

        task = asyncio.get_running_loop().create_task(later())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def again(self, requests: Iterable[bytes]) -> None:
        """With the token that the agent has now: a relay that repeats an hour later was given one."""
        for request in requests:
            answer = await self._exchange(_TOKEN.sub(b"\r\nauthorization: " + self._token, request, count=1))
            self.answers["none" if answer is None else answer[9:12].decode()] += 1

    async def late(self) -> None:
        """All that is remembered, once more, in another order; when this returns nothing is on its way."""
        while self._later:
            await asyncio.wait(self._later)
        self.chance.shuffle(self.kept)
        await self.again(self.kept)


async def _message(reader: asyncio.StreamReader) -> bytes | None:
    """A request or an answer; None at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    if _CHUNKED.search(head):
        body = b""
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            body += line + await reader.readexactly(size + 2)
            if not size:
                return head + body
    length = _LENGTH.search(head)
    if length is None or head.startswith((b"HTTP/1.1 204", b"HTTP/1.1 304")):
        return head
    return head + await reader.readexactly(int(length[1]))
