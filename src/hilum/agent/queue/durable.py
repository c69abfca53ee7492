"""The queue, for an event loop: one thread writes the file, and what it wrote is on disk when a call returns."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from hilum.agent.batch import Batch, Fate
from hilum.agent.queue import putting, schema, settling
from hilum.agent.queue.batching import Next, next_
from hilum.agent.queue.spare import SIZE, Spare
from hilum.agent.source import Full
from hilum.phd.reading import Device, Taken
from hilum.problems import Misconfigured

MOST_BYTES: Final = 256 * 1024 * 1024
MOST_READINGS: Final = 100
_CONTACT: Final = 60.0
"""Seconds in which a contact that says nothing new is not written again: memory cards wear out."""

P = ParamSpec("P")
R = TypeVar("R")


class Queue:
    """The queue of a data folder: a `Sink` for sources, `Keeps` for a way of sending.

    `bytes`: from which size of the file on nothing more is taken. `most`: readings in a batch. `put`: is set whenever
    there is something new to send. `clock`: seconds since 1970. Raises Misconfigured: it is none, or there is no room.
    """

    def __init__(
        self,
        folder: Path,
        *,
        bytes: int = MOST_BYTES,
        most: int = MOST_READINGS,
        spare: int = SIZE,
        clock: Callable[[], float] = time.time,
        chance: random.Random | None = None,
    ) -> None:
        self._spare = Spare(folder, spare)
        self._db = self._opened(folder)
        self._bytes, self._most, self._clock = bytes, most, clock
        self._chance = chance or random.Random()
        self._told: dict[str, tuple[float, int | None]] = {}
        self._thread = ThreadPoolExecutor(1, "queue")
        self.put = asyncio.Event()

    def _opened(self, folder: Path) -> sqlite3.Connection:
        try:
            return schema.connect(folder)
        except Full:
            self._spare.give_up()
        try:
            return schema.connect(folder)
        except Full as full:
            raise Misconfigured(str(full)) from None

    async def take(self, taken: Taken) -> None:
        """Keep it. It is on disk when this returns. Raises Full."""
        await self._do(self._take, taken)
        self.put.set()

    async def refuse(self, source: str, device: str, data: bytes, why: str) -> None:
        """Keep bytes that say nothing, where there is room for them."""
        await self._do(self._if_room, putting.refuse, source, device, data, why, self._clock())

    async def seen(self, device: Device, battery: int | None = None) -> None:
        """A device was in contact."""
        at, charge = self._told.get(device.key, (0.0, None))
        if abs(self._clock() - at) >= _CONTACT or battery not in (None, charge):
            self._told[device.key] = self._clock(), battery if battery is not None else charge
            await self._do(self._if_room, putting.contact, device, battery, self._clock())

    async def next(self, busy: Collection[int] = (), after: int = 0) -> Next:
        """What is to be sent now, of a device that is not busy; it was formed on disk when this returns."""
        return await self._do(self._certain, next_, busy, after, self._clock(), self._most)

    async def note(self, batch: str, entry: str, reference: str) -> None:
        """This entry of the batch was created as that."""
        row = "INSERT OR REPLACE INTO made SELECT id, ?, ? FROM batch WHERE id = ?"
        await self._do(self._certain, sqlite3.Connection.execute, row, (entry, reference, batch))

    async def settle(self, batch: Batch, fate: Fate) -> None:
        """Note what became of a batch. Raises Full: it could not be noted, and stands as before."""
        await self._do(self._certain, settling.settle, batch.id, fate, self._clock(), self._chance)

    async def ails(self, source: str, why: str) -> None:
        """A source will never work as it is set up."""
        row = "INSERT OR REPLACE INTO ailing (source, why) VALUES (?, ?)"
        await self._do(self._if_room, sqlite3.Connection.execute, row, (source, why))

    async def begin(self) -> None:
        """The program was started: what did not work before may work now."""
        await self._do(self._if_room, sqlite3.Connection.execute, "DELETE FROM ailing")
        await self.unstop()

    async def unstop(self) -> None:
        """Try at once what waits for a person: they may have done it."""
        row = "UPDATE batch SET again = 0 WHERE stopped = 1"
        await self._do(self._certain, sqlite3.Connection.execute, row)

    async def close(self) -> None:
        """Let go of the file, once all is written."""
        await self._do(self._db.close)
        self._thread.shutdown()

    async def _do(self, work: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
        """In the thread that writes. What it has begun it ends, whoever is cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **named))

    def _take(self, taken: Taken) -> None:
        if not self._spare.have():
            self._shrink()
        if not self._spare.have():
            raise Full("The disk is full: devices keep what they have. Free some of it.")
        if self._used() >= self._bytes:
            raise Full("The queue has reached its bound: devices keep what they have until some of it was sent.")
        try:
            with schema.writing(self._db):
                putting.put(self._db, taken, self._clock())
        except sqlite3.Error as error:
            if not schema.full(error):
                raise
            raise Full("The disk is full, or cannot be written: devices keep what they have.") from None

    def _certain(self, work: Callable[Concatenate[sqlite3.Connection, P], R], /, *args: P.args, **named: P.kwargs) -> R:
        """In a transaction, for which the spare is given up where the disk is full. Raises Full: it did not help."""
        for _ in range(2):
            try:
                with schema.writing(self._db):
                    return work(self._db, *args, **named)
            except sqlite3.Error as error:
                if not schema.full(error):
                    raise
                self._spare.give_up()
        raise Full("The disk is full: what was sent cannot be noted. Free some of it.")

    def _if_room(
        self, work: Callable[Concatenate[sqlite3.Connection, P], R], /, *args: P.args, **named: P.kwargs
    ) -> None:
        try:
            with schema.writing(self._db):
                work(self._db, *args, **named)
        except sqlite3.Error as error:
            if not schema.full(error):
                raise

    def _used(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _shrink(self) -> None:
        """Give room that the file no longer needs back to the disk."""
        try:
            log = "PRAGMA wal_checkpoint(TRUNCATE);"  # as a script: `execute` would give back one page and stop
            self._db.executescript(f"{log} PRAGMA incremental_vacuum; {log}")
        except sqlite3.Error as error:
            if not schema.full(error):
                raise
