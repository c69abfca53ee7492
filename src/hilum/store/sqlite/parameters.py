"""Custom search parameters on SQLite: their rows, and the small steps in which they are indexed and go.

A step is one transaction: it finds its work, does some of it and notes how far it came, so that a kill loses one step
at most. Several processes may try; one of them is at it (lock.py), and nothing depends on that.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any, Final

import apsw

from hilum.fhir import json as bodies
from hilum.fhir.definitions import TYPES
from hilum.problems import Problem
from hilum.search import catalogue as states
from hilum.search.catalogue import CLEARING, Catalogue, Defined
from hilum.search.index import extract
from hilum.search.rows import NO_ROWS
from hilum.store import definitions, keys, migrations
from hilum.store.definitions import AT_ONCE, BY_PARAM, BY_RID, COLUMNS, ROWS_AT_ONCE, STEP_SECONDS
from hilum.store.sqlite import ident
from hilum.store.sqlite.connection import row, rows, writing
from hilum.store.sqlite.identities import Identities
from hilum.store.sqlite.lock import INDEX, TURN, Lock
from hilum.store.sqlite.tables import COLUMNS as TABLES
from hilum.store.sqlite.tables import Dictionaries, IndexTables, numbers

_SCHEMA: Final = str(len(migrations.steps("sqlite")))
_GENERATION: Final = "SELECT value, (SELECT value FROM meta WHERE key = 'schema') FROM meta WHERE key = 'generation'"
_BODIES: Final = (
    "SELECT r.rid, r.body, s.params FROM resource r JOIN shape s ON s.id = r.shape "
    "WHERE r.rid > ? AND r.rid <= ? AND r.shape > 0 ORDER BY r.rid LIMIT ?"
)
_ALL: Final = f"SELECT {', '.join(COLUMNS)} FROM parameter ORDER BY id"
_PUT: Final = f"INSERT OR REPLACE INTO parameter VALUES ({','.join('?' * len(COLUMNS))})"


def generation(db: apsw.Connection) -> int:
    """Of what is committed, or of this transaction. Raises Busy where the store is a newer hilum's by now."""
    found, schema = row(db, _GENERATION)
    if schema != _SCHEMA and (problem := migrations.outdated(schema, "sqlite")):
        raise problem
    return int(found)


def known(db: apsw.Connection, before: Catalogue) -> Catalogue:
    """The catalogue; `before` itself where nothing has changed."""
    now = generation(db)
    if now == before.generation:
        return before
    inside = db.in_transaction
    if not inside:
        db.execute("BEGIN")
    try:
        return definitions.catalogue(generation(db), rows(db, _ALL))
    finally:
        if not inside:
            db.execute("COMMIT")


def put(db: apsw.Connection, some: tuple[Defined, ...]) -> None:
    """Note what became of definitions, and count the generation up: within a transaction."""
    for one in some:
        if one.state == states.GONE:
            db.execute("DELETE FROM parameter WHERE id = ?", (one.id,))
        else:
            db.execute(_PUT, definitions.row_of(one))
    db.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")


def progress(db: apsw.Connection, one: Defined) -> Defined:
    """How far it is now."""
    found = row(db, f"SELECT {', '.join(COLUMNS)} FROM parameter WHERE id = ?", (one.id,))
    return definitions.of_row(found) if found else one


class Proceeding:
    """Does steps on a connection of its own, taking turns with the writers of the store at `path`."""

    def __init__(self, db: apsw.Connection, path: str) -> None:
        self._db = db
        self._turn, self._alone = Lock(path + TURN), Lock(path + INDEX)
        self._catalogue = states.EMPTY

    def close(self) -> None:
        """Let go of the files."""
        self._turn.close()
        self._alone.close()
        self._db.close()

    def step(self) -> Defined | None:
        """See `Store.proceed`."""
        if not row(self._db, "SELECT 1 FROM parameter WHERE state IN (?, ?)", (states.BUILDING, states.REMOVING)):
            return None
        if not self._alone.free():  # from now on it is ours until this process ends
            return None
        with self._turn.held(), writing(self._db):
            self._catalogue = known(self._db, self._catalogue)
            return self._one()

    def _one(self) -> Defined | None:
        named = next((one for one in self._catalogue.defined if one.pending), None)
        if named is None:
            return None
        one = progress(self._db, named)
        try:
            after = self._clear(one) if one.cursor == CLEARING else self._walk(one)
        except (Problem, ValueError):  # a body that is damaged, or that has not the structure of its type
            after = replace(one, state=states.FAILED)
        if after.state != one.state:
            put(self._db, (after,))
        else:
            self._db.execute(_PUT, definitions.row_of(after))
        return after

    def _clear(self, one: Defined) -> Defined:
        until = time.monotonic() + STEP_SECONDS
        listed = json.dumps(one.clear)
        for table in BY_PARAM:
            columns = ", ".join(TABLES[table])
            while one.clear:
                self._db.execute(
                    f"DELETE FROM {table} WHERE ({columns}) IN (SELECT {columns} FROM {table} "
                    f"WHERE param IN (SELECT j.value FROM json_each(?) j) LIMIT {ROWS_AT_ONCE})",
                    (listed,),
                )
                if not self._db.changes():
                    break
                if time.monotonic() > until:
                    return one
        some = json.dumps(definitions.type_numbers(one))
        found = row(
            self._db,
            "SELECT coalesce(sum(n), 0) FROM tally WHERE type IN (SELECT j.value FROM json_each(?) j)",
            (some,),
        )
        return replace(one, cursor=0, done=0, total=int(found[0]))

    def _walk(self, one: Defined) -> Defined:
        until = time.monotonic() + STEP_SECONDS
        own = self._catalogue.numbers(one)
        identities = Identities(self._db)
        identities.begin(row(self._db, "SELECT number FROM clock")[0])
        dictionaries = Dictionaries(self._db)
        cursor, done = one.cursor, one.done
        for number in definitions.type_numbers(one):
            low, high = keys.type_range(number)
            while cursor < high:
                if done > one.done and time.monotonic() > until:
                    self._db.execute("UPDATE clock SET number = ?", (identities.n,))
                    return replace(one, cursor=cursor, done=done)
                found = rows(self._db, _BODIES, (max(cursor, low), high, AT_ONCE))
                if found:
                    self._some(TYPES[number - 1], one, own.get(TYPES[number - 1], ()), found, identities, dictionaries)
                    cursor, done = found[-1][0], done + len(found)
                else:
                    cursor = high
        self._db.execute("UPDATE clock SET number = ?", (identities.n,))
        state = states.READY if one.state == states.BUILDING else states.REMOVED
        return replace(one, state=state, cursor=cursor, done=done, total=done, clear=())

    def _some(
        self,
        type: str,
        one: Defined,
        own: tuple[int, ...],
        found: list[Any],
        identities: Identities,
        known: Dictionaries,
    ) -> None:
        stale = {*own, *one.clear}
        listed, rids = json.dumps(sorted(stale)), json.dumps([rid for rid, _, _ in found])
        for table in BY_RID:
            self._db.execute(
                f"DELETE FROM {table} INDEXED BY {table}_rid WHERE rid IN (SELECT j.value FROM json_each(?) j) "
                "AND param IN (SELECT j.value FROM json_each(?) j)",
                (rids, listed),
            )
        rows_of = extract(type, own, self._catalogue.registry)
        tables = IndexTables(identities.rid, known)
        number = ident.type_number(type)
        for rid, body, params in found:
            made = rows_of(bodies.stored(body)) if own else NO_ROWS
            tables.replace(rid, made, NO_ROWS)
            before: list[int] = json.loads(params)
            after = definitions.shape(before, stale, numbers(made))
            if list(after) != before:
                self._db.execute("UPDATE resource SET shape = ? WHERE rid = ?", (known.shape(number, after), rid))
        tables.write(self._db)
