"""What a plan asks of a store's SQL.

Nothing here runs. A plan is a generator that yields the statements it needs answered (`Steps`), so that the same
planner serves a store that answers at once and one that is waited for.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from hilum.fhir.resource import Resource
from hilum.search.parameters import Registry
from hilum.search.seen import Seen
from hilum.store.keyed import Keys
from hilum.store.plan.access import Access
from hilum.store.plan.counted import Counted
from hilum.store.plan.cursor import Moment
from hilum.store.plan.thresholds import Limits
from hilum.store.sql import Part

T = TypeVar("T")
Steps = Generator[Part, Sequence[Any], T]
"""Yields statements, is sent their rows, returns a T."""
Name = tuple[str, str]


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
    kept: dict[int, tuple[Any, Limits, tuple[str, ...], Access]]
    """Identity of a clause -> the clause, and what it offers under these limits for these types; see `plan.plan`."""
    seen: Seen
    """The clauses that came before."""
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

    def lasts(self, name: Name) -> bool:
        """Whether a name that `rids` found keeps its rid: what is only referred to gets another when it is created."""

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
