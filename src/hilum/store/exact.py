"""Hashes find, exact values decide: a second look at what a store found by hash. The same for every store."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice, product
from typing import Final

from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.search.alternatives import Token
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    CompositeClause,
    HasClause,
    NotClause,
    PhraseClause,
    TermClause,
    TextClause,
    TokenClause,
    UriClause,
)
from hilum.search.index import extract, index
from hilum.search.matches import matches
from hilum.search.parameters import R4, Registry
from hilum.search.query import Query
from hilum.store.plan.plan import permitted

FEW: Final = 3
"""Up to so many results may be somebody's identity: each is judged exactly (16 to 40 microseconds)."""
MOST: Final = 1000
"""So many combinations of alternatives are looked for; what has another is judged exactly."""
Written = list[tuple[bytes, ...]]
"""Alternatives, each of which is several texts."""
_Sought = list[tuple[tuple[bytes, ...], tuple[bytes, ...]]]
"""Alternatives: how a code and its system stand in most resources, and the texts that it consists of."""
_HASHED: Final = (TokenClause, UriClause, TermClause, CompositeClause)


def certain(found: Sequence[Resource], clauses: tuple[Clause, ...], registry: Registry = R4) -> tuple[Resource, ...]:
    """Those of the resources that hashes found which are truly meant.

    A cheap look (are code and system written beside each other in the JSON?) proves almost all, and cheaper still
    where they stand where they stood in the resource before. Of few, which may be somebody's identity, nothing else
    counts as proof; of more, that both are written somewhere does. What isn't proven, because a system is implied or a
    character is escaped, is judged exactly.
    """
    judged = tuple([clause for clause in clauses if hashed(clause)])
    if not judged:
        return tuple(found)
    few = len(found) <= FEW
    doubtful: set[int] = set()
    for clause in judged:
        sought = _sought(_written(clause))
        text, place = _NOWHERE
        for one in found:
            if not one.raw.startswith(text, place):
                seen = _shown(one.raw, sought, apart=not few)
                if seen is None:
                    doubtful.add(id(one))
                else:
                    text, place = seen
    if not doubtful:
        return tuple(found)
    judge = _sure if few else holds
    return tuple([one for one in found if id(one) not in doubtful or judge(one, judged, registry)])


_Place = tuple[bytes, int]
"""A text, and where it stands."""
_NOWHERE: Final[_Place] = (b"\0", 0)


def _sought(written: Written) -> _Sought:
    """A code and its system stand beside each other nearly always: one look finds both."""
    return [
        (tuple([form % needles[::-1] for form in _BESIDE]) if len(needles) == 2 else (), needles) for needles in written
    ]


_BESIDE: Final = (b'"system":%b,"code":%b', b'"system":%b,"value":%b')


def _shown(raw: bytes, clause: _Sought, *, apart: bool) -> _Place | None:
    """Where one of the alternatives is written; `apart`: it may be in pieces, which are nowhere in particular."""
    for together, needles in clause:
        for text in together:
            place = raw.find(text)
            if place >= 0:
                return text, place
        if not apart:
            continue
        if len(needles) == 1:
            place = raw.find(needles[0])
            if place >= 0:
                return needles[0], place
        elif all(needle in raw for needle in needles):
            return _NOWHERE
    return None


def _sure(resource: Resource, clauses: tuple[Clause, ...], registry: Registry) -> bool:
    """As `holds`, of a clause about one parameter by the rows of that alone: a tenth of them all."""
    others: list[Clause] = []
    for clause in clauses:
        if isinstance(clause, _HASHED) and len(clause.parameters) <= FEW:
            rows = extract(resource.type, clause.parameters, registry)(resource.body)
            if not matches(clause, rows, id=resource.id, last_updated=resource.last_updated):
                return False
        else:
            others.append(clause)
    return not others or holds(resource, tuple(others), registry)


def holds(resource: Resource, clauses: tuple[Clause, ...], registry: Registry = R4) -> bool:
    """Whether every clause holds, judged on the resource itself; what is about other resources is not judged."""
    rows = index(resource.type, resource.body, resource.id, registry)
    return all(
        matches(clause, rows, id=resource.id, last_updated=resource.last_updated) for clause in clauses if alone(clause)
    )


def meant(resource: Resource, query: Query, registry: Registry = R4) -> bool:
    """Whether the query finds this resource: its types, permits and clauses, judged on the resource itself."""
    if resource.deleted:
        return False
    return any(
        part.type == resource.type and holds(resource, (*part.clauses, permitted(part.permits)), registry)
        for part in query.parts
    )


def alone(clause: Clause) -> bool:
    """Whether a resource's own rows decide the clause."""
    match clause:
        case ChainClause() | HasClause() | TextClause() | PhraseClause():
            return False
        case AllClause(inner) | AnyClause(inner):
            return all(map(alone, inner))
        case NotClause(one):
            return alone(one)
        case _:
            return True


def hashed(clause: Clause) -> bool:
    """Whether a store finds what the clause is about by hashes, and can look again."""
    if isinstance(clause, _HASHED):  # not a pattern: at every search
        return True
    if isinstance(clause, AllClause | AnyClause):
        return any(map(hashed, clause.clauses)) and alone(clause)
    return isinstance(clause, NotClause) and alone(clause.clause) and hashed(clause.clause)


def _written(clause: Clause) -> Written:
    """The values as they stand in the text; where they do, nothing but a freak of two collisions speaks against it."""
    match clause:
        case TokenClause():
            return [_token(value) for value in clause.values]
        case CompositeClause():
            return [_token(value.first) for value in clause.values]
        case UriClause(match="whole"):
            return [(json.encode(value),) for value in clause.values]
        case AllClause(inner):
            every = [_written(one) for one in inner if hashed(one)]
            return [tuple(chain.from_iterable(one)) for one in islice(product(*every), MOST)]
        case AnyClause(inner):
            return [needles for one in inner for needles in _written(one)]
        case _:  # what is not there can't be seen, and whole texts have 64 bits
            return [()]


def _token(value: Token) -> tuple[bytes, ...]:
    code = () if value.code is None else (json.encode(value.code),)
    return (*code, json.encode(value.system)) if value.system else code
