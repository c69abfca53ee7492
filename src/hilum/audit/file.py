"""One file of the trail: a head, then frames, each with its link; the last one may be torn, if its process was killed.

    head   MAGIC, 8 bytes of the process, how many entries came before (u64), the link before it (32 bytes)
    frame  length of the payload (u32), payload, link (32 bytes)

A file grows in steps of zeros, so that a flush seldom has to write down a new size; a length of 0 is the end.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from hilum.audit.chain import link
from hilum.problems import Damaged

if sys.platform != "win32":
    import fcntl

MAGIC: Final = b"hilum audit 0001"
_HEAD: Final = struct.Struct(">16s8sQ32s")
_LENGTH: Final = struct.Struct(">I")
_LINK: Final = 32
_STEP: Final = 8 << 20
_SUFFIX: Final = ".log"


class Log(NamedTuple):
    """What a file says. `first`: how many entries of the process came before it. `before`, `after`: links at both ends.

    `torn`: bytes after the last frame that are none: what was being written when the process was killed.
    """

    process: bytes
    first: int
    before: bytes
    after: bytes
    payloads: tuple[bytes, ...]
    body: bytes
    torn: int


def head(process: bytes, first: int, before: bytes) -> bytes:
    """What a file begins with."""
    return _HEAD.pack(MAGIC, process, first, before)


def framed(payload: bytes, linked: bytes) -> bytes:
    """A frame as it stands in the file."""
    return _LENGTH.pack(len(payload)) + payload + linked


class Writing:
    """A file that this process writes, and holds the lock of until `close`: others leave it alone so long."""

    def __init__(self, directory: Path, process: bytes, number: int) -> None:
        """Raises OSError."""
        self.path = directory / f"{process.hex()}-{number:06d}{_SUFFIX}"
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._room = 0
        if sys.platform != "win32":
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def write(self, at: int, content: bytes) -> None:
        """Write there and flush: when this returns, it survives a power loss. Raises OSError."""
        end = at + len(content)
        if end > self._room and hasattr(os, "posix_fallocate"):
            step = -(-end // _STEP) * _STEP
            with suppress(OSError):  # a file system that can't; where there is no room the write says so
                os.posix_fallocate(self._file, 0, step)
            self._room = step
        rest = memoryview(content)
        while rest:
            done = os.pwrite(self._file, rest, at)
            at, rest = at + done, rest[done:]
        getattr(os, "fdatasync", os.fsync)(self._file)

    def close(self) -> None:
        """Give back the lock with the file."""
        os.close(self._file)


def logs(directory: Path) -> Sequence[Path]:
    """The files that there are, those of a process in their order."""
    return sorted(directory.glob(f"*{_SUFFIX}")) if directory.is_dir() else []


def orphan(path: Path) -> int | None:
    """The descriptor of a file whose process is gone, locked by this one now; None where somebody has it."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:  # settled by another process meanwhile
        return None
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
    if not path.exists():
        os.close(file)
        return None
    return file


def read(path: Path) -> Log | None:
    """What the file says, without what is torn; None where nothing was written yet.

    Raises Damaged when it was altered: a frame whose link does not hold, with others after it that stand on it.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Damaged(f"The audit file {path} can't be read: {error.strerror}.") from None
    if not raw.rstrip(b"\0"):
        return None
    if len(raw) < _HEAD.size or raw[: len(MAGIC)] != MAGIC:
        raise Damaged(f"The audit file {path} does not begin as one.")
    _, process, first, before = _HEAD.unpack_from(raw)
    payloads: list[bytes] = []
    at, after = _HEAD.size, before
    while (found := _frame(raw, at)) is not None:
        payload, linked, end = found
        if link(after, payload) != linked:
            following = _frame(raw, end)
            if following is not None and link(linked, following[0]) == following[1]:
                raise Damaged(f"The audit file {path} was altered: frame {len(payloads)} does not hold.")
            break
        payloads.append(payload)
        at, after = end, linked
    torn = len(raw[at:].rstrip(b"\0"))
    return Log(process, first, before, after, tuple(payloads), raw[_HEAD.size : at], torn)


def frames(body: bytes) -> list[tuple[bytes, bytes]]:
    """(payload, link) of each frame of a body, which is one after the other. Raises Damaged."""
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(body):
        one = _frame(body, at)
        if one is None:
            raise Damaged("A segment of the audit trail ends within a frame.")
        found.append(one[:2])
        at = one[2]
    return found


def _frame(raw: bytes, at: int) -> tuple[bytes, bytes, int] | None:
    """(payload, link, where the next one begins); None where no whole one is."""
    if at + _LENGTH.size > len(raw):
        return None
    (length,) = _LENGTH.unpack_from(raw, at)
    begin = at + _LENGTH.size
    end = begin + length + _LINK
    if not length or end > len(raw):
        return None
    return raw[begin : begin + length], raw[begin + length : end], end
