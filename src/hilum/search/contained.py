"""Contained resources in the index, and what a search for them can ask it. https://hl7.org/fhir/R4/search.html#contained

The rows of a contained resource stand with those of the resource that contains it, under numbers of their own
(`inner`): so they come and go with it, and who may see it decides who may find them. Two contained resources of a type
share these numbers, and so the index tells what some of them says, never what one says: `reaching` makes of a clause
about one contained resource the clause about its container that it implies, `alone` the one that it is equal to where
there is just one of the type. Which one is meant, its own rows tell.

Contained resources are indexed by R4's own parameters. What a custom one selects is seen in the body alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.search.alternatives import Token
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    CompartmentClause,
    HasClause,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    NotClause,
    PhraseClause,
    TextClause,
    TokenClause,
)
from hilum.search.generate import Found
from hilum.search.parameters import R4
from hilum.search.selections import number

ONE: Final = "one"
SEVERAL: Final = "several"
"""The codes that tell how many resources of a type are contained."""
_APART: Final = 0x2545F491
"""31 bits, arbitrary. That no number of R4 is another one's is looked at in tests/unit/search/test_contained.py."""


def inner(number: int) -> int:
    """The number for what is contained; of that one again the first."""
    return number ^ _APART


@cache
def held(type: str) -> int:
    """The number of the TokenRow that a resource has which contains some of the type: `ONE` or `SEVERAL`."""
    return number("contained", type)


@cache
def local(type: str) -> int:
    """The number of the TokenRows of their ids."""
    return number("contained id", type)


# --- rows -------------------------------------------------------------------------------------------------------------


def note(found: Found, some: list[dict[str, Any]], noted: Callable[[str, dict[str, Any]], Found]) -> None:
    """Add to what is found in a resource what `noted` (type, body) finds in those that it contains.

    But no compartments and no labels: those of the container count.
    """
    many: dict[str, int] = {}
    for body in some:
        type = body["resourceType"]
        if type not in TYPE_NUMBER:
            continue
        many[type] = many.get(type, 0) + 1
        if "id" in body:
            found.tokens.append((local(type), None, body["id"]))
        own = noted(type, body)
        for kind, rows in zip(_with_numbers(found), _with_numbers(own), strict=True):
            kind += [(row[0] ^ _APART, *row[1:]) for row in rows]
    found.tokens.extend([(held(type), None, ONE if n == 1 else SEVERAL) for type, n in many.items()])


def _with_numbers(found: Found) -> tuple[list[Any], ...]:
    """The kinds of rows that begin with the number of a parameter."""
    return found[:_KINDS]


_KINDS: Final = Found._fields.index("compartments")


# --- clauses ----------------------------------------------------------------------------------------------------------


class Reached(NamedTuple):
    """A clause about the container. `exact`: it says no more and no less than what was asked."""

    clause: Clause
    exact: bool


_ANYTHING: Final = Reached(AllClause(()), False)


def reaching(clause: Clause, type: str, beside: Collection[str] = ()) -> Reached:
    """What holds of a container if the clause holds of some contained resource of the type.

    `beside`: the types of what it may refer to beside it: its chains may lead there.
    """
    match clause:
        case AllClause(some):
            found = [reaching(one, type, beside) for one in some]
            # Two clauses may hold of two resources.
            exact = all(one.exact for one in found) and sum(not _outer(one) for one in some) < 2
            return Reached(_every(found), exact)
        case AnyClause(some):
            found = [reaching(one, type, beside) for one in some]
            return Reached(AnyClause(tuple(one.clause for one in found)), all(one.exact for one in found))
        case NotClause(one):
            return alone(clause, type, beside) if _outer(one) else _ANYTHING
        case MissingClause(_, True):
            return _ANYTHING
    return _leaf(clause, type, beside)


def alone(clause: Clause, type: str, beside: Collection[str] = ()) -> Reached:
    """The same of a container that contains just one resource of the type."""
    match clause:
        case AllClause(some):
            found = [alone(one, type, beside) for one in some]
            return Reached(_every(found), all(one.exact for one in found))
        case AnyClause(some):
            found = [alone(one, type, beside) for one in some]
            return Reached(AnyClause(tuple(one.clause for one in found)), all(one.exact for one in found))
        case NotClause(one):
            within = alone(one, type, beside)
            return Reached(NotClause(within.clause), True) if within.exact else _ANYTHING
    return _leaf(clause, type, beside)


def _every(found: Iterable[Reached]) -> Clause:
    return AllClause(tuple(one.clause for one in found if one.clause != _ANYTHING.clause))


def _outer(clause: Clause) -> bool:
    """Whether the clause is about the container: when it was changed, and whose it is."""
    match clause:
        case AllClause(some) | AnyClause(some):
            return all(map(_outer, some))
        case NotClause(one):
            return _outer(one)
    return isinstance(clause, CompartmentClause | LastUpdatedClause)


def _leaf(clause: Clause, type: str, beside: Collection[str]) -> Reached:
    match clause:
        case CompartmentClause() | LastUpdatedClause():
            return Reached(clause, True)
        case IdClause(ids):
            return Reached(TokenClause((local(type),), tuple(Token(None, id) for id in ids)), True)
        case TextClause() | PhraseClause():  # the words of narratives within are not the container's
            return _ANYTHING
        case HasClause():  # nothing but its container refers to it
            return Reached(AnyClause(()), True)
        case ChainClause():
            return _chain(clause, type, beside)
    numbered: Any = clause  # every other clause has parameters
    if not _indexed(type).issuperset(numbered.parameters):
        return _ANYTHING
    return Reached(replace(numbered, parameters=tuple(map(inner, numbered.parameters))), True)


def _chain(clause: ChainClause, type: str, beside: Collection[str]) -> Reached:
    parameters, names = clause.parameters, clause.names
    if not _indexed(type).issuperset((*parameters, *names)):
        return _ANYTHING
    outward = replace(clause, parameters=tuple(map(inner, parameters)), names=tuple(map(inner, names)))
    there = tuple(held(one.type) for one in clause.targets if one.type in beside)
    if not there:
        return Reached(outward, True)
    return Reached(AnyClause((outward, TokenClause(there, (Token("", ONE), Token("", SEVERAL))))), False)


@cache
def _indexed(type: str) -> frozenset[int]:
    """The numbers under which contained resources of the type have rows."""
    some = R4.parameters(type)
    selected = {n for parameter in some for one in parameter.selections for n in one.numbers}
    return frozenset(selected | {pairs.number for parameter in some for pairs in parameter.pairs})


def about(clauses: Iterable[Clause], kinds: tuple[type, ...]) -> bool:
    """Whether one of the clauses, or one within them, is of these kinds; parts of other resources are not entered."""
    for clause in clauses:
        match clause:
            case AllClause(some) | AnyClause(some):
                if about(some, kinds):
                    return True
            case NotClause(one):
                if about((one,), kinds):
                    return True
            case _ if isinstance(clause, kinds):
                return True
    return False


def chains(clauses: Iterable[Clause]) -> list[ChainClause]:
    """The chains among the clauses, and within them."""
    found: list[ChainClause] = []
    for clause in clauses:
        match clause:
            case AllClause(some) | AnyClause(some):
                found += chains(some)
            case NotClause(one):
                found += chains((one,))
            case ChainClause():
                found.append(clause)
    return found
