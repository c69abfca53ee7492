"""What stands beside the resources of a store, for one that keeps nothing when the process ends.

The records of the authorization server (`hilum.oauth.keeping`) and the audit trail (`hilum.store.segments`) in their
shortest form. No method waits for anything, so that an event loop runs one at a time, and no locks are needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from hilum.oauth.ledger import (
    CODE,
    FRESH,
    GRANT,
    GRANT_REVOKED,
    REFRESH,
    REVOKED,
    TRIES,
    USED,
    Lost,
    Numbered,
    Put,
    Revoked,
    Row,
    Take,
    Taken,
)
from hilum.store.chain import linked
from hilum.store.clock import microseconds
from hilum.store.interface import Audit
from hilum.store.segments import About, Anchor, Cut, Head, Seal, SealCut, Segment, Version, WriteAudited
from hilum.store.telling import Telling


class MemoryLedger(Telling):
    """See `hilum.oauth.keeping.Ledger`. `clock`: microseconds since 1970."""

    def __init__(self, clock: Callable[[], int] = microseconds) -> None:
        super().__init__()
        self._clock = clock
        self._rows: dict[tuple[int, bytes], Row] = {}
        self._revocations: list[Numbered] = []
        self._n = 0

    async def get(self, kind: int, key: bytes) -> Row | None:
        """The record, unless it has expired."""
        row = self._rows.get((kind, key))
        return row if row is not None and row.expires > self._clock() else None

    async def of(
        self, kind: int, *, owner: bytes = b"", peer: bytes = b"", after: bytes = b"", limit: int = 200
    ) -> list[Row]:
        """Unexpired records by key."""
        now = self._clock()
        return [
            row
            for row in self._sorted(kind)
            if row.expires > now and row.key > after and owner in (b"", row.owner) and peer in (b"", row.peer)
        ][:limit]

    async def ranged(self, kind: int, after: bytes, until: bytes, limit: int = 200) -> list[Row]:
        """Unexpired records by peer."""
        some = (row for row in self._sorted(kind) if row.expires > self._clock() and after < row.peer <= until)
        return sorted(some, key=lambda row: row.peer)[:limit]

    async def add(self, put: Put) -> bool:
        """Write a new record."""
        if (put.kind, put.key) in self._rows:
            return False
        self._write(put, 1)
        return True

    async def replace(self, put: Put, version: int) -> bool:
        """Write it in place of that version."""
        row = self._rows.get((put.kind, put.key))
        if row is None or row.version != version:
            return False
        self._write(put, version + 1)
        return True

    async def take(self, kind: int, key: bytes, value: bytes | None = None) -> Taken:
        """Use a fresh record up."""
        row = self._rows.get((kind, key))
        if row is None or row.state != FRESH or row.expires <= self._clock():
            return Taken(row, False)
        return Taken(self._change(row, USED, value), True)

    async def end(self, kind: int, *, key: bytes = b"", owner: bytes = b"") -> int:
        """Revoke a record, or all of an owner."""
        if not (key or owner):
            raise ValueError("Neither the key nor the owner of what is to end was named.")
        some = [r for r in self._sorted(kind) if key in (b"", r.key) and owner in (b"", r.owner) and r.state != REVOKED]
        for row in some:
            self._change(row, REVOKED)
        return len(some)

    async def remove(self, kind: int, key: bytes, value: bytes | None = None) -> bool:
        """Forget it."""
        row = self._rows.get((kind, key))
        if row is None or value not in (None, row.value):
            return False
        del self._rows[kind, key]
        return True

    async def many(
        self,
        puts: Sequence[Put] = (),
        takes: Sequence[Take] = (),
        ends: Sequence[tuple[int, bytes]] = (),
        revokes: Sequence[Revoked] = (),
    ) -> None:
        """All, or as it was before."""
        before = dict(self._rows)
        try:
            for take in takes:
                if not (await self.take(take.kind, take.key, take.value)).first:
                    raise Lost("A record to be used up is not fresh any more.")
            for kind, owner in ends:
                await self.end(kind, owner=owner)
            for put in puts:
                if not await (self.add(put) if put.version is None else self.replace(put, put.version)):
                    raise Lost("A record to be written is another by now.")
        except BaseException:
            self._rows = before
            raise
        self.note(revokes)

    async def count(self, key: bytes, seconds: float) -> int:
        """How often, within `seconds` from the first time."""
        now = self._clock()
        row = self._rows.get((TRIES, key))
        if row is None or row.expires <= now:
            self._rows[TRIES, key] = Row(TRIES, key, FRESH, b"", b"", 1, now, now + int(seconds * 1_000_000), b"")
            return 1
        return self._change(row, FRESH).version

    async def revoke(self, some: Sequence[Revoked]) -> None:
        """Note revocations."""
        self.note(some)

    def note(self, some: Sequence[Revoked]) -> None:
        """The same, and no wait."""
        for one in some:
            self._n += 1
            self._revocations.append(Numbered(self._n, one))
        self.tell(some)

    async def committed(self, some: Sequence[Revoked]) -> None:
        """From within a commit: note revocations, and end the records of grants."""
        for one in some:
            if one.kind == GRANT_REVOKED:
                await self.end(GRANT, key=one.key)
                for kind in (CODE, REFRESH):
                    await self.end(kind, owner=one.key)
        self.note(some)

    async def revocations(self, after: int) -> list[Numbered]:
        """Those with greater numbers."""
        return [one for one in self._revocations if one.n > after]

    async def changed(self, kind: int, since: int) -> list[Row]:
        """Records that changed at or after `since`, the oldest change first."""
        return sorted((r for r in self._sorted(kind) if r.changed >= since), key=lambda row: row.changed)

    async def sweep(self, most: int = 500) -> int:
        """Delete expired records and revocations."""
        now = self._clock()
        rows = [name for name, row in self._rows.items() if row.expires <= now][:most]
        for name in rows:
            del self._rows[name]
        spent = [one for one in self._revocations if one.revoked.expires <= now][: most - len(rows)]
        self._revocations = [one for one in self._revocations if one not in spent]
        return len(rows) + len(spent)

    def _sorted(self, kind: int) -> list[Row]:
        return sorted((row for row in self._rows.values() if row.kind == kind), key=lambda row: row.key)

    def _write(self, put: Put, version: int) -> None:
        self._rows[put.kind, put.key] = Row(
            put.kind, put.key, put.state, put.owner, put.peer, version, self._clock(), put.expires, put.value
        )

    def _change(self, row: Row, state: int, value: bytes | None = None) -> Row:
        changed = replace(
            row,
            state=state,
            version=row.version + 1,
            changed=self._clock(),
            value=row.value if value is None else value,
        )
        self._rows[row.kind, row.key] = changed
        return changed


class MemorySegments:
    """See `hilum.store.segments.Segments`. `writes`: the audit rows of commits, in their order."""

    def __init__(self) -> None:
        self.writes: list[WriteAudited] = []
        self._process = os.urandom(8)
        self._link = b""
        self._segments: list[tuple[Segment, frozenset[About]]] = []
        self._anchors: list[Anchor] = []
        self._id = 0

    def committed(self, audit: Audit, seq: int, versions: Sequence[Version]) -> None:
        """From within a commit whose first version would have that seq: its audit row."""
        fields = (audit.agent, audit.client, audit.interaction, audit.token, audit.detail)
        self._link = linked(self._link, seq, len(versions), *fields)
        self.writes.append(WriteAudited(seq, len(versions), self._process, *fields, self._link, tuple(versions)))

    async def put(self, segment: Segment, about: Sequence[About], seal: Seal) -> Anchor | None:
        """Keep a segment, and an anchor."""
        if any((one.process, one.first) == (segment.process, segment.first) for one, _ in self._segments):
            return None
        anchor = seal(await self.newest())
        self._id += 1
        self._segments.append((replace(segment, id=self._id), frozenset(about)))
        self._anchors.append(anchor)
        return anchor

    async def anchor(self, seal: Seal) -> Anchor:
        """Keep an anchor alone."""
        self._anchors.append(seal(await self.newest()))
        return self._anchors[-1]

    async def between(
        self,
        low: int,
        high: int,
        about: Sequence[Sequence[About]] = (),
        *,
        before: tuple[int, int] | None = None,
        limit: int = 16,
    ) -> list[Segment]:
        """Segments with entries of between those microseconds, that of the newest entry first."""
        found = [
            one
            for one, subjects in self._segments
            if one.high >= low
            and one.low <= high
            and not any(subjects.isdisjoint(some) for some in about)
            and (before is None or (one.high, one.id) < before)
        ]
        return sorted(found, key=lambda one: (one.high, one.id), reverse=True)[:limit]

    async def following(self, after: int, limit: int = 16) -> list[Segment]:
        """Segments with a greater id, by id."""
        return [one for one, _ in self._segments if one.id > after][:limit]

    async def spoken_of(self, id: int) -> list[tuple[About, int]]:
        """By what a segment is found."""
        ((one, about),) = [found for found in self._segments if found[0].id == id]
        return [(subject, one.high) for subject in sorted(about)]

    async def anchors(self, after: int, limit: int = 1000) -> list[Anchor]:
        """Those with a greater n, in order."""
        return [one for one in self._anchors if one.n > after][:limit]

    async def newest(self) -> Anchor | None:
        """The last anchor."""
        return self._anchors[-1] if self._anchors else None

    async def heads(self, after: int) -> list[Head]:
        """Of each process that committed after that seq, the last link."""
        return [Head(one.process, one.seq, one.chain) for one in self.writes[-1:] if one.seq > after]

    async def prune(self, before: int, seal: SealCut) -> Anchor | None:
        """Take away what is older, and keep a checkpoint."""
        kept: set[bytes] = set()
        gone: dict[int, Segment] = {}
        for one, _ in sorted(self._segments, key=lambda pair: pair[0].first):
            if one.high >= before:
                kept.add(one.process)
            elif one.process not in kept:
                gone[one.id] = one
        writes = [one for one in self.writes if one.seq < before]
        if not (gone or writes):
            return None
        reads = {one.process: Head(one.process, one.first + one.rows, one.after) for one in gone.values()}
        heads = tuple(Head(one.process, one.seq, one.chain) for one in writes[-1:])
        cut = Cut(before, tuple(head for _, head in sorted(reads.items())), heads, len(gone), len(writes))
        self._anchors.append(seal(await self.newest(), cut))
        self._segments = [pair for pair in self._segments if pair[0].id not in gone]
        self.writes = [one for one in self.writes if one.seq >= before]
        return self._anchors[-1]
