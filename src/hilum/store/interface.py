"""The store's five verbs: commit, read, search, history, changes.

A store keeps versions of resources, their index rows and the audit of writes. It knows no HTTP and no FHIR rules:
interactions build the writes, a store makes them durable, all or none. `docs/how-to/write-a-store.md` shows a third.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from hilum.fhir.resource import Draft, Resource
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import Put, Revoked
from hilum.search.catalogue import Catalogue, Defined
from hilum.search.clauses import Permit
from hilum.search.query import Query
from hilum.search.rows import NO_ROWS, Rows
from hilum.store.blobs.blob import Blob
from hilum.store.rebuilding import Rebuilt, Scope
from hilum.store.segments import Segments, WriteAudited
from hilum.terminology.concepts import Concepts


@dataclass(frozen=True, slots=True)
class Write:
    """One new version. `version` is the number that it makes; the current one must be `version - 1` (0: never was).

    `draft` None is a deletion. `rows` are the new version's index rows and `old` those of the version before (both
    computed by the same pure function), so that a store touches only what differs.
    """

    method: str
    type: str
    id: str
    version: int
    draft: Draft | None
    rows: Rows = NO_ROWS
    old: Rows = NO_ROWS
    blob: Blob | None = None
    """Of a Binary: where its content is, if that is not in the draft."""


@dataclass(frozen=True, slots=True)
class Resolves:
    """Precondition: the query, evaluated inside the commit, finds exactly these ids, newest created first."""

    query: Query
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """Precondition: the resource exists and is not deleted, and stays so until the commit (referential integrity)."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Unreferenced:
    """Precondition: no current resource refers to this one, but those that the same commit deletes or rewrites."""

    type: str
    id: str


Precondition = Resolves | Present | Unreferenced


@dataclass(frozen=True, slots=True)
class Audit:
    """Who does this, for the audit row that is committed with the writes. No patient data but ids.

    `agent`: the user or client; `client`: the client id; `interaction`: create, update, transaction, …;
    `token`: the token's id, never the token. `detail`: what else there is to tell, as a JSON object.
    """

    agent: str
    client: str
    interaction: str
    token: str = ""
    detail: str = "{}"


@dataclass(frozen=True, slots=True)
class Commit:
    """All of it happens, in one database transaction, or nothing does. Writes are applied in the given order.

    No two writes name the same resource.
    """

    writes: tuple[Write, ...]
    audit: Audit
    preconditions: tuple[Precondition, ...] = ()
    generation: int = 0
    """Of the catalogue that the rows were made by; with another by now: VersionChanged, and it is learned."""
    defined: tuple[Defined, ...] = ()
    """What becomes of custom search parameters with it."""
    revokes: tuple[Revoked, ...] = ()
    """Revocations that hold from the commit on. That of a grant ends its records: itself, codes, refresh tokens."""
    puts: tuple[Put, ...] = ()
    """Records that are there from the commit on, new ones or in place of the version that each names; VersionChanged
    where one of them is another by now.
    """


@dataclass(frozen=True, slots=True)
class Page:
    """A page of current versions. `next` is the keyset position to go on from, None at the end. `total` as asked.

    `next` is opaque and may hold values that resources are sorted by: whoever shows it to a client seals it. It also
    holds which moment the first page saw, where the order is one that writers change: the following pages are in the
    order of that moment. `included`: what `Query.includes` bring along, by type and id. `places`: of a query for
    contained resources, for each resource the index in its `contained` of the one that is found; -1: the resource
    itself. `scores`: of a query for words, for each resource how well it matches (`hilum.search.score`).
    """

    resources: tuple[Resource, ...]
    next: str | None = None
    total: int | None = None
    included: tuple[Resource, ...] = ()
    places: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()


class Placed(NamedTuple):
    """A version, and the compartments ((type, id) of whose they are) that it was committed in."""

    resource: Resource
    compartments: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Versions:
    """A page of history. `next` is the `before` of the following page, None at the end."""

    resources: tuple[Resource, ...]
    next: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Versions, newest first, of one resource (`types` one, `id` given), of types, or of all.

    `since`: seq greater than or equal (microseconds, `_since`). `at`: versions current at some time in
    [at[0], at[1]] (`_at`). `before`: keyset, only seq lower than this. `permits` as in Query, judged on each version's
    own compartments.
    """

    types: tuple[str, ...]
    permits: tuple[tuple[Permit, ...], ...]
    id: str | None = None
    since: int | None = None
    at: tuple[int, int] | None = None
    before: int | None = None
    count: int = 20
    total: bool = True


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is: current resources per type, and the newest seq."""

    types: dict[str, int] = field(default_factory=dict)
    seq: int = 0


class Store(Protocol):
    """What SQLite, PostgreSQL, or a third does. All methods may raise Busy and Damaged, none a driver's own error."""

    name: str

    @property
    def full_text(self) -> bool:
        """Whether `_text` and `_content` can be searched now: another process may make or end that."""
        ...

    async def commit(self, commit: Commit) -> tuple[Resource, ...]:
        """Make the writes durable; the new versions, stamped, in the order of the writes.

        When it returns, the writes survive kill -9 and power loss. Raises VersionChanged, CriteriaChanged (rebuild
        and try again), Conflict (Present or Unreferenced does not hold) or Busy; then nothing was written.
        """
        ...

    async def read(self, type: str, id: str, version: int | None = None) -> Resource | None:
        """The current version, or that version; None where there is none. A deletion is a Resource with `deleted`."""
        ...

    async def placed(self, type: str, id: str, version: int | None = None) -> Placed | None:
        """The same, together with what a policy judges a read by."""
        ...

    async def search(self, query: Query) -> Page:
        """Current, undeleted resources that match. Raises Unprocessable (too-costly) for what takes too long."""
        ...

    async def explain(self, query: Query) -> tuple[Page, list[dict[str, Any]]]:
        """Search, and tell how: the decisions in order, with the counts that they were made by. No patient data."""
        ...

    async def history(self, query: HistoryQuery) -> Versions:
        """Versions, deletions among them, newest first; `next` is the `before` of the following page."""
        ...

    async def changes(self, after: int, limit: int = 1000, types: Collection[str] = ()) -> Sequence[Resource]:
        """Committed versions with seq greater than `after`, in that order; never past a transaction still in flight.

        `types`: of these resource types alone; none: of all. What lies between is not looked at.
        """
        ...

    async def settled(self, after: int) -> int:
        """A seq up to which changes() gives all that there will ever be: `after`, or a greater one."""
        ...

    async def counts(self) -> Counts:
        """Current resources per type."""
        ...

    @property
    def ledger(self) -> Ledger:
        """The records of the authorization server."""
        ...

    @property
    def segments(self) -> Segments:
        """The audit trail of what was read."""
        ...

    @property
    def concepts(self) -> Concepts:
        """The code systems that are loaded."""
        ...

    async def writes_audited(
        self, before: int, low: int, limit: int, *, oldest_first: bool = False
    ) -> list[WriteAudited]:
        """Audit rows of commits with a seq from `low` to before `before`, the newest first unless told otherwise."""
        ...

    async def unaudited(self, after: int, limit: int = 1000) -> list[int]:
        """The seqs, ascending, of versions after `after` that no audit row tells of. None ever is, unless someone took
        the row away.
        """
        ...

    async def compartments_of(self, seqs: Sequence[int]) -> Mapping[int, tuple[tuple[str, str], ...]]:
        """seq -> the compartments that the version was committed in; of versions that are in none, nothing."""
        ...

    async def check(self) -> None:
        """One cheap round trip, for /ready. Raises Busy."""
        ...

    @property
    def catalogue(self) -> Catalogue:
        """The custom search parameters, as this process knows them."""
        ...

    async def learn(self) -> Catalogue:
        """The same, as they are now. One cheap read, unless something has changed."""
        ...

    async def proceed(self) -> Defined | None:
        """Do a small step of what is pending of search parameters; the one that it was done for, as it then is.

        None: nothing is pending, or another process is at it. A step keeps others from writing for 50 ms at most, and
        what it did stays done. `docs/adr/0005-custom-search-parameters.md` tells the steps.
        """
        ...

    async def structures(self) -> int:
        """Another number whenever a StructureDefinition has changed; it grows in the same transaction."""
        ...

    def rebuild(self, scope: Scope) -> AsyncIterator[Rebuilt]:
        """Compare all index rows with what the bodies say, and put right what differs, while others write.

        After it they are equal, whatever was wrong before: for all resources, and for what is none any more; shapes,
        words, dictionaries and figures too, when `scope` is everything. It goes on where one was killed. Yields how
        far it is, in steps that keep others from writing for 50 ms at most. Raises Busy while another one is at work.
        """
        ...

    def backup(self, path: str) -> AsyncIterator[tuple[int, int]]:
        """Write a consistent copy while serving; yields (done, all) for a progress bar."""
        ...

    async def close(self) -> None:
        """Finish what was acknowledged and let go of files and connections."""
        ...
