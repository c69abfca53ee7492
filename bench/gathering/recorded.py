"""`python -m bench.gathering.recorded`: an EHR that answers from memory, so that it costs little.

What it was never asked it fetches from `--ehr`, and puts its own address in place of that one's in the answer, so that
links lead here. GET /recorded tells what was asked, in its order, with the headers of the first request; what is
POSTed is taken (202), as a receiver of what was gathered does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from typing import cast

import httptools
import httpx
import msgspec
import uvloop

_LEFT_OUT = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})
_PLAIN = frozenset({"host", "connection", "content-length"})
TAKEN = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"


class Recorded(msgspec.Struct, frozen=True):
    """What was asked. `headers`: of the first request; `bytes`: of all answers' bodies, as they went over the wire."""

    targets: list[str]
    headers: dict[str, str]
    bytes: int


class Memory:
    """Answers by target. `ehr` and `here`: host and port."""

    def __init__(self, ehr: str, here: str) -> None:
        self._ehr, self._here = ehr.encode(), here.encode()
        self._client = httpx.AsyncClient(base_url=f"http://{ehr}", timeout=60)
        self.answers: dict[bytes, bytes] = {}
        self._headers: dict[str, str] = {}
        self._asked: list[bytes] = []

    async def fetched(self, target: bytes, headers: Mapping[str, str]) -> bytes:
        """The answer of the EHR, whole."""
        asked = {name: value for name, value in headers.items() if name not in _PLAIN}
        request = self._client.build_request("GET", target.decode(), headers=asked)
        answer = await self._client.send(request, stream=True)
        body = b"".join([piece async for piece in answer.aiter_raw()])
        await answer.aclose()
        if "content-encoding" in answer.headers:
            raise ValueError("The EHR compresses its answers, in which no address can be put in place of another.")
        where = target.partition(b"?")[0]
        if where.startswith(b"/fhir/") and b"/.well-known/" not in where and answer.status_code == 200:
            body = body.replace(self._ehr, self._here)
            self._headers = self._headers or asked
        kept = "".join(f"{name}: {text}\r\n" for name, text in answer.headers.items() if name not in _LEFT_OUT)
        whole = f"HTTP/1.1 {answer.status_code} -\r\n{kept}content-length: {len(body)}\r\n\r\n".encode() + body
        self.answers[target] = whole
        return whole

    def known(self, target: bytes) -> bytes | None:
        """The answer, if it is known."""
        if b"/.well-known/" not in target:
            self._asked.append(target)
        return self.answers.get(target)

    def told(self) -> bytes:
        """What was asked so far: what was asked twice stands there twice."""
        bodies = sum(len(self.answers[one].partition(b"\r\n\r\n")[2]) for one in self._asked)
        body = msgspec.json.encode(Recorded([one.decode() for one in self._asked], self._headers, bodies))
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


class Line(asyncio.Protocol):
    """A connection of a client: one request at a time."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[str, str] = {}
        self._work: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not registered as such

    def data_received(self, data: bytes) -> None:
        """A request, or a part of it."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Another request."""
        self._target, self._headers = b"", {}

    def on_url(self, url: bytes) -> None:
        """Its target, or a part of it."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Names in lower case."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_message_complete(self) -> None:
        """Answer it."""
        if self._parser.get_method() != b"GET":
            self._transport.write(TAKEN)
        elif self._target == b"/recorded":
            self._transport.write(self._memory.told())
        elif (known := self._memory.known(self._target)) is not None:
            self._transport.write(known)
        else:
            self._work = asyncio.create_task(self._fetch(self._target, self._headers))

    async def _fetch(self, target: bytes, headers: Mapping[str, str]) -> None:
        try:
            self._transport.write(await self._memory.fetched(target, headers))
        except (httpx.HTTPError, ValueError) as error:
            print(error, file=sys.stderr)
            self._transport.abort()


async def serve(ehr: str, port: int) -> None:
    """Until it is ended."""
    memory = Memory(ehr, f"127.0.0.1:{port}")
    server = await asyncio.get_running_loop().create_server(lambda: Line(memory), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ehr", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    try:
        uvloop.run(serve(given.ehr, given.port))
    except KeyboardInterrupt:
        sys.exit(0)
