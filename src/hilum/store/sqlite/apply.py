"""One Commit as SQL, inside the writer's transaction: versions, index rows, compartments, audit."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import apsw

from hilum.fhir.resource import Resource
from hilum.problems import Conflict, CriteriaChanged, VersionChanged
from hilum.store import keys
from hilum.store.interface import Audit, Commit, Present, Resolves, Unreferenced, Write
from hilum.store.plan.references import references
from hilum.store.plan.search import ids
from hilum.store.sqlite import ident
from hilum.store.sqlite.connection import row
from hilum.store.sqlite.dialect import Sqlite
from hilum.store.sqlite.fulltext import FullText
from hilum.store.sqlite.identities import Identities
from hilum.store.sqlite.run import run
from hilum.store.sqlite.tables import Dictionaries, IndexTables, insert, numbers


class Applier:
    """Applies commits on the writer's connection. Holds what must change back when a commit is rolled back."""

    def __init__(self, connection: apsw.Connection, full_text: bool = True) -> None:
        self._db = connection
        self._full_text = full_text
        self._dialect = Sqlite(full_text=full_text)
        self._dictionaries = Dictionaries(connection)
        self._execute = connection.execute
        self._identities = Identities(connection)
        self._process = os.urandom(8)
        self._chain = self._chain_before = b""
        self._tally: dict[int, int] = {}
        self.seq = 0

    # --- the group ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take the write lock and read the clock."""
        self._execute("BEGIN IMMEDIATE")
        self.seq, n = row(self._db, "SELECT seq, n FROM clock")
        self._identities.begin(n)
        self._dictionaries.begin()
        self._tally.clear()
        self._chain_before = self._chain

    def attempt(self, commit: Commit) -> tuple[Resource, ...]:
        """One commit of the group; when it raises, it is undone, in the database and here, and the group goes on.

        Raises VersionChanged, CriteriaChanged or Conflict.
        """
        seq, n, chain, tally = self.seq, self._identities.n, self._chain, dict(self._tally)
        self._execute("SAVEPOINT one")
        try:
            made = self._apply(commit)
        except BaseException:
            self._execute("ROLLBACK TO one")
            self.seq, self._chain, self._tally = seq, chain, tally
            self._identities.forget(n)
            self._dictionaries.forget()
            self._dialect = Sqlite(full_text=self._full_text)  # it may have seen shapes that are undone now
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
        self._execute("UPDATE clock SET seq = ?, n = ?", (self.seq, self._identities.n))
        self._execute("COMMIT")
        self._identities.durable()
        self._dictionaries.durable()

    def abandon(self) -> None:
        """Undo the whole group; where even that fails, the next group's BEGIN does, and says so."""
        self._chain = self._chain_before
        self._dictionaries.forget()
        self._dialect = Sqlite(full_text=self._full_text)
        if self._db.in_transaction:
            with suppress(apsw.Error):
                self._execute("ROLLBACK")

    # --- one commit -----------------------------------------------------------------------------------------------

    def _apply(self, commit: Commit) -> tuple[Resource, ...]:
        for condition in commit.preconditions:
            if isinstance(condition, Resolves) and run(self._db, ids(self._dialect, condition.query)) != condition.ids:
                raise CriteriaChanged("The criteria resolve to something else by now.")
        self.seq = max(self.seq, time.time_ns() // 1000)
        first = self.seq + 1
        rids, fresh = self._identities.claim(commit.writes)
        made = self._versions(commit.writes, rids, fresh)
        for condition in commit.preconditions:
            if isinstance(condition, Present):
                self._present(condition)
            elif isinstance(condition, Unreferenced):
                self._unreferenced(condition)
        self._audit(commit.audit, first, len(made))
        return made

    def _versions(self, writes: Sequence[Write], rids: list[int], fresh: set[int]) -> tuple[Resource, ...]:
        """Write the versions: of what is wholly new in few statements, of what stands already one by one."""
        tables = IndexTables(self._identities.rid, self._dictionaries)
        words = FullText(self._db) if self._full_text else None
        resources: list[Any] = []
        log: list[Any] = []
        made: list[Resource] = []
        for rid, write in zip(rids, writes, strict=True):
            alive = False
            if rid not in fresh:
                alive = self._make_way(rid, write)
            self.seq += 1
            number = ident.METHOD_NUMBER[write.method]
            body = write.draft.stamp(write.version, self.seq) if write.draft else b""
            shape = self._dictionaries.shape(rid >> keys.TYPE_SHIFT, numbers(write.rows)) if body else 0
            resources += (rid, write.version, self.seq, number, shape, body or ident.stub(write.type, write.id))
            log += (self.seq, rid, write.version, number, *self._visibility(write))
            change = bool(write.draft) - alive
            if change:
                self._tally[rid >> keys.TYPE_SHIFT] = self._tally.get(rid >> keys.TYPE_SHIFT, 0) + change
            tables.replace(rid, write.rows, write.old)
            if words is not None:
                words.replace(rid, body, was=alive)
            made.append(Resource(write.type, write.id, write.version, self.seq, body, write.method))
        insert(self._db, "resource", 6, resources)
        insert(self._db, "log", 6, log)
        tables.write(self._db)
        if words is not None:
            words.write()
        return tuple(made)

    def _make_way(self, rid: int, write: Write) -> bool:
        """Move the version that stands to the old ones; whether it was alive. Raises VersionChanged."""
        version, method = row(self._db, "SELECT version, method FROM resource WHERE rid = ?", (rid,)) or (0, 0)
        if version != write.version - 1:
            raise VersionChanged(f"{write.type} has version {version} by now, not {write.version - 1}.")
        if version:
            self._execute("INSERT INTO old SELECT seq, body FROM resource WHERE rid = ?", (rid,))
        self._execute("DELETE FROM resource WHERE rid = ?", (rid,))
        return bool(version) and method != ident.DELETED

    def _visibility(self, write: Write) -> tuple[str | None, str | None]:
        """Compartments and labels by which history is judged; a deletion keeps those of what it deleted."""
        rows = write.rows if write.draft else write.old
        owners = ",".join([str(self._identities.rid(*owner)) for owner in rows.compartments])
        labels = " ".join([f"{system}|{code}" for system, code in rows.labels])
        return f"[{owners}]" if owners else None, labels or None

    # --- integrity and audit --------------------------------------------------------------------------------------

    def _present(self, condition: Present) -> None:
        rid = self._identities.rid(condition.type, condition.id)
        found = row(self._db, "SELECT version, method FROM resource WHERE rid = ?", (rid,))
        if found is None or not found[0] or found[1] == ident.DELETED:
            raise Conflict(f"The reference {condition.type}/{condition.id} points to nothing that exists here.")

    def _unreferenced(self, condition: Unreferenced) -> None:
        target = self._identities.rid(condition.type, condition.id)
        # By parameter: an index by target alone would cost every reference its space again.
        listed = "[" + ",".join(map(str, references())) + "]"
        found = row(
            self._db,
            "SELECT k.rid FROM json_each(?) j CROSS JOIN reference k "
            "WHERE k.param = j.value AND k.target = ? AND k.rid <> ? LIMIT 1",
            (listed, target, target),
        )
        if found:
            type_name = ident.type_of(found[0])
            raise Conflict(f"A {type_name} still refers to this {condition.type}; delete or change that first.")

    def _audit(self, audit: Audit, seq: int, writes: int) -> None:
        fields = (self._process, seq, writes, audit.agent, audit.client, audit.interaction, audit.token)
        self._chain = hashlib.sha256(self._chain + repr(fields).encode()).digest()
        self._execute("INSERT INTO audit VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", (*fields, self._chain))
