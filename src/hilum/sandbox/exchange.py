"""One request put to the server behind, and its answer taken whole. https://asgi.readthedocs.io/en/latest/specs/www.html"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hilum.fhir import json
from hilum.web.fields import Header

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON: Final = (b"content-type", b"application/json")
FHIR_JSON: Final = (b"content-type", b"application/fhir+json; charset=utf-8")
FHIR_XML: Final = (b"content-type", b"application/fhir+xml; charset=utf-8")
HTML: Final = (b"content-type", b"text/html; charset=utf-8")
NO_STORE: Final = (b"cache-control", b"no-store")
_OF_THE_CONNECTION: Final = frozenset((b"content-length", b"connection", b"transfer-encoding"))
LONGEST: Final = 1 << 20
"""Bytes of a body that the sandbox itself reads: forms, and Bundles of a vendor that does not take all kinds."""


@dataclass(slots=True)
class Reply:
    """An answer, whole."""

    status: int
    headers: list[Header] = field(default_factory=list)
    body: bytes = b""

    @property
    def is_fhir(self) -> bool:
        """Whether it has a body that is FHIR in JSON."""
        return bool(self.body) and any(
            name == b"content-type" and value.startswith(b"application/fhir+json") for name, value in self.headers
        )

    def with_body(self, body: bytes, content_type: Header) -> Reply:
        """The same, with another body."""
        kept = [header for header in self.headers if header[0] != b"content-type"]
        return Reply(self.status, [*kept, content_type], body)


def json_reply(status: int, value: Any, *headers: Header) -> Reply:
    """JSON that is no FHIR."""
    return Reply(status, [JSON, NO_STORE, *headers], json.encode(value))


class TooLong(Exception):
    """A body is longer than any that is meant."""


async def body_of(receive: Receive) -> bytes:
    """The whole body. Raises TooLong."""
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > LONGEST:
            raise TooLong
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def ask(
    inner: App,
    scope: Scope,
    *,
    method: str = "GET",
    path: bytes,
    query: bytes = b"",
    headers: list[Header],
    body: bytes | None = None,
    receive: Receive | None = None,
) -> Reply:
    """What the server behind answers to this in place of what came. `receive`: the body as it comes, where it is not
    one that was read.
    """
    if body is not None:
        headers = [header for header in headers if header[0] not in _OF_THE_CONNECTION]
        headers.append((b"content-length", b"%d" % len(body)))
    asked = {
        **scope,
        "method": method,
        "raw_path": path,
        "path": path.decode("latin-1"),
        "query_string": query,
        "headers": headers,
    }
    reply = Reply(0)

    async def given() -> dict[str, Any]:
        return {"type": "http.request", "body": body or b"", "more_body": False}

    async def take(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = [header for header in message["headers"] if header[0] not in _OF_THE_CONNECTION]
        else:
            reply.body += message.get("body", b"")

    await inner(asked, receive or given, take)
    return reply


async def answer(reply: Reply, send: Send, *, without_body: bool = False) -> None:
    """Send it. `without_body`: to a HEAD."""
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if without_body else reply.body})


async def cut_off(reply: Reply, send: Send) -> None:
    """Send half of it and end there: the server closes the connection under an answer that is not whole."""
    size = len(reply.body)
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [*reply.headers, (b"content-length", b"%d" % size)],
        }
    )
    await send({"type": "http.response.body", "body": reply.body[: size // 2], "more_body": True})
