"""What a store remembers of counts, so that the same is not counted at every search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hilum.store.plan.access import Access


class Counted:
    """What turned out to be many when it was counted, so that it is not counted again for every search.

    That a clause has few rows now is not kept: it may have many soon, and then would drive at any cost. The other way
    round nothing is lost but a walk of `Limits.hopes` rows, after which everything is counted anew. So it is with
    shapes, too: `code=a&date=ge2020` had its page full at once, so `code=b&date=ge2021` is walked before it is counted.
    """

    MOST: Final = 4096

    def __init__(self) -> None:
        self._rows: dict[Any, int] = {}

    def rows(self, access: Access) -> int:
        """How many there were at least; 0: that is not known."""
        return self._rows.get(access.key, 0) if access.key is not None else 0

    def keep(self, access: Access, rows: int) -> None:
        """So many were counted."""
        if access.key is not None:
            self._keep(access.key, rows)

    def shape(self, found: Sequence[Access]) -> Any:
        """What conjunctions with other values of the same parameters have in common; None: that is not remembered."""
        shape = ("shape", *[one.key and (one.key[0], one.key[1]) for one in found])
        return None if None in shape else shape

    def full(self, shape: Any) -> bool:
        """Whether the last conjunction of the shape had its page full by the first walk."""
        return shape in self._rows

    def met(self, shape: Any, *, full: bool) -> None:
        """Whether it was."""
        if full:
            self._keep(shape, 1)
        else:
            self._rows.pop(shape, None)

    def _keep(self, key: Any, rows: int) -> None:
        if len(self._rows) >= self.MOST:
            self._rows.clear()
        self._rows[key] = rows
