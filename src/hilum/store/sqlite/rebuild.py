"""Index rows put right where they are not what the bodies say, while others write. See `Store.rebuild`.

A batch is read and indexed in a snapshot, without keeping anybody from writing; the lock is taken only for what has to
be written, and what a write has changed meanwhile is looked at again under it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Final

import apsw

from hilum.problems import Busy
from hilum.search.rows import NO_ROWS
from hilum.store import keys
from hilum.store.rebuilding import LOWEST, Mark, Rebuilt, Scope, Tally, place
from hilum.store.sqlite import parameters
from hilum.store.sqlite.checkpoint import START
from hilum.store.sqlite.compare import DICTIONARIES, Batch, Comparison
from hilum.store.sqlite.connection import connect, row, rows, writing
from hilum.store.sqlite.fulltext import FullText
from hilum.store.sqlite.identities import Identities
from hilum.store.sqlite.lock import REINDEX, TURN, Lock
from hilum.store.sqlite.tables import COLUMNS, Dictionaries, IndexTables, delete, insert

KEPT_SECONDS: Final = 2.0
"""How often it is noted how far it came, where nothing else is written."""


def steps(path: str, scope: Scope, *, full_text: bool) -> Generator[Rebuilt, None, None]:
    """See `Store.rebuild`. Works on the thread that asks for the next step. Raises Busy and apsw.Error."""
    alone, turn = Lock(path + REINDEX), Lock(path + TURN)
    try:
        if not alone.free():
            raise Busy("Another `hilum reindex` is at work on this store. Wait for it, or stop it.")
        db = connect(path)
        try:
            yield from _Rebuilding(db, turn, scope, words=full_text and scope.code is None).steps()
        finally:
            db.close()
    finally:
        turn.close()
        alone.close()


class _Rebuilding:
    def __init__(self, db: apsw.Connection, turn: Lock, scope: Scope, *, words: bool) -> None:
        self._db, self._turn, self._scope, self._words = db, turn, scope, words
        self._compare = Comparison(db, scope, words=words)
        self._pages = 0
        self._kept = time.monotonic()
        db.execute("PRAGMA temp_store=FILE")
        db.set_wal_hook(self._grown)

    def steps(self) -> Iterator[Rebuilt]:
        scope, registry = self._scope, self._compare.catalogue.registry
        spans, types = scope.spans(registry), scope.types(registry)
        total = sum(n for type, n in rows(self._db, "SELECT type, n FROM tally") if type in types)
        found = row(self._db, "SELECT value FROM meta WHERE key = ?", (scope.mark,))
        after, done = place(found[0] if found else None, scope)
        tally = Tally(total, done)
        yield tally.now
        if scope.whole and self._entries(tally) and after > LOWEST:  # their texts come back with their resources
            after, tally = LOWEST, Tally(total, 0)
        if spans:
            self._compare.copy(max(after, spans[0][0]), spans[-1][1])
        for low, high in spans:
            after = max(after, low)
            while after < high:
                batch = self._batch(after, high, tally)
                after = batch.end
                yield tally.now
        if scope.whole:
            self._figures(tally)
        if not scope.look:
            with self._writing():
                self._db.execute("DELETE FROM meta WHERE key = ?", (scope.mark,))
        yield tally.now

    def _entries(self, tally: Tally) -> bool:
        """Take wrong entries of dictionaries away; whether there were any."""
        wrong = self._compare.entries()
        tally.add({name: len(some) for name, some in wrong.items()})
        if any(wrong.values()) and not self._scope.look:
            with self._writing():
                for name, key in DICTIONARIES.items():
                    where = " AND ".join(f"{column} = ?" for column in key)
                    self._db.executemany(f"DELETE FROM {name} WHERE {where}", [one[: len(key)] for one in wrong[name]])
        return any(wrong.values())

    def _batch(self, after: int, high: int, tally: Tally) -> Batch:
        with self._reading():
            batch = self._compare.batch(after, high)
        done = tally.done + len(batch.alive) + len(batch.unfit)
        if not self._scope.look:
            if batch.wrong or batch.shapes or batch.wordless or batch.entries or (self._words and batch.alive):
                with self._writing():
                    if not self._stands(batch):
                        batch = self._again(batch, after, high)
                    self._mend(batch)
                    self._keep(batch.end, done)
            elif time.monotonic() > self._kept + KEPT_SECONDS:
                with self._writing():
                    self._keep(batch.end, done)
        tally.done = done
        tally.add(batch.counts, len(batch.wrong | batch.shapes.keys()), batch.unfit.values())
        if self._pages > START:
            self._pages = 0
            with suppress(apsw.Error):  # somebody else is at it
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        return batch

    def _again(self, before: Batch, after: int, high: int) -> Batch:
        batch = self._compare.batch(after, high)
        batch.entries += before.entries  # of these, what was seen to be missing is remembered and not told twice
        return batch

    def _stands(self, batch: Batch) -> bool:
        """Whether nobody has written, since the batch was read, what is about to be."""
        if parameters.generation(self._db) != batch.generation:
            return False
        meant = batch.wrong | batch.shapes.keys() | batch.wordless | (batch.alive.keys() if self._words else set())
        for rid in meant:
            found = row(self._db, "SELECT seq FROM resource WHERE rid = ?", (rid,))
            if (found[0] if found else None) != batch.seqs.get(rid):
                return False
        return True

    def _mend(self, batch: Batch) -> None:
        """Within a transaction that writes."""
        identities, dictionaries = Identities(self._db), Dictionaries(self._db)
        identities.begin(row(self._db, "SELECT number FROM clock")[0])
        tables = IndexTables(identities.rid, dictionaries)
        for rid in batch.wrong:
            if rid in batch.alive:
                tables.replace(rid, batch.alive[rid][1], NO_ROWS)
        right = {(table, flat) for table, flat in tables.added() if table in DICTIONARIES or batch.has(table, flat)}
        for table, stand in batch.stand.items():
            gone = [flat for flat in stand if flat[-1] in batch.wrong and (table, flat) not in right]
            delete(self._db, table, list(chain.from_iterable(gone)))
        for table, columns in COLUMNS.items():
            stand = batch.stand.get(table, set())
            new = [flat for name, flat in (*right, *batch.entries) if name == table and flat not in stand]
            insert(self._db, table, len(columns), list(chain.from_iterable(new)))
        for rid, shape in batch.shapes.items():
            number = 0 if shape is None else dictionaries.shape(rid >> keys.TYPE_SHIFT, shape)
            self._db.execute("UPDATE resource SET shape = ? WHERE rid = ?", (number, rid))
        if self._words:
            words = FullText(self._db)
            for rid in batch.wordless:
                words.replace(rid, b"", was=True)
            for rid, (body, _) in batch.alive.items():
                words.replace(rid, body, was=True)
            words.write()
        self._db.execute("UPDATE clock SET number = ?", (identities.n,))

    def _keep(self, after: int, done: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (self._scope.mark, Mark.now(after, done).text))
        self._kept = time.monotonic()

    def _figures(self, tally: Tally) -> None:
        with self._reading():
            wrong = self._compare.figures()
        if wrong and not self._scope.look:
            with self._writing():
                wrong = self._compare.figures()
                for type, by in wrong.items():
                    self._db.execute(
                        "INSERT INTO tally VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", (type, by)
                    )
        tally.add({"tally": len(wrong)})

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._turn.held(), writing(self._db):
            yield

    def _grown(self, _connection: apsw.Connection, _schema: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK
