"""A blob: the content of one large Binary, and the places that blobs are kept in.

A blob is written once under a key of its own and never changes. Its key says nothing of its content; length and
SHA-256 stand with the version that refers to it (`references`), and are compared when it is read.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from hilum.problems import Spoiled

CHUNK: Final = 1 << 18
"""Bytes that are read at a time."""
KEY_BYTES: Final = 16
_THREAD: Final = 1 << 16


class Blob(NamedTuple):
    """What a version says of its blob. `digest`: SHA-256 of the content."""

    key: bytes
    digest: bytes
    size: int


class Lying(NamedTuple):
    """What lies in a place. `changed`: when it was written, in seconds since 1970, by the clock of the place."""

    key: bytes
    changed: float


class Blobs(Protocol):
    """A place for blobs: a folder, a bucket, memory. All methods may raise Busy, none a driver's own error.

    `name`: for people. `memory`: bytes that one upload holds at most.
    """

    name: str
    memory: int

    async def put(self, key: bytes, chunks: AsyncIterator[bytes], size: int | None = None) -> None:
        """Keep what the chunks hold (`size` bytes, where that is known); when it returns, that survives power loss.

        Whatever the chunks raise is raised, and then nothing is kept. Raises NoRoom.
        """
        ...

    def get(self, key: bytes, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `stop`, in chunks. Raises Spoiled where they are not there."""
        ...

    async def size(self, key: bytes) -> int | None:
        """How long it is; None: it is not there."""
        ...

    async def remove(self, key: bytes) -> None:
        """Let go of it, if it is there."""
        ...

    def listed(self) -> AsyncIterator[Lying]:
        """All that there are, in any order; what comes and goes meanwhile may be among them or not."""
        ...

    async def sweep(self, before: float) -> int:
        """Take away what was begun, not finished, and not gone on with since `before`; how many there were."""
        ...

    async def mark(self) -> str | None:
        """The mark of the place, which tells it from others; None: it has none yet."""
        ...

    async def set_mark(self, text: str) -> None:
        """Give it this mark, unless it has one: of several at once, one is first."""
        ...


class Tally:
    """Counts and digests what passes through."""

    def __init__(self) -> None:
        self._hash = sha256()
        self.size = 0

    async def through(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks. SHA-256 of a megabyte takes a thread as long as the event loop could answer ten reads."""
        async for chunk in chunks:
            self.size += len(chunk)
            if len(chunk) > _THREAD:
                await asyncio.to_thread(self._hash.update, chunk)
            else:
                self._hash.update(chunk)
            yield chunk

    @property
    def digest(self) -> bytes:
        """SHA-256 of what has passed."""
        return self._hash.digest()


async def keep(blobs: Blobs, chunks: AsyncIterator[bytes], size: int | None = None) -> Blob:
    """Keep it under a new key. Raises what the chunks raise, NoRoom, Busy."""
    key, tally = os.urandom(KEY_BYTES), Tally()
    await blobs.put(key, tally.through(chunks), size)
    return Blob(key, tally.digest, tally.size)


async def whole(blobs: Blobs, blob: Blob) -> AsyncIterator[bytes]:
    """All of it; the last chunk is held back until length and digest are known to be right. Raises Spoiled."""
    tally = Tally()
    last: bytes | None = None
    async for chunk in tally.through(blobs.get(blob.key, 0, blob.size)):
        if last is not None:
            yield last
        last = chunk
    if (tally.size, tally.digest) != (blob.size, blob.digest):
        raise damaged()
    if last is not None:
        yield last


def damaged() -> Spoiled:
    """Of a blob that is not what was written."""
    return Spoiled(
        "The content of a Binary is damaged or missing. `hilum check` says which; it has to come from a backup."
    )
