"""Stable integers for (type, id): given once, to a resource or to a mere reference to one, and never reused.

Three layers of memory mirror the transaction: of this commit, of this group, and what is durable; what a rollback
undoes in the database is forgotten here too.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from hilum.store import keys
from hilum.store.interface import Write
from hilum.store.sqlite import ident
from hilum.store.sqlite.connection import row
from hilum.store.sqlite.tables import insert

_REMEMBERED = 200_000

Name = tuple[str, str]


class Identities:
    """The writer's view of the table `identity`; `n` is the last number given."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._durable: dict[Name, int] = {}
        self._group: dict[Name, int] = {}
        self._commit: dict[Name, int] = {}
        self.n = 0

    def begin(self, n: int) -> None:
        """A group begins; `n` as the database has it."""
        self.n = n
        self._group.clear()
        self._commit.clear()

    def keep(self) -> None:
        """The commit stands, as far as its group does."""
        self._group.update(self._commit)
        self._commit.clear()

    def forget(self, n: int) -> None:
        """The commit was undone."""
        self.n = n
        self._commit.clear()

    def durable(self) -> None:
        """The group was flushed."""
        if len(self._durable) > _REMEMBERED:
            self._durable.clear()
        self._durable.update(self._group)

    def claim(self, writes: Sequence[Write]) -> tuple[list[int], set[int]]:
        """The rids of the writes, and those among them that nothing knew before: they have no version to look at."""
        new: dict[Name, int] = {}
        values: list[int | str | bytes] = []
        for write in writes:
            name = (write.type, write.id)
            if write.version == 1 and self._known(name) is None:
                rid = new[name] = self._next(write.type)
                values += (ident.type_number(write.type), ident.key(write.id), rid)
        if insert(self._db, "identity", 3, values) != len(new):  # some were referred to before: whose are they?
            for name, rid in new.items():
                stands = row(
                    self._db,
                    "SELECT rid FROM identity WHERE type = ? AND id = ?",
                    (ident.type_number(name[0]), ident.key(name[1])),
                )[0]
                if stands != rid:
                    new[name] = stands
            fresh = {rid for rid in new.values() if rid & _NUMBER > self.n - len(new)}
        else:
            fresh = set(new.values())
        self._commit.update(new)
        return [self.rid(write.type, write.id) for write in writes], fresh

    def rid(self, type: str, id: str) -> int:
        """The rid of (type, id); one that nobody has seen yet is interned as version 0."""
        name = (type, id)
        rid = self._known(name)
        if rid is None:
            key = (ident.type_number(type), ident.key(id))
            found = row(self._db, "SELECT rid FROM identity WHERE type = ? AND id = ?", key)
            if found:
                rid = int(found[0])
            else:
                rid = self._next(type)
                self._db.execute("INSERT INTO identity VALUES (?, ?, ?)", (*key, rid))
                self._db.execute("INSERT INTO resource VALUES (?, 0, 0, 0, 0, ?)", (rid, ident.stub(type, id)))
            self._commit[name] = rid
        return rid

    def _known(self, name: Name) -> int | None:
        return self._durable.get(name) or self._commit.get(name) or self._group.get(name)

    def _next(self, type: str) -> int:
        self.n += 1
        return ident.type_number(type) << keys.TYPE_SHIFT | self.n


_NUMBER = (1 << keys.TYPE_SHIFT) - 1
