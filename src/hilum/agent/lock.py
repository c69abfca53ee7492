"""One agent runs with a data folder, and others can find it."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hilum.problems import Misconfigured

NAME: Final = "agent.lock"


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """As the one that runs. Raises Misconfigured: another does."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(data / NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(f"An agent runs with {data} already (process {_said(descriptor)}).") from None
        os.pwrite(descriptor, f"{os.getpid():<20}".encode(), 0)  # over what was there: it needs no room on a full disk
        yield
    finally:
        os.close(descriptor)


def running(data: Path) -> int | None:
    """The process that runs with this folder."""
    try:
        descriptor = os.open(data / NAME, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        said = _said(descriptor)
        return int(said) if said.isdigit() else None
    finally:
        os.close(descriptor)


def wake(data: Path) -> bool:
    """Have the agent look at its queue at once. False: none runs."""
    process = running(data)
    if process is None:
        return False
    try:
        os.kill(process, signal.SIGHUP)
    except ProcessLookupError:
        return False
    return True


def _said(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode(errors="replace").strip()
