"""Programs beside hilum's own process: with less right to the processor, without its secrets, and ended with who
started them.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

NICE: Final = 10
"""Servers come first."""
SIGNS: Final = 64 * 1024
"""Bytes that are kept of what a program complains of."""


def surroundings() -> Mapping[str, str]:
    """Of a program: ours, less settings of hilum's, among which are secrets; messages in English, to know them by."""
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith("HILUM_")}
    return {**own, "LC_ALL": "C.UTF-8"}


class NotStarted(Exception):
    """There is no such program, or it may not be run."""


@asynccontextmanager
async def running(command: Sequence[str], **streams: Any) -> AsyncIterator[Process]:
    """A program, in a session of its own: what is typed at our terminal is no matter of its. Killed at the end,
    whatever the end is. Raises NotStarted.
    """
    try:
        process = await asyncio.create_subprocess_exec(*command, env=surroundings(), start_new_session=True, **streams)
    except OSError:
        raise NotStarted from None
    try:
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                _kill(process)
            await process.wait()


def _kill(process: Process) -> None:
    """And what it may have started itself, where there are groups of processes."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


async def answer(command: Sequence[str], given: bytes, seconds: float) -> tuple[int, bytes]:
    """How a program ended, and what it wrote. Raises TimeoutError, NotStarted."""
    async with running(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL) as process, asyncio.timeout(seconds):
        out, _ = await process.communicate(given)
    return process.returncode or 0, out


async def signs(process: Process) -> bytes:
    """The end of what it complains of: to tell one fault from another by, and for nobody to read."""
    found = b""
    assert process.stderr is not None
    while more := await process.stderr.read(SIGNS):
        found = (found + more)[-SIGNS:]
    return found
