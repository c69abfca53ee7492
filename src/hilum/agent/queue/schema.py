"""The queue's file: SQLite with a write-ahead log, each commit on disk before it is answered."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hilum.agent.source import Full
from hilum.problems import Misconfigured

NAME: Final = "queue.sqlite"
_VERSION: Final = 1
_LOG_PAGES: Final = 256
"""Of the write-ahead log, before it goes into the file: 1 MB, less than the spare (`hilum.agent.queue.spare`)."""

_TABLES: Final = """
CREATE TABLE device (  -- what was in contact
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL, at REAL NOT NULL, battery INTEGER
);
CREATE TABLE taken (  -- a Taken without its readings; `charged`: the batch that tells its battery
    id INTEGER PRIMARY KEY AUTOINCREMENT, device INTEGER NOT NULL REFERENCES device, person INTEGER,
    context TEXT NOT NULL, charged TEXT
);
CREATE TABLE reading (  -- `part`: the position of the first of those that stay together
    taken INTEGER NOT NULL REFERENCES taken, position INTEGER NOT NULL, part INTEGER NOT NULL,
    device INTEGER NOT NULL REFERENCES device, body TEXT NOT NULL, batch TEXT,
    PRIMARY KEY (taken, position)
) WITHOUT ROWID;
CREATE INDEX reading_free ON reading (device, taken, part, position) WHERE batch IS NULL;
CREATE INDEX reading_of_batch ON reading (batch) WHERE batch IS NOT NULL;
CREATE TABLE batch (  -- `taken`, `part`: its first reading; `again`: not before, seconds since 1970
    id TEXT PRIMARY KEY, device INTEGER NOT NULL REFERENCES device, person INTEGER, taken INTEGER NOT NULL,
    part INTEGER NOT NULL, formed REAL NOT NULL, dead INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
    again REAL NOT NULL DEFAULT 0, stopped INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX batch_next ON batch (device, taken, part) WHERE dead = 0;
CREATE TABLE made (  -- of a far side that takes one resource at a time
    batch TEXT NOT NULL REFERENCES batch ON DELETE CASCADE, entry TEXT NOT NULL, reference TEXT NOT NULL,
    PRIMARY KEY (batch, entry)
) WITHOUT ROWID;
CREATE TABLE seen (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE);
CREATE TABLE receipt (
    id INTEGER PRIMARY KEY, batch TEXT NOT NULL, device INTEGER NOT NULL, at REAL NOT NULL, readings INTEGER NOT NULL,
    receipt TEXT NOT NULL, held TEXT NOT NULL
);
CREATE TABLE ailing (  -- sources that will never work as they are set up
    source TEXT PRIMARY KEY, why TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE malformed (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, device TEXT NOT NULL, at REAL NOT NULL, times INTEGER NOT NULL,
    why TEXT NOT NULL, data BLOB NOT NULL
);
"""


def connect(folder: Path) -> sqlite3.Connection:
    """The queue of a data folder, made where there is none. Raises Full, Misconfigured."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / NAME
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    _synchronize(folder)
    db = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        db.execute("PRAGMA cache_size = -2048")
        with writing(db):
            _prepare(db, file)
    except sqlite3.DatabaseError as error:
        db.close()
        if full(error):
            raise Full(f"There is no room for a queue: the disk of {folder} is full. Free some.") from None
        raise Misconfigured(f"{file} is no queue, or is broken ({error}). Move it away, and keep it.") from None
    except Misconfigured:
        db.close()
        raise
    return db


def _synchronize(folder: Path) -> None:
    """That a file is there is on disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def look(folder: Path) -> sqlite3.Connection | None:
    """The queue to read, while an agent may be running. None: there is none yet."""
    file = folder / NAME
    if not file.exists() or not file.stat().st_size:
        return None
    db = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=30)
    if db.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
        return db
    db.close()
    raise Misconfigured(f"{file} is of another version of hilum")


def _prepare(db: sqlite3.Connection, file: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in _TABLES.split(";\n"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {_VERSION}")
    elif version != _VERSION:
        raise Misconfigured(f"{file} is of another version of hilum: layout {version}, expected {_VERSION}")


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """One transaction: all of it is on disk afterwards, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


_NO_ROOM: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_MASK: Final = 0xFF
"""Of the category of an extended result code."""


def full(error: sqlite3.Error) -> bool:
    """Whether the disk has no room, or does not write. https://www.sqlite.org/rescode.html"""
    return getattr(error, "sqlite_errorcode", 0) & _MASK in _NO_ROOM
