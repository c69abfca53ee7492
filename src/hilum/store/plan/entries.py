"""Results as entries that are put in order in memory: where what a result is sorted by stands in no index.

The order is that of `sorting`: ascending by the least value, descending by the greatest, what has none last, then
newest created first; of what one resource contains, by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import total_ordering
from typing import Any, NamedTuple

from hilum.fhir.resource import Resource
from hilum.search.order import sorted_by
from hilum.search.query import Sort
from hilum.search.rows import Rows

ITSELF = -1
"""The place of what is not contained."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One result. `place`: of the contained resource that it is, else `ITSELF`; `local` is its id, and how many of that
    id come before it. `values`: what it is sorted by. `within`: the contained resources by which it is found.
    """

    rid: int
    resource: Resource
    place: int = ITSELF
    local: tuple[str, int] = ("", ITSELF)
    values: tuple[Any, ...] = ()
    score: float | None = None
    within: tuple[Said, ...] = ()

    @property
    def position(self) -> tuple[tuple[Any, ...], int]:
        """Where the next page goes on; see `cursor`."""
        return (*self.values, *self.local), self.rid


class Said(NamedTuple):
    """One resource that a result is found by: itself, or one that it contains."""

    type: str
    rows: Rows
    id: str
    last_updated: int
    score: float | None


def values(sort: Iterable[Sort], some: Sequence[Said]) -> tuple[Any, ...]:
    """What an entry is sorted by: the least, or greatest, of what these say; None for what they don't."""
    found = []
    for key in sort:
        said = [value for one in some if (value := _value(key, one)) is not None]
        found.append((max if key.down else min)(said, default=None))
    return tuple(found)


def _value(key: Sort, said: Said) -> Any:
    match key.kind:
        case "updated":
            return said.last_updated
        case "id":
            return said.id
        case "score":
            return said.score
    return sorted_by(key, said.type, said.rows)


@total_ordering
class _Down:
    """A value the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and self.value == other.value

    def __lt__(self, other: _Down) -> bool:
        return bool(other.value < self.value)

    def __hash__(self) -> int:
        return hash(self.value)


def rank(sort: Sequence[Sort], position: tuple[Sequence[Any], int]) -> tuple[Any, ...]:
    """What positions are compared by."""
    found, rid = position
    keyed = [
        (value is None, 0 if value is None else _Down(value) if key.down else value)
        for key, value in zip(sort, found[: len(sort)], strict=True)
    ]
    return (*keyed, -rid, *found[len(sort) :])
