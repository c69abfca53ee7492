"""Blobs in a folder: `ab/cd/abcd…`, each written beside, flushed, and only then put under its name.

Folders are flushed, too: a name that was acknowledged is there after a loss of power.
https://man7.org/linux/man-pages/man2/fsync.2.html
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, ParamSpec, TypeVar

from hilum.problems import Busy, NoRoom
from hilum.store.blobs.blob import CHUNK, KEY_BYTES, Lying, damaged

P = ParamSpec("P")
T = TypeVar("T")

_INCOMING: Final = "incoming"
_MARK: Final = "identity"
_FLUSH: Final = 64 << 20
"""Bytes after which what was written is brought to the disk: one flush of five gigabytes at the end would hold up
every other one for as long as it takes."""
_SPARE: Final = 64 << 20
"""Bytes that must stay free for the store itself: an upload of known length that leaves less is refused at once."""
_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT))


class FolderBlobs:
    """See `hilum.store.blobs.blob.Blobs`. The folder is made, for its owner only, when something is to be written."""

    memory = 2 << 20

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = str(folder)

    async def put(self, key: bytes, chunks: AsyncIterator[bytes], size: int | None = None) -> None:
        """Keep it: temporary file, flush, rename, flush of the folders."""
        draft = self._folder / _INCOMING / key.hex()
        file = await _away(_begun, draft, size)
        try:
            since = 0
            async for chunk in chunks:
                await _away(file.write, chunk)
                since += len(chunk)
                if since >= _FLUSH:
                    since = 0
                    await _away(os.fdatasync, file.fileno())
            await _away(_finished, file, draft, self._path(key))
        except BaseException:
            file.close()
            with suppress(OSError):
                draft.unlink()
            raise

    async def get(self, key: bytes, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes, in chunks; one thread's turn each."""
        file = await _away(_opened, self._path(key), start)
        if file is None:
            raise damaged()
        try:
            at = start
            while at < stop:
                chunk = await _away(file.read, min(CHUNK, stop - at))
                if not chunk:
                    raise damaged()
                at += len(chunk)
                yield chunk
        finally:
            file.close()

    async def size(self, key: bytes) -> int | None:
        """How long it is."""
        return await _away(_size, self._path(key))

    async def remove(self, key: bytes) -> None:
        """Let go of it; a loss of power may bring it back, as an orphan."""
        await _away(self._path(key).unlink, missing_ok=True)

    async def listed(self) -> AsyncIterator[Lying]:
        """All that there are, folder by folder."""
        for first in await _away(_folders, self._folder):
            for found in await _away(_below, first):
                yield found

    async def sweep(self, before: float) -> int:
        """Uploads that were left half done when a process died: a living one writes, and so changes its file."""
        return await _away(_swept, self._folder / _INCOMING, before)

    async def mark(self) -> str | None:
        """What its file `identity` says."""
        return await _away(_said, self._folder / _MARK)

    async def set_mark(self, text: str) -> None:
        """Write the file `identity`; of several who do, the first."""
        await _away(_written, self._folder / _MARK, text)

    def _path(self, key: bytes) -> Path:
        name = key.hex()
        return self._folder / name[:2] / name[2:4] / name


async def _away(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """On a thread. Raises NoRoom, Busy."""
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except OSError as error:
        if error.errno in _FULL:
            raise full() from None
        raise Busy(f"The content of Binaries can't be reached ({error.strerror}).") from None


def full() -> NoRoom:
    """There is no room for what is to be kept."""
    return NoRoom("The server has no room for this content. Nothing of it was kept.")


def _begun(draft: Path, size: int | None) -> BinaryIO:
    _folder(draft.parent)
    if size is not None and shutil.disk_usage(draft.parent).free < size + _SPARE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)


def _finished(file: BinaryIO, draft: Path, path: Path) -> None:
    os.fsync(file.fileno())
    file.close()
    _folder(path.parent)
    draft.rename(path)
    _flush(path.parent)


def _folder(path: Path) -> None:
    """Make the folder and those above it, and flush what holds a new one."""
    if path.is_dir():
        return
    _folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    _flush(path.parent)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _opened(path: Path, start: int) -> BinaryIO | None:
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        return None
    file.seek(start)
    return file


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _folders(folder: Path) -> list[Path]:
    """The first level: two digits each."""
    try:
        return sorted(one for one in folder.iterdir() if len(one.name) == 2 and one.is_dir())
    except FileNotFoundError:
        return []


def _below(first: Path) -> list[Lying]:
    found = []
    for path in first.glob("??/*"):
        with suppress(FileNotFoundError, ValueError):
            key = bytes.fromhex(path.name)
            if len(key) == KEY_BYTES:
                found.append(Lying(key, path.stat().st_mtime))
    return found


def _swept(incoming: Path, before: float) -> int:
    gone = 0
    for path in incoming.glob("*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()
                gone += 1
    return gone


def _said(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None


def _written(path: Path, text: str) -> None:
    _folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()
    _flush(path.parent)
