"""What a transaction is about to write, found by criteria in memory. https://hl7.org/fhir/R4/http.html#transaction

The store knows nothing of it before the commit, but what is created and changed counts when criteria are judged. Only
criteria about the resource itself can be: what chains and `_has` find is known once all of it is stored.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from hilum.access.policy import allows
from hilum.interactions.build import Body, apart
from hilum.interactions.linking import Name
from hilum.problems import Invalid
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    Clause,
    IdClause,
    NotClause,
    Part,
    PhraseClause,
    ReferenceClause,
    StringClause,
    TextClause,
    TokenClause,
    UriClause,
)
from hilum.search.constraints import alone
from hilum.search.index import index
from hilum.search.matches import matches
from hilum.search.parameters import Registry
from hilum.search.prose import says
from hilum.search.query import Query
from hilum.search.rows import Rows
from hilum.search.score import TEXTS
from hilum.search.text import fold

_BREATH: Final = 64
"""After so many resources others get their turn on the event loop."""

Value = tuple[int, str]
"""(parameter; code, id or uri): most criteria name one, and few resources have it."""


class Drafts:
    """The next versions by the number of their step: `names` and `bodies` as in the plan, and `sizes` in bytes.

    Rows are made on demand, per type, and kept until the body changes: the commit takes the same ones.
    """

    def __init__(
        self, names: dict[int, Name], bodies: dict[int, Body], sizes: dict[int, int], registry: Registry
    ) -> None:
        self._registry = registry
        self._names, self._bodies, self._sizes = names, bodies, sizes
        self._of_type: dict[str, list[int]] = {}
        for number, (type, _) in names.items():
            self._of_type.setdefault(type, []).append(number)
        self._numbers = {name: number for number, name in names.items()}
        self._rows: dict[int, Rows] = {}
        self._having: dict[Value, dict[int, None]] = {}
        self._texts: dict[int, list[tuple[str, int]]] = {}
        self._judged = 0
        self._now = time.time_ns() // 1000  # lastUpdated is given within the commit; this is as near as one can say

    async def index(self, types: Iterable[str]) -> None:
        """Make the rows of all drafts of these types that have none."""
        done = 0
        for type in types:
            for number in self._of_type.get(type, ()):
                if number in self._rows:
                    continue
                id = self._names[number][1]
                rows = await apart(self._sizes.get(number, 0), index, type, self._bodies[number], id, self._registry)
                self._rows[number] = rows
                for value in _values(rows):
                    self._having.setdefault(value, {})[number] = None
                self._texts.clear()
                done += 1
                if done % _BREATH == 0:
                    await asyncio.sleep(0)

    def rows(self, number: int) -> Rows | None:
        """The rows of a draft, if they were made."""
        return self._rows.get(number)

    def forget(self, number: int) -> None:
        """The body has changed: its rows are no longer right; they are made again before anything is looked for."""
        rows = self._rows.pop(number, None)
        if rows is not None:
            for value in _values(rows):
                self._having[value].pop(number, None)

    async def matching(self, query: Query, own: Name | None = None) -> list[int]:
        """The steps whose drafts but `own` the query finds, of those that are indexed; its permits are applied.

        Raises Invalid when only what is stored could tell whether it finds one of them: see `alone`.
        """
        (part,) = query.parts
        if part.type not in self._of_type:
            return []
        found = []
        for number in self._candidates(part):
            self._judged += 1
            if self._judged % _BREATH == 0:
                await asyncio.sleep(0)
            if self._names[number] != own and self._meant(number, part):
                found.append(number)
        if found and not all(map(_own, part.clauses)):
            raise Invalid(
                f"The criteria ask {part.type} for more than its own elements (chains, _has or _list), which "
                "can't be told of what the same transaction writes. Send two transactions, or use other criteria."
            )
        return found

    def _meant(self, number: int, part: Part) -> bool:
        rows, id = self._rows[number], self._names[number][1]
        return allows(part.permits, rows, id) and all(self._holds(number, one) for one in part.clauses if _own(one))

    def _holds(self, number: int, clause: Clause) -> bool:
        match clause:
            case AllClause(some):
                return all(self._holds(number, one) for one in some)
            case AnyClause(some):
                return any(self._holds(number, one) for one in some)
            case NotClause(one):
                return not self._holds(number, one)
            case TextClause(where, values):
                said = set(TEXTS[where](self._bodies[number]).split())
                return any(said.issuperset(value.split()) for value in values)
            case PhraseClause(where, phrase):
                return says(where, self._bodies[number], phrase)
        return matches(clause, self._rows[number], id=self._names[number][1], last_updated=self._now)

    def _candidates(self, part: Part) -> Iterable[int]:
        """Those that may match: few, if some clause names a value that a match must have."""
        type = part.type
        for clause in part.clauses:
            match clause:
                case TokenClause(numbers, values) if all(value.code is not None for value in values):
                    return self._with((number, value.code or "") for value in values for number in numbers)
                case ReferenceClause(numbers, targets):
                    return self._with((number, id) for _, id in targets for number in numbers)
                case UriClause(numbers, uris, "whole"):
                    return self._with((number, uri) for uri in uris for number in numbers)
                case StringClause(numbers, texts, "starts" | "exact" | "whole"):
                    return dict.fromkeys(
                        step
                        for text in texts
                        for number in numbers
                        for step in self._beginning(type, number, fold(text))
                    )
                case IdClause(ids):
                    return [self._numbers[type, id] for id in ids if (type, id) in self._numbers]
                case _:
                    pass
        return self._of_type[type]

    def _beginning(self, type: str, parameter: int, text: str) -> Iterable[int]:
        """Those with a text that begins so, once folded."""
        if parameter not in self._texts:
            rows = ((row, number) for number in self._of_type[type] for row in self._rows[number].strings)
            self._texts[parameter] = sorted((row.folded, number) for row, number in rows if row.parameter == parameter)
        sought = self._texts[parameter]
        for place in range(bisect_left(sought, (text, -1)), len(sought)):
            if not sought[place][0].startswith(text):
                break
            yield sought[place][1]

    def _with(self, values: Iterable[Value]) -> Iterable[int]:
        return dict.fromkeys(number for value in values for number in self._having.get(value, ()))


def _own(clause: Clause) -> bool:
    """Whether a resource's own content decides, its texts too."""
    match clause:
        case AllClause(some) | AnyClause(some):
            return all(map(_own, some))
        case NotClause(one):
            return _own(one)
        case TextClause() | PhraseClause():
            return True
    return alone(clause)


def _values(rows: Rows) -> set[Value]:
    found = {(row.parameter, row.code) for row in rows.tokens if row.code is not None}
    found |= {(row.parameter, row.id) for row in rows.references}
    return found | {(row.parameter, row.value) for row in rows.uris}
