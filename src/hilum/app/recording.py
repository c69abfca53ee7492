"""What one process records of who saw what: its trail, the work that moves it into the store, and how it is read again.

There is none with `--auth off`, where nobody is known.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hilum.access.keyring import Keyring
from hilum.access.policy import EVERYTHING, Principal
from hilum.access.tokens import CLI
from hilum.app.settings import Settings
from hilum.audit import file
from hilum.audit.anchor import RingSigner
from hilum.audit.select import Audits
from hilum.audit.settle import Settling
from hilum.audit.trail import Trail
from hilum.store.interface import Store

FOLDER: Final = "audit"
_MEGABYTE: Final = 1 << 20


def folder(settings: Settings) -> Path:
    """Where the files of the trail are, until they are moved into the store."""
    return settings.data / FOLDER


class Recording:
    """The trail of a process that serves. `start` and `stop` it within the event loop."""

    def __init__(self, settings: Settings, store: Store, ring: Keyring) -> None:
        where = folder(settings)
        self.trail = Trail(where, strict=settings.audit == "strict", window=settings.audit_window_ms / 1000)
        self.audits = Audits(store, settings.fhir_base)
        self._settling = Settling(
            store, self.trail, RingSigner(ring), where, backlog=settings.audit_backlog_mb * _MEGABYTE
        )

    def start(self) -> None:
        """Begin. Raises Busy when the folder can't be written."""
        self.trail.start()
        self._settling.start()

    async def stop(self) -> None:
        """Flush and settle what there is."""
        await self._settling.stop()

    def unreadable(self) -> list[str]:
        """What is wrong with files that can't be settled, a line each."""
        return list(self._settling.unreadable.values())


async def tell(settings: Settings, store: Store, ring: Keyring, event: str, about: Mapping[str, str]) -> None:
    """Record what a command does (`hilum.audit.entry.EVENTS`), before it is done. Raises Busy.

    By the owner of the data directory, who needs no token: the name is that of the operating system's user.
    """
    where = folder(settings)
    trail = Trail(where)
    trail.start()
    try:
        await trail.certain(by_command(), event, 200, about)
    finally:
        await Settling(store, trail, RingSigner(ring), where).stop()


async def leave(settings: Settings, event: str, about: Mapping[str, str]) -> None:
    """As `tell`, where no store is opened: a server, or the next command, moves it into the store. Raises Busy.

    A server looks for what others left behind once a minute.
    """
    trail = Trail(folder(settings))
    trail.start()
    try:
        await trail.certain(by_command(), event, 200, about)
    finally:
        size = trail.size
        left = await trail.stop()
        if left is not None:
            os.truncate(left.path, size)  # it has room for much more
            left.close()


def served(settings: Settings) -> bool:
    """Whether a server runs with this data directory on this machine: it holds the lock of its trail."""
    for path in file.logs(folder(settings)):
        lock = file.orphan(path)
        if lock is not None:
            os.close(lock)
        elif path.exists():
            return True
    return False


def owner() -> str:
    """The name of the operating system's user, who runs a command; a number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not be listed anywhere
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def by_command() -> Principal:
    """Who runs a command: the owner of the data directory, who may do everything."""
    return Principal(owner(), CLI, "", EVERYTHING, 1 << 62)
