"""kill -9 and a full disk: what a device was told to be taken arrives, once, and never as another batch."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.unit.agent.queue.samples import CUFF, Clocked, many, minutes

from hilum.agent.batch import Stored
from hilum.agent.queue import schema, spare
from hilum.agent.queue.durable import Queue
from hilum.agent.source import Full

ROOT = Path(__file__).resolve().parents[4]
KILLS = 8


def killed(folder: Path, seed: int, first: int) -> list[str]:
    """What a process said until it was killed, after as many lines as the seed says."""
    command = [sys.executable, "-m", "tests.unit.agent.queue.crashing", str(folder), str(seed), str(first)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={
        **os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"})  # fmt: skip
    said, ends = [], random.Random(seed).randrange(3, 80)
    with process:
        for line in process.stdout:
            said.append(line)
            if len(said) == ends:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "".join(said)
    return [line for line in said if line.endswith("\n")]


async def test_after_kill_9_at_any_point_each_reading_that_was_taken_arrives_in_one_batch(tmp_path):
    first, arrived = 0, {}

    def arrives(id: str, readings: list[int]) -> None:
        assert arrived.setdefault(id, readings) == readings, "a batch was changed after it was sent"

    for seed in range(KILLS):
        for line in killed(tmp_path, seed, first):
            match line.split():
                case ["took", last]:
                    first = int(last) + 1
                case ["sent", id, readings]:
                    arrives(id, [int(minute) for minute in readings.split(",")])
    clock = Clocked(2e9)
    queue = Queue(tmp_path, clock=clock, spare=4096)
    assert queue._db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    while (batch := (await queue.next()).batch) is not None:
        arrives(batch.id, minutes(batch))
        await queue.settle(batch, Stored("{}"))
    await queue.close()
    found = sorted(minute for readings in arrived.values() for minute in readings)
    assert first > KILLS
    assert found == sorted(set(found)), "a reading arrived in two batches"
    assert set(range(first)) <= set(found)


@pytest.fixture
def small(tmp_path):
    """A disk of 5 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=5m", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount can make a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def filled(queue: Queue, kept: int = 0) -> int:
    """Put until there is no room: how many readings were taken."""
    with pytest.raises(Full, match="disk"):
        while True:
            await queue.take(many(40, start=kept))
            kept += 40
    return kept


def others(disk: Path) -> None:
    """Another program takes all the room that there is."""
    with pytest.raises(OSError, match="space"), (disk / "of another program").open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))


async def emptied(queue: Queue) -> list[int]:
    found = []
    while (batch := (await queue.next()).batch) is not None:
        found += minutes(batch)
        await queue.settle(batch, Stored("{}"))
    return found


async def test_on_a_full_disk_nothing_is_taken_all_that_was_is_sent_and_then_there_is_room_again(small):
    queue = Queue(small)
    kept = await filled(queue)
    assert kept > 1000
    await queue.refuse("ble", "meter", b"?", "too short")
    await queue.seen(CUFF, 3)
    with pytest.raises(Full):
        await queue.take(many(1, start=kept))
    await queue.close()
    others(small)

    queue = Queue(small)
    kept = await filled(queue, kept)
    others(small)
    assert await emptied(queue) == list(range(kept))
    others(small)
    more = await filled(queue, kept) - kept
    assert more > 100, "what was sent gives its room back, whatever others took"
    assert (small / spare.NAME).exists()
    assert await emptied(queue) == list(range(kept, kept + more))
    await queue.close()


@contextmanager
def files_of(size: int):
    """No file of this process can grow beyond."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_refuses_to_write_loses_nothing_that_was_taken(tmp_path):
    queue = Queue(tmp_path, spare=4096)
    with files_of(512 * 1024):
        kept = await filled(queue)
    assert kept
    assert await emptied(queue) == list(range(kept))
    await queue.close()
    db = schema.connect(tmp_path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
