"""The floor as an ASGI application: five kinds of request, told apart by method and path alone."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import unquote

from bench.floor import wire
from bench.floor.rows import Keys, Numbers, extractors, moment
from bench.floor.trail import Trail
from bench.floor.wire import Made, Version

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Store(Protocol):
    """What a floor's store does; see sqlite.py."""

    keys: Keys

    async def open(self) -> None:
        """Connect."""
        ...

    async def create(self, interaction: str, made: list[Made]) -> list[Version]:
        """New resources, durable when it returns."""
        ...

    async def update(self, made: Made) -> Version:
        """The next version, durable when it returns."""
        ...

    async def read(self, type: str, id: str) -> tuple[int, int, bytes]:
        """(version, seq, body)."""
        ...

    async def by_token(self, parameter: int, value: int, count: int) -> list[tuple[int, bytes]]:
        """(rid, body), newest first."""
        ...

    async def by_reference(
        self, parameter: int, target: tuple[str, str], token: int, value: int, count: int
    ) -> list[tuple[int, bytes]]:
        """(rid, body), newest first."""
        ...

    async def by_date(
        self, token: tuple[int, int], parameter: int, start: int, end: int, count: int
    ) -> list[tuple[int, bytes]]:
        """(rid, body) of what has the token and a date between (end exclusive), newest first."""
        ...

    async def referred(self, parameter: int, rids: list[int]) -> list[tuple[int, bytes]]:
        """(rid, body) of what these refer to, each once."""
        ...


class Application:
    """`await application(scope, receive, send)`."""

    def __init__(self, store: Store, numbers: Numbers, base: str, trail: Trail) -> None:
        self._store, self._trail = store, trail
        self._keys = store.keys
        self._extract = extractors(numbers, store.keys)
        self._leaves = numbers.leaves
        self._base = base.encode()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One request, or the lifespan."""
        if scope["type"] == "lifespan":
            await receive()
            await self._store.open()
            gc.collect()
            gc.freeze()  # what is there stays; without this, collections walk it again and again
            gc.set_threshold(100_000, 50, 1000)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        path: str = scope["path"]
        method: str = scope["method"]
        if method == "GET":
            _, _, type, *id = path.split("/")
            if id:
                version, seq, body = await self._store.read(type, id[0])
                await self._trail.told("read", type, id[0], version, "", (seq,))
                status, headers = 200, wire.read_headers(version, seq, len(body))
            else:
                body = await self._search(type, scope["query_string"])
                status, headers = 200, wire.plain_headers(len(body))
        else:
            message = await receive()
            raw: bytes = message["body"]
            if message["more_body"]:
                parts = [raw]
                while message["more_body"]:
                    message = await receive()
                    parts.append(message["body"])
                raw = b"".join(parts)
            if method == "PUT":
                made = await self._update(path, raw)
                status, headers, body = 200, wire.write_headers(self._base, made), made.raw
            elif len(path) > 6:
                made = await self._create(path[6:], raw)
                status, headers, body = 201, wire.write_headers(self._base, made), made.raw
            else:
                body = await self._transaction(raw)
                status, headers = 200, wire.plain_headers(len(body))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _create(self, type: str, raw: bytes) -> Version:
        id, key_bytes = wire.uuid7()
        made = Made(type, id, key_bytes, *wire.around(type, id, raw, len(type) + 19), self._extract[type](raw, id))
        return (await self._store.create("create", [made]))[0]

    async def _update(self, path: str, raw: bytes) -> Version:
        _, _, type, id = path.split("/")
        skip = len(type) + 19 + len(id) + 8
        made = Made(type, id, wire.key_of(id), *wire.around(type, id, raw, skip), self._extract[type](raw, id))
        return await self._store.update(made)

    async def _transaction(self, raw: bytes) -> bytes:
        entries = wire.decode_bundle(raw).entry
        names: dict[bytes, bytes] = {}
        ids = []
        for entry in entries:
            id, key_bytes = wire.uuid7()
            ids.append((id, key_bytes))
            names[entry.fullUrl.encode()] = f'"reference":"{entry.request.url}/{id}"'.encode()
        job = []
        for entry, (id, key_bytes) in zip(entries, ids, strict=True):
            type = entry.request.url
            body = wire.find_urn.sub(lambda found: names[found[1]], bytes(entry.resource))
            around = wire.around(type, id, body, len(type) + 19)
            job.append(Made(type, id, key_bytes, *around, self._extract[type](body, id)))
        return wire.transaction_response(self._base, await self._store.create("transaction", job))

    async def _search(self, type: str, query: bytes) -> bytes:
        plain = unquote(query.decode())
        asked = dict(part.split("=", 1) for part in plain.split("&"))
        count = int(asked.get("_count", 20))
        leaf = self._leaves[type]
        if "identifier" in asked:
            system, _, code = asked["identifier"].partition("|")
            found = await self._store.by_token(leaf["identifier"][0], self._keys.key(system, code), count + 1)
        else:
            system, _, code = asked["code"].partition("|")
            token = leaf["code"][0], self._keys.known(system, code)
            if "patient" in asked:
                owner = ("Patient", asked["patient"])
                found = await self._store.by_reference(leaf["subject"][0], owner, *token, count + 1)
            else:
                first, _, last = plain.partition("date=ge")[2].partition("&date=lt")
                start, end = (moment(f"{text[:16]}:00+00:00") for text in (first, last))
                found = await self._store.by_date(token, leaf["date"][0], start, end, count + 1)
        after = found[count - 1][0] if len(found) > count else None
        entries = found[:count]
        included = []
        if "_include" in asked:
            included = await self._store.referred(leaf["encounter"][0], [rid for rid, _ in entries])
        shown = (*(rid for rid, _ in entries), *(rid for rid, _ in included))
        await self._trail.told("search-type", type, "", 0, plain, shown)
        return wire.searchset(
            self._base,
            type,
            plain.encode(),
            [_named(raw) for _, raw in entries],
            after,
            [_named(raw) for _, raw in included],
        )


def _named(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """(type, id, body) of bytes that begin {"resourceType":"<type>","id":"<id>"."""
    type = raw[17 : raw.index(b'"', 17)]
    start = len(type) + 25
    return type, raw[start : start + 36], raw
