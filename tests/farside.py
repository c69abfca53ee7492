"""A real HTTP server on this machine that keeps connections, and answers each request as a function says."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hilum.fhir import json


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    connection: int


Said = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
Answering = Callable[[Asked], Said]


@dataclass
class Farside:
    """A server. `asked`: all that came; `connections`: how many were opened."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str = "/fhir", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def raw(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> bytes:
    """An answer with its length. Names of headers: `_` stands for `-`."""
    fields = {"content-type": "application/fhir+json", "content-length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def fhir(value: Mapping[str, Any], status: str = "200 OK", **headers: str) -> bytes:
    """A resource as an answer."""
    return raw(json.encode(value), status, **headers)


def packed(value: Mapping[str, Any]) -> bytes:
    """A resource as an answer, gzipped."""
    return raw(gzip.compress(json.encode(value)), content_encoding="gzip")


def bundle(*entries: Mapping[str, Any], next: str | None = None, mode: str = "match") -> dict[str, Any]:
    """A searchset."""
    link = [{"relation": "self", "url": "https://ehr.example/self"}]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": link + ([{"relation": "next", "url": next}] if next else []),
        "entry": [one if "resource" in one else {"resource": one, "search": {"mode": mode}} for one in entries],
    }


@asynccontextmanager
async def serving(answering: Answering, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Farside]:
    """Serve until the block ends."""
    here = Farside()
    writers: set[asyncio.StreamWriter] = set()
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        here.connections += 1
        number = here.connections
        try:
            while True:
                asked = await _read(reader, number)
                here.asked.append(asked)
                said = answering(asked)
                if isinstance(said, bytes):
                    writer.write(said)
                else:
                    await said(writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass  # the client is gone, or the test is over
        finally:
            tasks.discard(task)
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()
        for writer in tuple(writers):
            writer.transport.abort()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks)


async def _read(reader: asyncio.StreamReader, connection: int) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    return Asked(method, parts.path, query, headers, body, connection)
