"""kill -9 while people read: every answer that somebody got has its event, once, and the chain is whole.

A few seeded points here; more, and some within the moving of files into the store, by
`HILUM_FULL=1 pytest -s tests/durability/test_audit_crash.py`.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.durability.flushes import answered_after_flush
from tests.durability.wire import Wire
from tests.journeys.cli import hilum
from tests.journeys.server import HANGS_SECONDS, Server

from hilum.audit.settle import unpacked
from hilum.store.sqlite import open_sqlite

FULL = bool(os.environ.get("HILUM_FULL"))
POINTS = 40 if FULL else 4
READERS = 16
EACH = 20
"""Answers that somebody gets at least before a kill."""
WINDOW = 0.2


def _moment(seed: int) -> float:
    """When to kill: mostly while the trail is written, in full mode also while it is settled, which is each 5 s."""
    dice = random.Random(seed)
    return 4.9 + dice.random() * 0.4 if seed % 4 == 3 and FULL else 0.05 + dice.random() * 0.6


async def _read_until_gone(port: int, token: str, seed: int, answered: dict[str, float]) -> None:
    """Into `answered`: X-Request-Id -> when its answer had arrived."""

    async def reader(name: int) -> None:
        wire, number = Wire(port, token), 0
        dice = random.Random(seed * 100 + name)
        paths = ("/Patient/one", "/Patient?_id=one", "/Patient/one/_history", "/Patient/none", "/Observation/x")
        while True:
            number += 1
            request = f"s{seed}-{name}-{number}"
            try:
                answer = await wire.send("GET", dice.choice(paths), x_request_id=request)
            except (ConnectionError, OSError):
                return
            assert answer.status in (200, 404)
            answered[request] = time.monotonic()

    await asyncio.gather(*(reader(name) for name in range(READERS)))


def _killed(server: Server, seed: int) -> tuple[dict[str, float], float]:
    """Answers until the server was killed, and when that was."""
    at: list[float] = []
    answered: dict[str, float] = {}
    token = server.token()

    def kill() -> None:
        ends = time.monotonic() + HANGS_SECONDS
        while len(answered) <= EACH and time.monotonic() < ends:  # however slow the machine is
            time.sleep(0.001)
        time.sleep(_moment(seed))
        at.append(time.monotonic())
        server.process.kill()
        server.process.wait()

    killer = threading.Thread(target=kill)
    killer.start()
    asyncio.run(_read_until_gone(server.port, token, seed, answered))
    killer.join()
    return answered, at[0]


def _noted(server: Server) -> Counter[str]:
    """X-Request-Id -> how many events there are of it, in the store of a server that was stopped."""

    async def run() -> Counter[str]:
        store = await open_sqlite(str(server.data / "hilum.sqlite"))
        found: Counter[str] = Counter()
        after = 0
        while some := await store.segments.following(after):
            for segment in some:
                found.update(entry.request for entry in unpacked(segment)[1])
            after = some[-1].id
        await store.close()
        return found

    return asyncio.run(run())


def _begun(folder: Path, *flags: str) -> Server:
    server = Server(folder, *flags)
    with server.client() as client:
        assert client.put("Patient/one", json={"resourceType": "Patient", "id": "one"}).status_code in (200, 201)
    return server


def _settled(folder: Path, *flags: str) -> Server:
    """Started again, which settles what was left, and stopped."""
    server = Server(folder, *flags)
    assert server.stop() == 0
    assert list((server.data / "audit").iterdir()) == []
    return server


def test_every_answer_that_somebody_got_has_its_event(tmp_path: Path) -> None:
    answered: dict[str, float] = {}
    for seed in range(POINTS):
        some, _ = _killed(_begun(tmp_path), seed)
        answered |= some
    server = _settled(tmp_path)
    noted = _noted(server)
    assert [request for request in answered if not noted[request]] == []
    assert [request for request, count in noted.items() if request.startswith("s") and count > 1] == []
    done = hilum("audit", "verify", "--data", server.data)
    assert done.returncode == 0, done.stdout
    print(f"\n{POINTS} kills, {len(answered)} answers, each with its event; {noted.total() - len(answered)} more")
    assert len(answered) > POINTS * EACH


def test_grouped_loses_no_more_than_its_window(tmp_path: Path) -> None:
    flags = ("--audit", "grouped", "--audit-window-ms", str(int(WINDOW * 1000)))
    server = _begun(tmp_path, *flags)
    at: list[float] = []

    def kill() -> None:
        time.sleep(3)
        at.append(time.monotonic())
        server.process.kill()
        server.process.wait()

    killer = threading.Thread(target=kill)
    token = server.token()
    killer.start()
    answered: dict[str, float] = {}
    asyncio.run(_read_until_gone(server.port, token, 0, answered))
    killer.join()
    noted = _noted(_settled(tmp_path, *flags))
    lost = [at[0] - when for request, when in answered.items() if not noted[request]]
    print(
        f"\n{len(answered)} answers, {len(lost)} lost, the oldest {max(lost, default=0) * 1000:.0f} ms before the kill"
    )
    assert max(lost, default=0) < WINDOW + 1, "older than a window and what a busy machine adds to it"
    assert len(noted) > len(answered) // 2


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_trail_is_flushed_before_the_client_is_answered(tmp_path: Path) -> None:
    server = _begun(tmp_path)
    trace = tmp_path / "trace"
    calls = "trace=fdatasync,pwrite64,sendto,write,writev,sendmsg"
    command = ["strace", "-f", "-yy", "-s", "16", "-e", calls, "-o", str(trace), "-p", str(server.process.pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    first = tracer.stderr.readline().decode()
    if "attached" not in first:
        server.stop()
        if os.environ.get("CI"):
            pytest.fail(f"strace may not trace here: {first}")
        pytest.skip(f"strace may not trace here: {first}")
    time.sleep(0.3)

    async def run() -> None:
        wire = Wire(server.port, server.token())
        for _ in range(20):
            assert (await wire.send("GET", "/Patient/one")).status == 200
        wire.close()

    asyncio.run(run())
    tracer.send_signal(signal.SIGINT)
    tracer.wait(20)
    server.stop()
    assert answered_after_flush(trace.read_text(), r"/audit/[^>]*\.log", 200) == 20
