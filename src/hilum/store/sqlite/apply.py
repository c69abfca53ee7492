"""One Commit as SQL, inside the writer's transaction: versions, index rows, compartments, audit.

Every statement works on narrow integers; rows of one commit go to each table in as few statements as possible,
because a statement costs more than a row.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import apsw

from hilum.fhir.resource import Resource
from hilum.problems import Conflict, CriteriaChanged, VersionChanged
from hilum.search.rows import Rows
from hilum.store import keys
from hilum.store.interface import Audit, Commit, Present, Resolves, Unreferenced, Write
from hilum.store.sqlite import ident, select
from hilum.store.sqlite.clauses import reference_parameters
from hilum.store.sqlite.connection import row

_CHUNK = 48
_REMEMBERED = 200_000

Flat = tuple[int | str, ...]


class Applier:
    """Applies commits on the writer's connection. Holds what must change back when a commit is rolled back."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._execute = connection.execute
        self._rids: dict[tuple[str, str], int] = {}
        self._fresh: dict[tuple[str, str], int] = {}  # of this group
        self._mine: dict[tuple[str, str], int] = {}  # of this commit
        self._process = os.urandom(8)
        self._chain = b""
        self.seq = 0
        self.n = 0
        self._tally: dict[int, int] = {}

    # --- the group ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take the write lock and read the clock."""
        self._execute("BEGIN IMMEDIATE")
        self.seq, self.n = row(self._db, "SELECT seq, n FROM clock")
        self._fresh.clear()
        self._mine.clear()
        self._tally.clear()
        self._chain_before = self._chain

    def finish(self) -> None:
        """Write clock and tally, and flush: when this returns, the group is durable."""
        for type_number, n in self._tally.items():
            if n:
                self._execute(
                    "INSERT INTO tally VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", (type_number, n)
                )
        self._execute("UPDATE clock SET seq = ?, n = ?", (self.seq, self.n))
        self._execute("COMMIT")
        if len(self._rids) > _REMEMBERED:
            self._rids.clear()
        self._rids.update(self._fresh)

    def abandon(self) -> None:
        """Undo the whole group."""
        self._chain = self._chain_before
        if self._db.in_transaction:
            self._execute("ROLLBACK")

    def attempt(self, commit: Commit) -> tuple[Resource, ...]:
        """One commit of the group; when it raises, it is undone, in the database and here, and the group goes on."""
        before = self.seq, self.n, self._chain, dict(self._tally)
        self._execute("SAVEPOINT one")
        try:
            made = self._apply(commit)
        except BaseException:
            self._execute("ROLLBACK TO one")
            self.seq, self.n, self._chain, self._tally = before
            self._mine.clear()
            raise
        finally:
            if self._db.in_transaction:
                self._execute("RELEASE one")
        self._fresh.update(self._mine)
        self._mine.clear()
        return made

    # --- one commit -----------------------------------------------------------------------------------------------

    def _apply(self, commit: Commit) -> tuple[Resource, ...]:
        for condition in commit.preconditions:
            if isinstance(condition, Resolves):
                found = select.ids(self._db, condition.query)
                if found != condition.ids:
                    raise CriteriaChanged("The criteria resolve to something else by now.")
        self.seq = max(self.seq, time.time_ns() // 1000)
        first = self.seq + 1
        tables = _Tables()
        # Identities first, so that a reference to what this commit creates finds it.
        rids = [self._claim(w) if w.version == 1 else self._rid(w.type, w.id) for w in commit.writes]
        made = [self._version(rid, write, tables) for rid, write in zip(rids, commit.writes, strict=True)]
        tables.write(self._db)
        for condition in commit.preconditions:
            if isinstance(condition, Present):
                self._present(condition)
            elif isinstance(condition, Unreferenced):
                self._unreferenced(condition)
        self._audit(commit.audit, first, len(made))
        return tuple(made)

    def _version(self, rid: int, write: Write, tables: _Tables) -> Resource:
        version, method = row(self._db, "SELECT version, method FROM resource WHERE rid = ?", (rid,)) or (0, 0)
        if version != write.version - 1:
            raise VersionChanged(f"{write.type} has version {version} by now, not {write.version - 1}.")
        self.seq += 1
        number = ident.METHOD_NUMBER[write.method]
        body = write.draft.stamp(write.version, self.seq) if write.draft else b""
        stored = body or ident.stub(write.type, write.id)
        if version:
            self._execute("INSERT INTO old SELECT seq, body FROM resource WHERE rid = ?", (rid,))
        self._execute(
            "INSERT OR REPLACE INTO resource VALUES (?, ?, ?, ?, ?)", (rid, write.version, self.seq, number, stored)
        )
        owners = [self._rid(*owner) for owner in write.rows.compartments]
        if not write.draft:  # a deletion stays visible in history to those who saw what it deleted
            owners = [self._rid(*owner) for owner in write.old.compartments]
        self._execute(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)",
            (self.seq, rid, write.version, number, _json_list(owners), _labels(write)),
        )
        alive = bool(write.draft) - bool(version and method != ident.DELETED)
        if alive:
            type_number = rid >> keys.TYPE_SHIFT
            self._tally[type_number] = self._tally.get(type_number, 0) + alive
        self._difference(rid, write.rows, write.old, tables)
        return Resource(write.type, write.id, write.version, self.seq, body, write.method)

    def _difference(self, rid: int, new: Rows, old: Rows, tables: _Tables) -> None:
        if old == new:
            return
        for kind, pick in _KINDS:
            after = {kind(self, it) for it in pick(new)}
            before = {kind(self, it) for it in pick(old)}
            if after != before:
                table = tables.of(kind)
                for flat in after - before if before else after:
                    table.insert += flat
                    table.insert.append(rid)
                table.delete.extend((*flat, rid) for flat in before - after)

    # --- identities -----------------------------------------------------------------------------------------------

    def _claim(self, write: Write) -> int:
        """The rid of what should be a new resource: almost always a new identity, sometimes one referred to before."""
        name = (write.type, write.id)
        if name in self._rids or name in self._fresh or name in self._mine:
            return self._rid(*name)
        rid = self._next(write.type)
        self._execute(
            "INSERT INTO identity VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (ident.type_number(write.type), ident.key(write.id), rid),
        )
        if self._db.changes():
            self._mine[name] = rid
            return rid
        self.n -= 1
        return self._rid(*name)

    def _rid(self, type: str, id: str) -> int:
        """The rid of (type, id); one that nobody has seen yet is interned as version 0."""
        name = (type, id)
        rid = self._rids.get(name) or self._mine.get(name) or self._fresh.get(name)
        if rid is None:
            key = (ident.type_number(type), ident.key(id))
            found = row(self._db, "SELECT rid FROM identity WHERE type = ? AND id = ?", key)
            if found:
                rid = int(found[0])
            else:
                rid = self._next(type)
                self._execute("INSERT INTO identity VALUES (?, ?, ?)", (*key, rid))
                self._execute("INSERT INTO resource VALUES (?, 0, 0, 0, ?)", (rid, ident.stub(type, id)))
            self._mine[name] = rid
        return rid

    def _next(self, type: str) -> int:
        self.n += 1
        return ident.type_number(type) << keys.TYPE_SHIFT | self.n

    # --- rows -----------------------------------------------------------------------------------------------------

    def token_row(self, it: Any) -> Flat:
        """(parameter, key)."""
        return it[0], keys.token(it[1], it[2])

    def uri_row(self, it: Any) -> Flat:
        """(parameter, key): in the token table."""
        return it[0], keys.uri(it[1])

    def string_row(self, it: Any) -> Flat:
        """(parameter, folded, key of the value as written)."""
        return it[0], it[1], keys.uri(it[2])

    def date_row(self, it: Any) -> Flat:
        """(parameter, span, low, high)."""
        return it[0], keys.span(it[1], it[2]), it[1], it[2]

    def reference_row(self, it: Any) -> Flat:
        """(parameter, rid of the target)."""
        return it[0], self._rid(it[1], it[2])

    def compartment_row(self, owner: tuple[str, str]) -> Flat:
        """(rid of the owner,)."""
        return (self._rid(*owner),)

    # --- integrity and audit --------------------------------------------------------------------------------------

    def _present(self, condition: Present) -> None:
        rid = self._rid(condition.type, condition.id)
        found = row(self._db, "SELECT version, method FROM resource WHERE rid = ?", (rid,))
        if found is None or not found[0] or found[1] == ident.DELETED:
            raise Conflict(f"The reference {condition.type}/{condition.id} points to nothing that exists here.")

    def _unreferenced(self, condition: Unreferenced) -> None:
        target = self._rid(condition.type, condition.id)
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


class _Table:
    """Rows of one commit for one index table."""

    def __init__(self, name: str, columns: tuple[str, ...]) -> None:
        self.name, self.columns = name, columns
        self.insert: list[int | str] = []
        self.delete: list[Flat] = []

    def write(self, db: apsw.Connection) -> None:
        width = len(self.columns)
        if self.delete:
            where = " AND ".join(f"{column} = ?" for column in self.columns)
            db.executemany(f"DELETE FROM {self.name} WHERE {where}", self.delete)
        step = width * _CHUNK
        for start in range(0, len(self.insert), step):
            part = self.insert[start : start + step]
            db.execute(_insert(self.name, width, len(part) // width), part)


class _Tables:
    """The index tables, by the function that makes their rows."""

    def __init__(self) -> None:
        token = _Table("token", ("param", "value", "rid"))
        self._by_kind: dict[Callable[..., Flat], _Table] = {
            Applier.token_row: token,
            Applier.uri_row: token,
            Applier.string_row: _Table("string", ("param", "folded", "exact", "rid")),
            Applier.date_row: _Table("date", ("param", "span", "low", "high", "rid")),
            Applier.reference_row: _Table("reference", ("param", "target", "rid")),
            Applier.compartment_row: _Table("compartment", ("owner", "rid")),
        }

    def of(self, kind: Callable[..., Flat]) -> _Table:
        return self._by_kind[kind]

    def write(self, db: apsw.Connection) -> None:
        for table in dict.fromkeys(self._by_kind.values()):
            if table.insert or table.delete:
                table.write(db)


_KINDS: tuple[tuple[Callable[..., Flat], Callable[[Rows], Iterable[Any]]], ...] = (
    (Applier.token_row, lambda rows: rows.tokens),
    (Applier.uri_row, lambda rows: rows.uris),
    (Applier.string_row, lambda rows: rows.strings),
    (Applier.date_row, lambda rows: rows.dates),
    (Applier.reference_row, lambda rows: rows.references),
    (Applier.compartment_row, lambda rows: rows.compartments),
)

_INSERTS: dict[tuple[str, int, int], str] = {}


def _insert(table: str, width: int, count: int) -> str:
    """INSERT of that many rows. OR IGNORE: two exact values may share a key, or two parameters a row."""
    sql = _INSERTS.get((table, width, count))
    if sql is None:
        marks = "(" + ",".join("?" * width) + ")"
        sql = _INSERTS[table, width, count] = f"INSERT OR IGNORE INTO {table} VALUES " + ",".join([marks] * count)
    return sql


def _json_list(owners: list[int]) -> str | None:
    return "[" + ",".join(map(str, owners)) + "]" if owners else None


def _labels(write: Write) -> str | None:
    labels = write.rows.labels if write.draft else write.old.labels
    return " ".join(f"{system}|{code}" for system, code in labels) or None
