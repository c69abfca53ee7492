"""The full text index, written with the versions. https://www.sqlite.org/fts5.html"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import apsw

from hilum.search.prose import content, narrative, read
from hilum.store import wordless
from hilum.store.sqlite.connection import row, rows

STEP: Final = 500
"""Of how many resources one transaction writes the words."""


class FullText:
    """What one commit changes of the full text."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._gone: list[tuple[int]] = []
        self._added: list[tuple[int, str, str]] = []

    def replace(self, rid: int, body: bytes, *, was: bool) -> None:
        """The words of a new version (none of a deletion) in place of those that stand (`was`)."""
        if was:
            self._gone.append((rid,))
        if body:
            found = read(body)
            self._added.append((rid, narrative(found), content(found)))

    def write(self) -> None:
        """Bring it into the database."""
        if self._gone:
            self._db.executemany("DELETE FROM fulltext WHERE rowid = ?", self._gone)
        if self._added:
            self._db.executemany("INSERT INTO fulltext(rowid, narrative, content) VALUES (?, ?, ?)", self._added)


def kept(db: apsw.Connection, *, wanted: bool) -> bool:
    """Whether the store has the words of all its resources; one that is used without them has not, from now on."""
    found = row(db, "SELECT value FROM meta WHERE key = ?", (wordless.KEY,))
    if found is None and not wanted:
        db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (wordless.KEY, wordless.NONE))
    return found is None and wanted


def refill(db: apsw.Connection, step: int = STEP) -> Iterator[int]:
    """Write the words of a store that has not those of all; yields how many resources each step did.

    A step is one transaction, and notes how far it came. Nobody else writes meanwhile: their words would be missing.
    """
    while (found := row(db, "SELECT value FROM meta WHERE key = ?", (wordless.KEY,))) is not None:
        db.execute("BEGIN IMMEDIATE")
        try:
            done = _refilled(db, found[0], step)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        yield done


def _refilled(db: apsw.Connection, done: str, step: int) -> int:
    if done == wordless.NONE:
        db.execute("INSERT INTO fulltext(fulltext) VALUES ('delete-all')")
    found = rows(
        db,
        "SELECT rid, body FROM resource WHERE rid > ? AND shape > 0 ORDER BY rid LIMIT ?",
        (wordless.done(done), step),
    )
    if not found:
        db.execute("DELETE FROM meta WHERE key = ?", (wordless.KEY,))
        return 0
    words = FullText(db)
    for rid, body in found:
        words.replace(rid, body, was=False)
    words.write()
    db.execute("UPDATE meta SET value = ? WHERE key = ?", (str(found[-1][0]), wordless.KEY))
    return len(found)
