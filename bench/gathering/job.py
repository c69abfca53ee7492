"""What the processes that are measured are told, and what they tell: JSON by standard input and output."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import uvloop

from bench.gathering.recorded import Recorded
from hilum.app.memory import settle

STORED, DELIVERED, GATHERED, BARE = "stored", "delivered", "gathered", "httpx"
"""Whole orders that end in hilum's store; with `store: none` at a destination; sign-in and gather alone; no hilum."""

_LOOK_SECONDS = 0.2
"""Between two looks at the memory: of what is anonymous the system keeps no peak."""


class Job(msgspec.Struct, frozen=True):
    """`data`: of the broker. `numbers`: record numbers of patients. `recorded`, `base`: for the bare loop alone."""

    what: str
    data: str
    recipe: str
    numbers: list[str]
    at_once: int = 8
    recorded: Recorded | None = None
    base: str = ""


class Measured(msgspec.Struct, frozen=True):
    """`cpu`: seconds of user and system time of the whole process while it worked, `loop_cpu`: of its event loop's
    thread. `written`: bytes, to files above all. `peak_kb`: the most memory of its own, `start_kb`: when it began,
    `sqlite_kb`: the most of it that SQLite had; `resident_kb`: with what it maps of files, its store among them.
    `requests`: to the EHR. `resources`: that came.
    """

    seconds: float
    cpu: float
    loop_cpu: float
    written: int
    start_kb: int
    peak_kb: int
    sqlite_kb: int
    resident_kb: int
    requests: int
    resources: int
    errors: list[str] = []


class Work(msgspec.Struct, frozen=True):
    """What was done between the two looks at the clocks."""

    requests: int
    resources: int
    errors: list[str] = []
    sqlite_kb: int = 0


def memory(what: str) -> int:
    """VmHWM (the most) or RssAnon (now, without files) in kB. What getrusage says has the parent's in it, before exec.

    https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


def cpu() -> float:
    """Seconds of user and system time, of all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def written() -> int:
    """Bytes that were written, whether or not they are on the disk yet.

    https://man7.org/linux/man-pages/man5/proc_pid_io.5.html
    """
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


async def watched(work: Callable[[], Awaitable[Work]]) -> Measured:
    """What it took, with garbage collected as `hilum serve` has it, whoever works."""
    settle()
    start = most = memory("RssAnon")

    async def look() -> None:
        nonlocal most
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            most = max(most, memory("RssAnon"))

    wrote, used, loop, begun = written(), cpu(), time.thread_time(), time.perf_counter()
    looking = asyncio.create_task(look())
    done = await work()
    seconds, loop_cpu, spent = time.perf_counter() - begun, time.thread_time() - loop, cpu() - used
    looking.cancel()
    return Measured(
        seconds=seconds,
        cpu=spent,
        loop_cpu=loop_cpu,
        written=written() - wrote,
        start_kb=start,
        peak_kb=max(most, memory("RssAnon")),
        sqlite_kb=done.sqlite_kb,
        resident_kb=memory("VmHWM"),
        requests=done.requests,
        resources=done.resources,
        errors=done.errors,
    )


def main(measure: Callable[[Job], Awaitable[Measured]]) -> None:
    """One job, and its measurement."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)

    async def run() -> Measured:
        return await measure(job)

    loop = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with loop:
        sys.stdout.buffer.write(msgspec.json.encode(loop.run(run())))
