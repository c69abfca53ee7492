"""The one writer thread of a process: commits that arrive together share one transaction and one flush.

Processes take turns at the file by waiting in the kernel (lock.py), not by polling SQLite's lock; a group
that has run for 50 ms is committed, so that a bulk load never keeps the others out for longer.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import apsw

from hilum.fhir.resource import Resource
from hilum.problems import Busy
from hilum.store.interface import Commit
from hilum.store.sqlite.apply import Applier, Prepared, prepared
from hilum.store.sqlite.connection import translated
from hilum.store.sqlite.group import GROUP, HOLD_SECONDS, answer
from hilum.store.sqlite.lock import Lock

BATCH: Final = 64
"""How many writes of several commits are applied in one go."""
SWITCH_SECONDS: Final = 0.0005
"""How long a thread may keep the interpreter while another waits for it. At Python's 5 ms the event loop and the
writer, which both let go of it at every statement, wait for each other longer than for the disk (2026-11: creates took
1.6 times as long)."""

Job = tuple[Prepared, "asyncio.Future[tuple[Resource, ...]]"]
Outcome = tuple["asyncio.Future[tuple[Resource, ...]]", "tuple[Resource, ...] | BaseException"]


class Writer:
    """A thread that applies commits in groups. `between` is called after each group, with the turn to write."""

    def __init__(
        self, connection: apsw.Connection, lock_path: str, between: Callable[[], None], full_text: bool = True
    ) -> None:
        self._applier = Applier(connection, full_text)
        self._full_text = full_text
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._gathered: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        self._turn = Lock(lock_path)
        self._between = between
        self._next: Job | None = None  # taken from the queue for the batch after this one
        self._closing = False
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
        ready = await prepared(commit, full_text=self._full_text)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Resource, ...]] = loop.create_future()
        gathered = self._gathered.get(loop)
        if gathered is None:
            gathered = self._gathered[loop] = []
            loop.call_soon(self._hand_over, loop)
        gathered.append((ready, future))
        return await future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Queue what one turn of the loop made, all at once: the writer, woken by the first, would take it alone."""
        for job in self._gathered.pop(loop, ()):
            self._jobs.put(job)
        if self._ended:  # looked at after queueing, so that the thread's last look or this one finds the jobs
            self._refuse_rest()

    def close(self) -> None:
        """Commit what is queued, then end the thread."""
        for loop in list(self._gathered):
            for job in self._gathered.pop(loop, ()):
                self._jobs.put(job)
        self._jobs.put(None)
        self._thread.join()
        self._turn.close()

    def _run(self) -> None:
        try:
            while (job := self._next or self._jobs.get()) is not None:
                self._next = None
                done: list[Outcome] = []
                with self._turn.held():
                    self._group(job, done)
                    answer(done)
                    self._between()
                if self._closing and self._next is None:
                    return
        finally:
            self._ended = True
            self._refuse_rest()

    def _refuse_rest(self) -> None:
        refused, self._next = self._next, None
        while True:
            if refused is not None:
                answer([(refused[1], Busy("The store takes no more writes; nothing was written."))])
            try:
                refused = self._jobs.get_nowait()
            except queue.Empty:
                return

    def _group(self, job: Job, done: list[Outcome]) -> None:
        """One transaction."""
        started: list[Job] = []
        try:
            self._applier.begin()
            self._fill(job, started, done)
            self._applier.finish()
        except Exception as error:  # nothing was acknowledged, so all of the group may fail; the next may work
            failure = translated(error) if isinstance(error, apsw.Error) else error
            done[:] = [(future, failure) for _, future in started or [job]]
            self._applier.abandon()

    def _fill(self, job: Job | None, started: list[Job], done: list[Outcome]) -> None:
        """Apply commits as long as there are any and the group may last."""
        until = time.monotonic() + HOLD_SECONDS
        while job is not None:
            batch = self._batch(job)
            started += batch
            living = [(ready, future) for ready, future in batch if not future.cancelled()]
            if living:
                outcomes = self._applier.attempt([ready for ready, _ in living])
                done += zip([future for _, future in living], outcomes, strict=True)
            if len(started) >= GROUP or time.monotonic() > until:
                return
            job, self._next = self._next or self._taken(), None

    def _batch(self, job: Job) -> list[Job]:
        """This job and those behind it that can be applied with it: see `Applier.attempt`."""
        batch = [job]
        if _alone(job[0].commit):
            return batch
        names = {(write.type, write.id) for write in job[0].commit.writes}
        while (other := self._taken()) is not None:
            more = {(write.type, write.id) for write in other[0].commit.writes}
            if _alone(other[0].commit) or len(names) + len(more) > BATCH or not names.isdisjoint(more):
                self._next = other
                break
            names |= more
            batch.append(other)
        return batch

    def _taken(self) -> Job | None:
        """The next job, if there is one already."""
        if self._closing:
            return None
        try:
            job = self._jobs.get_nowait()
        except queue.Empty:
            return None
        self._closing = job is None
        return job


def _alone(commit: Commit) -> bool:
    """Whether what it is built on may change by others of its batch: criteria, or which search parameters there are."""
    return bool(commit.preconditions or commit.defined)
