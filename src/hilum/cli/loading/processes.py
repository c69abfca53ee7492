"""A load on several processors: each process reads, checks, indexes and writes whole files, with a store of its own.

Python runs on one processor per process, and most of a load is Python. The processes meet in the store, as server
processes do, and in the journal, to which each appends whole lines. Here is who hands out the files and sums up.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final, NamedTuple

from hilum.app import memory
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.cli.loading.door import exists, transact
from hilum.cli.loading.journal import Journal
from hilum.cli.loading.loader import Loader
from hilum.cli.loading.passes import Begun, File, One
from hilum.cli.loading.report import Report
from hilum.cli.loading.sources import Source
from hilum.problems import Busy, Problem

MOST: Final = 4
"""Processes by default: more only wait for the store, and each takes about 100 MB."""
_WORTH: Final = 1 << 20
"""Bytes of files for which it pays to start processes: they take a second of a processor each."""
_TELL_SECONDS: Final = 0.1
_END_SECONDS: Final = 30.0
GONE: Final = (
    "A process of the load has ended before its work was done; it may have been killed for want of memory. "
    "Run the same command again to go on, perhaps with fewer --processes."
)

Tell = Callable[[int, int], None]


def processes(sources: Sequence[Source], wanted: int | None) -> int:
    """How many processes shall load these files; 1: this one alone."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    worth = sum(source.size for source in sources) >= _WORTH
    return min(wanted or (min(cores, MOST) if worth else 1), len(sources))


def hire(settings: Settings, many: int, side_by_side: int) -> list[Hand]:
    """So many processes, each with `side_by_side` commits underway. They end when this one does.

    Call it before anything here runs in another thread: on Linux they then begin with what is in memory already,
    which saves each half a second.
    """
    forked = sys.platform == "linux" and threading.active_count() == 1
    memory.settle()
    hands: list[Hand] = []
    for _ in range(many):
        hands.append(Hand.hire(settings, side_by_side, [hand.connection for hand in hands] if forked else None))
    return hands


@asynccontextmanager
async def at_work(hands: Sequence[Hand], report: Report, tell: Tell) -> AsyncIterator[One]:
    """What gives the processes files to load. They end with the block, after the commits that are underway.

    Raises Busy when one of them has ended before.
    """
    for hand in hands:
        hand.listen(report, tell)
    try:
        yield lambda file, put_off, begun: min(hands, key=lambda hand: hand.busy).one(file, put_off, begun)
    except ExceptionGroup as group:  # of the tasks that waited for it
        if group.subgroup(Busy) is None:
            raise
        raise Busy(GONE) from None
    finally:
        for hand in hands:
            hand.stop()
        for hand in hands:
            await hand.ended()


class Hand:
    """One process, seen from the one that started it."""

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self.connection = connection
        self._process = process
        self._underway: dict[int, tuple[File, Begun, asyncio.Future[bool]]] = {}
        self._given = 0

    @classmethod
    def hire(cls, settings: Settings, side_by_side: int, others: list[Connection] | None) -> Hand:
        """Start a process; `others`: what it inherits of the connections to those before it, None: nothing."""
        context: Any = multiprocessing.get_context("spawn" if others is None else "fork")
        ours, theirs = context.Pipe()
        inherited = () if others is None else (*others, ours)
        # Not a daemon: it ends itself when the connection does, and finishes what it has begun.
        process = context.Process(target=work, args=(theirs, inherited, settings, side_by_side), name="hilum-load")
        process.start()
        theirs.close()
        return cls(process, ours)

    def listen(self, report: Report, tell: Tell) -> None:
        """From now on, what it says is added to the report and told."""
        self._report, self._tell = report, tell
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._listen, name="hilum-load-listener", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> int:
        """How many files it has."""
        return len(self._underway)

    async def one(self, file: File, put_off: bool, begun: Begun) -> bool:
        """Let it load a file. Raises Busy when the process is gone: nothing acknowledged is lost."""
        self._given += 1
        future: asyncio.Future[bool] = self._loop.create_future()
        self._underway[self._given] = (file, begun, future)
        try:
            self.connection.send((self._given, replace(file, later={}), put_off))
        except OSError:
            self._gone()
        return await future

    def stop(self) -> None:
        """Let it end after the commits that are underway."""
        try:
            self.connection.send(None)
        except OSError:  # it has ended already
            return

    async def ended(self) -> None:
        """Wait until it has ended, and make it if it takes too long."""
        await asyncio.to_thread(self._process.join, _END_SECONDS)
        if self._process.is_alive():
            self._process.terminate()
        await asyncio.to_thread(self._thread.join, _END_SECONDS)
        self._process.close()
        self.connection.close()

    def _listen(self) -> None:
        """In a thread: what the process says goes to the event loop."""
        while True:
            try:
                said = self.connection.recv()
            except (EOFError, OSError):
                self._loop.call_soon_threadsafe(self._gone)
                return
            self._loop.call_soon_threadsafe(self._heard, *said)

    def _heard(self, number: int, loaded: File | None, finished: bool, told: Told | None) -> None:
        if told is not None:
            self._report.add(told.report)
            self._tell(told.size, told.resources)
        if loaded is not None:
            file, _, future = self._underway.pop(number)
            for one in fields(File):
                setattr(file, one.name, getattr(loaded, one.name))
            if not future.done():
                future.set_result(finished)
        elif number:
            self._underway[number][1]()

    def _gone(self) -> None:
        underway, self._underway = self._underway, {}
        for _, _, future in underway.values():
            if not future.done():
                future.set_exception(Busy(GONE))


# --- in the other process ---------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """What was done meanwhile: bytes and resources for the progress bar, and the report of it."""

    size: int
    resources: int
    report: Report


def work(connection: Connection, inherited: Sequence[Connection], settings: Settings, side_by_side: int) -> None:
    """What each process does: load the files that it is given, until None comes or nobody is there any more."""
    for one in inherited:  # as long as anybody holds the other end, nobody seems to be gone
        one.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it
    asyncio.run(_work(connection, settings, side_by_side))


async def _work(connection: Connection, settings: Settings, side_by_side: int) -> None:
    jobs: asyncio.Queue[Any] = asyncio.Queue()
    store = await open_store(settings)
    journal = Journal.open(settings.data / "loads" / "journal.ndjson")
    try:
        memory.settle()
        voice = _Voice(connection)
        loader = Loader(
            transact=transact(store, settings),
            exists=exists(store),
            journal=journal,
            limit=settings.max_body_bytes,
            side_by_side=side_by_side,
            tell=voice.tell,
            report=voice.report,
        )
        loop = asyncio.get_running_loop()
        threading.Thread(target=_listen, args=(connection, loop, jobs), daemon=True).start()
        tasks: set[asyncio.Task[None]] = set()
        while (job := await jobs.get()) is not None:
            task = asyncio.create_task(_one(loader, voice, *job))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda task: jobs.put_nowait(None) if _failed(task) else None)
        for task in tasks:
            task.cancel()
        failures = [one for one in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(one, Exception)]
        voice.say()
        if failures:
            raise failures[0]
    finally:
        journal.close()
        await store.close()


def _failed(task: asyncio.Task[None]) -> bool:
    return not task.cancelled() and task.exception() is not None


def _listen(connection: Connection, loop: asyncio.AbstractEventLoop, jobs: asyncio.Queue[Any]) -> None:
    job: Any = ()
    while job is not None:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            job = None
        loop.call_soon_threadsafe(jobs.put_nowait, job)


async def _one(loader: Loader, voice: _Voice, number: int, file: File, put_off: bool) -> None:
    finished = await loader.one(file, put_off, lambda: voice.begun(number))
    # Who started it needs the findings alone; some problems can't be made again from what they were made of.
    file.later = {position: Problem(issues=problem.issues) for position, problem in file.later.items()}
    voice.say(number, file, finished)


class _Voice:
    """Tells what was done: soon, but not resource by resource."""

    def __init__(self, connection: Connection) -> None:
        self.report = Report()
        self._connection = connection
        self._size = self._resources = 0
        self._soon: asyncio.TimerHandle | None = None

    def tell(self, size: int, resources: int) -> None:
        """See `Loader`."""
        self._size += size
        self._resources += resources
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(_TELL_SECONDS, self.say)

    def begun(self, number: int) -> None:
        """The file with that number is not put off."""
        self._send(number, None, False, None)

    def say(self, number: int = 0, file: File | None = None, finished: bool = False) -> None:
        """All that was done since it last spoke, and what became of a file."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        told = Told(self._size, self._resources, self.report.take())
        self._size = self._resources = 0
        self._send(number, file, finished, told)

    def _send(self, *said: Any) -> None:
        try:
            self._connection.send(said)
        except OSError:  # nobody is there any more; this process ends as soon as it has heard of it
            return
