"""Room that is kept free beside the queue: SQLite needs some to delete, and a full disk has none.

While it is whole, readings may be taken. Where noting what was sent finds no room, it is given up; and nothing more is
taken until it can be had again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

NAME: Final = "queue.spare"
SIZE: Final = 2 * 1024 * 1024


class Spare:
    """The file of a folder that holds the room."""

    def __init__(self, folder: Path, size: int = SIZE) -> None:
        self._file, self._size = folder / NAME, size
        self.whole = self._is_whole()

    def have(self) -> bool:
        """Whether it is whole, having tried to make it so."""
        if self.whole:
            return True
        try:
            with self._file.open("wb") as file:
                file.write(os.urandom(self._size))  # a file system that packs would keep no room for zeros
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.give_up()
        self.whole = self._is_whole()
        return self.whole

    def give_up(self) -> None:
        """Free the room."""
        self._file.unlink(missing_ok=True)
        self.whole = False

    def _is_whole(self) -> bool:
        try:
            return self._file.stat().st_size >= self._size
        except OSError:
            return False
