"""A third store, in memory: the shortest true answer to what each of the five verbs must do.

It keeps nothing when the process ends, so it is for reading and for tests. docs/how-to/write-a-store.md
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.oauth.ledger import Lost
from hilum.problems import Conflict, CriteriaChanged, Misconfigured, VersionChanged
from hilum.search.catalogue import BUILDING, EMPTY, GONE, READY, REMOVED, Catalogue, Defined
from hilum.search.clauses import Part, Permit
from hilum.search.index import index
from hilum.search.matches import matches
from hilum.search.query import Query
from hilum.search.rows import NO_ROWS, Rows
from hilum.store.evaluate import Population, Result
from hilum.store.interface import (
    Commit,
    Counts,
    HistoryQuery,
    Page,
    Placed,
    Present,
    Resolves,
    Unreferenced,
    Versions,
    Write,
)
from hilum.store.keys import TYPE_SHIFT, type_range
from hilum.store.memory import MemoryLedger, MemorySegments
from hilum.store.plan import cursor
from hilum.store.rebuilding import Rebuilt, Scope
from hilum.store.segments import Version as Made
from hilum.store.segments import WriteAudited
from hilum.terminology.memory import MemoryConcepts

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Version:
    """One version with what it was indexed and committed with."""

    resource: Resource
    rows: Rows
    compartments: frozenset[Name]
    judged: Rows
    """What a policy judges it by: of a deletion what it deleted said."""


class MemoryStore:
    """Everything in one list, in commit order. An event loop runs one commit at a time, so no locks."""

    name = "memory"
    full_text = True

    def __init__(self) -> None:
        self._log: list[Version] = []
        self._current: dict[Name, Version] = {}
        self._born: dict[Name, int] = {}
        self._catalogue = EMPTY
        self.ledger = MemoryLedger()
        self.segments = MemorySegments()
        self.concepts = MemoryConcepts(self._definitions)

    async def commit(self, commit: Commit) -> tuple[Resource, ...]:
        """Work on copies, and put them in place only when every condition holds: all or nothing."""
        if commit.generation != self._catalogue.generation:
            raise VersionChanged("The search parameters are others by now.")
        current, born, made = dict(self._current), dict(self._born), []
        for condition in commit.preconditions:
            if isinstance(condition, Resolves):
                found = tuple(id for _, id in self._population().found(condition.query))
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
        try:
            await self.ledger.many(commit.puts)
        except Lost:
            raise VersionChanged("A record to be written is another by now.") from None
        self._current, self._born = current, born
        self._log.extend(made)
        self._define(commit.defined)
        resources = tuple(version.resource for version in made)
        versions = [Made(one.seq, one.type, one.id, one.version, one.method) for one in resources]
        self.segments.committed(commit.audit, seq + 1, versions)
        await self.ledger.committed(commit.revokes)
        return resources

    def _definitions(self) -> int:
        """How many versions there are of what says what codes mean."""
        return sum(1 for v in self._log if v.resource.type in ("CodeSystem", "ConceptMap", "NamingSystem", "ValueSet"))

    async def structures(self) -> int:
        """How many versions of StructureDefinitions there are."""
        return sum(1 for version in self._log if version.resource.type == "StructureDefinition")

    async def read(self, type: str, id: str, version: int | None = None) -> Resource | None:
        """The current version, or that one."""
        found = self._version(type, id, version)
        return None if found is None else found.resource

    async def placed(self, type: str, id: str, version: int | None = None) -> Placed | None:
        """The same with its owners."""
        found = self._version(type, id, version)
        return None if found is None else Placed(found.resource, tuple(sorted(found.compartments)))

    def _version(self, type: str, id: str, version: int | None) -> Version | None:
        if version is None:
            return self._current.get((type, id))
        wanted = (type, id, version)
        return next((v for v in self._log if ((r := v.resource).type, r.id, r.version) == wanted), None)

    async def search(self, query: Query) -> Page:
        """Evaluate everything, then cut the page. A position is how the last resource stands in the order, and in the
        order of when: that of the first page.
        """
        population = self._population()
        found = population.results(query)
        total = None if query.total == "none" and query.count else len(found)
        moment = (self._log[-1].resource.seq if self._log else 0,)
        if query.after is not None:
            position, moment = cursor.parted(query.after, len(query.sort) + 2)
            found = self._as_of(found, query, moment)
            found = found[self._place(found, query, position) :]
        page = found[: query.count]
        next = None
        if len(found) > query.count > 0:
            last = page[-1]
            next = cursor.write((*last.values, *last.local), self._age(last.name), moment)
        ranked = any(one.score is not None for one in page)
        return Page(
            tuple(population.alive[one.name] for one in page),
            next,
            total,
            tuple(population.alive[name] for name in population.along(page, query)),
            tuple(one.place for one in page) if query.contained is not None else (),
            tuple(one.score or 0.0 for one in page) if ranked else (),
        )

    async def explain(self, query: Query) -> tuple[Page, list[dict[str, Any]]]:
        """There is nothing to decide."""
        page = await self.search(query)
        evaluated = {"step": "evaluate", "resources": len(self._current)}
        return page, [evaluated, {"step": "page", "found": len(page.resources)}]

    async def history(self, query: HistoryQuery) -> Versions:
        """Versions newest first, each judged by its own compartments."""
        found = [v for v in reversed(self._log) if _in_history(v, query) and self._within(v, query.at)]
        total = len(found) if query.total else None
        if query.before is not None:
            found = [v for v in found if v.resource.seq < query.before]
        page = found[: query.count]
        more = len(found) > query.count > 0
        return Versions(tuple(v.resource for v in page), page[-1].resource.seq if more else None, total)

    async def changes(self, after: int, limit: int = 1000, types: Collection[str] = ()) -> Sequence[Resource]:
        """In commit order; nothing is ever in flight here."""
        newer = [v.resource for v in self._log if v.resource.seq > after]
        return [one for one in newer if not types or one.type in types][:limit]

    async def settled(self, after: int) -> int:
        """The newest."""
        return max(after, (await self.counts()).seq)

    async def counts(self) -> Counts:
        """Current resources per type."""
        types: dict[str, int] = {}
        for (type, _), version in self._current.items():
            if not version.resource.deleted:
                types[type] = types.get(type, 0) + 1
        return Counts(types, self._log[-1].resource.seq if self._log else 0)

    @property
    def catalogue(self) -> Catalogue:
        """The custom search parameters."""
        return self._catalogue

    async def learn(self) -> Catalogue:
        """There is no other process to learn from."""
        return self._catalogue

    async def proceed(self) -> Defined | None:
        """Index everything anew by one parameter more, or less: in one step."""
        one = next((one for one in self._catalogue.defined if one.pending), None)
        if one is None:
            return None
        done = replace(one, state=READY if one.state == BUILDING else REMOVED, total=len(self._current))
        self._define((done,))
        self._index_anew(one.types)
        return done

    async def rebuild(self, scope: Scope) -> AsyncIterator[Rebuilt]:
        """All at once: there is nothing that could be wrong with rows but that they are old."""
        types = {high >> TYPE_SHIFT for _, high in scope.spans(self._catalogue.registry)}
        done = self._index_anew([type for type, n in TYPE_NUMBER.items() if scope.whole or n in types])
        yield Rebuilt(done, done)

    def _index_anew(self, types: Collection[str]) -> int:
        alive = {name: v for name, v in self._current.items() if name[0] in types and not v.resource.deleted}
        for name, version in alive.items():
            rows = index(name[0], version.resource.body, name[1], self._catalogue.registry)
            self._current[name] = replace(version, rows=rows)
        return len(alive)

    def _define(self, changed: tuple[Defined, ...]) -> None:
        if changed:
            some = {one.id: one for one in (*self._catalogue.defined, *changed)}
            kept = tuple(one for _, one in sorted(some.items()) if one.state != GONE)
            self._catalogue = Catalogue(self._catalogue.generation + 1, kept)

    async def writes_audited(
        self, before: int, low: int, limit: int, *, oldest_first: bool = False
    ) -> list[WriteAudited]:
        """The audit rows."""
        found = [one for one in self.segments.writes if low <= one.seq < before]
        return (found if oldest_first else found[::-1])[:limit]

    async def unaudited(self, after: int, limit: int = 1000) -> list[int]:
        """What no audit row tells of."""
        told = {one.seq + n for one in self.segments.writes for n in range(one.writes)}
        return [v.resource.seq for v in self._log if v.resource.seq > after and v.resource.seq not in told][:limit]

    async def compartments_of(self, seqs: Sequence[int]) -> Mapping[int, tuple[Name, ...]]:
        """The owners that versions were committed with."""
        found = {v.resource.seq: tuple(sorted(v.compartments)) for v in self._log}
        return {seq: owners for seq in seqs if (owners := found.get(seq))}

    async def check(self) -> None:
        """Always there."""

    async def backup(self, path: str) -> AsyncIterator[tuple[int, int]]:
        """There is nothing durable to copy."""
        raise Misconfigured("A store in memory has no backup.")
        yield 0, 0

    async def close(self) -> None:
        """Nothing to let go of."""

    def _population(self) -> Population:
        return Population(((v.resource, v.rows) for v in self._current.values()), self._born)

    def _as_of(self, found: list[Result], query: Query, moment: cursor.Moment) -> list[Result]:
        """The same, in the order of their versions of that moment, which no writer changes any more."""
        if (
            not moment
            or not query.sort
            or query.contained is not None
            or any(key.kind == "score" for key in query.sort)
        ):
            return found
        current = {one.name: one for one in found}
        then = [self._then(name, moment[0]) for name in current]
        everything = msgspec.structs.replace(query, parts=tuple(Part(type, (), (Permit(),)) for type in query.types))
        placed = Population(((v.resource, v.rows) for v in then), self._born).results(everything)
        return [replace(current[one.name], values=one.values) for one in placed]

    def _then(self, name: Name, seq: int) -> Version:
        """What was current then; where nothing was, the first version after it."""
        some = [v for v in self._log if (v.resource.type, v.resource.id) == name]
        before = [v for v in some if v.resource.seq <= seq][-1:]
        after = [v for v in some if v.resource.seq > seq]
        return next(v for v in before + after if not v.resource.deleted)

    def _place(self, found: list[Result], query: Query, position: cursor.Position) -> int:
        """How many come up to the position: a sort finds where it would stand."""
        values, age = position
        return sum(1 for one in found if self._before(one, query, values, age))

    def _before(self, one: Result, query: Query, values: tuple[Any, ...], age: int) -> bool:
        for key, mine, last in zip(query.sort, one.values, values, strict=False):
            mine = list(mine) if isinstance(mine, tuple) else mine
            if mine != last:
                return last is None or (mine is not None and (mine > last) is key.down)
        if self._age(one.name) != age:
            return self._age(one.name) > age
        return one.local <= values[-2:]

    def _age(self, name: Name) -> int:
        """Where the resource stands in the order: type after type, and within one by when it was first made."""
        return type_range(TYPE_NUMBER[name[0]])[0] + self._born[name]

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
    rows = write.rows if write.draft else NO_ROWS
    return Version(resource, rows, frozenset(owners), rows if write.draft else (before.judged if before else NO_ROWS))


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
    resource = version.resource
    return any(
        (p.owners is None or not version.compartments.isdisjoint(p.owners))
        and all(matches(c, version.judged, id=resource.id, last_updated=resource.last_updated) for c in p.clauses)
        for p in permits
    )


def _in_history(version: Version, query: HistoryQuery) -> bool:
    resource = version.resource
    permits = dict(zip(query.types, query.permits, strict=True))
    return (
        _permitted(version, permits.get(resource.type, ()))
        and (query.id is None or resource.id == query.id)
        and (query.since is None or resource.seq >= query.since)
    )
