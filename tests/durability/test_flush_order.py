"""The flush precedes the answer: seen in the system calls of a real server. https://www.sqlite.org/atomiccommit.html"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.durability.flushes import answered_after_flush
from tests.durability.load import observation
from tests.durability.wire import Wire
from tests.journeys.server import Server

WRITES = 20


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_log_is_flushed_after_it_is_written_and_before_the_client_is_answered(tmp_path: Path) -> None:
    server = Server(tmp_path)
    trace = tmp_path / "trace"
    calls = "trace=fdatasync,fsync,pwrite64,sendto,write,writev,sendmsg"
    tracer = subprocess.Popen(
        ["strace", "-f", "-yy", "-ttt", "-s", "16", "-e", calls, "-o", str(trace), "-p", str(server.process.pid)],
        stderr=subprocess.PIPE,
    )
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
        for number in range(WRITES):
            assert (await wire.send("POST", "/Observation", observation(f"flush-{number}"))).status == 201
        wire.close()

    asyncio.run(run())
    tracer.send_signal(signal.SIGINT)
    tracer.wait(20)
    server.stop()
    assert answered_after_flush(trace.read_text(), r"hilum\.sqlite-wal", 201) == WRITES
