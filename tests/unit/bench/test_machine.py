"""CPU time is that of the whole family of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench import machine

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")

_SPIN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\n"


def test_cpu_of_a_child_counts_while_it_lives_and_when_it_is_gone() -> None:
    waits = "import sys; print(1, flush=True); sys.stdin.read()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_SPIN.format(0.2)!r}])\n{waits}"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert machine.cpu_seconds([process.pid]) >= 0.2
        process.communicate()


def test_a_family_is_the_process_and_its_descendants() -> None:
    waits = "import sys; print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", waits], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.pid in machine.family(os.getpid())
        assert machine.parent(process.pid) == os.getpid()
        process.communicate()
    assert machine.family(process.pid) == []
    assert machine.cpu_seconds([process.pid]) == 0.0


def test_what_starts_inside_the_block_runs_on_the_chosen_cores() -> None:
    before = os.sched_getaffinity(0)
    chosen = {min(before)}
    halves = machine.cores()
    with machine.on(chosen):
        assert machine.cores() == halves
        code = "import os; print(sorted(os.sched_getaffinity(0)))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == str(sorted(chosen))
    assert os.sched_getaffinity(0) == before


def test_a_flush_takes_time(tmp_path: Path) -> None:
    median, worst = machine.flush_microseconds(tmp_path, 20)
    assert 0 < median <= worst
