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
_Sought = list[tuple[bytes, tuple[bytes, ...]]]
"""Alternatives: how it stands in most resources, as one text; and the texts that it consists of."""
_HASHED: Final = (TokenClause, UriClause, TermClause, CompositeClause)


def certain(found: Sequence[Resource], clauses: tuple[Clause, ...], registry: Registry = R4) -> tuple[Resource, ...]:
    """Those of the resources that hashes found which are truly meant.

    Of a longer list, a cheap look (are code and system both written in the JSON? 3 microseconds) proves almost all;
    where it doesn't, because a system is implied or a character is escaped, the resource is judged exactly, too.
    """
    judged = tuple(clause for clause in clauses if hashed(clause))
    if not judged:
        return tuple(found)
    if len(found) <= FEW:
        return tuple(one for one in found if _sure(one, judged, registry))
    sought = [_sought(_written(clause)) for clause in judged]
    if len(sought) == 1 and len(sought[0]) == 1:  # as most searches have it
        ((together, _),) = sought[0]
        return tuple(
            [one for one in found if together in one.raw or _shown(one.raw, sought) or holds(one, judged, registry)]
        )
    return tuple([one for one in found if _shown(one.raw, sought) or holds(one, judged, registry)])


def _sought(written: Written) -> _Sought:
    """A code and its system stand beside each other nearly always: one look finds both."""
    return [
        (b'"system":%b,"code":%b' % needles[::-1] if len(needles) == 2 else b"".join(needles), needles)
        for needles in written
    ]


def _shown(raw: bytes, sought: list[_Sought]) -> bool:
    for clause in sought:
        for together, needles in clause:
            if together in raw:
                break
            for needle in needles:
                if needle not in raw:
                    break
            else:
                break
        else:
            return False
    return True


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
    match clause:
        case AllClause(inner) | AnyClause(inner):
            return any(map(hashed, inner)) and alone(clause)
        case NotClause(one):
            return alone(one) and hashed(one)
        case _:
            return isinstance(clause, _HASHED)


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
