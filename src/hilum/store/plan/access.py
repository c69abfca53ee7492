"""How a clause can be used in a search: as the driver, which lists rids, and as a probe of one rid.

Everything here is text and values; nothing runs. A plan is a generator that yields the statements it needs answered
(`Steps`), so that the same planner serves a store that answers at once and one that is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, overload

import msgspec

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.problems import Issue, Unprocessable
from hilum.search.parameters import Registry
from hilum.store.keyed import Keys
from hilum.store.keys import type_range
from hilum.store.plan.cursor import Moment
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
    walked in the hope of a full page, at first and then, before a clause that is many, but fewer, is collected (the
    first for a page of 20; more, up to the last, for a longer one); `far`: how far is counted then. `walk`: how many
    entries of a sort index are walked before all that matches is collected instead. `codes`: up to so many different
    codes of a parameter are walked one by one. `beside`: up to so many codes of a system are walked side by side,
    newest first. `sure`: up to so many an estimate is exact.
    """

    few: int = FEW
    looks: tuple[int, int] = (200, 2000)
    hopes: tuple[int, int] = (500, 3000)
    far: int = 50_000
    walk: int = 30_000
    codes: int = 3000
    beside: int = 100
    sure: int = 5000

    @property
    def look(self) -> int:
        """From so many rows on a clause is many."""
        return self.looks[-1]

    def hope(self, wanted: int) -> int:
        """How many rows are walked at first for so many."""
        return min(self.hopes[0] * max(1, wanted // 20), max(self.hopes))


LIMITS = Limits()


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
    where the probe asks whether the resource has such a row.
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

    @property
    def nothing(self) -> bool:
        """Whether it is certain that nothing is found."""
        return self.probe == FALSE

    @property
    def told(self) -> str:
        """What `explain` calls it."""
        return self.name or self.kind


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


NOTHING: Final = Access("nothing", FALSE, size=0)
EVERYTHING: Final = Access("everything", TRUE, alive=False)


class Dialect(Protocol):
    """What differs between stores. Everything that takes SQL gives SQL with `?` for values."""

    fence: str
    """Ends a subquery in FROM so that it is run as it is written: `LIMIT -1`, `OFFSET 0`."""

    registry: Registry
    """By which the store's rows were made: what is judged or sorted exactly is indexed by it again."""
    keys: Keys
    """How the store makes keys, and what is known here of its systems."""
    texts: dict[tuple[int, int], tuple[str, ...]]
    """(parameter, key of a token) -> the texts behind the key, as they were found; see `tokens`."""

    counted: Counted
    """What is known to be many."""
    kept: dict[int, tuple[Any, Limits, Access]]
    """Identity of a clause -> the clause, and what it offers under these limits; see `plan.access`."""
    plans: dict[int, tuple[Any, Limits, Any]]
    """Identity of a query -> the query, and how it is searched under these limits; see `search.plan`."""
    places: dict[Any, dict[int, tuple[Any, ...]]]
    """Of a sort and a moment: rid -> by what it was sorted then; see `moments`."""

    def source(self, values: Sequence[int], alias: str = "j") -> Part:
        """A table `j` (or of another alias) with the column `value`, to stand after FROM."""
        ...

    def within(self, column: str, values: Sequence[int]) -> Part:
        """The condition that the column is one of the values. None: false."""
        ...

    def exists(self, sql: str) -> str:
        """The condition that `SELECT 1 FROM …` finds a row, decided for one outer row at a time."""
        ...

    def visited(self, name: str, params: Sequence[int], conditions: Sequence[Part]) -> Part | None:
        """The probe that the resource has, for each of the conditions, a row `k` under the parameters: one visit of an
        index for all. None: to ask for one after the other costs no more.
        """
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

    def together(self, source: Part, limit: int, walk: Part | None, beside: Sequence[Part]) -> Part | None:
        """A page, ordered as its source, with what is asked for beside it, as one statement; None: two cost no more.

        `walk`: the statement `w` that `source` takes its rids from. Rows as of `page`, with a column more: 0 on the
        page; -1 (one row, with `walk`), with the least rid and the number of the rows of `w` as rid and seq, where the
        page has less than `limit` rows; n for the rows of the n-th of `beside`, which may name the page's rids `p`.
        """
        ...

    def rows(self, rids: Sequence[int]) -> Part:
        """The rows of `resource` for these rids that are current, in any order."""
        ...

    def among(self, rids: Part, held: Part, limit: int) -> Part:
        """The rows of `resource`, so many at most, for the different rids that a statement gives: of what is current
        and of which a condition on `c.rid` holds. In any order.
        """
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

    def names(self, type: str, start: str | None, *, down: bool) -> list[Part]:
        """Statements `SELECT rid, v … ORDER BY …`, to which ` LIMIT n` can be appended, that list the names of a type
        in the order of their ids, from an id on: each those of one form, together all that were ever used.
        """
        ...

    def name(self, v: Any) -> str:
        """The id that `names` calls `v`."""
        ...

    def referred(self, params: Sequence[int], types: Sequence[str]) -> Steps[list[str] | None]:
        """To which types these parameters of these types refer, or may refer and no others. None: that is not known."""
        ...

    def sorted_text(self, text: str) -> str:
        """A folded text as the index keeps it."""
        ...

    def and_now(self, rows: Part) -> Part:
        """A statement of `rows`, with a row more, of rid 0, that tells which moment it sees: see `moment`."""
        ...

    def moment(self, row: Sequence[Any]) -> Moment:
        """What that row tells: numbers and texts."""
        ...

    def later(self, types: Sequence[str], moment: Moment, *, known: bool = False) -> tuple[Part, ...]:
        """Statements `SELECT a.rid FROM … WHERE …` that together list, each once, the current resources of the types
        that may have been written since a moment; `known`: those alone whose names may have been there. Raises
        Malformed when it is no moment of this store.
        """
        ...

    def changed(self, moment: Moment) -> Part:
        """The condition that such a row `a` was written since, and is not the resource's first version."""
        ...

    def versions(self, rids: Sequence[int], moment: Moment) -> Part:
        """The rows, as of `rows`, of the versions that were current at a moment; where there was none, or a deletion,
        of the first one since that is no deletion. In any order.
        """
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

    def systems(self, texts: Sequence[str]) -> Part:
        """A statement: (place, number) of those of the systems that anybody ever wrote."""
        ...

    def shapes(self, types: Sequence[int]) -> Steps[dict[int, frozenset[int]]]:
        """Shape -> numbers that have a value, of the resource types (by number)."""
        ...

    def having(self, newest: int | None = None) -> Steps[Mapping[int, Collection[int]]]:
        """Number of a resource type -> all numbers that have, or had, a value in some resource of the type.

        `newest`: the greatest shape that there is, where that is known: without a newer one there is nothing to ask.
        """
        ...


class Again(Exception):
    """More than one statement would decide what is found, and nothing holds their moments together: do it anew."""


@dataclass(slots=True)
class Beside:
    """What a page brings along, where the statement that finds the page can ask for it, too: a statement each.

    They name the page's rids, the first `count`, as `PAGE` says. `rows`: what they found.
    """

    statements: Sequence[Part]
    count: int
    rows: list[Sequence[Any]] = field(default_factory=list)


PAGE: Final = "(SELECT p.rid AS value FROM p ORDER BY p.rid DESC LIMIT {count}) j"


@dataclass(slots=True)
class Planning:
    """One search being planned: its dialect, a supply of aliases, and notes for `explain`.

    `named`: what a clause is called in the notes, where somebody reads them. `single`: each statement sees a moment of
    its own, so that one alone may decide; another raises Again. `beside`: what that one asks for, too.
    `wanted`: somebody will ask for `having`. `newest`: the greatest shape, once it is known.
    """

    dialect: Dialect
    notes: list[dict[str, Any]] = field(default_factory=list)
    limits: Limits = field(default_factory=lambda: LIMITS)
    named: Callable[[Any, Sequence[str]], str] | None = None
    single: bool = False
    beside: Beside | None = None
    wanted: bool = False
    newest: int | None = None
    _having: Mapping[int, Collection[int]] | None = None
    _aliases: int = 0
    _decided: bool = False

    def alias(self) -> str:
        """A table alias that nothing else in the statement has."""
        self._aliases += 1
        return f"t{self._aliases}"

    def decide(self) -> None:
        """The next statement finds resources of the page. Raises Again."""
        if self.single and self._decided:
            raise Again
        self._decided = True

    def having(self) -> Steps[Mapping[int, Collection[int]]]:
        """See `Dialect.having`: once per search."""
        if self._having is None:
            self._having = yield from self.dialect.having(self.newest)
        return self._having

    def beside_counts(self) -> str:
        """What the next statement that counts asks for besides, in the end: the greatest shape, once it is wanted."""
        return ", (SELECT max(k.id) FROM shape k)" if self.wanted and self.newest is None else ""

    def note(self, step: str, **facts: Any) -> None:
        """Remember a decision, where somebody reads it."""
        if self.named is not None:
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


def gathered(
    arms: Sequence[Part], *, ordered: bool, dialect: Dialect, down: bool = True, most: int | None = None
) -> Part:
    """What the arms list, each rid once; newest first, where they are ordered, without collecting it first.

    `most`: no more than so many of what is ordered.
    """
    word = "DESC" if down else "ASC"
    if len(arms) == 1:
        (arm,) = arms
        if ordered:
            return Part(f"{arm.sql} ORDER BY a.rid {word} {_up_to(dialect, most)}", arm.values)
        return Part("SELECT DISTINCT" + arm.sql.removeprefix("SELECT"), arm.values)
    if ordered:
        merged = dialect.merged(arms, f"rid {word}", distinct=True)
        return merged if most is None else Part(f"SELECT u.rid FROM ({merged.sql}) u LIMIT {most}", merged.values)
    return join(" UNION ", arms)


def _up_to(dialect: Dialect, most: int | None) -> str:
    return dialect.fence if most is None else f"LIMIT {most}"


def collected(access: Access, dialect: Dialect) -> Part:
    """The probe that collects all that the access finds, once."""
    union = join(" UNION ALL ", access.arms)
    return Part(dialect.inside(RID, union.sql), union.values)


def too_costly(text: str) -> Unprocessable:
    """The answer to a search that would take more than one may."""
    return Unprocessable(issues=(Issue("error", "too-costly", text),))


def too_long(part: Part) -> Unprocessable:
    """The answer to a search of which one statement would take more values than a statement may have."""
    return too_costly(f"A part of the search comes to {len(part.values):,} values. Use fewer or narrower parameters.")
