"""The full text index, written with the versions. https://www.sqlite.org/fts5.html"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import apsw

from hilum.search.prose import content, narrative, read
from hilum.store import wordless
from hilum.store.sqlite.connection import row, rows, writing

STEP: Final = 500
"""Of how many resources one transaction writes the words."""


Words = tuple[str, str]
"""Of the narrative, and of everything."""


def words_of(body: dict[str, Any]) -> Words:
    """The words of a resource."""
    return narrative(body), content(body)


class FullText:
    """What one commit changes of the full text."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._gone: list[tuple[int]] = []
        self._added: list[tuple[int, str, str]] = []

    def replace(self, rid: int, body: bytes, *, was: bool, words: Words | None = None) -> None:
        """The words of a new version (none of a deletion) in place of those that stand (`was`).

        `words`: they themselves, where somebody has made them.
        """
        if was:
            self._gone.append((rid,))
        if body:
            self._added.append((rid, *(words or words_of(read(body)))))

    def write(self) -> None:
        """Bring it into the database."""
        if self._gone:
            self._db.executemany("DELETE FROM fulltext WHERE rowid = ?", self._gone)
        if self._added:
            self._db.executemany("INSERT INTO fulltext(rowid, narrative, content) VALUES (?, ?, ?)", self._added)


def kept(db: apsw.Connection, *, wanted: bool) -> bool:
    """Whether the store has the words of all its resources; one that is used without them has not, from now on."""
    if said(db) is None and not wanted:
        with writing(db):
            if said(db) is None:
                _say(db, wordless.NONE)
    return said(db) is None


def said(db: apsw.Connection) -> str | None:
    """What the store says of its words: see `hilum.store.wordless`."""
    found = row(db, "SELECT value FROM meta WHERE key = ?", (wordless.KEY,))
    return str(found[0]) if found else None


def _say(db: apsw.Connection, value: str | None) -> None:
    """Within a transaction: so that whoever writes next knows it."""
    if value is None:
        db.execute("DELETE FROM meta WHERE key = ?", (wordless.KEY,))
    else:
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (wordless.KEY, value))
    db.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")


def refill(db: apsw.Connection, step: int = STEP) -> Iterator[int]:
    """Write the words of a store that has not those of all; yields how many resources each step did.

    A step is one transaction, and notes how far it came. From the first on, whoever writes writes the words, too.
    """
    while said(db) is not None:
        with writing(db):
            done = _refilled(db, said(db), step)
        yield done


def _refilled(db: apsw.Connection, done: str | None, step: int) -> int:
    if done is None:  # another process has come to the end
        return 0
    if done == wordless.NONE:
        db.execute("INSERT INTO fulltext(fulltext) VALUES ('delete-all')")
        _say(db, "0")
    found = rows(
        db,
        "SELECT rid, body FROM resource WHERE rid > ? AND shape > 0 ORDER BY rid LIMIT ?",
        (wordless.done(done), step),
    )
    if not found:
        _say(db, None)
        return 0
    words = FullText(db)
    for rid, body in found:
        words.replace(rid, body, was=True)  # of one that was written since they are there already
    words.write()
    db.execute("UPDATE meta SET value = ? WHERE key = ?", (str(found[-1][0]), wordless.KEY))
    return len(found)
