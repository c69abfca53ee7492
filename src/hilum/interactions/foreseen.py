"""A store as it will be once a commit is made: whether a read that follows it will fail is judged here, before it.

https://hl7.org/fhir/R4/http.html#transaction: all actions are accepted or all are rejected, those that read among them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Any

from hilum.access.policy import allows
from hilum.fhir.resource import Resource
from hilum.search.catalogue import Catalogue, Defined
from hilum.search.query import Query
from hilum.store.interface import Commit, Counts, HistoryQuery, Page, Placed, Store, Versions, Write
from hilum.store.rebuilding import Rebuilt, Scope


class Foreseen:
    """`store` with these writes on top, for reads by name: a version read, its compartments, an instance's history.

    Searches see what is stored now: what they find differs, but not whether they fail. lastUpdated is the time now.
    """

    def __init__(self, store: Store, writes: Iterable[Write]) -> None:
        self._store = store
        self.name = store.name
        self.full_text = store.full_text
        self.ledger = store.ledger
        self.segments = store.segments
        self.concepts = store.concepts
        self.structures = store.structures
        self.writes_audited = store.writes_audited
        self.unaudited = store.unaudited
        self.compartments_of = store.compartments_of
        self._writes = {(write.type, write.id): write for write in writes}
        self._now = time.time_ns() // 1000

    async def read(self, type: str, id: str, version: int | None = None) -> Resource | None:
        """As `Store.read`."""
        write = self._writes.get((type, id))
        if write is None or version not in (None, write.version):
            return await self._store.read(type, id, version)
        return self._made(write)

    def _made(self, write: Write) -> Resource:
        raw = b"" if write.draft is None else write.draft.stamp(write.version, self._now)
        return Resource(write.type, write.id, write.version, self._now, raw, write.method)

    async def placed(self, type: str, id: str, version: int | None = None) -> Placed | None:
        """As `Store.placed`: a deletion is in the compartments of the version before it."""
        write = self._writes.get((type, id))
        if write is None or version not in (None, write.version):
            return await self._store.placed(type, id, version)
        return Placed(self._made(write), (write.old if write.draft is None else write.rows).compartments)

    async def history(self, query: HistoryQuery) -> Versions:
        """As `Store.history`; of an instance that is not stored yet, its first version."""
        page = await self._store.history(query)
        write = self._writes.get((query.types[0], query.id)) if query.id is not None else None
        if page.resources or write is None:
            return page
        seen = allows(query.permits[0], write.old if write.draft is None else write.rows, write.id)
        return Versions((self._made(write),), None, 1) if seen else page

    async def search(self, query: Query) -> Page:
        """As `Store.search`, on what is stored now."""
        return await self._store.search(query)

    async def explain(self, query: Query) -> tuple[Page, list[dict[str, Any]]]:
        """As `Store.explain`, on what is stored now."""
        return await self._store.explain(query)

    async def changes(self, after: int, limit: int = 1000, types: Collection[str] = ()) -> Sequence[Resource]:
        """As `Store.changes`, on what is stored now."""
        return await self._store.changes(after, limit, types)

    async def settled(self, after: int) -> int:
        """As `Store.settled`, on what is stored now."""
        return await self._store.settled(after)

    async def counts(self) -> Counts:
        """As `Store.counts`, on what is stored now."""
        return await self._store.counts()

    @property
    def catalogue(self) -> Catalogue:
        """As `Store.catalogue`."""
        return self._store.catalogue

    async def learn(self) -> Catalogue:
        """As `Store.learn`."""
        return await self._store.learn()

    async def proceed(self) -> Defined | None:
        """Nothing: that is for the store itself."""
        return None

    def rebuild(self, scope: Scope) -> AsyncIterator[Rebuilt]:
        """As `Store.rebuild`, of what is stored now."""
        return self._store.rebuild(scope)

    async def check(self) -> None:
        """As `Store.check`."""
        await self._store.check()

    async def commit(self, commit: Commit) -> tuple[Resource, ...]:
        """Never: the future can only be looked at. Raises TypeError."""
        raise TypeError("A foreseen store can't be written to.")

    def backup(self, path: str) -> AsyncIterator[tuple[int, int]]:
        """As `Store.backup`, of what is stored now."""
        return self._store.backup(path)

    async def close(self) -> None:
        """Nothing: the store is somebody else's."""
