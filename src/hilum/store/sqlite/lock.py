"""Turns between processes: a lock on a side file, which the kernel gives back when its process ends, however it does.

Who waits for it sleeps in the kernel, and is not polling SQLite's own lock. https://man7.org/linux/man-pages/man2/flock.2.html
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

if sys.platform != "win32":  # there SQLite's own waiting has to do
    import fcntl

TURN = "-turn"
"""The side file of the store's file by which processes take turns at writing."""
INDEX = "-turn-index"
"""The one that the process holds, for as long as it lives, which indexes custom search parameters."""
REINDEX = "-turn-reindex"
"""The one that a `hilum reindex` holds."""


class Lock:
    """One lock, open. The file is made, readable by its owner only, and never deleted: others may wait for it."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> None:
        """Wait until it is ours."""
        if sys.platform != "win32":
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def free(self) -> bool:
        """Take it if nobody else has it; whether it is ours now."""
        if sys.platform != "win32":
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def give(self) -> None:
        """Let others have it."""
        if sys.platform != "win32":
            fcntl.flock(self._file, fcntl.LOCK_UN)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Ours within this block."""
        self.take()
        try:
            yield
        finally:
            self.give()

    def close(self) -> None:
        """Give it back with the file."""
        os.close(self._file)
