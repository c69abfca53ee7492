"""The machine under the benchmark: what it is, what a flush costs on it, who runs on which core, whose CPU it was.

https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USABLE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
"""The cores that this process had when it began: later it pins itself."""
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def family(pid: int) -> list[int]:
    """A process and all that descend from it and still live; empty when it is gone."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append(one)
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Seconds of CPU (user and system) that these processes, their descendants and the dead ones among those used."""
    ticks = 0
    for pid in pids:
        for one in family(pid):
            try:
                stat = Path(f"/proc/{one}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            ticks += sum(map(int, stat[stat.rindex(")") + 2 :].split()[11:15]))
    return ticks / TICKS


def parent(pid: int) -> int:
    """The process that started this one."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def cores() -> tuple[set[int], set[int]]:
    """(for the server under test, for the load generator and PostgreSQL): two halves, the same set with one core."""
    if len(USABLE) < 2:
        return set(USABLE), set(USABLE)
    return {USABLE[0]}, {USABLE[1]}


@contextmanager
def on(chosen: set[int]) -> Iterator[None]:
    """What is started inside the block runs on these cores, where the system can pin."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def flush_microseconds(folder: Path, times: int = 200) -> tuple[float, float]:
    """(median, 99th percentile) of appending 4 KiB and flushing it, in microseconds."""
    spent = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(times):
            os.write(file.fileno(), bytes(4096))
            start = time.perf_counter()
            os.fsync(file.fileno())
            spent.append((time.perf_counter() - start) * 1e6)
    return statistics.median(spent), sorted(spent)[int(times * 0.99)]


def load_average() -> float:
    """Processes that wanted to run over the last minute; more than 0 before a run is a neighbour's noise."""
    return os.getloadavg()[0]


def describe(folder: Path) -> dict[str, str | int | float]:
    """The machine, for the report."""
    import apsw

    median, worst = flush_microseconds(folder)
    server, generator = cores()
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "filesystem": _filesystem(folder),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "flush_us": round(median, 1),
        "flush_p99_us": round(worst, 1),
        "server_cores": ",".join(map(str, sorted(server))),
        "generator_cores": ",".join(map(str, sorted(generator))),
        "pinned": int(hasattr(os, "sched_setaffinity") and server != generator),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor() or sys.platform
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _filesystem(folder: Path) -> str:
    """The type of the filesystem that holds the stores: a tmpfs would flush to nowhere."""
    where, kind = "", "unknown"
    try:
        mounts = Path("/proc/mounts").read_text().splitlines()
    except FileNotFoundError:
        return kind
    for line in mounts:
        _, point, found, *_ = line.split()
        if str(folder.resolve()).startswith(point) and len(point) > len(where):
            where, kind = point, found
    return kind
