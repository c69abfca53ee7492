"""Where hilum's time goes: the server under py-spy while one operation is asked for. https://github.com/benfred/py-spy

py-spy reads the stacks of every thread from outside, so that the writer's thread is seen too and little is disturbed.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.table import Table

from bench import runner
from bench.load import Job, Measured
from bench.operations import Operation
from bench.servers import Generator, environment

SAMPLES_PER_SECOND = 500


class Line(NamedTuple):
    """One function: its share of all samples alone, and with what it calls."""

    function: str
    own: float
    total: float


async def profile(
    store: str, operation: Operation, seconds: float, size: int, work: Path, kept: Path
) -> tuple[Measured, list[Line]]:
    """Run one operation at 16 connections; what was measured, and the functions, hottest first.

    Raises FileNotFoundError when py-spy is not installed.
    """
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        raise FileNotFoundError("Profiling needs py-spy: pip install py-spy")
    generator = Generator()
    stacks = work / "stacks.txt"
    try:
        async with runner.FLOOR_STAGES[store](work, kept, size, lambda *_: None) as stage:
            server = stage.second
            command = [spy, "record", "--pid", str(server.pid), "--format", "raw", "--output", str(stacks)]
            command += [
                "--rate",
                str(SAMPLES_PER_SECOND),
                "--gil",
                "--nonblocking",
                "--duration",
                str(int(seconds + 30)),
            ]
            job = Job(
                operation.name, server.port, server.token, size, seconds=seconds, server=[server.pid],
                database=list(server.database), warmup=1.5,
            )  # fmt: skip
            watching = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            measured = msgspec.json.decode(await generator(msgspec.json.encode(job)), type=Measured)
            watching.send_signal(signal.SIGINT)
            _, said = watching.communicate(timeout=60)
        if not stacks.exists():
            raise RuntimeError(f"py-spy wrote nothing: {said.decode(errors='replace')[-500:]}")
        return measured, hottest(stacks.read_text())
    finally:
        generator.close()


def hottest(stacks: str) -> list[Line]:
    """py-spy's raw lines (`frame;frame;frame count`) as shares per function, own time first."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    samples = 0
    for line in stacks.splitlines():
        path, _, many = line.rpartition(" ")
        if not path:
            continue
        times = int(many)
        frames = [_short(frame) for frame in path.split(";")]
        samples += times
        own[frames[-1]] += times
        for frame in set(frames):
            total[frame] += times
    found = [Line(name, own[name] / samples, times / samples) for name, times in total.items()]
    return sorted(found, key=lambda line: (-line.own, -line.total))


def _short(frame: str) -> str:
    """`_version (hilum/store/sqlite/apply.py:110)` without the line, so that a function is one row."""
    name, _, where = frame.partition(" (")
    place = where.rstrip(")").rsplit(":", 1)[0]
    for marker in ("/src/", "/site-packages/", "/lib/python"):
        place = place.rpartition(marker)[2]
    return f"{name} ({place})" if place else name


def tables(lines: list[Line], many: int = 30) -> list[Table]:
    """By own time, and hilum's functions with what they call."""
    made = []
    inclusive = sorted((line for line in lines if "hilum/" in line.function), key=lambda line: -line.total)
    for title, chosen in (("own time", lines[:many]), ("hilum's functions, with what they call", inclusive[:many])):
        table = Table(title=title, title_justify="left")
        for name in ("function", "own", "total"):
            table.add_column(name, justify="left" if name == "function" else "right")
        for line in chosen:
            table.add_row(line.function, f"{line.own:.1%}", f"{line.total:.1%}")
        made.append(table)
    return made
