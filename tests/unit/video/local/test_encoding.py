"""Faults of encoding: what is told, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.video.local.programs import program

from hilum.video.local import encoding
from hilum.video.local.encoding import encode
from hilum.video.renderer import Unrendered

READS = "\nwhile sys.stdin.buffer.read(65536): pass\n"
SECRET = "Rosa"


def pictures(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield bytes(30_000)


def writing() -> int:
    """Threads that are giving frames to a program."""
    return sum(
        "_write" in {frame.name for frame in traceback.extract_stack(one)} for one in sys._current_frames().values()
    )


async def told(tmp_path: Path, body: str, count: int = 3) -> Unrendered:
    own = program(tmp_path / "bin", "ffmpeg", body)
    with pytest.raises(Unrendered) as found:
        await encode([str(own)], pictures(count), count, 25, lambda done: None)
    assert SECRET not in found.value.text
    return found.value


@pytest.mark.parametrize(
    "body, code",
    [
        (
            READS + "print('av_interleaved_write_frame(): No space left on device', file=sys.stderr); sys.exit(1)",
            "disk-full",
        ),
        (READS + "print('File too large', file=sys.stderr); sys.exit(1)", "disk-full"),
        (
            READS
            + "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGXFSZ)",
            "disk-full",
        ),
        (READS + "print('/data/Rosa: Permission denied', file=sys.stderr); sys.exit(1)", "not-writable"),
        ("print('Unknown encoder libvpx', file=sys.stderr); sys.exit(1)", "no-encoder"),
        (READS + "os.kill(os.getpid(), 9)", "killed"),
        (READS + "print('Rosa', file=sys.stderr); sys.exit(1)", "failed"),
        ("sys.exit(0)", "failed"),
        ("sys.stdin.buffer.read(40_000); sys.exit(1)", "failed"),
    ],
)
async def test_each_fault_has_a_name_and_our_words(tmp_path: Path, body: str, code: str) -> None:
    assert (await told(tmp_path, body, 3 if "READS" in body else 400)).code == code


async def test_a_program_that_takes_no_frames_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "PATIENCE", 0.3)
    monkeypatch.setattr(encoding, "SLOWEST", 0.0)
    found = await told(tmp_path, "time.sleep(60)", 400)
    assert (found.code, found.again) == ("stuck", True)


async def test_who_cancels_finds_neither_process_nor_thread(tmp_path: Path) -> None:
    body = (
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\nsys.stdin.buffer.read(100_000)\ntime.sleep(60)"
    )
    own = program(tmp_path / "bin", "ffmpeg", body)

    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(30_000)

    task = asyncio.create_task(encode([str(own)], endless(), 10**6, 25, lambda done: None))
    for _ in range(1000):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            break
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert writing() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_what_fails_in_drawing_is_not_swallowed(tmp_path: Path) -> None:
    own = program(tmp_path / "bin", "ffmpeg", READS)

    def broken() -> Iterator[bytes]:
        yield bytes(30_000)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await encode([str(own)], broken(), 5, 25, lambda done: None)


async def test_a_program_that_can_not_be_started_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unrendered, match="can't be started"):
        await encode([str(tmp_path / "none")], pictures(1), 1, 25, lambda done: None)


async def test_no_file_descriptor_is_left_open(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else set()
    await told(tmp_path, "sys.exit(1)")
    after = set(os.listdir("/proc/self/fd")) if before else set()
    assert len(after) <= len(before)


async def test_progress_is_told_in_the_loop(tmp_path: Path) -> None:
    own = program(tmp_path / "bin", "ffmpeg", READS)
    shares: list[float] = []
    await encode([str(own)], pictures(100), 100, 25, shares.append)
    await asyncio.sleep(0)
    assert shares == [0.25, 0.5, 0.75, 1.0]
