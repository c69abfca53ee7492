"""The thread of a process that writes what stands beside the resources: records of the ledger, segments of the trail.

What is asked for at the same time shares one transaction and one flush, each within a savepoint of its own; it takes
turns with the writers of all processes (lock.py). Thread and connection are made when first needed.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import apsw

from hilum.problems import Busy
from hilum.store.sqlite.connection import connect, translated
from hilum.store.sqlite.group import GROUP, HOLD_SECONDS, Outcome, answer
from hilum.store.sqlite.lock import TURN, Lock

T = TypeVar("T")
Work = Callable[[apsw.Connection], Any]
Job = tuple[Work, "asyncio.Future[Any]"]


class Beside:
    """Does work on a connection of its own. `watching` is told of the connection; what it gives is called after each
    group, with the turn to write.
    """

    def __init__(self, path: str, watching: Callable[[apsw.Connection], Callable[[], None]]) -> None:
        self._path, self._watching = path, watching
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    async def run(self, work: Callable[[apsw.Connection], T]) -> T:
        """Durable when it returns. What `work` raises undoes what it did, and nothing of others."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._starting:
            if self._closed:
                raise Busy("The store takes no more writes; nothing was written.")
            if self._thread is None:
                db = connect(self._path)
                self._thread = threading.Thread(target=self._run, args=(db,), name="hilum-sqlite-beside", daemon=True)
                self._thread.start()
            self._jobs.put((work, future))
        return await future

    def close(self) -> None:
        """Do what is queued, then end the thread."""
        with self._starting:
            self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()

    def _run(self, db: apsw.Connection) -> None:
        between = self._watching(db)
        turn = Lock(self._path + TURN)
        try:
            while (job := self._jobs.get()) is not None:
                done: list[Outcome] = []
                with turn.held():
                    open = self._group(db, job, done)
                    answer(done)
                    between()
                if not open:
                    return
        finally:
            self._refuse_rest()
            turn.close()
            db.close()

    def _refuse_rest(self) -> None:
        with self._starting:
            self._closed = True
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                answer([(job[1], Busy("The store takes no more writes; nothing was written."))])

    def _group(self, db: apsw.Connection, job: Job, done: list[Outcome]) -> bool:
        """One transaction; whether more may come after it."""
        started: list[Job] = []
        until = time.monotonic() + HOLD_SECONDS
        more: Job | None = job
        open = True
        try:
            db.execute("BEGIN IMMEDIATE")
            while more is not None:
                started.append(more)
                work, future = more
                if not future.cancelled():
                    done.append((future, _attempted(db, work)))
                if len(started) >= GROUP or time.monotonic() > until:
                    break
                try:
                    more = self._jobs.get_nowait()
                    open = more is not None
                except queue.Empty:
                    more = None
            db.execute("COMMIT")
        except Exception as error:  # nothing was acknowledged, so all of the group may fail; the next may work
            failure = translated(error) if isinstance(error, apsw.Error) else error
            done[:] = [(future, failure) for _, future in started or [job]]
            if db.in_transaction:
                with suppress(apsw.Error):
                    db.execute("ROLLBACK")
        return open


def _attempted(db: apsw.Connection, work: Work) -> Any:
    """What it comes to, or the exception that undid it. Raises apsw.Error: then the whole group is lost."""
    db.execute("SAVEPOINT one")
    try:
        result = work(db)
    except apsw.Error:
        raise
    except Exception as error:  # a refusal, or a defect, of one job alone
        db.execute("ROLLBACK TO one")
        result = error
    db.execute("RELEASE one")
    return result
