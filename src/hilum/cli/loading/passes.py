"""In which order the files of a load are taken, and which of them again.

| document                                | when                                                              |
|-----------------------------------------|-------------------------------------------------------------------|
| without conditional references          | in the order of the names                                         |
| with conditional references             | once the rest of its folder is loaded, before the next folder     |
| refused for what may still be loaded    | after everything, again and again, until nothing more is written  |

A folder is what somebody made together, so that what its files look for is most likely in it. Other folders may hold
the same organisations once more, and then a reference that looks for one finds several.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hilum.cli.loading.report import Report
from hilum.cli.loading.sources import Source
from hilum.problems import Problem


@dataclass(slots=True)
class File:
    """One file of a load. Positions below `upto` are dealt with, but for those in `left`.

    `later`: what was refused, by position, but may be good after other files. `told`: bytes of it reported as done.
    """

    source: Source
    digest: bytes = b""
    upto: int = 0
    left: frozenset[int] = frozenset()
    witness: tuple[str, str] | None = None
    told: int = 0
    conditional: bool = False
    refused: set[int] = field(default_factory=set)
    later: dict[int, Problem] = field(default_factory=dict)

    def wants(self, position: int) -> bool:
        """Whether there is something left to do at this position."""
        return position >= self.upto or position in self.left

    def place(self, position: int) -> int:
        """The line counted from 1; 0 for a document, whose findings name the entry themselves."""
        return position + 1 if self.source.lines else 0

    @property
    def folder(self) -> Path | None:
        """Where it lies; None for what is held in memory."""
        return None if self.source.path is None else self.source.path.parent


Begun = Callable[[], None]
One = Callable[[File, bool, Begun], Awaitable[bool]]
"""(file, put_off, begun) -> finished: load what is wanted of a file. With `put_off` a document that has conditional
references is left for later; then, and where something has to be tried again (`later`), the answer is False. `begun` is
called as soon as it is clear that the file is not put off."""


async def load(sources: Iterable[Source], one: One, side_by_side: int, report: Report, *, put_off: bool) -> Report:
    """Load all files, `side_by_side` at once, until nothing more comes of it; what is left then is refused.

    Cancelling it loses nothing that was committed; the report so far stays in `report`.
    """
    started, report.stopped = time.monotonic(), True
    try:
        again = await _through(_taken(sources, report), one, side_by_side, put_off=put_off)
        while again:
            before = report.resources
            again = await _through(again, one, side_by_side, put_off=False)
            if report.resources == before:
                for file in again:
                    for position, problem in file.later.items():
                        report.refuse(file.source.name, file.place(position), problem)
                break
        report.stopped = False
    finally:
        report.refusals.sort(key=lambda refusal: (refusal.file, refusal.position))
        report.seconds = time.monotonic() - started
    return report


def _taken(sources: Iterable[Source], report: Report) -> Iterator[File]:
    for source in sources:
        report.files += 1
        yield File(source)


async def _through(files: Iterable[File], one: One, side_by_side: int, *, put_off: bool) -> list[File]:
    """Each file once; those that have to be tried again, by name."""
    order = _Order(files, put_off=put_off)

    async def take() -> None:
        while (file := await order.next()) is not None:
            put_off = order.puts_off(file)
            order.done(file, finished=await one(file, put_off, partial(order.begun, file)))

    async with asyncio.TaskGroup() as group:
        for _ in range(side_by_side):
            group.create_task(take())
    return sorted(order.again, key=lambda file: file.source.name)


class _Order:
    """Hands out the files, folder by folder; `again` are those that have to be tried again after all."""

    def __init__(self, files: Iterable[File], *, put_off: bool) -> None:
        self.again: list[File] = []
        self._put_off = put_off
        self._files = iter(files)
        self._next = next(self._files, None)
        self._folder = self._next.folder if self._next else None
        self._waiting: list[File] = []
        self._tried: deque[File] = deque()
        self._trying: set[int] = set()
        self._undecided: set[int] = set()
        self._busy = 0
        self._change = asyncio.Event()

    def puts_off(self, file: File) -> bool:
        """Whether the file shall wait if it has conditional references."""
        return self._put_off and id(file) not in self._trying

    async def next(self) -> File | None:
        """The next file, as soon as it may be loaded; None when all are."""
        while True:
            if self._tried:
                self._busy += 1
                return self._tried.popleft()
            if (file := self._next) is not None and file.folder == self._folder:
                self._next = next(self._files, None)
                self._busy += 1
                if self._put_off:
                    self._undecided.add(id(file))
                return file
            # The folder has no more files; those that wait are loaded when all others of it are.
            if self._undecided or (self._busy and (file is None or self._waiting or self._trying)):
                self._change.clear()
                await self._change.wait()
            elif self._waiting:
                self._tried.extend(sorted(self._waiting, key=lambda file: file.source.name))
                self._trying.update(map(id, self._waiting))
                self._waiting.clear()
            elif file is None:
                return None
            else:
                self._folder = file.folder
                self._trying.clear()

    def begun(self, file: File) -> None:
        """It is not put off."""
        self._undecided.discard(id(file))
        self._change.set()

    def done(self, file: File, *, finished: bool) -> None:
        """It was loaded as far as possible, or put off."""
        self._busy -= 1
        if not finished:
            (self.again if file.later or not self.puts_off(file) else self._waiting).append(file)
        self.begun(file)
