"""Copying a SQLite store while it is in use, and putting a copy back. https://www.sqlite.org/backup.html"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import apsw

from hilum.problems import Damaged, Misconfigured
from hilum.store.sqlite.connection import DAMAGE, connect, make_private, writing
from hilum.store.sqlite.ledger import after_restore

_PAGES = 2000


def copy(source: str, target: str) -> Iterator[tuple[int, int]]:
    """Copy one moment of `source` into the new file `target`; yields (pages done, pages in all).

    The read transaction around the copy pins that moment, so that writers neither wait nor make it start again.
    The target appears under its name only when it is whole and flushed. Raises Misconfigured when it exists.
    """
    if os.path.exists(target):
        raise Misconfigured(f"{target} exists already. Choose another name, or delete it first.")
    part = target + ".part"
    _forget(part)
    make_private(part)
    try:
        try:
            yield from _copied(source, part)
        except DAMAGE:
            raise _damaged(source) from None
        if not _whole(part):
            raise (
                Misconfigured(f"The copy {part} did not come out whole. Try another disk.")
                if _whole(source)
                else _damaged(source)
            )
        flush(part)
        os.rename(part, target)
    finally:
        _forget(part)  # given up or failed: half a copy of the data must not lie about
    flush(str(Path(target).parent))


def _copied(source: str, part: str) -> Iterator[tuple[int, int]]:
    reader = connect(source, readonly=True)
    writer = apsw.Connection(part)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT seq FROM clock").fetchone()
        with writer.backup("main", reader, "main") as backup:
            while not backup.done:
                backup.step(_PAGES)
                yield backup.page_count - backup.remaining, backup.page_count
        reader.execute("COMMIT")
        writer.execute("PRAGMA journal_mode=DELETE")
    finally:
        reader.close()
        writer.close()


def _damaged(source: str) -> Damaged:
    return Damaged(
        f"The store {source} is damaged, so that no backup was made of it. `hilum check` says more; the way back is "
        "the newest backup: hilum restore FILE --force."
    )


def verify(path: str) -> None:
    """Raises Misconfigured unless the file is a whole hilum store."""
    if not _whole(path):
        raise Misconfigured(f"{path} is not a whole hilum store.")


def _whole(path: str) -> bool:
    try:
        db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        try:
            sound = db.execute("PRAGMA quick_check(1)").get == "ok"
            sound = sound and db.execute("SELECT value FROM meta WHERE key = 'schema'").get is not None
        finally:
            db.close()
    except apsw.Error:
        return False
    return sound


def restore(backup: str, path: str) -> None:
    """Put a backup in the place of a store that no process has open. Raises Misconfigured when one has."""
    verify(backup)
    part = path + ".part"
    _forget(part)
    try:
        make_private(part)
        with open(backup, "rb") as source, open(part, "wb") as target:
            while block := source.read(1 << 20):
                target.write(block)
        _signed_out(part)
        flush(part)
        if os.path.exists(path):
            _unused(path)
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(path + suffix)
        os.rename(part, path)
    finally:
        _forget(part)  # refused or failed: a whole copy of the data must not lie about
    flush(str(Path(path).parent))


def _signed_out(path: str) -> None:
    """Before anybody has it open: see `restoring`."""
    db = apsw.Connection(path)
    try:
        if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'ledger'").get:
            with writing(db):
                after_restore(db)
    finally:
        db.close()


def _unused(path: str) -> None:
    """Leaving WAL mode needs the file for oneself: it fails while any process has it open."""
    db = apsw.Connection(path)
    try:
        db.set_busy_timeout(0)
        mode = db.execute("PRAGMA journal_mode=DELETE").get
    except apsw.BusyError:
        mode = "wal"
    finally:
        db.close()
    if mode != "delete":
        raise Misconfigured("The store is in use. Stop `hilum serve` first, then restore.")


def flush(path: str) -> None:
    """fsync a file or a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _forget(path: str) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            os.unlink(path + suffix)
