"""From what a contained resource must be to what a container must have. See `hilum.search.contained`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.search.alternatives import Token
from hilum.search.clauses import AllClause, AnyClause, Clause, Part, TokenClause
from hilum.search.contained import ONE, SEVERAL, Reached, alone, held, reaching
from hilum.search.query import Contained
from hilum.store.plan.dialect import Steps
from hilum.store.plan.judging import all_of_it
from hilum.store.plan.planning import Planning


class Reach(Enum):
    """Which containers: all of them, those that contain one resource of the type, those that contain several."""

    ALL = (ONE, SEVERAL)
    ONE = (ONE,)
    SEVERAL = (SEVERAL,)


@dataclass(frozen=True, slots=True)
class Reaching:
    """What holds of the containers of what a part describes, and of those that contain just one."""

    type: str
    some: Reached
    one: Reached

    @property
    def exact(self) -> bool:
        """Whether the index alone tells which containers are meant."""
        return self.some.exact

    @property
    def exact_of_one(self) -> bool:
        """Whether it does of those with one."""
        return self.one.exact

    def clause(self, which: Reach = Reach.ALL) -> Clause:
        """The clause about the containers."""
        if which is Reach.ONE:
            return AllClause((_held(self.type, which), self.one.clause))
        found: list[Clause] = [_held(self.type, which), self.some.clause]
        if which is Reach.ALL and self.some.clause != self.one.clause:
            found.append(AnyClause((_held(self.type, Reach.SEVERAL), self.one.clause)))
        return AllClause(tuple(found))


def _held(type: str, which: Reach) -> Clause:
    return TokenClause((held(type),), tuple(Token("", code) for code in which.value))


@lru_cache(maxsize=256)
def reach(part: Part, beside: frozenset[str] = frozenset()) -> Reaching:
    """Of one type. `beside`: the types of what may stand beside it; see `reaching`."""
    wanted = all_of_it(part)
    return Reaching(part.type, reaching(wanted, part.type, beside), alone(wanted, part.type, beside))


def containers(
    parts: Sequence[Part], contained: Contained, which: Reach = Reach.ALL, beside: frozenset[str] = frozenset()
) -> list[Part]:
    """What may contain what the parts describe, as parts of a search."""
    found = tuple(reach(part, beside).clause(which) for part in parts if part.permits)
    clause = found[0] if len(found) == 1 else AnyClause(found)
    return [Part(type, (clause,), permits) for type, permits in contained.containers]


def contents(on: Planning, types: Iterable[str]) -> Steps[frozenset[str]]:
    """The types of what resources of these types contain, or contained."""
    having = yield from on.having()
    found: set[str] = set()
    for type in types:
        found |= _contents(having.get(TYPE_NUMBER[type], ()))
    return frozenset(found)


def _contents(numbers: Collection[int]) -> set[str]:
    return {type for number, type in _HELD.items() if number in numbers}


_HELD: Final = {held(type): type for type in TYPES}
