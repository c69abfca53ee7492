"""What was looked at lately, in two generations: what nobody asks for any more goes, what is asked for again stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A dictionary that holds about twice `most` entries. When the younger generation is full it becomes the elder,
    and what was the elder is forgotten: unlike a dictionary that is emptied, it never knows nothing.
    """

    __slots__ = ("_elder", "_most", "_younger")

    def __init__(self, most: int) -> None:
        self._most = most
        self._younger: dict[K, V] = {}
        self._elder: dict[K, V] = {}

    def __len__(self) -> int:
        """How many are held."""
        return len(self._younger.keys() | self._elder.keys())

    def get(self, key: K) -> V | None:
        """The value, which from now on is a young one."""
        found = self._younger.get(key)
        if found is None and (found := self._elder.pop(key, None)) is not None:
            self._younger[key] = found
        return found

    def update(self, some: Mapping[K, V]) -> None:
        """Hold these, too."""
        if len(self._younger) >= self._most:
            self._elder, self._younger = self._younger, {}
        self._younger.update(some)

    def pop(self, key: K) -> None:
        """Forget one."""
        self._younger.pop(key, None)
        self._elder.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._younger.clear()
        self._elder.clear()
