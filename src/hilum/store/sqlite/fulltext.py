"""The full text index, written with the versions. https://www.sqlite.org/fts5.html"""

from __future__ import annotations

import apsw

from hilum.search.prose import content, narrative, read


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
