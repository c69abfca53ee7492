"""Opening a SQLite store: pragmas, numbered migrations, the environment it belongs to.

https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from hilum.problems import Busy, Damaged, Misconfigured
from hilum.store import migrations

WAIT_MS = 30_000
"""How long a connection waits for another process before it gives up with Busy."""
_LOOK_AT_THE_CLOCK: Final = 8000
"""After so many instructions of SQLite's machine (some 200 microseconds) a patient connection looks at the clock."""
_FOREVER: Final = float("inf")
_TRANSIENT: Final = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.CantOpenError,
    apsw.NoMemError,
    apsw.ProtocolError,
)
"""What the machine, another process or the disk is to blame for. Anything else is a defect of ours."""


DAMAGE: Final = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)
"""What a sound file never brings about."""


def connect(path: str, *, readonly: bool = False) -> apsw.Connection:
    """A connection that waits for others instead of failing, flushes every commit and never checkpoints by itself."""
    flags = apsw.SQLITE_OPEN_READWRITE | (0 if readonly else apsw.SQLITE_OPEN_CREATE)
    connection = apsw.Connection(path, flags=flags, statementcachesize=400)
    connection.set_busy_timeout(WAIT_MS)
    # Plans don't depend on bound values, so that a statement is not prepared anew for each of them.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except apsw.NotADBError:
        raise Misconfigured(
            "The store's file is no SQLite database, or its first page is damaged. Name another with --store "
            "sqlite:PATH, or restore a backup."
        ) from None
    except apsw.BusyError:
        raise Busy("The store is locked by another program. Try again when that has finished.") from None
    connection.execute("PRAGMA synchronous=FULL")  # an fsync of the log before every acknowledgement
    connection.execute("PRAGMA wal_autocheckpoint=0")  # checkpoint.py does it, off the path of requests
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA mmap_size=2147418112")  # another connection's commit empties the page cache; a map stays
    connection.execute("PRAGMA cache_size=-65536")
    if readonly:
        connection.execute("PRAGMA query_only=ON")
    return connection


def prepare(
    connection: apsw.Connection, environment: str, *, migrate: bool, steps: tuple[migrations.Step, ...] | None = None
) -> None:
    """Create or migrate the schema, and hold the store to its environment.

    Raises Misconfigured when the store is of another environment, of a newer hilum, or needs `hilum migrate`.
    """
    steps = steps if steps is not None else migrations.steps("sqlite")
    try:
        have = _version(connection)
        if have == 0 or (migrate and have < len(steps)):
            have = _migrate(connection, steps, environment)
        found = connection.execute("SELECT value FROM meta WHERE key = 'environment'").get
    except apsw.BusyError:
        raise Busy("The store is locked by another program. Try again when that has finished.") from None
    migrations.judge(have, len(steps), found, environment)
    if not migrate and have >= 2 and connection.execute("SELECT 1 FROM reindex").get:
        raise Misconfigured("The store's index is not finished. Run `hilum migrate`: it goes on where it stopped.")


def _migrate(connection: apsw.Connection, steps: tuple[migrations.Step, ...], environment: str) -> int:
    with writing(connection):  # of two processes one migrates and the other waits
        for step in steps[_version(connection) :]:
            connection.execute(step.sql)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (str(step.number),))
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('environment', ?)", (environment,))
    return _version(connection)


def _version(connection: apsw.Connection) -> int:
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get:
        return 0
    found = row(connection, "SELECT value FROM meta WHERE key = 'schema'")
    return int(found[0]) if found else 0


def make_private(path: str) -> None:
    """Create the file readable by its owner only; SQLite gives -wal and -shm the same mode."""
    Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def row(db: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> Any:
    """The first row, or None. What a column holds is known by the schema, not by the type checker."""
    try:
        return db.execute(sql, values).fetchone()
    except apsw.Error as error:
        raise translated(error) from None


def rows(db: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """All rows."""
    try:
        return db.execute(sql, values).fetchall()
    except apsw.Error as error:
        raise translated(error) from None


@contextmanager
def writing(db: apsw.Connection) -> Iterator[None]:
    """A transaction that writes, whole or not at all; it waits for others that do."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


class Patience:
    """Ends what takes longer on a connection than it may, so that others get their turn on the event loop.

    How much a search visits can only be guessed before it runs, and a guess may be wrong by a thousand times.
    """

    def __init__(self, db: apsw.Connection) -> None:
        self._until = _FOREVER
        db.set_progress_handler(self._late, _LOOK_AT_THE_CLOCK)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """In this block a statement raises apsw.InterruptError once `seconds` are over."""
        self.begin(seconds)
        try:
            yield
        finally:
            self.end()

    def begin(self, seconds: float) -> None:
        """What `within` does where it begins."""
        self._until = time.monotonic() + seconds

    def end(self) -> None:
        """And where it ends."""
        self._until = _FOREVER

    def _late(self) -> bool:
        return time.monotonic() > self._until


def translated(error: apsw.Error) -> Exception:
    """A driver's error in the words of the client, where trying again can help: nothing was written.

    An error of our own SQL is no such thing: it is given back as it is, a defect that the edge logs and hides.
    """
    if isinstance(error, DAMAGE):
        return Damaged(f"The store is damaged ({type(error).__name__}). Whoever runs hilum has to restore a backup.")
    if isinstance(error, apsw.FullError):
        return Busy("The disk is full: nothing was written. Free some space and try again.")
    if not isinstance(error, _TRANSIENT):
        return error
    return Busy(f"The store can't do this now ({type(error).__name__}); nothing was written. Try again.")
