"""What was read, on disk before the answer goes out: hilum's audit trail in its default mode, `strict`.

Entries that come up while a group is being flushed are the next group: one encoding, one link of the chain, one write
and one flush for all of them. A group: its length (u32), the entries (MessagePack), SHA-256 of the link before it and
them.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable
from hashlib import sha256
from queue import SimpleQueue
from typing import Final

import msgspec

_ROOM: Final = 64 << 20
_LINK: Final = 32
_encode: Final = msgspec.msgpack.Encoder().encode

Entry = tuple[int, str, str, str, str, str, int, str, tuple[int, ...]]
"""Microseconds, address, request, interaction, type, id, version, query, rids of what was shown."""


class Trail:
    """`await told(...)` returns once the entry is durable."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.posix_fallocate(self._file, 0, _ROOM)
        self._at, self._link = 0, bytes(_LINK)
        self._waiting: list[Entry] = []
        self._next: asyncio.Future[None] | None = None
        self._busy = False
        self._jobs: SimpleQueue[tuple[int, bytes, asyncio.Future[None]]] = SimpleQueue()
        threading.Thread(target=self._write, daemon=True).start()

    def told(
        self, interaction: str, type: str, id: str, version: int, query: str, shown: tuple[int, ...]
    ) -> Awaitable[None]:
        """One access."""
        at = time.time_ns() // 1000
        self._waiting.append((at, "127.0.0.1", "", interaction, type, id, version, query, shown))
        if self._next is None:
            self._loop = asyncio.get_running_loop()
            self._next = self._loop.create_future()
            if not self._busy:
                self._busy = True
                self._loop.call_soon(self._hand)
        return self._next

    def _hand(self) -> None:
        waiting, self._waiting = self._waiting, []
        future, self._next = self._next, None
        assert future is not None
        payload = _encode(waiting)
        self._link = sha256(self._link + payload).digest()
        content = len(payload).to_bytes(4, "big") + payload + self._link
        self._jobs.put((self._at, content, future))
        self._at += len(content)

    def _write(self) -> None:
        while True:
            at, content, future = self._jobs.get()
            os.pwrite(self._file, content, at)
            os.fdatasync(self._file)
            self._loop.call_soon_threadsafe(self._done, future)

    def _done(self, future: asyncio.Future[None]) -> None:
        if self._next is not None:
            self._hand()
        else:
            self._busy = False
        future.set_result(None)


def count(path: str) -> int:
    """How many entries a file has."""
    found = at = 0
    with open(path, "rb") as file:
        raw = file.read()
    while length := int.from_bytes(raw[at : at + 4], "big"):
        found += len(msgspec.msgpack.decode(raw[at + 4 : at + 4 + length]))
        at += 4 + length + _LINK
    return found
