"""A small HTTP client over asyncio streams: quick enough to keep a server under load while it is killed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A whole response that arrived."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One keep-alive connection. Raises ConnectionError when the server goes away before the answer is whole."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        payload = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} /fhir{path} HTTP/1.1", "host: 127.0.0.1", f"authorization: Bearer {self._token}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body is not None:
            lines += ["content-type: application/fhir+json", f"content-length: {len(payload)}"]
        writer.write("\r\n".join([*lines, "", ""]).encode() + payload)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            status, *rest = head.decode().split("\r\n")
            found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}
            content = await reader.readexactly(int(found.get("content-length", "0")))
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("the server went away") from None
        return Answer(int(status.split()[1]), found, content)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
