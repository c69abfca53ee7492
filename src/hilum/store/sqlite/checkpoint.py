"""The checkpointer: keeps the write-ahead log small without making a request wait for it.

A PASSIVE checkpoint copies the log into the database file while others read and write; it can never wholly finish
under a steady load, so the log would grow for ever. When the log is past LIMIT, the writer thread itself copies the few
pages that are left between two groups, and the next transaction starts the log anew.
https://www.sqlite.org/wal.html#ckpt, https://www.sqlite.org/c3ref/wal_checkpoint_v2.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import apsw

PAGE: Final = 4096
START: Final = (4 << 20) // PAGE
"""Pages in the log at which copying in the background begins."""
LIMIT: Final = (24 << 20) // PAGE
"""Pages in the log at which the writer finishes the copying itself."""


class Checkpointer:
    """A thread with a connection of its own."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._wake = threading.Event()
        self._stop = False
        self._copied = False
        self._pages = 0
        self._thread = threading.Thread(target=self._run, name="hilum-sqlite-checkpoint", daemon=True)
        self._thread.start()

    def watching(self, writer: apsw.Connection) -> Callable[[], None]:
        """From now on look at how far the log grows by what is written there; what its thread calls after each group,
        outside a transaction, with the turn to write.
        """
        writer.set_wal_hook(self._grown)
        return partial(self._between, writer)

    def _between(self, writer: apsw.Connection) -> None:
        if self._pages > LIMIT and self._copied:
            self._copied = False
            with suppress(apsw.Error):
                writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        elif self._pages > START:
            self._wake.set()

    def close(self) -> None:
        """End the thread. The last connection to close empties the log."""
        self._stop = True
        self._wake.set()
        self._thread.join()
        self._db.close()

    def _grown(self, _connection: apsw.Connection, _schema: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()  # before the work, so that a call during it is not lost
            if self._stop:
                return
            with suppress(apsw.Error):  # busy, or the disk is full: the log stays whole, and the next pass tries again
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._copied = True
