"""What is remembered of one generation of the definitions, however long the names are that clients ask by.

Names and codes come from whoever asks, and misses are remembered, too: so what has a long name is looked up each time,
and the oldest goes where there are too many, or where they weigh too much together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, Final, Generic, TypeVar

_LONGEST: Final = 1000
"""Characters of all texts of a key."""

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by keys; the oldest goes first."""

    def __init__(self, most: int, bytes: int) -> None:
        self._most, self._bytes, self._weight = most, bytes, 0
        self._found: dict[Hashable, tuple[T, int]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._found

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._found)

    def __getitem__(self, key: Hashable) -> T:
        return self._found[key][0]

    @property
    def weight(self) -> int:
        """Of all of them: about the bytes that they take."""
        return self._weight

    def put(self, key: Hashable, value: T, weight: int = 0) -> None:
        """Remember it, unless it is too long or too heavy. `weight`: bytes of the value, where these may be many."""
        length = len(repr(key))
        weight += length
        self._drop(key)
        if length > _LONGEST or weight > self._bytes:
            return
        while self._found and (len(self._found) >= self._most or self._weight + weight > self._bytes):
            self._drop(next(iter(self._found)))
        self._found[key] = value, weight
        self._weight += weight

    def _drop(self, key: Hashable) -> None:
        if key in self._found:
            self._weight -= self._found.pop(key)[1]
