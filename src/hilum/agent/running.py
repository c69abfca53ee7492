"""Sources read, batches go out: until it is told to stop. Nothing polls; what waits wakes when there is something."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from hilum.agent import lock
from hilum.agent.batch import Batch, Fate, Held, Later, Refused, Stopped, Stored, Way
from hilum.agent.queue.batching import Next
from hilum.agent.queue.durable import Queue
from hilum.agent.settings import Settings, read
from hilum.agent.source import Full, Source
from hilum.phd.malformed import Malformed
from hilum.problems import Misconfigured

log: Final = logging.getLogger("hilum.agent")
_PATIENCE: Final = 10.0
"""Seconds in which what is under way may end when the program is told to stop: it goes again otherwise."""
_FIRST, _SLOWEST = 1.0, 300.0
"""Seconds between two starts of a source that fails: at first, and at last."""
_NO_ROOM: Final = 30.0
"""Seconds until what could not be noted on a full disk is noted again."""
_WORDS: Final[Mapping[type[Fate], str]] = {
    Stored: "stored",
    Held: "held",
    Later: "later",
    Refused: "refused",
    Stopped: "stopped",
}


class Sending:
    """What sends: one batch at a time of each device, of `at_once` devices, which take turns."""

    def __init__(self, queue: Queue, way: Way, at_once: int, clock: Callable[[], float] = time.time) -> None:
        self._queue, self._way, self._at_once, self._clock = queue, way, at_once, clock
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._last = 0
        self._fault: Exception | None = None

    async def run(self, *, until_empty: bool = False) -> None:
        """Until cancelled; or until nothing waits that a source put before."""
        while True:
            self._queue.put.clear()
            if self._fault is not None:
                raise self._fault
            busy = tuple(self._under_way)
            found = await self._found(busy)
            if found.batch is not None:
                self._last = found.row
                sent = asyncio.create_task(self._send(found.batch, found.row))
                self._under_way[found.row] = sent
                continue
            if until_empty and not busy and found.due is None:
                return
            await self._woken(found.due)

    async def _found(self, busy: tuple[int, ...]) -> Next:
        if len(busy) >= self._at_once:
            return Next()
        try:
            return await self._queue.next(busy, self._last)
        except Full as full:
            log.error("no room: %s", full)
            return Next(due=self._clock() + _NO_ROOM)

    async def _woken(self, due: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                await self._queue.put.wait()

    async def _send(self, batch: Batch, row: int) -> None:
        try:
            fate = await self._tried(batch)
            why = "" if isinstance(fate, Stored) else f": {fate.why}"
            count = sum(len(taken.readings) for taken in batch.taken)
            log.info("batch %s of %s, readings: %d, %s%s", batch.id, batch.device, count, _WORDS[type(fate)], why)
            await self._noted(batch, fate)
        except Exception as fault:  # of the queue: what sends ends with it, and so the program
            self._fault = fault
        finally:
            del self._under_way[row]
            self._queue.put.set()

    async def _tried(self, batch: Batch) -> Fate:
        try:
            return await self._way.send(batch)
        except Malformed as problem:  # the same each time: nothing behind it waits for it
            return Refused(f"the far side's language has no words for it: {problem}")
        except Exception:
            log.exception("batch %s of %s: a fault of this program", batch.id, batch.device)
            return Later("a fault of this program, which its log tells")

    async def _noted(self, batch: Batch, fate: Fate) -> None:
        while True:
            try:
                return await self._queue.settle(batch, fate)
            except Full as full:
                log.error("no room: %s", full)
                await asyncio.sleep(_NO_ROOM)

    async def stop(self) -> None:
        """Let what is under way end, for a while."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way.values(), timeout=_PATIENCE)
            for one in late:
                one.cancel()
            await asyncio.gather(*late, return_exceptions=True)


async def reading(source: Source, queue: Queue) -> None:
    """Read a source, again and again where it fails, until it ends. Raises Misconfigured: it will never work."""
    wait = _FIRST
    while True:
        began = time.monotonic()
        try:
            await source.run(queue)
        except Misconfigured as problem:
            log.error("source %s: %s", source.name, problem)
            await queue.ails(source.name, str(problem))
            raise
        except Full as full:
            log.error("source %s: %s", source.name, full)
        except Exception:
            log.exception("source %s: it failed, and is begun anew", source.name)
        else:
            log.info("source %s: ended", source.name)
            return
        wait = _FIRST if time.monotonic() - began > _SLOWEST else wait
        await asyncio.sleep(wait)
        wait = min(_SLOWEST, 2 * wait)


async def work(
    queue: Queue, sources: Sequence[Source], sending: Sending, stop: asyncio.Event, *, once: bool = False
) -> None:
    """Read and send until `stop`, or, `once`, until all sources have ended and all is sent. Raises Misconfigured: none
    of the sources will ever work.
    """
    reads = [asyncio.create_task(reading(source, queue), name=source.name) for source in sources]
    sends = asyncio.create_task(sending.run())
    stopped = asyncio.create_task(stop.wait())
    try:
        unset = {stopped, sends, *reads}
        while not stopped.done() and not sends.done() and (unset & {*reads} or not once):
            _, unset = await asyncio.wait(unset, return_when=asyncio.FIRST_COMPLETED)
            failed = [one.exception() for one in reads if one.done() and not one.cancelled()]
            if reads and len(failed) == len(reads) and all(failed):
                raise failed[0] or AssertionError
        if sends.done():
            await sends
        if once and not stopped.done():
            await _ended(sends)
            sends = asyncio.create_task(sending.run(until_empty=True))
            await asyncio.wait({sends, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if sends.done():
                await sends
    finally:
        await _ended(*reads, sends, stopped)
        await sending.stop()


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def source(table: Mapping[str, Any]) -> Source:
    """The source that a table of the settings names. Raises Misconfigured."""
    kind = table.get("kind")
    if not isinstance(kind, str) or not kind.isidentifier():
        raise Misconfigured("[[source]]: it has no kind, as ble or folder")
    module = f"hilum.agent.sources.{kind}"
    try:
        made = import_module(module).source
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name != module:
            raise Misconfigured(f"[[source]] {kind}: {error.name} is not installed") from None
        raise Misconfigured(f"[[source]]: there is no kind {kind}") from None
    found: Source = made(table)
    return found


def run(data: Path, *, once: bool = False) -> None:
    """The agent of a data folder, until SIGTERM or SIGINT. SIGHUP: try at once what waits for a person."""
    settings = read(data.absolute())
    with lock.alone(settings.data):
        os.chdir(settings.data)  # what agent.toml names is relative to it
        asyncio.run(_run(settings, once))


async def _run(settings: Settings, once: bool) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    sources = [source(table) for table in settings.sources]
    bounds = settings.bounds
    queue = Queue(settings.data, bytes=bounds.bytes, most=bounds.readings)
    try:
        sends = _way(settings, queue)
        try:
            async with asyncio.TaskGroup() as hurrying:
                for name in (signal.SIGTERM, signal.SIGINT):
                    loop.add_signal_handler(name, stop.set)
                loop.add_signal_handler(signal.SIGHUP, lambda: hurrying.create_task(_hurry(queue)))
                with suppress(Full):
                    await queue.begin()
                log.info("running with %s, sources: %d", settings.data, len(sources))
                await work(queue, sources, Sending(queue, sends, bounds.at_once), stop, once=once)
                loop.remove_signal_handler(signal.SIGHUP)
        finally:
            await sends.close()
    finally:
        await queue.close()
        log.info("stopped")


def _way(settings: Settings, queue: Queue) -> Way:
    """The way of sending that the settings name, with who this agent is."""
    from hilum.agent import identity, sending

    return sending.way(settings, identity.read(settings.data), queue)


async def _hurry(queue: Queue) -> None:
    """What waits for a person goes at once: they started the program again, or asked for it."""
    with suppress(Full):
        await queue.unstop()
    queue.put.set()
