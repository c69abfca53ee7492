"""How a clause can be used in a search: as the driver, which lists rids, and as a probe of one rid.

Everything here is text and values; nothing runs. A plan is a generator that yields the statements it needs answered
(`Steps`), so that the same planner serves a store that answers at once and one that is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.problems import Issue, Unprocessable
from hilum.search.parameters import Registry
from hilum.store.keys import type_range
from hilum.store.sql import FALSE, TRUE, Part, every, join

T = TypeVar("T")
Steps = Generator[Part, Sequence[Any], T]
"""Yields statements, is sent their rows, returns a T."""
Name = tuple[str, str]

RID: Final = "{rid}"
"""In the text of a probe: the rid that it asks about."""
FEW: Final = 20
"""Up to so many values become an arm and a condition each; more are handed over as one list."""
FIRST: Final = 0
LAST: Final = type_range(max(TYPE_NUMBER.values()))[1] + 1
"""Before and after all rids."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a plan turns from one way to another. The results don't depend on them; tests make them tiny.

    `few`: up to so many values become an arm and a condition each; more are handed over as one list. `looks`: how far
    a count looks before it says 'many': if all clauses are many at first, it looks further. `hopes`: how many rows are
    walked in the hope of a full page, at first and then, before a clause that is many, but fewer, is collected; `far`:
    how far is counted then. `walk`: how many entries of a sort index are walked before all that matches is collected
    instead. `codes`: up to so many different codes of a parameter are walked one by one. `beside`: up to so many
    codes of a system are walked side by side, newest first. `sure`: up to so many an estimate is exact.
    """

    few: int = FEW
    looks: tuple[int, int] = (200, 2000)
    hopes: tuple[int, int] = (200, 3000)
    far: int = 50_000
    walk: int = 30_000
    codes: int = 3000
    beside: int = 100
    sure: int = 5000

    @property
    def look(self) -> int:
        """From so many rows on a clause is many."""
        return self.looks[-1]


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Access:
    """What one clause offers.

    `probe`: a condition on `{rid}`; its tables have any alias but `a` and `c`. `arms`: statements
    `SELECT a.rid FROM … WHERE …`, to which ` AND …` can be appended; together they list all that the clause finds,
    perhaps several times; none where the clause can't drive. `ordered`: each arm walks an index in the order of rid.
    `cheap`: the probe is a few point lookups; otherwise it first collects all that the clause finds. `alive`: what
    is found is current and not deleted. `size`: how many rows the arms visit, where that is known. `bounded`: each arm
    ends in ` AND a.rid BETWEEN ? AND ?`: see `between`. `name`: what a plan that is told calls it.
    """

    kind: str
    probe: Part
    arms: tuple[Part, ...] = ()
    ordered: bool = True
    cheap: bool = True
    alive: bool = True
    size: int | None = None
    bounded: bool = False
    name: str = ""

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


class Dialect(Protocol):
    """What differs between stores. Everything that takes SQL gives SQL with `?` for values."""

    fence: str
    """Ends a subquery in FROM so that it is run as it is written: `LIMIT -1`, `OFFSET 0`."""

    registry: Registry
    """By which the store's rows were made: what is judged or sorted exactly is indexed by it again."""
    texts: dict[tuple[int, int], tuple[str, ...]]
    """(parameter, key of a token) -> the texts behind the key, as they were found; see `tokens`."""

    def source(self, values: Sequence[int]) -> Part:
        """A table `j` with the column `value`, to stand after FROM."""
        ...

    def within(self, column: str, values: Sequence[int]) -> Part:
        """The condition that the column is one of the values. None: false."""
        ...

    def exists(self, sql: str) -> str:
        """The condition that `SELECT 1 FROM …` finds a row, decided for one outer row at a time."""
        ...

    def inside(self, column: str, sql: str) -> str:
        """The condition that the column is among what a statement lists, which is run once."""
        ...

    def merged(self, arms: Sequence[Part], order: str, *, distinct: bool) -> Part:
        """Several statements with the same columns, each of which an index has in that order, merged in that order.

        `distinct`: they have one column, rid, and each rid is given once. Fenced.
        """
        ...

    def text(self, match: str, text: str) -> list[Part]:
        """Conditions on a row `{t}` of `string`, any of which must hold: its folded text `starts` or `ends` with the
        text, `contains` it, or is it (`whole`). Each can be a walk of the index, or filters one.
        """
        ...

    def table(self, name: str, alias: str, by: str = "value") -> str:
        """An index table under an alias, held to its clustering (`value`) or to the index by resource (`rid`)."""
        ...

    def real(self, value: float) -> Any:
        """A number as the table `composite` keeps it."""
        ...

    def current(self, alias: str) -> str:
        """The condition that a row of `resource` is a current version that is not deleted."""
        ...

    def resource(self, row: Sequence[Any]) -> Resource:
        """The value of a row that `page` or `rows` gave: rid is first in it, seq third."""
        ...

    def page(self, source: Part, limit: int, *, ordered: bool) -> Part:
        """The rows of `resource` (`columns`) for the rids that a statement gives, newest first, so many at most.

        `ordered`: the statement gives them in that order; otherwise they are sorted.
        """
        ...

    def rows(self, rids: Sequence[int]) -> Part:
        """The rows of `resource` for these rids that are current, in any order."""
        ...

    def of_type(self, alias: str) -> str:
        """The condition, with `?` for each of `type_values`, that begins the index of `resource` by (type, seq)."""
        ...

    def type_values(self, types: Sequence[str]) -> list[tuple[Any, ...]]:
        """For each type the values of `of_type`."""
        ...

    def sort_id(self, rid: str) -> Part:
        """A scalar: the logical id of a resource."""
        ...

    def sort_reference(self, rid: str, params: Sequence[int], take: str) -> Part:
        """A scalar: the least or greatest (`take`: min, max) `Type/id` that the resource refers to."""
        ...

    def words(self, where: str, texts: Sequence[str]) -> Part:
        """A statement that lists the rids in whose full text (`where`: text or content) all words of a text occur."""
        ...

    def says(self, where: str, texts: Sequence[str]) -> Part | None:
        """The same of the full text of `{rid}` alone, where that costs no more than a point lookup."""
        ...

    def rids(self, names: Sequence[Name]) -> Steps[dict[Name, int]]:
        """The rids of those names that anybody ever used."""
        ...

    def shapes(self, types: Sequence[int]) -> Steps[dict[int, frozenset[int]]]:
        """Shape -> numbers that have a value, of the resource types (by number)."""
        ...


@dataclass(slots=True)
class Planning:
    """One search being planned: its dialect, a supply of aliases, and notes for `explain`.

    `named`: what a clause is called in the notes, where somebody reads them.
    """

    dialect: Dialect
    notes: list[dict[str, Any]] = field(default_factory=list)
    limits: Limits = field(default_factory=lambda: LIMITS)
    named: Callable[[Any, Sequence[str]], str] | None = None
    _aliases: int = 0

    def alias(self) -> str:
        """A table alias that nothing else in the statement has."""
        self._aliases += 1
        return f"t{self._aliases}"

    def note(self, step: str, **facts: Any) -> None:
        """Remember a decision."""
        self.notes.append({"step": step, **facts})


def at(probe: Part, rid: str) -> Part:
    """The probe of one certain column."""
    return Part(probe.sql.replace(RID, rid), probe.values)


def under(arms: Iterable[Part], conditions: Sequence[Part]) -> tuple[Part, ...]:
    """The arms, held to further probes."""
    if not conditions:
        return tuple(arms)
    held = at(every(conditions), "a.rid")
    if held == TRUE:
        return tuple(arms)
    return tuple(Part(f"{arm.sql} AND {held.sql}", arm.values + held.values) for arm in arms)


def between(access: Access, below: int, above: int) -> tuple[Part, ...]:
    """The arms, held to rids between (both exclusive).

    SQLite walks an index between one lower and one upper bound, and looks at what is beyond a second one row by row:
    where an arm has bounds already, they become narrower.
    """
    if access.bounded:
        found = []
        for arm in access.arms:
            *others, low, high = arm.values
            found.append(Part(arm.sql, (*others, max(low, above + 1), min(high, below - 1))))
        return tuple(found)
    conditions = [Part(f"{RID} < ?", (below,))] if below < LAST else []
    if above > FIRST:
        conditions.append(Part(f"{RID} > ?", (above,)))
    return under(access.arms, conditions)


def gathered(arms: Sequence[Part], *, ordered: bool, dialect: Dialect, down: bool = True) -> Part:
    """What the arms list, each rid once; newest first, where they are ordered, without collecting it first."""
    word = "DESC" if down else "ASC"
    if len(arms) == 1:
        (arm,) = arms
        if ordered:
            return Part(f"{arm.sql} ORDER BY a.rid {word} {dialect.fence}", arm.values)
        return Part("SELECT DISTINCT" + arm.sql.removeprefix("SELECT"), arm.values)
    if ordered:
        return dialect.merged(arms, f"rid {word}", distinct=True)
    return join(" UNION ", arms)


def collected(access: Access, dialect: Dialect) -> Part:
    """The probe that collects all that the access finds, once."""
    union = join(" UNION ALL ", access.arms)
    return Part(dialect.inside(RID, union.sql), union.values)


def too_costly(text: str) -> Unprocessable:
    """The answer to a search that would take more than one may."""
    return Unprocessable(issues=(Issue("error", "too-costly", text),))
