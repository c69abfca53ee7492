"""Stable integers for (type, id), never reused: given when the resource is created, for good.

What is referred to before has one, too, and gives it up for a new one when it is created (`moving`): the default order
of searches is that of the numbers, and tells nothing of who refers where.

Three layers of memory mirror the transaction: of this commit, of this group, and what is durable; what a rollback
undoes in the database is forgotten here too. What other processes create may be none of what is remembered any more:
the clock counts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import apsw

from hilum.store import keys
from hilum.store.interface import Write
from hilum.store.recent import Recent
from hilum.store.sqlite import ident
from hilum.store.sqlite.connection import row
from hilum.store.sqlite.tables import insert

_REMEMBERED: Final = 10_000
"""Names in a generation, two of which take about 6 MB. What a resource refers to was mostly written, or referred to,
shortly before: a look into the table costs microseconds.
"""

Name = tuple[str, str]


class Claimed(NamedTuple):
    """The rids of writes; those that no version stands at; (was, rid) of what was only referred to before."""

    rids: list[int]
    fresh: set[int]
    moved: list[tuple[int, int]]


class Identities:
    """The writer's view of the table `identity`; `n` is the last number given, `moved` how many were given up."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._durable: Recent[Name, int] = Recent(_REMEMBERED)
        self._group: dict[Name, int] = {}
        self._commit: dict[Name, int] = {}
        self.n = self.moved = 0

    def begin(self, n: int, moved: int = 0) -> None:
        """A group begins; `n` and `moved` as the database has them."""
        if moved != self.moved:  # others created what was only referred to
            self._durable.clear()
        self.n, self.moved = n, moved
        self._group.clear()
        self._commit.clear()

    def lost(self) -> None:
        """The group was undone, with the numbers that it gave up: how many there are is not known here."""
        self.moved = -1

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
        self._durable.update(self._group)

    def claim(self, writes: Sequence[Write]) -> Claimed:
        """What is created gets its number here, in the order of the writes, whether or not it was referred to."""
        new: dict[Name, int] = {}
        values: list[int | str | bytes] = []
        moved: list[tuple[int, int]] = []
        for write in writes:
            if write.version == 1:
                rid = new[write.type, write.id] = self._next(write.type)
                values += (ident.type_number(write.type), ident.key(write.id), rid)
        fresh = set(new.values())
        if insert(self._db, "identity", 3, values) != len(new):  # some stand there already
            for name, rid in new.items():
                was, version = self._standing(name)
                if version:  # created by somebody else: whoever looks at its version says so
                    new[name] = was
                    fresh.discard(rid)
                elif was != rid:
                    moved.append((was, rid))
                    self._move(name, rid)
        self._commit.update(new)
        return Claimed([self.rid(write.type, write.id) for write in writes], fresh, moved)

    def _standing(self, name: Name) -> tuple[int, int]:
        """The rid that a name has, and the version there; 0: only referred to, or claimed just now."""
        rid, version = row(
            self._db,
            "SELECT i.rid, coalesce(r.version, 0) FROM identity i LEFT JOIN resource r ON r.rid = i.rid "
            "WHERE i.type = ? AND i.id = ?",
            (ident.type_number(name[0]), ident.key(name[1])),
        )
        return rid, version

    def _move(self, name: Name, rid: int) -> None:
        key = (ident.type_number(name[0]), ident.key(name[1]))
        self._db.execute("UPDATE identity SET rid = ? WHERE type = ? AND id = ?", (rid, *key))
        self._durable.pop(name)
        self._group.pop(name, None)
        self.moved += 1

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
