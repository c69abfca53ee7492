"""The one writer thread of a process: commits that arrive together share one transaction and one flush.

Processes take turns at the file by waiting in the kernel (flock on a side file), not by polling SQLite's lock; a group
that has run for 50 ms is committed, so that a bulk load never keeps the others out for longer.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import apsw

from hilum.fhir.resource import Resource
from hilum.problems import Busy
from hilum.store.interface import Commit
from hilum.store.sqlite.apply import Applier
from hilum.store.sqlite.connection import translated

try:
    import fcntl
except ImportError:  # Windows: SQLite's own waiting has to do
    fcntl = None  # type: ignore[assignment]

HOLD_SECONDS: Final = 0.05
"""How long one group may keep the write lock before it commits what it has."""
GROUP: Final = 256
"""How many commits one group takes at most."""
SWITCH_SECONDS: Final = 0.0005
"""How long a thread may keep the interpreter while another waits for it. At Python's 5 ms the event loop and the
writer, which both let go of it at every statement, wait for each other longer than for the disk (2026-11: creates took
1.6 times as long)."""

Job = tuple[Commit, "asyncio.Future[tuple[Resource, ...]]"]
Outcome = tuple["asyncio.Future[tuple[Resource, ...]]", "tuple[Resource, ...] | BaseException"]


class Writer:
    """A thread that applies commits in groups. `between` is called after each group, with the turn to write."""

    def __init__(
        self, connection: apsw.Connection, lock_path: str, between: Callable[[], None], full_text: bool = True
    ) -> None:
        self._applier = Applier(connection, full_text)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        self._between = between
        self._ended = False
        sys.setswitchinterval(SWITCH_SECONDS)
        self._thread = threading.Thread(target=self._run, name="hilum-sqlite-writer", daemon=True)
        self._thread.start()

    @property
    def working(self) -> bool:
        """Whether commits can still be taken."""
        return not self._ended

    async def commit(self, commit: Commit) -> tuple[Resource, ...]:
        """Queue the commit; returns once it is durable."""
        future: asyncio.Future[tuple[Resource, ...]] = asyncio.get_running_loop().create_future()
        self._jobs.put((commit, future))
        if self._ended:  # looked at after queueing, so that the thread's last look or this one finds the job
            self._refuse_rest()
        return await future

    def close(self) -> None:
        """Commit what is queued, then end the thread."""
        self._jobs.put(None)
        self._thread.join()
        os.close(self._lock)

    def _run(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                done: list[Outcome] = []
                self._turn(True)
                try:
                    going = self._group(job, done)
                    _answer(done)
                    self._between()
                finally:
                    self._turn(False)
                if not going:
                    return
        finally:
            self._ended = True
            self._refuse_rest()

    def _refuse_rest(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                _answer([(job[1], Busy("The store takes no more writes; nothing was written."))])

    def _group(self, job: Job, done: list[Outcome]) -> bool:
        """One transaction; False when the writer is to end after it."""
        started = [job]
        try:
            self._applier.begin()
            going = self._fill(started, done)
            self._applier.finish()
        except Exception as error:  # nothing was acknowledged, so all of the group may fail; the next may work
            failure = translated(error) if isinstance(error, apsw.Error) else error
            done[:] = [(future, failure) for _, future in started]
            self._applier.abandon()
            return True
        return going

    def _fill(self, started: list[Job], done: list[Outcome]) -> bool:
        """Apply commits as long as there are any and the group may last; False when the writer is to end."""
        until = time.monotonic() + HOLD_SECONDS
        while True:
            commit, future = started[-1]
            if not future.cancelled():
                try:
                    done.append((future, self._applier.attempt(commit)))
                except apsw.Error:
                    raise
                except Exception as error:  # a problem, or a defect, of this commit alone: it has been undone
                    done.append((future, error))
            if len(started) >= GROUP or time.monotonic() > until:
                return True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return True
            if job is None:
                return False
            started.append(job)

    def _turn(self, take: bool) -> None:
        if fcntl is not None:
            fcntl.flock(self._lock, fcntl.LOCK_EX if take else fcntl.LOCK_UN)


def _answer(done: Sequence[Outcome]) -> None:
    """Hand each outcome to the loop that waits for it: one wake-up per loop and group."""
    loops: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in done:
        loops.setdefault(outcome[0].get_loop(), []).append(outcome)
    for loop, outcomes in loops.items():
        with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            loop.call_soon_threadsafe(_resolve, outcomes)


def _resolve(outcomes: list[Outcome]) -> None:
    for future, result in outcomes:
        if future.done():
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
