"""Systems, shapes, texts beside codes and units: dictionaries that are only added to, and remembered here.

What a commit brings that is new to them is learned before it, in a transaction of its own: then nobody who has the same
new text waits until the commit is flushed, and what was seen committed is true for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.search.rows import Rows
from hilum.store.keyed import NUMBERS, Keys, choices, exhausted, unknown
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.tables import numbers, unit, units, writable

_SYSTEMS: Final = "SELECT learn_systems($1, $2, $3, $4)"
_LEARN: Final = "SELECT learn($1, $2, $3, $4, $5, $6, $7, $8, $9)"
_REMEMBERED: Final = 100_000

Shape = tuple[int, tuple[int, ...]]


class Dictionaries:
    """What one store object knows of them."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._full = False  # to find that out takes a second, and it stays so
        self._shapes: dict[Shape, int] = {}
        self._known: set[tuple[int, int, bool]] = set()

    async def systems(self, session: Session, guard: int, systems: Iterable[str]) -> None:
        """The numbers of all these are in the database and known here, then. Raises Unprocessable: there are no more.

        Not within a transaction that others wait for, or that may be undone.
        """
        known = self._keys.numbers
        new = sorted({system for system in systems if system not in known})
        if new:
            wanted = [number for system in new for number in choices(system)]
            most = 0 if self._full else NUMBERS
            ((found,),) = await fetch(session, _SYSTEMS, guard, [system.encode() for system in new], wanted, most)
            known.update((system, number) for system, number in zip(new, found, strict=True) if number is not None)
            if None in found:
                self._full = True
                raise exhausted()

    async def learn(self, session: Session, guard: int, resources: Sequence[tuple[str, Rows]]) -> list[int]:
        """The shapes of resources (type, rows); all systems, texts and units of theirs are in the database then."""
        new = unknown([rows for _, rows in resources], self._keys.numbers)
        if new:
            await self.systems(session, guard, new)
        shapes = [(TYPE_NUMBER[type], numbers(rows)) for type, rows in resources]
        terms: dict[tuple[int, int, bool], str] = {}
        amounts: dict[tuple[int, int, bool], Any] = {}
        for _, rows in resources:
            for param, folded in rows.terms:
                term = (param, self._keys.texts[folded], False)
                if term not in self._known:
                    terms[term] = folded
            if rows.quantities or rows.composites:
                for param, row in units(rows):
                    amount = (param, unit(row, self._keys), True)
                    if amount not in self._known:
                        amounts[amount] = row
        fresh = list(dict.fromkeys(shape for shape in shapes if shape not in self._shapes))
        if fresh or terms or amounts:
            ((found,),) = await fetch(
                session,
                _LEARN,
                guard,
                [type for type, _ in fresh],
                ["{" + ",".join(map(str, params)) + "}" for _, params in fresh],
                _pairs(terms),
                [writable(folded) for folded in terms.values()],
                _pairs(amounts),
                *[[_text(getattr(row, name)) for row in amounts.values()] for name in ("system", "code", "unit")],
            )
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            self._known.update(terms, amounts)
            self._shapes.update(zip(fresh, found, strict=True))
        return [self._shapes[shape] for shape in shapes]

    async def shapes(self, session: Session, guard: int, type: str, wanted: Sequence[tuple[int, ...]]) -> list[int]:
        """The numbers of shapes. Within a transaction; what is new is not remembered, since that may be undone."""
        shapes = [(TYPE_NUMBER[type], params) for params in wanted]
        fresh = list(dict.fromkeys(shape for shape in shapes if shape not in self._shapes))
        found: list[int] = []
        if fresh:
            texts = ["{" + ",".join(map(str, params)) + "}" for _, params in fresh]
            empty: tuple[Any, ...] = ("{}", [], "{}", [], [], [])
            ((found,),) = await fetch(session, _LEARN, guard, [number for number, _ in fresh], texts, *empty)
        made = dict(zip(fresh, found, strict=True))
        return [made[shape] if shape in made else self._shapes[shape] for shape in shapes]


def _pairs(entries: dict[tuple[int, int, bool], Any]) -> str:
    return "{" + ",".join([f"{param},{value}" for param, value, _ in entries]) + "}"


def _text(value: str | None) -> str | None:
    return writable(value) if value is not None else None
