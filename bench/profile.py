"""Where hilum's time goes: the server under py-spy while one operation is asked for. https://github.com/benfred/py-spy

py-spy reads the stacks from outside, so that little is disturbed. Only the thread that holds the interpreter is
counted, which is what a Python server runs out of; time inside SQLite, in a flush or waiting is left out.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.table import Table

from bench import runner
from bench.load import Job, Measured
from bench.operations import Operation
from bench.servers import Generator

PER_SECOND = 500


class Line(NamedTuple):
    """One function: its share of all samples alone, and with what it calls."""

    function: str
    own: float
    total: float


@dataclass(frozen=True, slots=True)
class Watch:
    """`server`: hilum or floor; `seconds` of one operation at 16 connections on `size` resources."""

    store: str
    server: str
    operation: Operation
    seconds: float
    size: int


async def profile(watch: Watch, work: Path, kept: Path) -> tuple[Measured, list[Line]]:
    """What was measured, and the functions, hottest first. Raises FileNotFoundError when py-spy is not installed."""
    spy = shutil.which("py-spy", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if spy is None:
        raise FileNotFoundError("Profiling needs py-spy: pip install py-spy")
    generator = Generator()
    stacks = work / "stacks.txt"
    try:
        async with runner.FLOOR_STAGES[watch.store](work, kept, watch.size, lambda *_: None) as stage:
            server = stage.first if watch.server == "floor" else stage.second
            job = Job(
                operation=watch.operation.name,
                port=server.port,
                token=server.token,
                population=watch.size,
                seconds=watch.seconds,
                warmup=1.5,
                server=[server.pid],
                database=list(server.database),
            )
            with _watching(spy, server.pid, stacks):
                measured = msgspec.json.decode(await generator(msgspec.json.encode(job)), type=Measured)
        return measured, hottest(stacks.read_text())
    finally:
        generator.close()


@contextmanager
def _watching(spy: str, pid: int, stacks: Path) -> Iterator[None]:
    """py-spy on a process, samples of whoever holds the interpreter; the stacks are written at the end."""
    command = [spy, "record", "--pid", str(pid), "--format", "raw", "--output", str(stacks), "--rate", str(PER_SECOND)]
    watching = subprocess.Popen(
        [*command, "--gil", "--nonblocking", "--duration", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield
    finally:
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=60)
    if not stacks.exists():
        raise RuntimeError(f"py-spy wrote nothing: {said.decode(errors='replace')[-500:]}")


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
