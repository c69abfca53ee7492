"""The five verbs on SQLite: one file, one writer thread per process, reads on the event loop's own connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from typing import Any, Final, TypeVar

import apsw
import msgspec

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.fhir.resource import Resource
from hilum.problems import Busy, Damaged
from hilum.search.catalogue import Catalogue, Defined
from hilum.search.query import Query
from hilum.store.interface import Commit, Counts, HistoryQuery, Page, Placed, Versions
from hilum.store.keyed import Keys
from hilum.store.lanes import LONG, QUEUE, SHORT_SECONDS, Lane, remaining
from hilum.store.learning import Learning
from hilum.store.limits import SEARCH_SECONDS, too_costly
from hilum.store.plan.dialect import Steps
from hilum.store.plan.looking import needed
from hilum.store.plan.search import explain, search
from hilum.store.rebuilding import Rebuilt, Scope
from hilum.store.segments import WriteAudited
from hilum.store.sqlite import backup as copying
from hilum.store.sqlite import fulltext, history, ident, parameters, rebuild, reindex, segments
from hilum.store.sqlite.beside import Beside
from hilum.store.sqlite.checkpoint import Checkpointer
from hilum.store.sqlite.concepts import SqliteConcepts
from hilum.store.sqlite.connection import DAMAGE, Patience, connect, make_private, prepare, row, rows, translated
from hilum.store.sqlite.dialect import Sqlite
from hilum.store.sqlite.ledger import SqliteLedger
from hilum.store.sqlite.lock import TURN
from hilum.store.sqlite.run import at_once
from hilum.store.sqlite.segments import SqliteSegments
from hilum.store.sqlite.soundness import glance
from hilum.store.sqlite.systems import secret
from hilum.store.sqlite.writer import Writer

T = TypeVar("T")
TURN_SECONDS: Final = 0.01
"""How long a search may keep the event loop before it starts anew on a thread."""
_OWNERS: Final = 20_000
"""Owners of compartments whose ids are kept."""

_READ = """
SELECT r.version, r.seq, r.method, r.body
FROM identity i CROSS JOIN resource r ON r.rid = i.rid WHERE i.type = ? AND i.id = ?
"""
_PLACED = """
SELECT r.version, r.seq, r.method, r.body, l.compartments
FROM identity i CROSS JOIN resource r ON r.rid = i.rid LEFT JOIN log l ON l.seq = r.seq WHERE i.type = ? AND i.id = ?
"""
_RIDS: Final = msgspec.json.Decoder(list[int])
_OWNER = "SELECT body FROM resource WHERE rid = coalesce((SELECT f.rid FROM former f WHERE f.was = ?1), ?1)"
"""By the number that it has, or had before it was created."""


class SqliteStore(Learning):
    """See `hilum.store.interface.Store`. Use `open_sqlite` to make one."""

    name = "sqlite"
    ledger: SqliteLedger

    def __init__(self, path: str, *, full_text: bool = True) -> None:
        self.path = path
        self.full_text = full_text
        self._db = connect(path, readonly=True)
        self._dialect = Sqlite(Keys(secret(self._db)), full_text=full_text)
        self._point = self._db.cursor().execute
        self._patience = Patience(self._db)
        self._owners: dict[int, tuple[str, str]] = {}
        self._short = ThreadPoolExecutor(2, thread_name_prefix="hilum-sqlite-reader")
        self._long = ThreadPoolExecutor(LONG, thread_name_prefix="hilum-sqlite-scan")
        self._lane = Lane(LONG, QUEUE)
        self._own = threading.local()
        self._opened: list[apsw.Connection] = []
        self._catalogue = parameters.known(self._db, Catalogue(-1))
        self._dialect.registry = self._catalogue.registry
        self._steps = ThreadPoolExecutor(1, thread_name_prefix="hilum-sqlite-index")
        self._proceeding: parameters.Proceeding | None = None
        writer = connect(path)
        self._checkpointer = Checkpointer(connect(path))
        self._writing = writer
        self._writer = Writer(writer, path + TURN, self._checkpointer.watching(writer), full_text)
        self._beside = Beside(path, self._checkpointer.watching)
        self.ledger = SqliteLedger(self._db, self._beside)
        self.segments = SqliteSegments(self._db, self._beside)
        self.concepts = SqliteConcepts(self._db, self._beside, self._scan)

    async def _commit(self, commit: Commit) -> tuple[Resource, ...]:
        return await self._writer.commit(commit)

    async def learn(self) -> Catalogue:
        """Two microseconds, unless something has changed."""
        found = parameters.known(self._db, self._catalogue)
        if found is not self._catalogue:
            self._catalogue, self._dialect.registry = found, found.registry
            self.full_text = self._dialect.full_text = fulltext.said(self._db) is None
        return found

    async def _proceed(self) -> Defined | None:
        """On a thread and a connection of its own, in turn with the writers of all processes."""
        return await asyncio.get_running_loop().run_in_executor(self._steps, self._step)

    async def structures(self) -> int:
        """One probe."""
        return int(row(self._db, "SELECT value FROM meta WHERE key = 'structures'")[0])

    async def rebuild(self, scope: Scope) -> AsyncIterator[Rebuilt]:
        """On a thread and a connection of its own, in turn with the writers of all processes."""
        loop = asyncio.get_running_loop()
        steps = rebuild.steps(self.path, scope, full_text=self.full_text)
        try:
            while (step := await loop.run_in_executor(self._steps, next, steps, None)) is not None:
                yield step
        except apsw.Error as error:
            raise translated(error) from None
        finally:
            await loop.run_in_executor(self._steps, steps.close)

    def _step(self) -> Defined | None:
        if self._proceeding is None:
            self._proceeding = parameters.Proceeding(connect(self.path), self.path)
        try:
            return self._proceeding.step()
        except apsw.Error as error:
            raise translated(error) from None

    async def read(self, type: str, id: str, version: int | None = None) -> Resource | None:
        """A point read costs less than a hop to another thread, so it runs where it is called."""
        if version is not None:
            made = history.version(self._db, type, id, version)
            return made and made[0]
        found = self._current(_READ, type, id)
        if found is None or not found[0]:
            return None
        number, seq, method, body = found
        return Resource(type, id, number, seq, b"" if method == ident.DELETED else body, ident.METHODS[method])

    async def placed(self, type: str, id: str, version: int | None = None) -> Placed | None:
        """One statement for the current version, where it is called, too."""
        if version is not None:
            made = history.version(self._db, type, id, version)
            return made and Placed(made[0], self._named(made[1]))
        found = self._current(_PLACED, type, id)
        if found is None or not found[0]:
            return None
        number, seq, method, body, owners = found
        raw = b"" if method == ident.DELETED else body
        return Placed(Resource(type, id, number, seq, raw, ident.METHODS[method]), self._named(owners))

    def _current(self, sql: str, type: str, id: str) -> Any:
        """The row of a name, None or with no version (it is only referred to so far) where there is none."""
        try:
            return self._point(sql, (TYPE_NUMBER[type], ident.key(id))).get  # to its end: nothing stays open
        except apsw.Error as error:
            raise translated(error) from None

    def _named(self, owners: str | None) -> tuple[tuple[str, str], ...]:
        """Whose compartments these are, as `log` has them."""
        return tuple([self._owner(rid) for rid in _RIDS.decode(owners)]) if owners else ()

    def _owner(self, rid: int) -> tuple[str, str]:
        """Whose compartment it is. A rid is of one (type, id) for ever, and the same few come again and again."""
        known = self._owners.get(rid)
        if known is None:
            type = ident.type_of(rid)
            known = type, ident.id_of(type, row(self._db, _OWNER, (rid,))[0])
            if len(self._owners) >= _OWNERS:
                self._owners.clear()
            self._owners[rid] = known
        return known

    async def search(self, query: Query) -> Page:
        """Here, as long as it is short; what turns out to be long starts anew on a reader thread."""
        return await self._planned(
            lambda: search(self._dialect, query), here=query.total != "accurate" and not needed(query)
        )

    async def explain(self, query: Query) -> tuple[Page, list[dict[str, Any]]]:
        """Search, and tell how."""
        return await self._planned(lambda: explain(self._dialect, query), here=False)

    async def _planned(self, steps: Callable[[], Steps[T]], *, here: bool) -> T:
        if here:
            self._patience.begin(TURN_SECONDS)
            try:
                return at_once(self._db, steps())
            except apsw.InterruptError:
                pass
            finally:
                self._patience.end()
        return await self._scan(lambda db: at_once(db, steps()))

    async def history(self, query: HistoryQuery) -> Versions:
        """Of one resource here, of types and the system on a reader thread."""
        if query.id is not None:
            with suppress(apsw.InterruptError), self._patience.within(TURN_SECONDS):
                return history.history(self._db, query)
        return await self._scan(lambda db: history.history(db, query))

    async def changes(self, after: int, limit: int = 1000, types: Collection[str] = ()) -> Sequence[Resource]:
        """In commit order, without a gap."""
        return await self._on(self._short, lambda db: history.changes(db, after, limit, types))

    async def settled(self, after: int) -> int:
        """The newest: nothing older can still be on its way."""
        return max(after, (await self.counts()).seq)

    async def counts(self) -> Counts:
        """From the tally that every commit keeps."""
        tally = rows(self._db, "SELECT type, n FROM tally WHERE n > 0")
        clock = row(self._db, "SELECT seq FROM clock")
        if clock is None:
            raise Damaged("The store is damaged (it has no clock). Whoever runs hilum has to restore a backup.")
        return Counts({TYPES[number - 1]: n for number, n in tally}, clock[0])

    async def writes_audited(
        self, before: int, low: int, limit: int, *, oldest_first: bool = False
    ) -> list[WriteAudited]:
        """On a reader thread: there may be many."""
        return await self._scan(lambda db: segments.writes_audited(db, before, low, limit, oldest_first=oldest_first))

    async def unaudited(self, after: int, limit: int = 1000) -> list[int]:
        """Reads every version and every audit row after that seq."""
        return await self._scan(lambda db: segments.unaudited(db, after, limit))

    async def compartments_of(self, seqs: Sequence[int]) -> Mapping[int, tuple[tuple[str, str], ...]]:
        """Two probes for each."""
        return await self._scan(lambda db: segments.compartments_of(db, seqs))

    async def check(self) -> None:
        """Whether the file can be read, by this hilum, and the writer works."""
        if not self._writer.working:
            raise Busy("The store takes no more writes.")
        try:
            self._db.execute("SELECT seq FROM clock").fetchone()
            parameters.generation(self._db)
        except DAMAGE as error:
            raise translated(error) from None
        except apsw.Error as error:
            raise Busy(f"The store can't be read ({type(error).__name__}).") from None

    async def backup(self, path: str) -> AsyncIterator[tuple[int, int]]:
        """A consistent copy while others write; yields (pages done, pages in all)."""
        for progress in copying.copy(self.path, path):
            yield progress
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Commit what is queued, empty the log, let go of the file."""
        await asyncio.to_thread(self._steps.shutdown)
        if self._proceeding is not None:
            self._proceeding.close()
        await asyncio.to_thread(self._beside.close)
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._checkpointer.close)
        self._short.shutdown()
        self._long.shutdown()
        for connection in self._opened:
            connection.close()
        self._db.close()
        self._writing.close()

    async def _scan(self, work: Callable[[apsw.Connection], T]) -> T:
        """On a reader thread; what turns out to be long starts anew in the long lane."""
        seconds = remaining(SEARCH_SECONDS)
        with suppress(apsw.InterruptError):
            return await self._on(self._short, work, SHORT_SECONDS)
        left = await self._lane.enter(seconds)
        scan = self._on(self._long, work, left)
        scan.add_done_callback(lambda _: self._lane.leave())  # a thread goes on when nobody waits for it any more
        try:
            return await asyncio.shield(scan)
        except apsw.InterruptError:
            raise too_costly(SEARCH_SECONDS) from None

    def _on(
        self, threads: ThreadPoolExecutor, work: Callable[[apsw.Connection], T], seconds: float = float("inf")
    ) -> asyncio.Future[T]:
        """Raises apsw.InterruptError when it takes longer."""

        def run() -> T:
            db = getattr(self._own, "db", None)
            if db is None:
                db = self._own.db = connect(self.path, readonly=True)
                self._own.patience = Patience(db)
                self._opened.append(db)
            with self._own.patience.within(seconds):
                return work(db)

        return asyncio.get_running_loop().run_in_executor(threads, run)


async def open_sqlite(
    path: str, *, environment: str = "sandbox", migrate: bool = False, full_text: bool = True
) -> SqliteStore:
    """Open or create the store in that file.

    `migrate` applies pending migrations (`hilum migrate`); without it a store that needs them raises Misconfigured, as
    does one of another environment. `full_text`: keep the words of texts, as far as the store has those of all its
    resources; with `migrate` it will.
    """
    make_private(path)
    connection = connect(path)
    try:
        prepare(connection, environment, migrate=migrate)
        words = fulltext.kept(connection, wanted=full_text)
        if migrate:
            for _ in chain(reindex.run(connection, full_text=words), fulltext.refill(connection) if full_text else ()):
                with suppress(apsw.Error):  # somebody else is at it, or the disk is full: the log stays whole
                    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                await asyncio.sleep(0)
            words = fulltext.said(connection) is None
        glance(connection)
    finally:
        connection.close()
    return SqliteStore(path, full_text=words)
