"""The shapes of a store, as far as they have been read: which parameters have a value in a resource.

They never change, and come in the order of their numbers: a lower one is never seen after a higher one (on PostgreSQL,
where several processes write, `learn` in the schema sees to it).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from hilum.store.plan.dialect import Steps
from hilum.store.sql import Part


class Shapes:
    """Those of one store. `numbers` makes of a column what is in it."""

    def __init__(self, numbers: Callable[[Any], Iterable[int]]) -> None:
        self._numbers = numbers
        self._known: dict[int, tuple[int, frozenset[int]]] = {}
        self._having: dict[int, set[int]] = {}

    def of(self, types: Sequence[int]) -> Steps[dict[int, frozenset[int]]]:
        """See `Dialect.shapes`: from memory, but for those that came after."""
        yield from self.having()
        wanted = frozenset(types)
        return {id: numbers for id, (type, numbers) in self._known.items() if type in wanted}

    def having(self, newest: int | None = None) -> Steps[Mapping[int, Collection[int]]]:
        """See `Dialect.having`."""
        known = next(reversed(self._known), 0)
        if newest is not None and newest <= known:
            return self._having
        rows = yield Part("SELECT id, type, params FROM shape WHERE id > ?", (known,))
        for id, type, params in sorted(rows, key=itemgetter(0)):
            self._known[id] = (type, numbers := frozenset(self._numbers(params)))
            self._having.setdefault(type, set()).update(numbers)
        return self._having
