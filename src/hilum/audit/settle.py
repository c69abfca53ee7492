"""Files of the trail become segments in the store, where auditors of all hosts find them; then the files go.

A file goes after its segment is committed. A crash in between leaves both, and the next process to come leaves the
segment as it is: of a process and a number of entries there is one.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from xxhash import xxh3_64_intdigest

from hilum.audit import file
from hilum.audit.anchor import Signer, Told, listed, sealing, subjects, told
from hilum.audit.entry import Entry, Who, decode
from hilum.audit.event import asked
from hilum.audit.trail import Closed, Trail
from hilum.problems import Damaged, Problem
from hilum.store.interface import Store
from hilum.store.segments import (
    AGENT,
    CLIENT,
    ENTITY,
    PATIENT,
    READ_HEADS,
    WRITE_HEADS,
    About,
    Head,
    Segment,
)
from hilum.web import log

SECONDS: Final = 5.0
PROCESS: Final = 5
"""A segment's own process: `About.what`, beside those of `hilum.store.segments`."""
_ORPHANS_EVERY: Final = 12
_FAR_EVERY: Final = 60
_NEAR: Final = 10_000_000
_FAR: Final = 600_000_000
"""How far back, in microseconds, commits are looked for that were under way when chains were anchored last."""
_LOOKED_AT: Final = 5000
_AT_ONCE: Final = 500
_FAILURES: Final = (OSError, msgspec.DecodeError)


def key(text: str) -> int:
    """A name as 64 bits with a sign: what postings are found by."""
    number = xxh3_64_intdigest(text.encode())
    return number - (1 << 64) if number >> 63 else number


class Content(NamedTuple):
    """A file, read: the segment it makes, the people and entries in it."""

    segment: Segment
    people: dict[int, Who]
    entries: list[Entry]
    torn: int


def content(path: Path) -> Content | None:
    """What a file says; None where nothing was written yet. Raises Damaged."""
    found = file.read(path)
    if found is None or not found.payloads:
        return None
    people: dict[int, Who] = {}
    entries: list[Entry] = []
    try:
        for payload in found.payloads:
            frame = decode(payload)
            people.update((one.number, one) for one in frame.people)
            entries += frame.entries
    except msgspec.DecodeError:
        raise Damaged(f"The audit file {path} holds what hilum did not write.") from None
    times = [one.at for one in entries]
    segment = Segment(
        found.process, found.first, len(entries), min(times), max(times), found.before, found.after,
        zlib.compress(found.body, 1),
    )  # fmt: skip
    return Content(segment, people, entries, found.torn)


def unpacked(segment: Segment) -> tuple[dict[int, Who], list[Entry]]:
    """People and entries of a segment. Raises Damaged."""
    people: dict[int, Who] = {}
    entries: list[Entry] = []
    try:
        for payload, _ in file.frames(zlib.decompress(segment.body)):
            frame = decode(payload)
            people.update((one.number, one) for one in frame.people)
            entries += frame.entries
    except (zlib.error, msgspec.DecodeError):
        raise Damaged("A segment of the audit trail can't be read: `hilum audit verify` tells which.") from None
    return people, entries


async def patients_of(store: Store, seqs: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """seq -> the ids of the patients in whose compartments the version was committed."""
    wanted = sorted(set(seqs))
    found: dict[int, tuple[str, ...]] = {}
    for begin in range(0, len(wanted), _AT_ONCE):
        some = await store.compartments_of(wanted[begin : begin + _AT_ONCE])
        for seq, owners in some.items():
            if patients := tuple(id for type, id in owners if type == "Patient"):
                found[seq] = patients
        await asyncio.sleep(0)
    return found


def about(one: Content, patients: dict[int, tuple[str, ...]]) -> list[About]:
    """What a segment speaks of."""
    found = {About(PROCESS, key(one.segment.process.hex()))}
    for who in one.people.values():
        found.add(About(CLIENT, key(who.client)))
        found.update(About(AGENT, key(name)) for name in (who.agent, who.user, who.fhir_user) if name)
        if who.patient:
            found.add(About(PATIENT, key(who.patient)))
    for entry in one.entries:
        if entry.id:
            found.add(About(ENTITY, key(f"{entry.type}/{entry.id}")))
            if entry.type == "Patient":
                found.add(About(PATIENT, key(entry.id)))
        found.update(About(PATIENT, key(id)) for id in asked(entry))
    found.update(About(PATIENT, key(id)) for some in patients.values() for id in some)
    return sorted(found)


async def keep(store: Store, signer: Signer, one: Content) -> bool:
    """Put a segment and its anchor into the store; whether it was not there yet."""
    patients = await patients_of(store, (seq for entry in one.entries for seq in entry.shown))
    segment = one.segment
    head = Head(segment.process, segment.first + segment.rows, segment.after)
    found_by = await asyncio.to_thread(about, one, patients)
    said = Told(heads=listed([head]), about=subjects(found_by))
    anchor = await store.segments.put(segment, found_by, sealing(signer, READ_HEADS, said))
    if anchor is not None:
        log.info("audit anchor", n=anchor.n, digest=anchor.digest.hex(), entries=segment.rows)
    return anchor is not None


class Settling:
    """The background work of one process. `backlog`: the bytes that its files may have while the store is away."""

    def __init__(
        self,
        store: Store,
        trail: Trail,
        signer: Signer,
        directory: Path,
        *,
        backlog: int = 1 << 30,
        seconds: float | None = None,
    ) -> None:
        self._store, self._trail, self._signer, self._directory = store, trail, signer, directory
        self._backlog = backlog
        self._seconds = SECONDS if seconds is None else seconds
        self._closed: list[Closed] = []
        self._turns = 0
        self._anchored: dict[bytes, Head] = {}
        self._newest = 0
        self._seen: int | None = None
        self.unreadable: dict[Path, str] = {}
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, within the event loop."""
        self._work = asyncio.create_task(self._run(), name="hilum-audit")

    async def stop(self) -> None:
        """Settle what there is, and end: the trail with it. What can't be settled is left for the next start."""
        if self._work is not None:
            self._work.cancel()
            with suppress(asyncio.CancelledError):
                await self._work
        with suppress(Problem, *_FAILURES):
            await self.turn()
        left = await self._trail.stop()
        for one in [*(closed.file for closed in self._closed), *([left] if left else [])]:
            try:
                await self._settled(one.path)
            except (Problem, *_FAILURES) as problem:
                log.warning("audit trail is settled at the next start", text=str(problem))
            one.close()

    async def _run(self) -> None:
        while True:
            try:
                await self.turn()
            except (Problem, *_FAILURES) as problem:
                log.warning("audit trail waits", text=str(problem))
                self._hold()
            await asyncio.sleep(self._seconds)

    async def turn(self) -> None:
        """Settle what was written since the last turn, anchor what was committed, and look after files left behind.

        Raises Busy or Damaged of the store, OSError.
        """
        if not self._closed and (closed := await self._trail.cut()) is not None:
            self._closed.append(closed)
        while self._closed:
            await self._settled(self._closed[0].file.path)
            self._closed.pop(0).file.close()
        self._trail.hold("")
        if self._turns % _ORPHANS_EVERY == 0:
            await self._orphans()
        await self._anchor_writes(_FAR if self._turns % _FAR_EVERY == 0 else _NEAR)
        self._turns += 1

    def _hold(self) -> None:
        waiting = sum(one.size for one in self._closed) + self._trail.size
        if waiting > self._backlog:
            self._trail.hold(
                "The audit trail can't be moved into the store, and its files are as large as --audit-backlog-mb lets "
                "them be."
            )

    async def _settled(self, path: Path) -> None:
        """Keep what a file says, and delete it. One that can't be read stays where it is, and is told of."""
        try:
            found = await asyncio.to_thread(content, path)
        except Damaged as problem:
            self.unreadable[path] = str(problem)
            log.error("audit file", text=str(problem))
            return
        if found is not None:
            await keep(self._store, self._signer, found)
            if found.torn:
                log.warning("audit file", text="its last frame was torn", file=path.name, bytes=found.torn)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _orphans(self) -> None:
        """Settle the files of processes that are gone."""
        for path in file.logs(self._directory):
            if path in self.unreadable or (lock := file.orphan(path)) is None:
                continue
            try:
                await self._settled(path)
            finally:
                os.close(lock)

    async def _anchor_writes(self, back: int) -> None:
        """Anchor the chains of commits that have got on, unless another process was quicker."""
        await self._learn()
        news = [head for head in await self._store.segments.heads(max(0, self._newest - back)) if self._moved(head)]
        if not news:
            return
        made = await self._store.segments.anchor(sealing(self._signer, WRITE_HEADS, Told(writes=listed(news))))
        log.info("audit anchor", n=made.n, digest=made.digest.hex(), chains=len(news))
        self._known_to(news)

    async def _learn(self) -> None:
        """Which chains are anchored by now: at first from as many anchors as there are of some hours."""
        segments = self._store.segments
        if self._seen is None:
            newest = await segments.newest()
            self._seen = max(0, newest.n - _LOOKED_AT) if newest else 0
        while some := await segments.anchors(self._seen):
            for one in some:
                if one.kind == WRITE_HEADS:
                    heads = told(one).writes
                    self._known_to([Head(bytes.fromhex(name), at, bytes.fromhex(link)) for name, at, link in heads])
            self._seen = some[-1].n

    def _known_to(self, heads: Iterable[Head]) -> None:
        for head in heads:
            self._newest = max(self._newest, head.at)
            if self._moved(head):
                self._anchored[head.process] = head
        oldest = self._newest - _FAR
        self._anchored = {process: head for process, head in self._anchored.items() if head.at >= oldest}

    def _moved(self, head: Head) -> bool:
        known = self._anchored.get(head.process)
        return known is None or head.at > known.at


async def settle_once(store: Store, trail: Trail, signer: Signer, directory: Path) -> None:
    """For a command that notes something: settle all of it, and end the trail."""
    await Settling(store, trail, signer, directory).stop()
