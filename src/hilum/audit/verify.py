"""Is the audit what it was when it was written? Anchors, segments of the trail, rows of commits, files, all of it.

Who alters, removes or inserts something breaks a link; who computes all links after it anew breaks what an anchor says
of them; who forges anchors has no key to sign them. What was cut off at the very end is found by comparing with an
anchor that was seen elsewhere: each one's number and digest are in the server's log (`expect`).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from hilum.audit import chain, file
from hilum.audit.anchor import Signer, Told, faults, kind, subjects, told
from hilum.audit.entry import decode
from hilum.fhir.resource import instant
from hilum.problems import Damaged
from hilum.store.interface import Store
from hilum.store.segments import CHECKPOINT, Anchor, Segment, WriteAudited

_ANCHORS: Final = 1000
_ROWS: Final = 1000
_SEGMENTS: Final = 16
_EVER: Final = 1 << 62

Heads = dict[tuple[bytes, int], bytes]
"""(process, how far) -> the link that was anchored."""


class Expected(NamedTuple):
    """An anchor that was seen elsewhere."""

    n: int
    digest: bytes


@dataclass(slots=True)
class Verified:
    """How much there was, and where it ends: what may be compared next time."""

    anchors: int = 0
    segments: int = 0
    entries: int = 0
    commits: int = 0
    files: int = 0
    newest: Expected | None = None


@dataclass(slots=True)
class _Reached:
    """How far each chain was followed. `trusting`: what comes first of a process is taken as it is."""

    trusting: bool
    at: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)


class Verification:
    """One run over everything. `since`: microseconds; chains are then taken up where they come in."""

    def __init__(
        self, store: Store, signer: Signer, directory: Path, *, since: int = 0, expected: Expected | None = None
    ) -> None:
        self._store, self._signer, self._directory = store, signer, directory
        self._since, self._expected = since, expected
        self._reads: Heads = {}
        self._about: dict[tuple[bytes, int], str] = {}
        self._writes: Heads = {}
        self._read_from = _Reached(bool(since))
        self._written_from = _Reached(bool(since))
        self._pruned = 0
        self._last: Anchor | None = None
        self.seen = Verified()

    async def faults(self) -> AsyncIterator[str]:
        """One line for each thing that is wrong; none where all is well."""
        files = await asyncio.to_thread(_files, self._directory)
        async for fault in self._anchors():
            yield fault
        if self._expected is not None:
            yield f"anchor {self._expected.n}: removed, and what came after it"
        async for fault in self._segments():
            yield fault
        for fault in self._after(files):
            yield fault
        async for fault in self._commits():
            yield fault

    # --- anchors ----------------------------------------------------------------------------------------------------

    async def _anchors(self) -> AsyncIterator[str]:
        """Those that were not looked at yet."""
        last = self._last
        while some := await self._store.segments.anchors(last.n if last else 0, _ANCHORS):
            for fault in await asyncio.to_thread(faults, some, last, self._signer):
                yield fault
            for one in some:
                if self._expected is not None and one.n == self._expected.n:
                    if one.digest != self._expected.digest:
                        yield f"anchor {one.n}: another one than was expected"
                    self._expected = None
                try:
                    if not self._heads(one):
                        yield f"anchor {one.n}: altered: it is said to be of another kind"
                except (msgspec.DecodeError, ValueError):
                    yield f"anchor {one.n}: says what hilum did not write"
            self._last = last = some[-1]
            self.seen.anchors += len(some)
            self.seen.newest = Expected(last.n, last.digest)

    def _heads(self, one: Anchor) -> bool:
        """Keep what an anchor says; whether it is of the kind that the store has it for. Raises msgspec.DecodeError."""
        said: Told = told(one)
        reads, writes = dict(_heads(said.heads)), dict(_heads(said.writes))
        meant = kind(said)
        if meant == CHECKPOINT:
            self._pruned = max(self._pruned, said.before)
            self._read_from.at.update((process, (at, link)) for (process, at), link in reads.items())
            self._written_from.at.update((process, (at, link)) for (process, at), link in writes.items())
        else:
            self._reads.update(reads)
            if said.about:
                self._about.update(dict.fromkeys(reads, said.about))
            self._writes.update(writes)
        return one.kind == meant

    # --- what was read ----------------------------------------------------------------------------------------------

    async def _segments(self) -> AsyncIterator[str]:
        after = 0
        reached, anchored = self._read_from, dict(self._reads)
        unsealed: list[tuple[tuple[bytes, int], bytes, str]] = []
        while some := await self._store.segments.following(after, _SEGMENTS):
            after = some[-1].id
            for one in some:
                if one.high < self._since:
                    continue
                for fault in await asyncio.to_thread(_segment, one, reached):
                    yield fault
                place = one.process, one.first + one.rows
                if (about := self._about.get(place)) is not None and not await self._found_by(one, about):
                    yield f"{_where(one)}: what searches find it by was altered"
                if anchored.get(place) != one.after:
                    unsealed.append((place, one.after, _where(one)))
                self.seen.segments += 1
                self.seen.entries += one.rows
        if unsealed:  # some may have come in, each with its anchor, since anchors were looked at
            async for fault in self._anchors():
                yield fault
        for place, link, where in unsealed:
            if self._reads.get(place) != link:
                yield f"{where}: no anchor seals it"
        for (process, at), link in sorted(anchored.items()):
            end = reached.at.get(process, (0, b""))[0]
            if at > end and not (reached.trusting and process not in reached.at):
                yield f"reads of process {process.hex()}: entries {end} to {at - 1} removed"
                reached.at[process] = at, link

    async def _found_by(self, one: Segment, signed: str) -> bool:
        found = await self._store.segments.spoken_of(one.id)
        return subjects(about for about, _ in found) == signed and all(high == one.high for _, high in found)

    def _after(self, files: Mapping[Path, file.Log | str | None]) -> Iterator[str]:
        """Files that wait to be settled: each follows what the store has, or the file before it."""
        for path, found in files.items():
            if isinstance(found, str):
                yield found
            if not isinstance(found, file.Log):
                continue
            self.seen.files += 1
            count = sum(len(decode(payload).entries) for payload in found.payloads)
            at, link = self._read_from.at.get(found.process, (0, found.before))
            if found.first < at:  # settled meanwhile
                continue
            if found.first > at and not self._read_from.trusting:
                yield f"reads of process {found.process.hex()}: entries {at} to {found.first - 1} removed"
            elif found.first == at and found.before != link:
                yield f"file {path.name}: does not stand on what came before"
            self._read_from.at[found.process] = found.first + count, found.after

    # --- what was written -------------------------------------------------------------------------------------------

    async def _commits(self) -> AsyncIterator[str]:
        low = self._since
        reached = self._written_from
        missing = {place for place in self._writes if place[1] >= max(self._since, self._pruned)}
        while some := await self._store.writes_audited(_EVER, low, _ROWS, oldest_first=True):
            low = some[-1].seq + 1
            for row in some:
                missing.discard((row.process, row.seq))
                for fault in _commit(row, reached, self._writes):
                    yield fault
            self.seen.commits += len(some)
            await asyncio.sleep(0)
        for process, seq in sorted(missing, key=lambda place: place[1]):
            yield f"commit {seq} ({instant(seq)}) of process {process.hex()}: its row was removed"
        after = max(self._since, self._pruned) - 1
        while seqs := await self._store.unaudited(after, _ROWS):
            for begin, end in _runs(seqs):
                yield f"versions {begin} to {end} ({instant(begin)} to {instant(end)}): no row tells who made them"
            after = seqs[-1]


def _files(directory: Path) -> dict[Path, file.Log | str | None]:
    found: dict[Path, file.Log | str | None] = {}
    for path in file.logs(directory):
        try:
            found[path] = file.read(path) if path.exists() else None
        except Damaged as problem:
            found[path] = str(problem)
    return found


def _heads(listed: Iterable[tuple[str, int, str]]) -> Iterator[tuple[tuple[bytes, int], bytes]]:
    for process, at, link in listed:
        yield (bytes.fromhex(process), at), bytes.fromhex(link)


def _where(one: Segment) -> str:
    return f"reads of process {one.process.hex()}, {instant(one.low)} to {instant(one.high)}"


def _segment(one: Segment, reached: _Reached) -> list[str]:
    """What is wrong with a segment, after those before it."""
    where = _where(one)
    found: list[str] = []
    known = reached.at.get(one.process)
    at, link = known or (one.first if reached.trusting else 0, one.before)
    if one.first != at:
        what = f"entries {at} to {one.first - 1} before them removed" if one.first > at else "there twice"
        found.append(f"{where}: {what}")
    elif one.before != link:
        found.append(f"{where}: does not stand on what came before")
    reached.at[one.process] = one.first + one.rows, one.after
    try:
        linked, ats = one.before, list[int]()
        for number, (payload, said) in enumerate(file.frames(zlib.decompress(one.body))):
            times = [entry.at for entry in decode(payload).entries]
            linked = chain.link(linked, payload)
            if said != linked:
                span = f"{instant(min(times))} to {instant(max(times))}" if times else "empty"
                found.append(f"{where}: frame {number} ({span}) altered")
                linked = said
            ats += times
        if linked != one.after or len(ats) != one.rows:
            found.append(f"{where}: frames removed or added at its end")
        elif ats and (min(ats), max(ats)) != (one.low, one.high):  # searches by date go by these
            found.append(f"{where}: its times were altered, {instant(min(ats))} to {instant(max(ats))} is right")
    except (zlib.error, msgspec.DecodeError, Damaged):
        found.append(f"{where}: can't be read")
    return found


def _commit(row: WriteAudited, reached: _Reached, anchored: Heads) -> Iterator[str]:
    """What is wrong with the row of a commit, after those before it of its process."""
    where = f"commit {row.seq} ({instant(row.seq)}) of process {row.process.hex()}"
    known = reached.at.get(row.process)
    if (known is not None or not reached.trusting) and row.chain not in chain.written(known[1] if known else b"", row):
        yield f"{where}: altered, or rows before it removed"
    elif anchored.get((row.process, row.seq), row.chain) != row.chain:
        yield f"{where}: another link than was anchored"
    if len(row.versions) != row.writes:
        yield f"{where}: {len(row.versions)} versions are there, and it made {row.writes}"
    reached.at[row.process] = row.seq, row.chain


def _runs(seqs: list[int]) -> Iterator[tuple[int, int]]:
    """Numbers that follow each other, as (first, last)."""
    begin = seqs[0]
    for one, following in pairwise((*seqs, -1)):
        if following != one + 1:
            yield begin, one
            begin = following
