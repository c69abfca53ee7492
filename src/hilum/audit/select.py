"""The server's own AuditEvents: read by id, and searched, newest first.

They are kept as compact rows and rendered when they are asked for. What a search says of time, patient, agent and
resource narrows which segments are opened, and which rows are rendered; the clauses themselves are judged on the
rendered AuditEvent, as those of every other search are.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import Final, NamedTuple

from hilum.audit.entry import Entry, Who
from hilum.audit.event import Event, ReadId, WriteId, asked, id_of, read, written
from hilum.audit.narrow import Narrow, narrowed
from hilum.audit.render import render
from hilum.audit.settle import PROCESS, key, patients_of, unpacked
from hilum.fhir import json
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.problems import Invalid, Issue, Malformed, Unprocessable
from hilum.search.clauses import Clause, Permit
from hilum.search.index import index
from hilum.search.matches import matches
from hilum.store.interface import HistoryQuery, Store
from hilum.store.segments import About, Segment, Version, WriteAudited

SECONDS: Final = 2.0
"""How long one page may take; what was found until then is a page, too."""
_SEGMENTS: Final = 4
_ROWS: Final = 200
_BREATH: Final = 25
ALONE: Final = (
    "AuditEvents of this server are searched by what they say themselves, newest first: parameters of AuditEvent, _id, "
    "_lastUpdated, _count, _total, and _sort=-date. Chains, _has, _include, _revinclude, _contained, _text, _content "
    "and other orders can't be."
)
_COSTLY: Final = (
    "There is more to look at than can be looked at in {:g} seconds. Narrow the search by date, patient, agent or "
    "entity, or leave _total out."
)

_LAST: Final = "~"
"""Behind every id."""
Order = tuple[int, str]
"""By time, the newest first, and then by id: (-microseconds, id)."""


class Found(NamedTuple):
    """Events, newest first. `next`: where the following page begins, None at the end."""

    resources: tuple[Resource, ...]
    next: str | None


class _Candidate(NamedTuple):
    """What may match. `shown`: the versions by which one knows whom it is about, with whom it becomes an event.

    `make` None: nothing; what was looked at came before this place.
    """

    order: Order
    shown: tuple[int, ...] = ()
    make: Callable[[tuple[str, ...]], Event] | None = None


class Audits:
    """What was recorded in `store`, as FHIR. `base`: of the FHIR API."""

    def __init__(
        self, store: Store, base: str, *, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._base = base
        self._seconds = seconds
        self._clock = clock

    async def read(self, id: str) -> Resource | None:
        """The event of this id; None where there is none, or where it is not one of hilum's own."""
        named = id_of(id)
        if isinstance(named, ReadId):
            event = await self._read(named)
        elif isinstance(named, WriteId):
            event = await self._written(named)
        else:
            return None
        return None if event is None or event.id != id else self._resource(event)

    async def search(self, clauses: Sequence[Clause], *, count: int, after: str | None = None) -> Found:
        """A page of what matches; when the time is up, what was found by then, be it nothing.

        Raises Unprocessable when the time was not even enough to get on, Invalid, Malformed.
        """
        found: list[Resource] = []
        last = end = begin = None if after is None else _place(after)
        async for one in self._candidates(narrowed(clauses), begin):
            if one is None:
                if last is None or last == begin:
                    raise self._costly()
                return Found(tuple(found), _named(last))
            last = one.order
            resource = await self._matching(clauses, one)
            if resource is None:
                continue
            if len(found) >= count:
                return Found(tuple(found), None if end is None or not found else _named(end))
            found.append(resource)
            end = last
        return Found(tuple(found), None)

    async def count(self, clauses: Sequence[Clause]) -> int:
        """How many match. Raises Unprocessable when that can't be told in the time there is."""
        found = 0
        async for one in self._candidates(narrowed(clauses), None):
            if one is None:
                raise self._costly()
            found += await self._matching(clauses, one) is not None
        return found

    def _costly(self) -> Unprocessable:
        return Unprocessable(issues=(Issue("error", "too-costly", _COSTLY.format(self._seconds)),))

    async def _matching(self, clauses: Sequence[Clause], one: _Candidate) -> Resource | None:
        if one.make is None:
            return None
        owners = await patients_of(self._store, one.shown) if one.shown else {}
        resource = self._resource(one.make(_all(owners, one.shown)))
        rows = index("AuditEvent", resource.body, resource.id)
        try:
            for clause in clauses:
                if not matches(clause, rows, id=resource.id, last_updated=resource.last_updated):
                    return None
        except ValueError:  # a chain, words, ...
            raise Invalid(ALONE) from None
        return resource

    def _resource(self, event: Event) -> Resource:
        return Resource("AuditEvent", event.id, 1, event.at, json.encode(render(event, self._base)), "POST")

    # --- one --------------------------------------------------------------------------------------------------------

    async def _read(self, named: ReadId) -> Event | None:
        about = ((About(PROCESS, key(named.process.hex())),),)
        before: tuple[int, int] | None = None
        while some := await self._store.segments.between(named.at, named.at, about, before=before, limit=_SEGMENTS):
            for segment in some:
                if segment.process == named.process and 0 <= named.number - segment.first < segment.rows:
                    people, entries = await asyncio.to_thread(unpacked, segment)
                    entry = entries[named.number - segment.first]
                    patients = await patients_of(self._store, entry.shown)
                    return read(named, people[entry.who], entry, _all(patients, entry.shown))
            before = some[-1].high, some[-1].id
        return None

    async def _written(self, named: WriteId) -> Event | None:
        rows = await self._store.writes_audited(named.seq + 1, named.seq, 1)
        if not rows or named.number >= len(rows[0].versions):
            return None
        version = rows[0].versions[named.number]
        patients = await patients_of(self._store, (version.seq,))
        return written(rows[0], named.number, version, patients.get(version.seq, ()))

    # --- many -------------------------------------------------------------------------------------------------------

    async def _candidates(self, narrow: Narrow, after: Order | None) -> AsyncIterator[_Candidate | None]:
        """What may match, in order, from beyond `after`; None, and no more, when the time is up."""
        deadline = self._clock() + self._seconds
        if after is not None:
            narrow = narrow._replace(high=min(narrow.high, -after[0]))
        streams = [self._reads(narrow), self._writes(narrow)]
        heads: list[tuple[Order, int, _Candidate]] = []
        for number, stream in enumerate(streams):
            if (one := await anext(stream, None)) is not None:
                heappush(heads, (one.order, number, one))
        looked = 0
        while heads:
            order, number, one = heappop(heads)
            if after is None or order > after:
                looked += 1
                if looked % _BREATH == 0:
                    await asyncio.sleep(0)
                if self._clock() > deadline:
                    yield None
                    return
                yield one
            if (following := await anext(streams[number], None)) is not None:
                heappush(heads, (following.order, number, following))

    async def _reads(self, narrow: Narrow) -> AsyncIterator[_Candidate]:
        """Of the trail. Segments overlap: an entry comes when no segment that is still closed can hold a newer one."""
        heap: list[tuple[Order, _Candidate]] = []
        closed: deque[Segment] = deque()
        before: tuple[int, int] | None = None
        ended = False
        while True:
            if not closed and not ended:
                some = await self._store.segments.between(
                    narrow.low, narrow.high, narrow.about, before=before, limit=_SEGMENTS
                )
                ended = len(some) < _SEGMENTS
                closed.extend(some)
                if some:
                    before = some[-1].high, some[-1].id
            if closed and (not heap or closed[0].high >= -heap[0][0][0]):
                for one in await self._within(closed.popleft(), narrow):
                    heappush(heap, (one.order, one))
                if closed and not heap:
                    yield _Candidate((-closed[0].high, ""))
            elif heap:
                yield heappop(heap)[1]
            elif ended and not closed:
                return

    async def _within(self, segment: Segment, narrow: Narrow) -> list[_Candidate]:
        people, entries = await asyncio.to_thread(unpacked, segment)
        some = [
            (number, entry)
            for number, entry in enumerate(entries)
            if narrow.low <= entry.at <= narrow.high
            and (narrow.resources is None or f"{entry.type}/{entry.id}" in narrow.resources)
        ]
        if narrow.patients is not None:
            owners = await patients_of(self._store, (seq for _, entry in some for seq in entry.shown))
            some = [one for one in some if _concerns(people[one[1].who], one[1], owners, narrow.patients)]
        found: list[_Candidate] = []
        for number, entry in some:
            named = ReadId(entry.at, segment.process, segment.first + number)
            make = partial(read, named, people[entry.who], entry)
            found.append(_Candidate((-entry.at, str(named)), entry.shown, make))
        return found

    async def _writes(self, narrow: Narrow) -> AsyncIterator[_Candidate]:
        """Of commits. Those of one resource are found by its history."""
        if narrow.resources is not None and len(narrow.resources) == 1:
            type, _, id = next(iter(narrow.resources)).partition("/")
            async for one in self._versions(type, id, narrow):
                yield one
            return
        before = narrow.high + 1
        while some := await self._store.writes_audited(before, 0, _ROWS):
            versions = (version for row in some for version in row.versions)
            owners = await patients_of(self._store, (one.seq for one in versions)) if narrow.patients else {}
            for row in some:
                for number in range(len(row.versions) - 1, -1, -1):
                    version = row.versions[number]
                    if version.seq < narrow.low:
                        return
                    if version.seq > narrow.high or (
                        narrow.resources is not None and f"{version.type}/{version.id}" not in narrow.resources
                    ):
                        continue
                    candidate = _of_commit(row, number)
                    if narrow.patients is None or _by_or_of(row, version, owners, narrow.patients):
                        yield candidate
            before = some[-1].seq
            yield _Candidate((-before, _LAST))

    async def _versions(self, type: str, id: str, narrow: Narrow) -> AsyncIterator[_Candidate]:
        if type not in TYPE_NUMBER:
            return
        before: int | None = narrow.high + 1
        while before is not None:
            asked = HistoryQuery((type,), ((Permit(),),), id, before=before, count=_ROWS, total=False)
            page = await self._store.history(asked)
            for one in page.resources:
                if one.seq < narrow.low:
                    return
                rows = await self._store.writes_audited(one.seq + 1, 0, 1)
                if rows and one.seq - rows[0].seq < len(rows[0].versions):  # else it was pruned
                    yield _of_commit(rows[0], one.seq - rows[0].seq)
            before = page.next


def _of_commit(row: WriteAudited, number: int) -> _Candidate:
    version = row.versions[number]
    order = -version.seq, str(WriteId(row.seq, number))
    return _Candidate(order, (version.seq,), partial(written, row, number, version))


def _by_or_of(row: WriteAudited, version: Version, owners: dict[int, tuple[str, ...]], wanted: frozenset[str]) -> bool:
    """Whether a write was of one of these patients' records, or by one of them."""
    if '"fhir_user":"Patient/' in row.detail:
        who = written(row, 0, version, ()).who
        if who.fhir_user.removeprefix("Patient/") in wanted:
            return True
    return not wanted.isdisjoint(owners.get(version.seq, ()))


def _concerns(who: Who, entry: Entry, owners: dict[int, tuple[str, ...]], wanted: frozenset[str]) -> bool:
    """Whether an entry is about one of these patients, or by one of them."""
    return not wanted.isdisjoint(
        (*_all(owners, entry.shown), *asked(entry), who.patient, who.fhir_user.removeprefix("Patient/"), entry.id)
    )


def _all(patients: dict[int, tuple[str, ...]], shown: Sequence[int]) -> tuple[str, ...]:
    """The patients of all of these versions, each once."""
    return tuple(dict.fromkeys(id for seq in shown for id in patients.get(seq, ())))


def _named(order: Order) -> str:
    return f"{-order[0]}.{order[1]}"


def _place(after: str) -> Order:
    """Raises Malformed."""
    at, _, id = after.partition(".")
    if not at.isdigit():
        raise Malformed("The cursor is not one of a search for AuditEvents.")
    return -int(at), id
