"""Names to stable integers: (type, id) -> rid, remembered for as long as the store is open.

What was created keeps its rid, and its row is never taken away, so that what was once seen committed is true for ever.
What is only referred to so far gets another rid when it is created (`moving`): of that nothing is remembered but
guesses, which commits have checked; see `hilum.store.lasting`. New rids come in small, short-lived blocks, so that over
several processes, too, a higher one was created later (within a second).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.store.keys import TYPE_SHIFT
from hilum.store.lasting import SETTLED_SECONDS
from hilum.store.postgres.connection import Session, fetch

Name = tuple[str, str]

METHODS: Final = ("", "POST", "PUT", "DELETE", "PATCH")
METHOD_NUMBER: Final = {name: number for number, name in enumerate(METHODS)}
DELETED: Final = METHOD_NUMBER["DELETE"]

_BLOCK: Final = 64  # the increment of the sequence `numbered`
_BLOCK_SECONDS: Final = 1.0
_REMEMBERED: Final = 100_000  # about 20 MB
_NAMED: Final = 20_000  # those of whose compartments something that is read lies in

LASTING: Final = f"""
r.version > 0 AND NOT EXISTS (SELECT FROM former f WHERE f.rid = r.rid
    AND f.at > (extract(epoch FROM clock_timestamp()) - {SETTLED_SECONDS}) * 1000000)
"""
"""Whether the rid of the row `r` may be remembered."""
_KNOWN = f"""
SELECT r.type, r.id, r.rid, {LASTING} FROM unnest($1::smallint[], $2::text[]) AS n (type, id)
CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.type = n.type AND r.id = n.id LIMIT 1) r
"""
_INTERN = "SELECT type, id, rid, false FROM intern($1, $2, $3)"
_BLOCKS = "SELECT nextval('numbered') FROM generate_series(1, $1::integer)"
NOW: Final = "coalesce((SELECT f.rid FROM former f WHERE f.was = n.rid), n.rid)"
"""The number of the row that has, or had, the number n.rid."""
_NAMES = f"""
SELECT n.rid, r.id FROM unnest($1::bigint[]) AS n (rid)
CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = {NOW} LIMIT 1) r
"""
_EVER = "SELECT f.rid, f.was FROM unnest($1::bigint[]) AS n (rid) JOIN former f ON f.rid = n.rid"


def type_of(rid: int) -> str:
    """The resource type that a rid carries."""
    return TYPES[(rid >> TYPE_SHIFT) - 1]


class Names:
    """What one store object knows of rids."""

    def __init__(self) -> None:
        self._rids: dict[Name, int] = {}
        self._names: dict[int, Name] = {}
        self._guesses: dict[Name, int] = {}
        self._guessed = time.monotonic()
        self._free: list[int] = []
        self._until = 0.0

    def get(self, name: Name) -> int | None:
        """The rid if it is remembered."""
        return self._rids.get(name)

    def guess(self, name: Name) -> int | None:
        """The rid that a name had when it was looked up last, which it may have given up since.

        Not for long: what was created meanwhile can be remembered for good.
        """
        if self._guesses and time.monotonic() > self._guessed + SETTLED_SECONDS:
            self._guesses.clear()
            self._guessed = time.monotonic()
        return self._guesses.get(name)

    def forget(self, names: Iterable[Name]) -> None:
        """Guess no more."""
        for name in names:
            self._guesses.pop(name, None)

    def remember(self, name: Name, rid: int) -> None:
        """Keep what was seen created, and committed."""
        if len(self._rids) >= _REMEMBERED:
            self._rids.clear()
        self._rids[name] = rid
        self._guesses.pop(name, None)

    @staticmethod
    def new(name: Name, number: int) -> int:
        """The rid that a name gets with a new number."""
        return TYPE_NUMBER[name[0]] << TYPE_SHIFT | number

    async def known(self, session: Session, names: Iterable[Name]) -> dict[Name, int]:
        """The rids of those names that were ever used."""
        return await self._find(session, names, _KNOWN)

    async def interned(self, session: Session, names: Iterable[Name]) -> dict[Name, int]:
        """The rids of all names; those never used before get one, which a transaction of its own commits."""
        wanted = tuple(names)
        found = await self.known(session, wanted)
        left = [name for name in wanted if name not in found]
        if left:
            numbers = await self.numbers(session, len(left))
            # While the numbers came, another task may have learned some of the names: each takes one number, no more.
            found |= {name: rid for name in left if (rid := self._rids.get(name)) is not None}
            unknown = [name for name in left if name not in found]
            found |= await self._find(session, unknown, _INTERN, numbers[: len(unknown)])
        return found

    async def numbers(self, session: Session, count: int) -> list[int]:
        """Numbers that nothing has had before, ascending."""
        if len(self._free) < count or time.monotonic() > self._until:
            blocks = await fetch(session, _BLOCKS, (count + _BLOCK - 1) // _BLOCK)
            self._free = [n for block in blocks for n in range(block[0] + _BLOCK - 1, block[0] - 1, -1)]
            self._free.sort(reverse=True)
            self._until = time.monotonic() + _BLOCK_SECONDS
        return [self._free.pop() for _ in range(count)]

    def of(self, rids: Iterable[int]) -> tuple[Name, ...] | None:
        """The names of rids, if all of them are remembered."""
        try:
            return tuple([self._names[rid] for rid in rids])
        except KeyError:
            return None

    async def found(self, session: Session, rids: Sequence[int]) -> tuple[Name, ...]:
        """The same; the names are remembered now."""
        made = {rid: (type_of(rid), id) for rid, id in await fetch(session, _NAMES, rids)}
        if len(self._names) >= _NAMED:
            self._names.clear()
        self._names |= made
        return tuple([made[rid] for rid in rids if rid in made])

    async def ever(self, session: Session, names: Iterable[Name]) -> dict[Name, frozenset[int]]:
        """The rids by which versions may name these: what was created later had another one before."""
        now = await self.known(session, names)
        was = dict(await fetch(session, _EVER, list(now.values()))) if now else {}
        return {name: frozenset((rid, was.get(rid, rid))) for name, rid in now.items()}

    async def _find(self, session: Session, names: Iterable[Name], sql: str, *more: list[int]) -> dict[Name, int]:
        found: dict[Name, int] = {}
        ask: dict[Name, None] = {}
        for name in names:
            rid = self._rids.get(name)
            if rid is None:
                ask[name] = None
            else:
                found[name] = rid
        if ask:
            types = [TYPE_NUMBER[type] for type, _ in ask]
            for number, id, rid, lasting in await fetch(session, sql, types, [id for _, id in ask], *more):
                name = (TYPES[number - 1], id)
                found[name] = rid
                if lasting:
                    self.remember(name, rid)
                else:
                    self._guesses[name] = rid
            if len(self._guesses) > _REMEMBERED:
                self._guesses.clear()
        return found
