"""Far sides for the agent to send to: real HTTPS servers with a certificate of their own, told what to say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.loopback import certificate, serving

from hilum.agent.batch import Batch
from hilum.agent.identity import Identity, made
from hilum.agent.sending import settings
from hilum.agent.sending.far import Far

BATCH = "urn:uuid:7d3f6c1e-2f1a-4c55-9a63-0d5d7c1c7a10"
FHIR = "application/fhir+json"


@dataclass
class Request:
    """What came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What goes back. `cut`: nothing goes back, though it was done."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False

    @property
    def raw(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        said = {"content-type": FHIR, "content-length": str(len(body)), "connection": "close"} | self.headers
        head = [f"HTTP/1.1 {self.status} So", *(f"{name}: {value}" for name, value in said.items())]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body


Answering = Callable[[Request], Reply]


@dataclass
class Side:
    """`url`: its root. `seen`: requests in their order."""

    url: str
    ca: Path
    seen: list[Request] = field(default_factory=list)


@asynccontextmanager
async def far_side(folder: Path, answering: Answering) -> AsyncIterator[Side]:
    """Until the block ends."""
    tls, _ = certificate(folder, "localhost")
    side = Side("", folder / "certificate.pem")

    async def answer(raw: bytes, writer: asyncio.StreamWriter) -> None:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        side.seen.append(Request(method, target, headers, body))
        reply = answering(side.seen[-1])
        if not reply.cut:
            writer.write(reply.raw)

    async with serving(answer, tls=tls) as here:
        side.url = f"https://localhost:{here.port}"
        yield side


def agent(folder: Path, side: Side, way: str, path: str = "", table: dict[str, Any] | None = None) -> Far:
    """An agent that sends there and signs in nowhere."""
    document = {"send": {"to": side.url + path, "way": way, "ca": str(side.ca)}} | (table or {})
    return Far(settings.read(document, folder), identity(folder))


def identity(folder: Path) -> Identity:
    return made(folder / "agent", "Kitchen")


def batch(*taken: Any, id: str = BATCH, person: int | None = None, tries: int = 0, **done: str) -> Batch:
    return Batch(id, taken[0].device.key, person, taken, tries, done)


class Notes:
    """Where ways note how far they came."""

    def __init__(self) -> None:
        self.done: dict[str, str] = {}

    async def note(self, batch: str, entry: str, reference: str) -> None:
        self.done[entry] = reference
