"""Index rows compared with the bodies and made anew: of what, how far it is, where it goes on. For both stores.

A rebuilding walks the stable integers (rids) from the lowest to the highest. What stands under a rid that no current
resource has is wrong, too. How far it came is kept in the table `meta`, so that what was killed goes on there.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import msgspec

from hilum import __version__
from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.search.custom import numbers_of
from hilum.search.parameters import Registry
from hilum.search.rows import Rows
from hilum.store import keys
from hilum.store.definitions import shape

OLD_SECONDS: Final = 24 * 3600
"""A mark that is older is no place to go on from: what was compared then may have gone wrong since."""
TOLD: Final = 20
"""Of how many resources that can't be indexed the names are kept."""
LOWEST: Final = -(1 << 63)
HIGHEST: Final = (1 << 63) - 1

Known = TypeVar("Known")
Standing = TypeVar("Standing")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is rebuilt: all, or the resources of a type, or the rows of one search parameter, or both.

    `look`: nothing is written, only compared. `anew`: not from where another one stopped.
    """

    type: str | None = None
    code: str | None = None
    look: bool = False
    anew: bool = False

    @property
    def mark(self) -> str:
        """The key, in the table `meta`, of how far one came."""
        return " ".join(filter(None, ("rebuild", self.type, self.code and f"?{self.code}")))

    @property
    def whole(self) -> bool:
        """Whether dictionaries and figures belong to it, too."""
        return self.type is None and self.code is None

    def spans(self, registry: Registry) -> list[tuple[int, int]]:
        """The ranges of rids, ascending: each above the first number, up to the second."""
        if self.whole:
            return [(LOWEST, HIGHEST)]
        found = []
        for type in TYPES if self.type is None else (self.type,):
            if self.code is None or self.code in registry.table(type):
                low, high = keys.type_range(TYPE_NUMBER[type])
                found.append((low - 1, high))
        return found

    def types(self, registry: Registry) -> set[int]:
        """The numbers of the types of these resources, to count them."""
        return {high >> keys.TYPE_SHIFT for _, high in self.spans(registry)} if not self.whole else set(range(1, 256))

    def numbers(self, type: str, registry: Registry) -> frozenset[int] | None:
        """The numbers of the parameters whose rows are compared; None: of all, and compartments."""
        if self.code is None:
            return None
        parameter = registry.table(type).get(self.code)
        return frozenset(numbers_of(parameter)) if parameter is not None else frozenset()


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How far it is. `done` of about `total` resources; `before`: of those, what was done before a kill.

    `wrong`: name of a table (or of what is counted) -> how many rows were missing or too many. `unfit`: resources, as
    Type/id, that can't be indexed; `unfits` counts all of them.
    """

    done: int = 0
    total: int = 0
    before: int = 0
    wrong: Mapping[str, int] = field(default_factory=dict)
    resources: int = 0
    """Whose rows were not right."""
    unfit: tuple[str, ...] = ()
    unfits: int = 0


class Mark(msgspec.Struct, frozen=True):
    """How far the last one came that did not come to its end."""

    after: int
    done: int
    at: float
    version: str = __version__

    @classmethod
    def now(cls, after: int, done: int) -> Mark:
        """At this moment."""
        return cls(after, done, time.time())

    @property
    def text(self) -> str:
        """As it is kept."""
        return msgspec.json.encode(self).decode()


def place(text: str | None, scope: Scope) -> tuple[int, int]:
    """From which rid on, and how many resources are done: by what is kept of the last one."""
    if text is None or scope.anew or scope.look:
        return LOWEST, 0
    mark = msgspec.json.decode(text, type=Mark)
    fresh = mark.version == __version__ and 0 <= time.time() - mark.at < OLD_SECONDS
    return (mark.after, mark.done) if fresh else (LOWEST, 0)


@dataclass(slots=True)
class Compared(Generic[Known, Standing]):
    """The resources above some rid up to `end`, and what is not right with them.

    `numbers`: the parameters that are looked at; None: all, and compartments. `counts`: table -> rows that are missing
    or too many.
    """

    end: int
    generation: int
    numbers: frozenset[int] | None
    seqs: dict[int, int] = field(default_factory=dict)
    alive: dict[int, tuple[Known, Rows]] = field(default_factory=dict)
    """What the store has to know of each, and its rows."""
    unfit: dict[int, str] = field(default_factory=dict)
    """Those that can't be indexed: what there is of them stays as it is."""
    wrong: set[int] = field(default_factory=set)
    """Rids with wrong rows, whether they are resources or not."""
    stand: dict[str, Standing] = field(default_factory=dict)
    """Index table -> the rows that there are, of the wrong ones at least."""
    shapes: dict[int, tuple[int, ...] | None] = field(default_factory=dict)
    """Of those that have another shape than theirs: theirs; None: none."""
    counts: dict[str, int] = field(default_factory=dict)

    def has(self, table: str, flat: tuple[Any, ...]) -> bool:
        """Whether the row, as it stands in the table, is of what is looked at."""
        if flat[-1] in self.unfit:
            return False
        return self.numbers is None or (table != "compartment" and flat[0] in self.numbers)


class Tally:
    """What becomes `Rebuilt`: counted as it goes."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done, self.before = total, done, done
        self.wrong: dict[str, int] = {}
        self.resources = 0
        self.unfit: list[str] = []
        self.unfits = 0

    def add(self, wrong: Mapping[str, int], resources: int = 0, unfit: Collection[str] = ()) -> None:
        """So many rows of tables, of so many resources, were not right; and some resources can't be indexed."""
        for name, count in wrong.items():
            if count:
                self.wrong[name] = self.wrong.get(name, 0) + count
        self.resources += resources
        self.unfits += len(unfit)
        self.unfit += list(unfit)[: TOLD - len(self.unfit)]

    @property
    def now(self) -> Rebuilt:
        """As it is."""
        return Rebuilt(
            self.done,
            max(self.total, self.done),
            self.before,
            dict(sorted(self.wrong.items())),
            self.resources,
            tuple(self.unfit),
            self.unfits,
        )


def shape_of(before: Collection[int], wanted: frozenset[int] | None, present: Collection[int]) -> tuple[int, ...]:
    """The shape that a resource is to have, when only parameters of the numbers `wanted` are looked at."""
    return tuple(present) if wanted is None else shape(before, wanted, wanted.intersection(present))
