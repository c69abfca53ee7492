"""The five verbs on PostgreSQL: one tenant's schema, a few held connections, one round trip per commit or read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from hilum.fhir.definitions import TYPES
from hilum.fhir.resource import Resource
from hilum.problems import Busy
from hilum.search.catalogue import EMPTY, Catalogue, Defined
from hilum.search.query import Query
from hilum.store.interface import Commit, Counts, HistoryQuery, Page, Placed, Versions
from hilum.store.lanes import LONG, QUEUE, Lane, remaining
from hilum.store.learning import Learning
from hilum.store.limits import SEARCH_SECONDS, too_costly
from hilum.store.plan.search import explain, search
from hilum.store.postgres import apply, backup, fulltext, history, pack, parameters, rebuild, reindex, segments
from hilum.store.postgres.concepts import PostgresConcepts
from hilum.store.postgres.connection import WAIT_SECONDS, Pool, Session, connect, fetch
from hilum.store.postgres.known import Known, secret
from hilum.store.postgres.ledger import PostgresLedger
from hilum.store.postgres.migrate import prepare
from hilum.store.postgres.reads import Reads
from hilum.store.postgres.run import at_once, search_once, settled
from hilum.store.postgres.segments import PostgresSegments
from hilum.store.rebuilding import Rebuilt, Scope
from hilum.store.segments import WriteAudited
from hilum.store.wordless import written

T = TypeVar("T")

_COUNTS = "SELECT type, sum(n)::bigint FROM tally GROUP BY type ORDER BY type"
_SEQ = """
SELECT greatest((SELECT seq FROM resource WHERE version > 0 ORDER BY seq DESC LIMIT 1), 0)
"""


_LOOKS, _LOOK_SECONDS = 100, 0.2
"""How often, and how long apart, a lost commit is looked for while PostgreSQL does not answer."""
_SHORT_SECONDS = 1.0
"""How long a search may run before it begins anew in the long lane: to end it costs its connection."""
_MANY = 10_000


class PostgresStore(Learning):
    """See `hilum.store.interface.Store`. Use `open_postgres` to make one."""

    name = "postgresql"
    ledger: PostgresLedger

    def __init__(
        self, pool: Pool, guard: int, own: str, search_seconds: float = SEARCH_SECONDS, *, full_text: bool = True
    ) -> None:
        self._pool = pool
        self.full_text = full_text
        self._search_seconds = search_seconds
        self._catalogue = EMPTY
        self._secret = own
        self._known = Known.nothing(guard, own, full_text=full_text)
        self._reads = Reads(self._point)
        self.ledger = PostgresLedger(self._point, guard)
        self.segments = PostgresSegments(pool.run, guard)
        self.concepts = PostgresConcepts(self._point, pool.run)
        # Whatever is searched for, reads and writes have a connection.
        self._long = Lane(long := min(LONG, max(1, pool.size // 3)), QUEUE)
        self._short = Lane(max(1, pool.size - long - 1), _MANY)

    async def _commit(self, commit: Commit) -> tuple[Resource, ...]:
        """On disk when it returns: synchronous_commit=on."""
        try:
            return await self._pool.run(lambda session: apply.commit(session, self._known, commit))
        except apply.Unknown as unknown:
            return await self._outcome(unknown)

    async def learn(self) -> Catalogue:
        """One round trip, unless something has changed."""
        before = self._catalogue
        found = await self._point(lambda session: parameters.known(session, before))
        if found.generation > self._catalogue.generation:
            said = await self._point(fulltext.said)
            own = await self._point(secret)
            if found.generation > self._catalogue.generation:
                if own != self._secret:  # a backup was restored meanwhile
                    self._secret, self._known = own, Known.nothing(self._known.guard, own)
                self._catalogue, self._known.dialect.registry = found, found.registry
                self._known = replace(self._known, full_text=written(said))
                self.full_text = self._known.dialect.full_text = said is None
        return self._catalogue

    async def _proceed(self) -> Defined | None:
        """In transactions of a few dozen resources, each of which is locked meanwhile."""
        before = self._catalogue
        done, _ = await self._point(lambda session: parameters.step(session, self._known, before))
        return done

    async def structures(self) -> int:
        """One round trip."""
        ((found,),) = await self._point(
            lambda session: fetch(session, "SELECT value FROM meta WHERE key = 'structures'")
        )
        return int(found)

    async def _outcome(self, unknown: apply.Unknown) -> tuple[Resource, ...]:
        """A connection was lost during a commit: find out, so that Busy still means that nothing was written."""
        for _ in range(_LOOKS):
            try:
                made = await self._pool.run(lambda session: apply.outcome(session, unknown))
            except Busy:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            if made is None:
                raise Busy("The connection to PostgreSQL was lost; nothing was written. Try again.")
            return made
        raise Busy("PostgreSQL went away during the commit; look whether it was written before you try again.")

    async def read(self, type: str, id: str, version: int | None = None) -> Resource | None:
        """One probe of an index; the current version together with what others read at this moment."""
        if version is None:
            found = await self._reads.current(type, id)
        else:
            found = await self._point(lambda session: history.version(session, type, id, version))
        return None if found is None else found[0]

    async def placed(self, type: str, id: str, version: int | None = None) -> Placed | None:
        """In the same round trip; a second one where an owner was not met before."""
        if version is None:
            found = await self._reads.current(type, id, placed=True)
        else:
            found = await self._point(lambda session: history.version(session, type, id, version))
        if found is None:
            return None
        resource, rids = found
        names = self._known.names
        owners = names.of(rids)
        if owners is None:
            owners = await self._point(lambda session: names.found(session, rids))
        return Placed(resource, owners)

    async def search(self, query: Query) -> Page:
        """Planned here; in one snapshot, unless one statement decides."""
        dialect = self._known.dialect
        if settled(query):
            return await self._scan(lambda session: search_once(session, dialect, query))
        return await self._scan(lambda session: at_once(session, search(dialect, query)))

    async def explain(self, query: Query) -> tuple[Page, list[dict[str, Any]]]:
        """Search, and tell how."""
        return await self._scan(lambda session: at_once(session, explain(self._known.dialect, query)))

    async def rebuild(self, scope: Scope) -> AsyncIterator[Rebuilt]:
        """On a connection of its own; what is put right is locked meanwhile, a few dozen resources at a time."""
        async for step in rebuild.steps(self._pool, self._known, scope):
            yield step

    async def history(self, query: HistoryQuery) -> Versions:
        """Of one resource, of types, or of all."""
        return await self._scan(lambda session: history.history(session, self._known.names, query))

    async def changes(self, after: int, limit: int = 1000, types: Collection[str] = ()) -> Sequence[Resource]:
        """In commit order, without a gap: see history.py."""
        return await self._pool.run(lambda session: history.changes(session, after, limit, types))

    async def settled(self, after: int) -> int:
        """The newest of a transaction that is older than all in flight."""
        return await self._pool.run(lambda session: history.settled(session, after))

    async def counts(self) -> Counts:
        """From the tally that every commit keeps."""

        async def work(session: Session) -> Counts:
            rows = await fetch(session, _COUNTS)
            ((seq,),) = await fetch(session, _SEQ)
            return Counts({TYPES[number - 1]: n for number, n in rows if n}, seq)

        return await self._pool.run(work)

    async def writes_audited(
        self, before: int, low: int, limit: int, *, oldest_first: bool = False
    ) -> list[WriteAudited]:
        """Two statements."""
        return await self._scan(
            lambda session: segments.writes_audited(session, before, low, limit, oldest_first=oldest_first)
        )

    async def unaudited(self, after: int, limit: int = 1000) -> list[int]:
        """Reads every version and every audit row after that seq."""
        return await self._scan(lambda session: segments.unaudited(session, after, limit))

    async def compartments_of(self, seqs: Sequence[int]) -> Mapping[int, tuple[tuple[str, str], ...]]:
        """Two statements."""
        return await self._scan(lambda session: segments.compartments_of(session, self._known.names, seqs))

    async def check(self) -> None:
        """Whether the server answers, and the store is one for this hilum."""
        await self._point(parameters.generation)

    async def backup(self, path: str) -> AsyncIterator[tuple[int, int]]:
        """A consistent copy while others write; yields (bytes read, about how many in all)."""
        async for step in backup.copy(self._pool, path):
            yield step

    def pack(self, *, least: int | None = None, analyze: bool = False) -> AsyncGenerator[pack.Packed, None]:
        """Build indexes anew that splits have left half empty, while others read and write: see pack.py."""
        return pack.pack(self._pool, least=least, analyze=analyze)

    async def close(self) -> None:
        """Let what runs finish, then close the connections."""
        await self._pool.close()

    async def _point(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """What takes a millisecond, unless a lock or the network stands in its way."""
        try:
            return await self._pool.run(work, seconds=2 * WAIT_SECONDS)  # a lock that is held too long speaks first
        except TimeoutError:
            raise Busy("PostgreSQL does not answer. Try again.") from None

    async def _scan(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """What may take long, and then ends with a word to whoever asked for so much."""
        seconds = remaining(self._search_seconds)
        await self._short.enter(WAIT_SECONDS)
        try:
            return await self._pool.run(work, seconds=_SHORT_SECONDS)
        except TimeoutError:
            pass
        finally:
            self._short.leave()
        left = await self._long.enter(seconds)
        try:
            return await self._pool.run(work, seconds=left)
        except TimeoutError:
            raise too_costly(self._search_seconds) from None
        finally:
            self._long.leave()


async def open_postgres(
    url: str,
    *,
    environment: str = "sandbox",
    schema: str = "hilum",
    migrate: bool = False,
    connections: int = 8,
    full_text: bool = True,
    search_seconds: float = SEARCH_SECONDS,
) -> PostgresStore:
    """Open or create a tenant's store: the PostgreSQL schema `schema` of the database at `url`.

    `migrate` applies pending migrations (`hilum migrate`); without it a store that needs them raises Misconfigured, as
    does one of another environment. Raises Busy when the server can't be reached. A search or history that takes longer
    than `search_seconds` is ended. `full_text`: keep the words of texts, as far as the store has those of all its
    resources; with `migrate` it will.
    """
    connection = await connect(url, schema, statement_timeout="0", lock_timeout="0")  # commits end by themselves
    try:
        guard = await prepare(connection, schema, environment, migrate=migrate)
        session = Session(connection, b"")
        words = await fulltext.kept(session, guard, wanted=full_text)
        if migrate:
            async for _ in reindex.run(connection, guard, full_text=words):
                pass
            if full_text:
                async for _ in fulltext.refill(session, guard):
                    pass
            words = await fulltext.said(session) is None
        own = await secret(session)
    finally:
        await connection.close()
    store = PostgresStore(Pool(url, schema, connections), guard, own, search_seconds, full_text=words)
    await store.learn()
    return store
