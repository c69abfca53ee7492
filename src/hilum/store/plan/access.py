"""How a clause can be used in a search: as the driver, which lists rids, and as a probe of one rid.

Everything here is text and values; nothing runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, overload

import msgspec

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.store.keys import type_range
from hilum.store.sql import FALSE, TRUE, Part

RID: Final = "{rid}"
"""In the text of a probe: the rid that it asks about."""
FIRST: Final = 0
LAST: Final = type_range(max(TYPE_NUMBER.values()))[1] + 1
"""Before and after all rids."""


class Later(Sequence[Part]):
    """So many parts, made when the first of them is looked at: of most clauses nobody ever walks the arms."""

    __slots__ = ("_count", "_made", "_make")

    def __init__(self, count: int, make: Callable[[], Sequence[Part]]) -> None:
        self._count = count
        self._make = make
        self._made: Sequence[Part] | None = None

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Part]: ...
    def __getitem__(self, index: int | slice) -> Part | Sequence[Part]:
        if self._made is None:
            self._made = self._make()
        return self._made[index]

    def __iter__(self) -> Iterator[Part]:
        return iter(self[:])


class Access(msgspec.Struct, frozen=True):
    """What one clause offers.

    `probe`: a condition on `{rid}`; its tables have any alias but `a` and `c`. `arms`: statements
    `SELECT a.rid FROM … WHERE …`, to which ` AND …` can be appended; together they list all that the clause finds,
    perhaps several times; none where the clause can't drive. `ordered`: each arm walks an index in the order of rid.
    `cheap`: the probe is a few point lookups; otherwise it first collects all that the clause finds. `deep`: a
    probe may visit many rows, as where it follows references. `alive`: what
    is found is current and not deleted. `size`: how many rows the arms visit, where that is known. `bounded`: each arm
    ends in ` AND a.rid BETWEEN ? AND ?`: see `between`. `name`: what a plan that is told calls it. `key`: what
    tells it from others, where `Counted` may remember it. `visit`: table, parameters and the condition on its row `k`,
    where the probe asks whether the resource has such a row; `single`: it has no second one.
    """

    kind: str
    probe: Part
    arms: Sequence[Part] = ()
    ordered: bool = True
    cheap: bool = True
    deep: bool = False
    alive: bool = True
    size: int | None = None
    bounded: bool = False
    name: str = ""
    key: Any = None
    visit: tuple[str, tuple[int, ...], Part] | None = None
    single: bool = False

    @property
    def nothing(self) -> bool:
        """Whether it is certain that nothing is found."""
        return self.probe == FALSE

    @property
    def told(self) -> str:
        """What `explain` calls it."""
        return self.name or self.kind


NOTHING: Final = Access("nothing", FALSE, size=0)
EVERYTHING: Final = Access("everything", TRUE, alive=False)
