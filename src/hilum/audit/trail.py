"""The trail of one process: accesses are noted on the event loop, and flushed in groups by a thread.

The loop encodes what waits in one call and links it; the thread only writes and flushes, both without the interpreter
lock. `strict`: a group follows the one before at once, and an answer waits for its own. `grouped`: a group every
`window` seconds, which is what a crash can lose; security events are waited for all the same.
"""

from __future__ import annotations

import asyncio
import builtins
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import msgspec

from hilum.access.policy import Principal
from hilum.audit import chain, file
from hilum.audit.context import ORIGIN
from hilum.audit.entry import EVENTS, LONGEST_QUERY, Entry, Frame, Who, encode, introduced, shortened
from hilum.audit.noise import NOBODY, Noise
from hilum.problems import Busy
from hilum.web import log

MOST: Final = 4096
"""Entries of one frame."""
_KEPT: Final = 65_536
"""Entries that wait at most while the log can't be written: what is asked then is refused, and need not be told."""
_AGAIN_SECONDS: Final = 1.0
_address: Final = builtins.id


class Closed:
    """A file that is whole, locked still: what is to be settled. `size`: its bytes."""

    __slots__ = ("file", "size")

    def __init__(self, written: file.Writing, size: int) -> None:
        self.file, self.size = written, size


class Trail:
    """See `hilum.audit.recording.Trail`. Everything but the thread runs on one event loop."""

    def __init__(
        self,
        directory: Path,
        *,
        strict: bool = True,
        window: float = 0.2,
        clock: Callable[[], int] = time.time_ns,
        process: bytes | None = None,
    ) -> None:
        self._directory = directory
        self._strict = strict
        self._window = window
        self._clock = clock
        self.process = process or os.urandom(8)
        self._after = chain.origin(self.process, clock() // 1000)
        self._entries = 0
        self._files = 0
        self._at = 0
        self._waiting: list[Entry] = []
        self._people: list[Who] = []
        self._numbers: dict[int, int] = {}
        self._held: dict[int, Principal] = {}
        self._count = 0
        self._nobody = -1
        self._noise = Noise()
        self._noted = self._durable = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._writing = self._planned = False
        self._trouble = self._full = ""
        self._jobs: SimpleQueue[tuple[file.Writing, int, bytes, Callable[[OSError | None], None]] | None] = (
            SimpleQueue()
        )
        self._next: tuple[file.Writing, asyncio.Future[Closed]] | None = None

    def start(self) -> None:
        """Begin a file, within the event loop. Raises Busy when it can't be made."""
        self._loop = asyncio.get_running_loop()
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._new_file()
        except OSError as error:
            raise Busy(f"The audit trail in {self._directory} can't be written: {error.strerror}.") from None
        self._thread = threading.Thread(target=self._work, name="hilum-trail", daemon=True)
        self._thread.start()

    async def stop(self) -> file.Writing | None:
        """Flush what waits; the file that is left to settle (None: nothing is in it), whose lock is held still."""
        self._tell_noise()
        if self._noted > self._durable and not self._trouble:
            self._soon()
            await self._wait(self._noted)
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        if self._at:
            return self._file
        self._file.path.unlink()
        self._file.close()
        return None

    # --- noting -----------------------------------------------------------------------------------------------------

    def note(
        self,
        who: Principal,
        interaction: str,
        type: str | None,
        id: str,
        version: int,
        status: int,
        query: str,
        shown: tuple[int, ...],
    ) -> int:
        """Two microseconds: no text is made here, and what is slow happens once for many."""
        number = self._numbers.get(_address(who))
        if number is None:
            number = self._introduce(who)
        request, address = ORIGIN.get()
        at = self._clock() // 1000
        if number == self._nobody and self._drowned(interaction, address, at):
            return 0
        if len(query) > LONGEST_QUERY:
            query = shortened(query)
        waiting = self._waiting
        if self._trouble and len(waiting) >= _KEPT:
            return self._noted
        waiting.append(Entry(at, number, address, request, interaction, type or "", id, version, status, query, shown))
        self._noted += 1
        if not self._planned and (not self._writing or not self._strict):
            self._plan()
        elif not self._strict and len(waiting) == MOST:
            self._soon()
        return self._noted

    async def flushed(self, ticket: int) -> None:
        """At once in `grouped`. Raises Busy while the log can't be written."""
        if self._trouble or self._full:
            raise Busy(self._trouble or self._full)
        if self._strict and ticket > self._durable:
            await self._wait(ticket)

    async def certain(self, who: Principal, event: str, status: int, about: Mapping[str, str]) -> None:
        """Waits in both modes."""
        ticket = self.note(who, event, None, "", 0, status, msgspec.json.encode(about).decode(), ())
        if self._trouble or self._full:
            raise Busy(self._trouble or self._full)
        if ticket > self._durable:
            self._soon()
            await self._wait(ticket)

    @property
    def size(self) -> int:
        """Bytes of the present file."""
        return self._at

    def hold(self, reason: str) -> None:
        """Refuse what is asked from now on, since what is noted has nowhere to go; "": no longer."""
        self._full = reason

    def _introduce(self, who: Principal) -> int:
        number = self._count
        self._count += 1
        self._numbers[_address(who)] = number
        self._held[number] = who  # so that no other one gets its address
        self._people.append(introduced(number, who))
        if who.agent == NOBODY and not who.token:
            self._nobody = number
        return number

    def _drowned(self, interaction: str, address: str, at: int) -> bool:
        """Whether it is one of too many; security events never are, whose senders are limited elsewhere."""
        if self._noise.turns(at):
            self._tell_noise()
        return interaction not in EVENTS and self._noise.drowned(address, at)

    def _tell_noise(self) -> None:
        """One entry for each address of which not all was noted."""
        for address, count, at in self._noise.told():
            about = msgspec.json.encode({"more": count}).decode()
            self._waiting.append(Entry(at, self._nobody, address, "", "unauthenticated", "", "", 0, 401, about))
            self._noted += 1

    # --- groups -----------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        self._planned = True
        if self._strict:
            self._loop.call_soon(self._hand)
        else:
            self._loop.call_later(self._window, self._hand)

    def _soon(self) -> None:
        self._loop.call_soon(self._hand)

    def _hand(self) -> None:
        """Give the thread what waits, unless it is at work: then that goes with the next group."""
        self._planned = False
        if self._writing or not self._waiting:
            return
        entries, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        people, self._people = self._people, []
        payload = encode(Frame(people, entries))
        linked = chain.link(self._after, payload)
        content = file.framed(payload, linked)
        if not self._at:
            content = file.head(self.process, self._entries, self._after) + content
        ticket = self._noted - len(self._waiting)
        self._writing = True

        def done(error: OSError | None) -> None:
            self._writing = False
            if error is not None:
                self._failed(error, people, entries)
                return
            self._after, self._at = linked, self._at + len(content)
            self._entries += len(entries)
            if self._trouble:
                self._trouble = ""
                log.info("audit trail is written again")
            self._release(ticket)
            self._swap()
            if self._waiting and not self._planned:
                if self._strict or self._waiters:
                    self._hand()
                else:
                    self._plan()

        self._jobs.put((self._file, self._at, content, done))

    def _failed(self, error: OSError, people: list[Who], entries: list[Entry]) -> None:
        """Keep what could not be written, refuse what waits for it, and try again."""
        log.error("audit trail can't be written", error=error.strerror)
        self._trouble = _FAILED
        self._waiting[:0], self._people[:0] = entries, people
        waiters, self._waiters = self._waiters, []
        for _, future in waiters:
            if not future.done():
                future.set_exception(Busy(_FAILED))
        self._planned = True
        self._loop.call_later(_AGAIN_SECONDS, self._hand)

    def _release(self, ticket: int) -> None:
        self._durable = ticket
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter[0] > ticket:
                self._waiters.append(waiter)
            elif not waiter[1].done():
                waiter[1].set_result(None)

    async def _wait(self, ticket: int) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append((ticket, future))
        await future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            written, at, content, done = job
            failure: OSError | None = None
            try:
                written.write(at, content)
            except OSError as error:
                failure = error
            self._loop.call_soon_threadsafe(done, failure)

    # --- files ------------------------------------------------------------------------------------------------------

    async def cut(self) -> Closed | None:
        """Go on in a new file; the one before, whole and flushed. None: there is nothing in it. Raises OSError."""
        if not self._at or self._next is not None:
            return None
        made = await asyncio.to_thread(self._new_file)
        future: asyncio.Future[Closed] = self._loop.create_future()
        self._next = made, future
        if not self._writing:
            self._swap()
        return await future

    def _new_file(self) -> file.Writing:
        self._files += 1
        return file.Writing(self._directory, self.process, self._files)

    def _swap(self) -> None:
        """To the new file, if one is asked for: who comes up in it is introduced in it."""
        if self._next is None:
            return
        (made, future), self._next = self._next, None
        closed = Closed(self._file, self._at)
        self._file, self._at = made, 0
        used = {entry.who for entry in self._waiting} | {self._nobody}
        self._held = {number: who for number, who in self._held.items() if number in used}
        self._numbers = {_address(who): number for number, who in self._held.items()}
        self._people = [introduced(number, who) for number, who in self._held.items()]
        if not future.done():
            future.set_result(closed)


_FAILED: Final = "The audit trail can't be written, and what is not audited is not shown. Whoever runs hilum must look."
