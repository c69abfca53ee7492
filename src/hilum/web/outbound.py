"""Requests to addresses that others chose: key sets of clients, providers of identity. Nothing inside can be reached.

https://owasp.org/www-community/attacks/Server_Side_Request_Forgery, https://www.rfc-editor.org/rfc/rfc9112

A URL is judged by its form, then the name is looked up once and every address is judged, and the connection goes to an
address that was judged: a name that answers differently the second time gains nothing. There are no redirects, no
proxies, and limits on time and size. Nobody is asked to compress what is sent; who does all the same is understood.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import urlencode

import h11

from hilum.web.addresses import Target, allowed, target

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host name and port to all its addresses. Raises OSError."""

HEAD_BYTES: Final = 16 * 1024
CONNECT_SECONDS: Final = 3.0
SECONDS: Final = 5.0
_CHUNK: Final = 16 * 1024
_AGENT: Final = "hilum"


class Unreachable(Exception):
    """There is no answer that could be used. `kind`, for logs and never for who named the URL: form, scheme, port,
    name, address, reserved, connect, tls, time, protocol, redirect, coding, size. `sent`: the request may have arrived.
    """

    def __init__(self, kind: str, *, sent: bool = False) -> None:
        super().__init__(kind)
        self.kind, self.sent = kind, sent


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: of whatever status but 3xx. Names of headers in lower case; of two of one name the first counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Unfolding:
    """A body as it is meant, of one that may be compressed, piece by piece and never beyond `limit` bytes.

    https://www.rfc-editor.org/rfc/rfc9110#section-8.4
    """

    def __init__(self, coding: str, limit: int) -> None:
        """Raises Unreachable (coding) for another one than gzip."""
        name = coding.strip().lower()
        if name not in ("identity", "gzip", "x-gzip"):
            raise Unreachable("coding")
        self._zip = None if name == "identity" else zlib.decompressobj(31)
        self._left, self._begun = limit, False

    def piece(self, piece: bytes) -> bytes:
        """What a piece says. Raises Unreachable (coding, size)."""
        if self._zip is not None:
            self._begun = True
            try:
                piece = self._zip.decompress(piece, self._left + 1)
            except zlib.error:
                raise Unreachable("coding") from None
        self._left -= len(piece)
        if self._left < 0:
            raise Unreachable("size")
        return piece

    def end(self) -> None:
        """It was all. Raises Unreachable (coding) where it is cut off."""
        if self._zip is not None and self._begun and not self._zip.eof:
            raise Unreachable("coding")


async def lookup(host: str, port: int) -> Sequence[str]:
    """The system's own look-up. It can't be given up half-way: a name whose servers are silent holds its thread on, and
    so whoever asks for the same one again waits for that, and takes no other thread.
    """
    asked = _asked.get((host, port))
    if asked is None or asked.done():
        asked = _lookups.submit(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
        _asked[host, port] = asked
        asked.add_done_callback(lambda done: _asked.pop((host, port), None))
    found = await asyncio.shield(asyncio.wrap_future(asked))
    return tuple(dict.fromkeys(str(item[4][0]) for item in found))


_lookups = ThreadPoolExecutor(4, "hilum-lookup")
"""Threads of its own, so that names that never answer keep nothing else waiting."""
_asked: dict[tuple[str, int], Future[Any]] = {}


@lru_cache(maxsize=1)
def trusting() -> ssl.SSLContext:
    """The system's certificates; made once, for it takes 20 ms."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Guard:
    """What may be reached. `loopback`: this machine, over plain http too (the sandbox). `inner`: names of hosts that an
    operator lets have private addresses. `tls`: whom to trust, if not the system's certificates.
    """

    loopback: bool = False
    inner: frozenset[str] = frozenset()
    resolve: Resolve = lookup
    tls: ssl.SSLContext | None = None
    connect_seconds: float = CONNECT_SECONDS
    seconds: float = SECONDS


async def get(url: str, *, limit: int, guard: Guard, headers: Mapping[str, str] | None = None) -> Fetched:
    """GET, a body of at most `limit` bytes. Raises Unreachable."""
    return await send("GET", url, {"accept": "application/json", **(headers or {})}, b"", limit=limit, guard=guard)


async def post(
    url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None, *, limit: int, guard: Guard
) -> Fetched:
    """POST a form. Raises Unreachable."""
    more = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded", **(headers or {})}
    return await send("POST", url, more, urlencode(form).encode(), limit=limit, guard=guard)


async def send(method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int, guard: Guard) -> Fetched:
    """One request and its whole answer. `headers`: beside Host and those of the connection. Raises Unreachable."""
    where = target(url)
    if isinstance(where, str):
        raise Unreachable(where)
    sent = False
    try:
        async with asyncio.timeout(guard.seconds):
            addresses = await judged(where, guard)
            reader, writer = await _connected(where, addresses, guard)
            sent = True
            try:
                return await _exchanged(method, where, headers, body, reader, writer, limit)
            finally:
                writer.transport.abort()
    except Unreachable as error:
        raise Unreachable(error.kind, sent=sent) from None
    except TimeoutError:
        raise Unreachable("time", sent=sent) from None
    except h11.ProtocolError:
        raise Unreachable("protocol", sent=sent) from None
    except (OSError, EOFError):
        raise Unreachable("connect", sent=sent) from None


async def judged(where: Target, guard: Guard) -> Sequence[str]:
    """All addresses of the target, each of which may be reached. Raises Unreachable when one of them may not."""
    if where.literal:
        addresses: Sequence[str] = (where.host,)
    else:
        try:
            addresses = await guard.resolve(where.host, where.port)
        except OSError:
            raise Unreachable("name") from None
    if not addresses:
        raise Unreachable("name")
    if refused := allowed(where, addresses, loopback=guard.loopback, inner=where.host in guard.inner):
        raise Unreachable(refused)
    return addresses


async def _connected(
    where: Target, addresses: Sequence[str], guard: Guard
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the first address that takes one; the certificate is that of the name."""
    tls = (guard.tls or trusting()) if where.scheme == "https" else None
    name = where.host if tls is not None else None
    for last, address in enumerate(addresses, 1 - len(addresses)):
        try:
            async with asyncio.timeout(guard.connect_seconds):
                return await asyncio.open_connection(address, where.port, ssl=tls, server_hostname=name, limit=_CHUNK)
        except ssl.SSLError:
            raise Unreachable("tls") from None
        except OSError:  # TimeoutError among them
            if last == 0:
                raise Unreachable("connect") from None
    raise Unreachable("connect")


async def _exchanged(
    method: str,
    where: Target,
    headers: Mapping[str, str],
    body: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    limit: int,
) -> Fetched:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
    own = {"host": where.authority, "user-agent": _AGENT, "accept-encoding": "identity", "connection": "close"}
    if body or method not in ("GET", "HEAD"):
        own["content-length"] = str(len(body))
    request = h11.Request(method=method, target=where.path, headers=[*own.items(), *headers.items()])
    sent: tuple[h11.Event, ...] = (request, h11.Data(data=body), h11.EndOfMessage())
    writer.write(b"".join(connection.send(event) or b"" for event in sent))
    await writer.drain()
    left = 2 * limit + HEAD_BYTES  # of what comes over the line: chunks may be small, but not without end
    response: h11.Response | None = None
    unfolding = Unfolding("identity", limit)
    content = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            raw = await reader.read(_CHUNK)
            left -= len(raw)
            if left < 0:
                raise Unreachable("size")
            connection.receive_data(raw)
        elif isinstance(event, h11.Response):
            response = event
            unfolding = _judged_head(event, limit)
        elif isinstance(event, h11.Data):
            content += unfolding.piece(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            unfolding.end()
            break
        elif not isinstance(event, h11.InformationalResponse):
            raise Unreachable("protocol")
    assert response is not None
    return Fetched(response.status_code, _fields(response), bytes(content))


def _judged_head(response: h11.Response, limit: int) -> Unfolding:
    """How to read the body."""
    if 300 <= response.status_code < 400:
        raise Unreachable("redirect")
    found = _fields(response)
    if int(found.get("content-length", "0")) > limit:
        raise Unreachable("size")
    return Unfolding(found.get("content-encoding", "identity"), limit)


def _fields(response: h11.Response) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in response.headers:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return found
