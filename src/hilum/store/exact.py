"""Hashes find, exact values decide: a second look at what a store found by hash. The same for every store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.search.index import index
from hilum.search.matches import matches
from hilum.search.parameters import R4, Registry
from hilum.search.query import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    CompositeClause,
    HasClause,
    NotClause,
    Query,
    TermClause,
    TextClause,
    Token,
    TokenClause,
    UriClause,
)
from hilum.store.plan.plan import permitted

FEW: Final = 3
"""Up to so many results may be somebody's identity: each is judged exactly (16 to 40 microseconds)."""
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
        return tuple(one for one in found if holds(one, judged, registry))
    return tuple(
        one for one in found if all(_written(one.raw, clause) for clause in judged) or holds(one, judged, registry)
    )


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
        case ChainClause() | HasClause() | TextClause():
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
            return alone(clause) and any(map(hashed, inner))
        case NotClause(one):
            return alone(one) and hashed(one)
        case _:
            return isinstance(clause, _HASHED)


def _written(raw: bytes, clause: Clause) -> bool:
    """Whether the values stand in the text, so that nothing but a freak of two collisions speaks against it."""
    match clause:
        case TokenClause():
            return any(_token(raw, value) for value in clause.values)
        case CompositeClause():
            return any(_token(raw, value.first) for value in clause.values)
        case UriClause(match="whole"):
            return any(json.encode(value) in raw for value in clause.values)
        case AllClause(inner):
            return all(_written(raw, one) for one in inner if hashed(one))
        case AnyClause(inner):
            return any(_written(raw, one) for one in inner)
        case _:  # what is not there can't be seen, and whole texts have 64 bits
            return True


def _token(raw: bytes, value: Token) -> bool:
    if value.code is not None and json.encode(value.code) not in raw:
        return False
    return not value.system or json.encode(value.system) in raw
