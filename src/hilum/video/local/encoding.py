"""Frames into a file, by ffmpeg: drawn on a thread, which waits where ffmpeg is slower, so that none pile up."""

from __future__ import annotations

import asyncio
import errno
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from hilum.video.local.processes import NotStarted, running, signs
from hilum.video.renderer import Unrendered

PIPE_SIZE: Final = 1 << 20
"""Bytes that may be on their way: a Linux pipe has 64 KiB, and each fill costs two processes a turn."""
F_SETPIPE_SZ: Final = 1031
PATIENCE: Final = 60.0
"""Seconds that ffmpeg has in any case; besides SLOWEST for each second of video. More is a hang."""
SLOWEST: Final = 12.0
FAULTS: Final = (
    ((b"No space left", b"File too large", b"quota exceeded", b"Disk quota"), "disk-full"),
    ((b"Permission denied", b"Read-only file system"), "not-writable"),
    (
        (
            b"Unknown encoder",
            b"Error while opening encoder",
            b"Error opening encoder",
            b"Unrecognized option",
            b"Option not found",
        ),
        "no-encoder",
    ),
)
"""What ffmpeg complains of, and what we call it."""
TEXTS: Final = {
    "disk-full": ("There is no room on the disk for the video: make some, then ask again.", True),
    "not-writable": ("The folder for the video can't be written to.", False),
    "no-encoder": (
        "This ffmpeg refuses the encoder that it lists: choose another codec, or another ffmpeg by HILUM_FFMPEG.",
        False,
    ),
    "stuck": ("ffmpeg did not end in any time that the video could need, and was ended.", True),
    "killed": ("ffmpeg was ended from outside, perhaps for want of memory.", True),
    "failed": ("ffmpeg could not encode the video.", False),
}
FULL: Final = -25
"""SIGXFSZ: more was written than one file may hold."""


def fault(code: str) -> Unrendered:
    """Of the table."""
    text, again = TEXTS[code]
    return Unrendered(code, text, again=again)


def unwritten(error: OSError) -> Unrendered:
    """What it means that a file can't be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return fault("disk-full" if full else "not-writable")


async def encode(
    command: list[str], frames: Iterable[bytes], total: int, rate: int, tell: Callable[[float], None]
) -> None:
    """Raises Unrendered. Whoever cancels it finds neither thread nor process afterwards."""
    ours, theirs = _pipe()
    writing = None
    try:
        async with running(command, stdin=theirs, stdout=DEVNULL, stderr=PIPE) as process:
            os.close(theirs)
            theirs = -1
            complaints = asyncio.create_task(signs(process))
            mine, ours = ours, -1
            writing = asyncio.create_task(asyncio.to_thread(_write, mine, frames, total, _from_thread(tell)))
            try:
                async with asyncio.timeout(PATIENCE + SLOWEST * total / rate):
                    code = await process.wait()
                    complained = await complaints
            except TimeoutError:
                raise fault("stuck") from None
            finally:
                complaints.cancel()
    except NotStarted:
        raise Unrendered("no-ffmpeg", "ffmpeg can't be started.") from None
    finally:
        for end in (ours, theirs):
            if end >= 0:
                os.close(end)
        if writing is not None:  # ffmpeg is gone, so it ends at its next frame
            sent = await _ended(writing)
    if code:
        raise fault(_meaning(code, complained))
    if sent < total:
        raise fault("failed")


def _meaning(code: int, complained: bytes) -> str:
    for words, meaning in FAULTS:
        if any(word in complained for word in words):
            return meaning
    return "disk-full" if code == FULL else "killed" if code < 0 else "failed"


def _pipe() -> tuple[int, int]:
    """Its end to write to, and that to read from."""
    reading, writing = os.pipe()
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.fcntl(writing, F_SETPIPE_SZ, PIPE_SIZE)
    return writing, reading


def _write(pipe: int, frames: Iterable[bytes], total: int, tell: Callable[[float], None]) -> int:
    """How many frames were taken."""
    sent = 0
    try:
        for frame in frames:
            rest = memoryview(frame)
            while rest:
                rest = rest[os.write(pipe, rest) :]
            sent += 1
            if sent % 25 == 0:
                tell(sent / total)
    except BrokenPipeError:  # it ended, and its status says why
        return sent
    finally:
        os.close(pipe)
    return sent


def _from_thread(tell: Callable[[float], None]) -> Callable[[float], None]:
    loop = asyncio.get_running_loop()

    def told(share: float) -> None:
        loop.call_soon_threadsafe(tell, share)

    return told


async def _ended(writing: asyncio.Task[int]) -> int:
    """Waits for the thread, also where we are cancelled meanwhile."""
    cancelled = None
    while not writing.done():
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError as error:
            if writing.cancelled():
                raise
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return writing.result()
