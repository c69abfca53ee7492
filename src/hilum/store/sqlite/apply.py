"""Commits as SQL, inside the writer's transaction: versions, index rows, compartments, audit.

A statement costs more than a row: between two of them the event loop takes the interpreter, and the writer has to ask
for it back. So commits that can't get into each other's way share their statements.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Final, NamedTuple

import apsw

from hilum.fhir.resource import Resource
from hilum.problems import Conflict, CriteriaChanged, VersionChanged
from hilum.search.catalogue import EMPTY
from hilum.store import keys
from hilum.store.chain import linked
from hilum.store.interface import Audit, Commit, Present, Resolves, Unreferenced, Write
from hilum.store.plan.search import ids
from hilum.store.sqlite import ident, ledger, moving, parameters
from hilum.store.sqlite.connection import row, rows
from hilum.store.sqlite.dialect import Sqlite
from hilum.store.sqlite.fulltext import FullText, Words, said, words_of
from hilum.store.sqlite.identities import Identities
from hilum.store.sqlite.run import run
from hilum.store.sqlite.tables import Dictionaries, IndexTables, insert, marked, numbers
from hilum.store.wordless import written

LARGE: Final = 64
"""Writes of a commit that is prepared before its turn."""

Made = tuple[Resource, ...]
Outcome = Made | Exception


class Prepared(NamedTuple):
    """A commit, and the words of its writes where they were made before it was its turn; see `prepared`."""

    commit: Commit
    words: tuple[Words | None, ...] = ()


async def prepared(commit: Commit, *, full_text: bool) -> Prepared:
    """Make what can be made without the database: processes take turns at that, and not at this.

    Of large commits alone: the others are prepared in the writer's thread, while the event loop does something else.
    """
    if not full_text or len(commit.writes) < LARGE:
        return Prepared(commit)
    words: list[Words | None] = []
    for number, write in enumerate(commit.writes, 1):
        words.append(words_of(write.draft.body) if write.draft else None)
        if number % LARGE == 0:
            await asyncio.sleep(0)
    return Prepared(commit, tuple(words))


class Applier:
    """Applies commits on the writer's connection. Holds what must change back when a commit is rolled back."""

    def __init__(self, connection: apsw.Connection, full_text: bool = True) -> None:
        self._db = connection
        self._full_text = full_text
        self._catalogue = EMPTY
        self._dictionaries = Dictionaries(connection)
        self._dialect = self._anew()
        self._execute = connection.execute
        self._identities = Identities(connection)
        self._process = os.urandom(8)
        self._chain = self._chain_before = b""
        self._tally: dict[int, int] = {}
        self.seq = 0
        self._generation = 0

    # --- the group ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take the write lock and read the clock. Raises Busy where the store is a newer hilum's by now."""
        self._execute("BEGIN IMMEDIATE")
        self._generation = parameters.generation(self._db)
        self.seq, n, moved = row(self._db, "SELECT seq, number, moved FROM clock")
        self._identities.begin(n, moved)
        if self._generation != self._catalogue.generation:
            self._catalogue = parameters.known(self._db, self._catalogue)
            self._full_text = written(said(self._db))
            self._dialect = self._anew()
        self._dictionaries.begin()
        self._tally.clear()
        self._chain_before = self._chain

    def _anew(self) -> Sqlite:
        """A dialect that remembers nothing."""
        dialect = Sqlite(self._dictionaries.keys, full_text=self._full_text)
        dialect.registry = self._catalogue.registry
        return dialect

    def attempt(self, commits: Sequence[Prepared]) -> list[Outcome]:
        """What became of each: its versions, or the exception that undid it, in the database and here.

        More than one at a time only where none has preconditions or defines parameters, and no two write the same
        resource. The exceptions are VersionChanged, CriteriaChanged and Conflict, or a defect. Raises apsw.Error: then
        the whole group is lost.
        """
        try:
            return list(self._undoing(commits))
        except apsw.Error:
            raise
        except Exception as error:  # a problem, or a defect, of one commit alone; of which, they find out one by one
            return [error] if len(commits) == 1 else [self.attempt([commit])[0] for commit in commits]

    def _undoing(self, commits: Sequence[Prepared]) -> list[Made]:
        seq, n, chain, tally = self.seq, self._identities.n, self._chain, dict(self._tally)
        generation = self._generation
        self._execute("SAVEPOINT one")
        try:
            made = self._apply(commits)
        except BaseException:
            self._execute("ROLLBACK TO one")
            self.seq, self._chain, self._tally = seq, chain, tally
            self._generation = generation
            self._identities.forget(n)
            self._dictionaries.forget()
            self._dialect = self._anew()  # it may have seen shapes that are undone now
            raise
        finally:
            if self._db.in_transaction:
                self._execute("RELEASE one")
        self._identities.keep()
        return made

    def finish(self) -> None:
        """Write clock and tally, and flush: when this returns, the group is durable."""
        for type_number, n in self._tally.items():
            if n:
                self._execute(
                    "INSERT INTO tally VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", (type_number, n)
                )
        named = self._identities
        self._execute("UPDATE clock SET seq = ?, number = ?, moved = ?", (self.seq, named.n, named.moved))
        self._execute("COMMIT")
        self._identities.durable()
        self._dictionaries.durable()

    def abandon(self) -> None:
        """Undo the whole group; where even that fails, the next group's BEGIN does, and says so."""
        self._chain = self._chain_before
        self._identities.lost()
        self._dictionaries.forget()
        self._dialect = self._anew()
        if self._db.in_transaction:
            with suppress(apsw.Error):
                self._execute("ROLLBACK")

    # --- commits --------------------------------------------------------------------------------------------------

    def _apply(self, some: Sequence[Prepared]) -> list[Made]:
        commits = [one.commit for one in some]
        if any(commit.generation != self._generation for commit in commits):
            raise VersionChanged("The search parameters are others by now.")
        conditions = [condition for commit in commits for condition in commit.preconditions]
        for condition in conditions:
            if not isinstance(condition, Resolves):
                continue
            if run(self._db, ids(self._dialect, condition.query, len(condition.ids) + 1)) != condition.ids:
                raise CriteriaChanged("The criteria resolve to something else by now.")
        self.seq = max(self.seq, time.time_ns() // 1000)
        seq = self.seq + 1
        writes = [write for commit in commits for write in commit.writes]
        rids, fresh, moved = self._identities.claim(writes)
        if moved:
            moving.move(self._db, self._catalogue.registry, moved, seq)
        words = [text for one in some for text in one.words or (None,) * len(one.commit.writes)]
        versions = self._versions(writes, words, rids, self._make_way(writes, rids, fresh))
        for condition in conditions:
            if isinstance(condition, Present):
                self._present(condition)
            elif isinstance(condition, Unreferenced):
                self._unreferenced(condition)
        made: list[Made] = []
        audits: list[Any] = []
        for commit in commits:
            count = len(commit.writes)
            made.append(tuple(islice(versions, count)))
            audits += self._audit(commit.audit, seq, count)
            seq += count
        insert(self._db, "audit", 10, audits)
        if defined := tuple(one for commit in commits for one in commit.defined):
            parameters.put(self._db, defined)
            self._generation = parameters.generation(self._db)
        if revokes := tuple(one for commit in commits for one in commit.revokes):
            ledger.revoke(self._db, revokes, self.seq)
        if puts := tuple(one for commit in commits for one in commit.puts):
            ledger.put(self._db, puts)
        return made

    def _make_way(self, writes: Sequence[Write], rids: list[int], fresh: set[int]) -> set[int]:
        """Copy the versions that stand to the old ones; those of the rids that were alive. Raises VersionChanged."""
        standing = [rid for rid in rids if rid not in fresh] if fresh else rids
        if not standing:
            return set()
        found: dict[int, tuple[int, int]] = {}
        for part, marks in marked(standing):
            for rid, version, method in rows(
                self._db, f"SELECT rid, version, method FROM resource WHERE rid IN ({marks})", part
            ):
                found[rid] = (version, method)
        for rid, write in zip(rids, writes, strict=True):
            version, _ = found.get(rid, (0, 0))
            if version != write.version - 1:
                raise VersionChanged(f"{write.type} has version {version} by now, not {write.version - 1}.")
        for part, marks in marked(standing):
            self._execute(
                f"INSERT INTO old SELECT seq, body FROM resource WHERE rid IN ({marks}) AND version > 0", part
            )
        return {rid for rid, (version, method) in found.items() if version and method != ident.DELETED}

    def _versions(
        self, writes: Sequence[Write], texts: Sequence[Words | None], rids: list[int], alive: set[int]
    ) -> Iterator[Resource]:
        """Write the versions, in few statements."""
        tables = IndexTables(self._identities.rid, self._dictionaries)
        words = FullText(self._db) if self._full_text else None
        resources: list[Any] = []
        log: list[Any] = []
        made: list[Resource] = []
        for rid, write, text in zip(rids, writes, texts, strict=True):
            self.seq += 1
            number = ident.METHOD_NUMBER[write.method]
            body = write.draft.stamp(write.version, self.seq) if write.draft else b""
            shape = self._dictionaries.shape(rid >> keys.TYPE_SHIFT, numbers(write.rows)) if body else 0
            resources += (rid, write.version, self.seq, number, shape, body or ident.stub(write.type, write.id))
            log += (self.seq, rid, write.version, number, *self._visibility(write))
            change = (write.draft is not None) - (rid in alive)
            if change:
                self._tally[rid >> keys.TYPE_SHIFT] = self._tally.get(rid >> keys.TYPE_SHIFT, 0) + change
            tables.replace(rid, write.rows, write.old)
            if words is not None:
                if text is None and write.draft is not None:
                    text = words_of(write.draft.body)
                words.replace(rid, body, was=rid in alive, words=text)
            made.append(Resource(write.type, write.id, write.version, self.seq, body, write.method))
        insert(self._db, "resource", 6, resources, "REPLACE")
        insert(self._db, "log", 6, log)
        tables.write(self._db)
        if words is not None:
            words.write()
        return iter(made)

    def _visibility(self, write: Write) -> tuple[str | None, str | None]:
        """Compartments and labels by which history is judged; a deletion keeps those of what it deleted."""
        seen = write.rows if write.draft else write.old
        owners = ",".join([str(self._identities.rid(*owner)) for owner in seen.compartments])
        labels = " ".join([f"{system}|{code}" for system, code in seen.labels])
        return f"[{owners}]" if owners else None, labels or None

    # --- integrity and audit --------------------------------------------------------------------------------------

    def _present(self, condition: Present) -> None:
        rid = self._identities.rid(condition.type, condition.id)
        found = row(self._db, "SELECT version, method FROM resource WHERE rid = ?", (rid,))
        if found is None or not found[0] or found[1] == ident.DELETED:
            raise Conflict(f"The reference {condition.type}/{condition.id} points to nothing that exists here.")

    def _unreferenced(self, condition: Unreferenced) -> None:
        target = self._identities.rid(condition.type, condition.id)
        found = row(
            self._db,
            "SELECT k.rid FROM json_each(?) j CROSS JOIN reference k "
            "WHERE k.param = j.value AND k.target = ? AND k.rid <> ? LIMIT 1",
            (moving.listed(self._db), target, target),
        )
        if found:
            raise Conflict("Another resource still refers to this one; delete or change that first.")

    def _audit(self, audit: Audit, seq: int, writes: int) -> tuple[Any, ...]:
        """The row of one commit, chained to the one before."""
        fields = (seq, writes, audit.agent, audit.client, audit.interaction, audit.token)
        self._chain = linked(self._chain, *fields, audit.detail)
        return (None, self._process, *fields, self._chain, audit.detail)
