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
from hilum.store.sqlite import ident, select
from hilum.store.sqlite.clauses import reference_parameters
from hilum.store.sqlite.connection import row
from hilum.store.sqlite.identities import Identities
from hilum.store.sqlite.tables import IndexTables, insert


class Applier:
    """Applies commits on the writer's connection. Holds what must change back when a commit is rolled back."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
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

    def abandon(self) -> None:
        """Undo the whole group; where even that fails, the next group's BEGIN does, and says so."""
        self._chain = self._chain_before
        if self._db.in_transaction:
            with suppress(apsw.Error):
                self._execute("ROLLBACK")

    # --- one commit -----------------------------------------------------------------------------------------------

    def _apply(self, commit: Commit) -> tuple[Resource, ...]:
        for condition in commit.preconditions:
            if isinstance(condition, Resolves) and select.ids(self._db, condition.query) != condition.ids:
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
        tables = IndexTables(self._identities.rid)
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
            resources += (rid, write.version, self.seq, number, body or ident.stub(write.type, write.id))
            log += (self.seq, rid, write.version, number, *self._visibility(write))
            change = bool(write.draft) - alive
            if change:
                self._tally[rid >> keys.TYPE_SHIFT] = self._tally.get(rid >> keys.TYPE_SHIFT, 0) + change
            tables.replace(rid, write.rows, write.old)
            made.append(Resource(write.type, write.id, write.version, self.seq, body, write.method))
        insert(self._db, "resource", 5, resources)
        insert(self._db, "log", 6, log)
        tables.write(self._db)
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
        for type_name, number in reference_parameters():
            found = row(
                self._db,
                "SELECT rid FROM reference WHERE param = ? AND target = ? AND rid <> ? LIMIT 1",
                (number, target, target),
            )
            if found:
                raise Conflict(f"A {type_name} still refers to this {condition.type}; delete or change that first.")

    def _audit(self, audit: Audit, seq: int, writes: int) -> None:
        fields = (self._process, seq, writes, audit.agent, audit.client, audit.interaction, audit.token)
        self._chain = hashlib.sha256(self._chain + repr(fields).encode()).digest()
        self._execute("INSERT INTO audit VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", (*fields, self._chain))
