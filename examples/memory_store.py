"""A third store, in memory: the shortest true answer to what each of the five verbs must do.

It keeps nothing when the process ends, so it is for reading and for tests. docs/how-to/write-a-store.md
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.problems import Conflict, CriteriaChanged, Misconfigured, VersionChanged
from hilum.search.matches import matches
from hilum.search.query import Permit, Query
from hilum.search.rows import NO_ROWS, Rows
from hilum.store.interface import Commit, Counts, HistoryQuery, Page, Present, Resolves, Unreferenced, Write
from hilum.store.keys import type_range

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Version:
    """One version with what it was indexed and committed with."""

    resource: Resource
    rows: Rows
    compartments: frozenset[Name]


class MemoryStore:
    """Everything in one list, in commit order. An event loop runs one commit at a time, so no locks."""

    name = "memory"

    def __init__(self) -> None:
        self._log: list[Version] = []
        self._current: dict[Name, Version] = {}
        self._born: dict[Name, int] = {}

    async def commit(self, commit: Commit) -> tuple[Resource, ...]:
        """Work on copies, and put them in place only when every condition holds: all or nothing."""
        current, born, made = dict(self._current), dict(self._born), []
        for condition in commit.preconditions:
            if isinstance(condition, Resolves):
                found = tuple(v.resource.id for v in self._matching(condition.query))
                if found != condition.ids:
                    raise CriteriaChanged("The criteria resolve to something else by now.")
        seq = max(self._log[-1].resource.seq if self._log else 0, time.time_ns() // 1000)
        for number, write in enumerate(commit.writes, seq + 1):
            name = (write.type, write.id)
            before = current.get(name)
            if (before.resource.version if before else 0) != write.version - 1:
                raise VersionChanged(f"{write.type} has another version by now.")
            version = _stamped(write, number, before)
            current[name] = version
            born.setdefault(name, len(born))
            made.append(version)
        for condition in commit.preconditions:
            _judge(condition, current)
        self._current, self._born = current, born
        self._log.extend(made)
        return tuple(version.resource for version in made)

    async def read(self, type: str, id: str, version: int | None = None) -> Resource | None:
        """The current version, or that one."""
        if version is None:
            found = self._current.get((type, id))
            return found.resource if found else None
        return next(
            (r for v in self._log if ((r := v.resource).type, r.id, r.version) == (type, id, version)),
            None,
        )

    async def compartments(self, resource: Resource) -> tuple[Name, ...]:
        """The owners that the version was committed with."""
        return next((tuple(sorted(v.compartments)) for v in self._log if v.resource.seq == resource.seq), ())

    async def search(self, query: Query) -> Page:
        """Evaluate everything, then cut the page: newest created first, or by lastUpdated."""
        found = self._matching(query)
        key: Callable[[Version], int] = self._age if query.order == "rid" else lambda v: v.resource.seq
        down = query.order != "updated"
        found.sort(key=key, reverse=down)
        total = len(found) if query.total == "accurate" or query.count == 0 else None
        if query.after is not None:
            after = query.after
            found = [v for v in found if (key(v) < after if down else key(v) > after)]
        page = found[: query.count]
        more = len(found) > query.count > 0
        return Page(tuple(v.resource for v in page), key(page[-1]) if more else None, total)

    async def history(self, query: HistoryQuery) -> Page:
        """Versions newest first, each judged by its own compartments."""
        found = [v for v in reversed(self._log) if _in_history(v, query) and self._within(v, query.at)]
        total = len(found) if query.total else None
        if query.before is not None:
            found = [v for v in found if v.resource.seq < query.before]
        page = found[: query.count]
        more = len(found) > query.count > 0
        return Page(tuple(v.resource for v in page), page[-1].resource.seq if more else None, total)

    async def changes(self, after: int, limit: int = 1000) -> Sequence[Resource]:
        """In commit order; nothing is ever in flight here."""
        return [v.resource for v in self._log if v.resource.seq > after][:limit]

    async def counts(self) -> Counts:
        """Current resources per type."""
        types: dict[str, int] = {}
        for (type, _), version in self._current.items():
            if not version.resource.deleted:
                types[type] = types.get(type, 0) + 1
        return Counts(types, self._log[-1].resource.seq if self._log else 0)

    async def check(self) -> None:
        """Always there."""

    async def backup(self, path: str) -> AsyncIterator[tuple[int, int]]:
        """There is nothing durable to copy."""
        raise Misconfigured("A store in memory has no backup.")
        yield 0, 0

    async def close(self) -> None:
        """Nothing to let go of."""

    def _matching(self, query: Query) -> list[Version]:
        permits = dict(zip(query.types, query.permits, strict=True))
        found = [
            v
            for v in self._current.values()
            if not v.resource.deleted
            and _permitted(v, permits.get(v.resource.type, ()))
            and all(
                matches(clause, v.rows, id=v.resource.id, last_updated=v.resource.last_updated)
                for clause in query.clauses
            )
        ]
        return sorted(found, key=self._age, reverse=True)

    def _age(self, version: Version) -> int:
        """Where the resource stands in the order: type after type, and within one by when it was first made."""
        type = version.resource.type
        return type_range(TYPE_NUMBER[type])[0] + self._born[type, version.resource.id]

    def _within(self, version: Version, at: tuple[int, int] | None) -> bool:
        if at is None:
            return True
        low, high = at
        this = version.resource
        replaced = min(
            (r.seq for v in self._log if ((r := v.resource).type, r.id) == (this.type, this.id) and r.seq > this.seq),
            default=high + 1,
        )
        return this.seq <= high and replaced > low


def _stamped(write: Write, seq: int, before: Version | None) -> Version:
    raw = write.draft.stamp(write.version, seq) if write.draft else b""
    resource = Resource(write.type, write.id, write.version, seq, raw, write.method)
    owners = write.rows.compartments if write.draft else (before.compartments if before else ())
    return Version(resource, write.rows if write.draft else NO_ROWS, frozenset(owners))


def _judge(condition: object, current: dict[Name, Version]) -> None:
    match condition:
        case Present(type, id):
            target = current.get((type, id))
            if target is None or target.resource.deleted:
                raise Conflict(f"The reference {type}/{id} points to nothing that exists here.")
        case Unreferenced(type, id):
            for name, version in current.items():
                if name != (type, id) and any((r.type, r.id) == (type, id) for r in version.rows.references):
                    raise Conflict(f"A {name[0]} still refers to this {type}; delete or change that first.")
        case _:
            pass


def _permitted(version: Version, permits: tuple[Permit, ...]) -> bool:
    return any(p.owners is None or not version.compartments.isdisjoint(p.owners) for p in permits)


def _in_history(version: Version, query: HistoryQuery) -> bool:
    resource = version.resource
    permits = dict(zip(query.types, query.permits, strict=True))
    return (
        _permitted(version, permits.get(resource.type, ()))
        and (query.id is None or resource.id == query.id)
        and (query.since is None or resource.seq >= query.since)
    )
