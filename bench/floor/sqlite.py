"""The floor's work on SQLite: one writer thread that groups what arrives together into one transaction and one flush.

Rows of a whole group go to each table in as few statements as possible; the log of SQLite is copied back by a thread
of its own and, when it has grown, by the writer between two groups. https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import queue
import threading
import time
from contextlib import suppress
from typing import Any

import apsw

from bench.floor.rows import Keys, Numbers, extractors
from bench.floor.wire import Made, Version, key_of, stamp

AUDIT = ("owner", "hilum-cli")
_CHUNK = 48
_START, _LIMIT = 1024, 6144  # pages in the log at which the thread, and then the writer, copies
_GROUP = 256
_TABLES = {"identity": 3, "resource": 6, "log": 6, "audit": 10} | {
    "token": 3,
    "string": 4,
    "date": 5,
    "quantity": 5,
    "reference": 3,
    "composite": 6,
    "compartment": 2,
    "term": 3,
    "unit": 5,
    "fulltext": 3,
}
"""Table -> how many columns."""
_CLASH = {"resource": "REPLACE", "identity": "ABORT", "log": "ABORT", "audit": "ABORT"}

Job = tuple[str, list[Made], "asyncio.Future[list[Version]]"]


def _connect(path: str, readonly: bool = False) -> apsw.Connection:
    connection = apsw.Connection(path, statementcachesize=400)
    connection.set_busy_timeout(30_000)
    # apsw's SQLite is built with STAT4, which prepares a statement anew for every bound value: 8.5 us a read, not 3.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY; "
        "PRAGMA mmap_size=2147418112; PRAGMA cache_size=-65536"
    )
    if readonly:
        connection.execute("PRAGMA query_only=ON")
    return connection


class Floor:
    """create, update, read and the two searches."""

    def __init__(self, path: str, numbers: Numbers, token: str) -> None:
        self._numbers, self._token = numbers, token
        self.keys = Keys()
        self._extract = extractors(numbers, self.keys, words=False)  # of the version before
        self._read: Any = _connect(path, readonly=True).execute  # what a column holds is known by the schema
        self._db = _connect(path)
        self._execute: Any = self._db.execute
        self._rids: dict[tuple[str, str], int] = {}
        self._process, self._chain = os.urandom(8), b""
        self._inserts: dict[tuple[str, int], str] = {}
        ((secret,),) = self._execute("SELECT value FROM meta WHERE key = 'secret'")
        self.keys.open(secret, dict(self._execute("SELECT text, number FROM system")))
        shapes = self._execute("SELECT id, type, params FROM shape")
        self._shapes: dict[tuple[int, tuple[int, ...]], int] = {
            (type, tuple(json.loads(params))): id for id, type, params in shapes
        }
        self._learned: set[tuple[int, int]] = set(self._execute("SELECT param, value FROM term"))
        self._learned.update(self._execute("SELECT param, unit FROM unit"))
        self._pages, self._copied = 0, False
        self._seq = self._n = 0
        self._db.set_wal_hook(self._grown)
        self._wake = threading.Event()
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        threading.Thread(target=self._checkpoint, args=(path,), daemon=True).start()
        threading.Thread(target=self._write, daemon=True).start()

    async def open(self) -> None:
        """Ready when made."""

    async def create(self, interaction: str, made: list[Made]) -> list[Version]:
        """New resources, all in one commit."""
        future: asyncio.Future[list[Version]] = asyncio.get_running_loop().create_future()
        self._jobs.put((interaction, made, future))
        return await future

    async def update(self, made: Made) -> Version:
        """The next version of a resource that is there."""
        return (await self.create("update", [made]))[0]

    async def read(self, type: str, id: str) -> tuple[int, int, bytes]:
        """(version, seq, body) of the current version."""
        sql = (
            "SELECT r.version, r.seq, r.body FROM identity i CROSS JOIN resource r ON r.rid = i.rid "
            "WHERE i.type = ? AND i.id = ? AND r.shape > 0"
        )
        version, seq, body = self._read(sql, (self._numbers.types[type], key_of(id))).fetchone()
        return version, seq, body

    async def by_token(self, parameter: int, value: int, count: int) -> list[tuple[int, bytes]]:
        """(rid, body), newest first."""
        sql = (
            "SELECT r.rid, r.body FROM token k CROSS JOIN resource r ON r.rid = k.rid "
            "WHERE k.param = ? AND k.value = ? AND r.shape > 0 ORDER BY k.rid DESC LIMIT ?"
        )
        found: list[tuple[int, bytes]] = self._read(sql, (parameter, value, count)).fetchall()
        return found

    async def by_reference(
        self, parameter: int, target: tuple[str, str], token: int, value: int, count: int
    ) -> list[tuple[int, bytes]]:
        """(rid, body) of what refers to `target` and has the token, newest first."""
        sql = (
            "SELECT r.rid, r.body FROM identity i CROSS JOIN reference k ON k.param = ? AND k.target = i.rid "
            "CROSS JOIN resource r ON r.rid = k.rid WHERE i.type = ? AND i.id = ? AND EXISTS "
            "(SELECT 1 FROM token t WHERE t.param = ? AND t.value = ? AND t.rid = k.rid) "
            "AND r.shape > 0 ORDER BY k.rid DESC LIMIT ?"
        )
        values = (parameter, self._numbers.types[target[0]], key_of(target[1]), token, value, count)
        found: list[tuple[int, bytes]] = self._read(sql, values).fetchall()
        return found

    async def by_date(
        self, token: tuple[int, int], parameter: int, start: int, end: int, count: int
    ) -> list[tuple[int, bytes]]:
        """(rid, body) of what has the token and a date between (end exclusive), newest first."""
        sql = (
            "SELECT r.rid, r.body FROM token k CROSS JOIN resource r ON r.rid = k.rid "
            "WHERE k.param = ? AND k.value = ? AND EXISTS (SELECT 1 FROM date d INDEXED BY date_rid "
            "WHERE d.rid = k.rid AND d.param = ? AND d.high >= ? AND d.low < ?) "
            "AND r.shape > 0 ORDER BY k.rid DESC LIMIT ?"
        )
        found: list[tuple[int, bytes]] = self._read(sql, (*token, parameter, start, end, count)).fetchall()
        return found

    async def referred(self, parameter: int, rids: list[int]) -> list[tuple[int, bytes]]:
        """(rid, body) of what these refer to, each once."""
        sql = (
            "SELECT r.rid, r.body FROM (SELECT DISTINCT k.target FROM reference k INDEXED BY reference_rid "
            f"WHERE k.rid IN ({','.join('?' * len(rids))}) AND k.param = ?) w "
            "CROSS JOIN resource r ON r.rid = w.target WHERE r.shape > 0"
        )
        found: list[tuple[int, bytes]] = self._read(sql, (*rids, parameter)).fetchall()
        return found

    # --- the writer thread ----------------------------------------------------------------------------------------

    def _write(self) -> None:
        get, get_nowait = self._jobs.get, self._jobs.get_nowait
        while True:
            jobs = [get()]
            try:
                while len(jobs) < _GROUP:
                    jobs.append(get_nowait())
            except queue.Empty:
                pass
            outcomes = self._group(jobs)
            jobs[0][2].get_loop().call_soon_threadsafe(_answer, outcomes)
            if self._pages > _LIMIT and self._copied:
                self._copied = False
                with suppress(apsw.BusyError):
                    self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            elif self._pages > _START:
                self._wake.set()

    def _group(self, jobs: list[Job]) -> list[tuple[asyncio.Future[list[Version]], list[Version]]]:
        execute = self._execute
        execute("BEGIN IMMEDIATE")
        (seq, n), *_ = execute("SELECT seq, number FROM clock")
        self._seq, self._n = max(seq, time.time_ns() // 1000), n
        tally: dict[int, int] = {}
        outcomes = []
        start = 0
        while start < len(jobs):
            end = self._distinct(jobs, start)
            outcomes += self._together(jobs[start:end], tally)
            start = end
        for type, more in tally.items():
            execute("INSERT INTO tally VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", (type, more))
        execute("UPDATE clock SET seq = ?, number = ?", (self._seq, self._n))
        execute("COMMIT")
        return outcomes

    @staticmethod
    def _distinct(jobs: list[Job], start: int) -> int:
        """Up to where the jobs name each resource once, so that they can share statements."""
        named: set[tuple[str, str]] = set()
        for place in range(start, len(jobs)):
            interaction, job, _ = jobs[place]
            if interaction == "update":
                if (job[0].type, job[0].id) in named:
                    return place
                named.add((job[0].type, job[0].id))
        return len(jobs)

    def _together(
        self, jobs: list[Job], tally: dict[int, int]
    ) -> list[tuple[asyncio.Future[list[Version]], list[Version]]]:
        types = self._numbers.types
        added: dict[str, list[Any]] = {table: [] for table in _TABLES}
        known = self._current([job[0] for interaction, job, _ in jobs if interaction == "update"])
        outcomes = []
        for interaction, job, future in jobs:
            first = self._seq + 1
            versions = []
            if interaction == "update":
                versions.append(self._replace(job[0], *known[job[0].type, job[0].id], added))
            else:
                for made in job:  # all names first: they may refer to each other
                    self._n += 1
                    type = types[made.type]
                    rid = self._rids[made.type, made.id] = type << 40 | self._n
                    tally[type] = tally.get(type, 0) + 1
                    added["identity"] += (type, made.key, rid)
                for made in job:
                    self._seq += 1
                    rid = self._rids[made.type, made.id]
                    raw = stamp(made, 1, self._seq)
                    added["resource"] += (rid, 1, self._seq, 1, self._shape(made), raw)
                    self._log(self._seq, rid, 1, 1, made, added)
                    self._index(rid, made, added)
                    versions.append(Version(made.type, made.id, 1, self._seq, raw))
            self._audit(first, len(job), interaction, added)
            outcomes.append((future, versions))
        for table, width in _TABLES.items():
            rows = added[table]
            step = _CHUNK * width
            for start in range(0, len(rows), step):
                part = rows[start : start + step]
                self._execute(self._insert(table, len(part) // width), part)
        return outcomes

    def _current(self, updates: list[Made]) -> dict[tuple[str, str], tuple[int, int, bytes]]:
        """(rid, version, body) of what is about to be replaced, which moves to the old versions."""
        found: dict[tuple[str, str], tuple[int, int, bytes]] = {}
        for start in range(0, len(updates), _CHUNK):
            names = {self._rid(made.type, made.id): (made.type, made.id) for made in updates[start : start + _CHUNK]}
            rids = tuple(names)
            marks = ",".join("?" * len(rids))
            for rid, version, body in self._execute(
                f"SELECT rid, version, body FROM resource WHERE rid IN ({marks})", rids
            ):
                found[names[rid]] = rid, version, body
            self._execute(f"INSERT INTO old SELECT seq, body FROM resource WHERE rid IN ({marks})", rids)
        return found

    def _replace(self, made: Made, rid: int, version: int, before: bytes, added: dict[str, list[Any]]) -> Version:
        execute = self._execute
        self._seq += 1
        was, now = self._extract[made.type](before, made.id), made.rows
        raw = stamp(made, version + 1, self._seq)
        added["resource"] += (rid, version + 1, self._seq, 2, self._shape(made), raw)
        execute("DELETE FROM fulltext WHERE rowid = ?", (rid,))
        added["fulltext"] += (rid, now.narrative, now.content)
        self._log(self._seq, rid, version + 1, 2, made, added)
        for parameter, value in was.tokens - now.tokens:
            execute("DELETE FROM token WHERE param = ? AND value = ? AND rid = ?", (parameter, value, rid))
        for parameter, folded, text in was.strings - now.strings:
            where = "param = ? AND folded = ? AND exact = ? AND rid = ?"
            execute(f"DELETE FROM string WHERE {where}", (parameter, folded, self.keys.exact(text), rid))
        for parameter, value in now.tokens - was.tokens:
            added["token"] += (parameter, value, rid)
        for parameter, folded, text in now.strings - was.strings:
            added["string"] += (parameter, folded, self.keys.exact(text), rid)
        if was.dates != now.dates:
            for row in was.dates:
                where = "param = ? AND span = ? AND low = ? AND high = ? AND rid = ?"
                execute(f"DELETE FROM date WHERE {where}", (*row, rid))
            for row in now.dates:
                added["date"] += (*row, rid)
        return Version(made.type, made.id, version + 1, self._seq, raw)

    def _index(self, rid: int, made: Made, added: dict[str, list[Any]]) -> None:
        rows = made.rows
        into = added["token"]
        for parameter, value in rows.tokens:
            into += (parameter, value, rid)
        into = added["string"]
        for parameter, folded, text in rows.strings:
            into += (parameter, folded, self.keys.exact(text), rid)
        into = added["date"]
        for row in rows.dates:
            into += (*row, rid)
        into = added["reference"]
        for parameter, type, id in rows.references:
            into += (parameter, self._rid(type, id), rid)
        into = added["quantity"]
        for amount in rows.quantities:
            into += (*amount, rid)
        into = added["composite"]
        for pair in rows.composites:
            into += (*pair, rid)
        for parameter, value, folded in rows.terms:
            if (parameter, value) not in self._learned:
                self._learned.add((parameter, value))
                added["term"] += (parameter, value, folded)
        for unit in rows.units:
            if unit[:2] not in self._learned:
                self._learned.add(unit[:2])
                added["unit"] += unit
        added["fulltext"] += (rid, rows.narrative, rows.content)
        into = added["compartment"]
        for type, id in rows.compartments:
            into += (self._rid(type, id), rid)

    def _shape(self, made: Made) -> int:
        key = (self._numbers.types[made.type], made.rows.shape)
        found = self._shapes.get(key)
        if found is None:
            text = "[" + ",".join(map(str, made.rows.shape)) + "]"
            ((found,),) = self._execute("INSERT INTO shape (type, params) VALUES (?, ?) RETURNING id", (key[0], text))
            self._shapes[key] = found
        return found

    def _log(self, seq: int, rid: int, version: int, method: int, made: Made, added: dict[str, list[Any]]) -> None:
        owners = [self._rid(*owner) for owner in made.rows.compartments]
        listed = "[" + ",".join(map(str, owners)) + "]"
        added["log"] += (seq, rid, version, method, listed, None)

    def _audit(self, seq: int, writes: int, interaction: str, added: dict[str, list[Any]]) -> None:
        fields = (self._process, seq, writes, *AUDIT, interaction, self._token)
        self._chain = hashlib.sha256(self._chain + repr(fields).encode()).digest()
        added["audit"] += (None, *fields, self._chain, "{}")

    def _rid(self, type: str, id: str) -> int:
        rid = self._rids.get((type, id))
        if rid is None:
            found = self._execute(
                "SELECT rid FROM identity WHERE type = ? AND id = ?", (self._numbers.types[type], key_of(id))
            )
            ((rid,),) = found
            self._rids[type, id] = rid
        return rid

    def _insert(self, table: str, count: int) -> str:
        sql = self._inserts.get((table, count))
        if sql is None:
            marks = "(" + ",".join("?" * _TABLES[table]) + ")"
            into = "fulltext(rowid, narrative, content)" if table == "fulltext" else table
            sql = f"INSERT OR {_CLASH.get(table, 'IGNORE')} INTO {into} VALUES " + ",".join([marks] * count)
            self._inserts[table, count] = sql
        return sql

    # --- the log of SQLite ----------------------------------------------------------------------------------------

    def _grown(self, _connection: apsw.Connection, _schema: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self, path: str) -> None:
        connection = _connect(path)
        while self._wake.wait():
            self._wake.clear()
            with suppress(apsw.BusyError):
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._copied = True


def _answer(outcomes: list[tuple[asyncio.Future[list[Version]], list[Version]]]) -> None:
    for future, versions in outcomes:
        if not future.done():
            future.set_result(versions)
