"""Files into the store: units one commit each, side by side; what cannot resolve yet is left for later (passes.py).

Memory is bounded: a few documents, or blocks of lines, are held at once, and the positions of what is left.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from hilum.cli.loading.journal import Journal
from hilum.cli.loading.passes import Begun, File, load
from hilum.cli.loading.report import MOST, Report
from hilum.cli.loading.sources import Source
from hilum.cli.loading.units import CONDITIONAL, Entry, Unit, of_document, of_lines
from hilum.fhir import json
from hilum.problems import Busy, Conflict, Malformed, NotFound, PreconditionFailed, Problem, TooLarge, Unprocessable

MAYBE_LATER = (Unprocessable, Conflict, PreconditionFailed, NotFound)
"""Refusals that depend on what else is in the store: tried again after the other files."""

_END = sys.maxsize
_NOTE_SECONDS = 2.0
_BUSY_TRIES = 8


class Outcome(NamedTuple):
    """What one entry came to: `became` is `created`, `updated` or `unchanged`."""

    type: str
    id: str
    became: str


Transact = Callable[[Unit], Awaitable[Sequence[Outcome]]]
"""All entries of the unit in one commit, through the door. Raises Problem when refused; then nothing was written."""

Exists = Callable[[str, str], Awaitable[bool]]
"""Whether the store knows this (type, id), deleted or not."""


@dataclass(frozen=True, slots=True)
class Loader:
    """Where to write, what to remember, and how much at once.

    `limit`: the largest document or line, in bytes. `side_by_side`: commits underway at once.
    `tell(bytes, resources)` is called as work is done, for a progress bar.
    """

    transact: Transact
    exists: Exists
    journal: Journal
    limit: int
    side_by_side: int
    tell: Callable[[int, int], None]
    report: Report = field(default_factory=Report)
    slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "slots", asyncio.Semaphore(self.side_by_side))

    async def load(self, sources: Iterable[Source], *, put_off: bool = True) -> Report:
        """Load everything. Cancelling it loses nothing that was committed; the report so far stays in `report`.

        `put_off`: documents with conditional references wait until the others of their folder were loaded.
        """
        return await load(sources, self.one, self.side_by_side, self.report, put_off=put_off)

    async def one(self, file: File, put_off: bool, begun: Begun) -> bool:
        """Load what is wanted of one file: see `passes.One`. A file that can't be read is refused."""
        try:
            return await self._file(file, put_off, begun)
        except Problem as problem:
            self.report.refuse(file.source.name, 0, problem)
            self._tell_rest(file)
            return True

    async def _file(self, file: File, put_off: bool, begun: Begun) -> bool:
        """Load what is wanted of one file. False: something has to be tried again."""
        if not file.digest:
            file.digest = await asyncio.to_thread(file.source.digest)
            if await self._known(file):
                self.report.skipped += 1
                self._tell_rest(file)
                return True
        file.later.clear()
        if file.source.lines:
            begun()
            await self._lines(file)
        elif not await self._document(file, put_off, begun):
            return False
        self._tell_rest(file)
        file.upto, file.left = _END, frozenset(file.later)
        self.journal.note(file.digest, None, file.refused | file.left, file.witness)
        if not file.later and not file.refused:
            self.report.loaded += 1
        return not file.later

    async def _known(self, file: File) -> bool:
        """Take up what an earlier load noted of the file. True: there is nothing left of it to do."""
        record = self.journal.find(file.digest)
        if record is None or record.witness is None or not await self.exists(*record.witness):
            return False
        file.upto = _END if record.upto is None else record.upto
        file.left, file.witness = frozenset(record.left), record.witness
        return record.complete

    async def _document(self, file: File, put_off: bool, begun: Begun) -> bool:
        """A JSON document. False: it was put off, since it refers to what other files may hold."""
        raw = await asyncio.to_thread(file.source.whole, self.limit)
        file.conditional = CONDITIONAL.search(raw) is not None
        if put_off and file.conditional:
            return False
        begun()
        for unit in of_document(json.parse(raw), file.digest, raw):
            async with self.slots:
                await self._write(file, unit.only(file.wants))
        return True

    async def _lines(self, file: File) -> None:
        """NDJSON: some units side by side, in the order of the file wherever they touch the same resource."""
        underway: deque[tuple[asyncio.Task[None], Unit, frozenset[str]]] = deque()
        blocks, noted = file.source.blocks(self.limit), time.monotonic()

        async def write(unit: Unit) -> None:
            async with self.slots:
                await self._write(file, unit)

        async with asyncio.TaskGroup() as group:
            while block := await asyncio.to_thread(next, blocks, None):
                for unit in of_lines(self._parsed(file, block.lines), file.digest):
                    names = frozenset(entry["request"]["url"] for entry in unit.entries)
                    while len(underway) >= self.side_by_side or any(names & other for _, _, other in underway):
                        await underway.popleft()[0]
                    underway.append((group.create_task(write(unit)), unit, names))
                self._tell_offset(file, block.offset)
                if block.lines and file.upto < _END and time.monotonic() - noted > _NOTE_SECONDS:
                    noted = time.monotonic()
                    while underway and underway[0][0].done():
                        underway.popleft()
                    upto = underway[0][1].positions[0] if underway else block.lines[-1][0] + 1
                    left = {n for n in file.left | file.refused | file.later.keys() if n < upto}
                    self.journal.note(file.digest, max(upto, file.upto), left, file.witness)

    def _parsed(self, file: File, lines: tuple[tuple[int, bytes], ...]) -> list[tuple[int, dict[str, object]]]:
        parsed = []
        for number, line in lines:
            if file.wants(number):
                try:
                    if not line:
                        raise TooLarge(f"A line of more than {self.limit} bytes. Raise --max-body-bytes.")
                    body = json.parse(line)
                    if not isinstance(body.get("resourceType"), str):
                        raise Malformed("No resourceType: not a FHIR resource.")
                    parsed.append((number, body))
                    file.conditional = file.conditional or CONDITIONAL.search(line) is not None
                except Problem as problem:
                    self._refuse(file, number, problem)
        return parsed

    async def _write(self, file: File, unit: Unit) -> None:
        """One commit; refused entries that stand for themselves are narrowed down by halves."""
        if not unit.entries:
            return
        try:
            outcomes = await self._patiently(unit)
        except Problem as problem:
            if len(unit.positions) > 1:
                half = len(unit.entries) // 2
                await self._write(file, unit.part(range(half)))
                await self._write(file, unit.part(range(half, len(unit.entries))))
            else:
                self._refuse(file, unit.positions[0], problem if not unit.bare else _bared(problem, unit.entries[0]))
            return
        for outcome in outcomes:
            getattr(self.report, outcome.became)[outcome.type] += 1
        self.tell(0, len(outcomes))
        if outcomes and file.witness is None:
            file.witness = unit.witness or (outcomes[0].type, outcomes[0].id)

    async def _patiently(self, unit: Unit) -> Sequence[Outcome]:
        """Write the unit, later if the store is busy, and not if it was committed before the journal heard of it."""
        for attempt in range(_BUSY_TRIES):
            if unit.witness and await self.exists(*unit.witness):
                return [
                    Outcome(e["resource"]["resourceType"], "", "unchanged") for e in unit.entries if "resource" in e
                ]
            try:
                return await self.transact(unit)
            except Busy:
                await asyncio.sleep(0.05 * 2**attempt)
        return await self.transact(unit)

    def _refuse(self, file: File, position: int, problem: Problem) -> None:
        """Put it off where another file may make it good, else report it."""
        if isinstance(problem, MAYBE_LATER) or file.conditional:
            file.later[position] = problem if len(file.later) < MOST else _LIKE_OTHERS
        else:
            file.refused.add(position)
            self.report.refuse(file.source.name, file.place(position), problem)

    def _tell_offset(self, file: File, offset: int) -> None:
        self.tell(max(0, offset - file.told), 0)
        file.told = max(file.told, offset)

    def _tell_rest(self, file: File) -> None:
        self._tell_offset(file, file.source.size)


_LIKE_OTHERS = Unprocessable("Refused like the lines before it.")


_OF_ENTRY = re.compile(r"Bundle\.entry\[\d+\](\.resource)?")


def _bared(problem: Problem, entry: Entry) -> Problem:
    """The same findings for a resource that stands alone: `Patient.name`, not `Bundle.entry[0].resource.name`."""
    type = entry["resource"]["resourceType"]
    problem.issues = tuple(
        replace(issue, expression=issue.expression and _OF_ENTRY.sub(type, issue.expression, count=1))
        for issue in problem.issues
    )
    return problem
