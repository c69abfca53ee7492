"""Hashes find, exact values decide: a second look at what a store found by hash. The same for every store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.search.index import index
from hilum.search.matches import matches
from hilum.search.query import Clause, Permit, Query, Token, TokenClause, UriClause

FEW: Final = 3
"""Up to so many results may be somebody's identity: each is judged exactly (16 to 40 microseconds)."""


def certain(found: Sequence[Resource], clauses: tuple[Clause, ...]) -> tuple[Resource, ...]:
    """Those of the resources that hashes found which are truly meant.

    Of a longer list, a cheap look (are code and system both written in the JSON? 3 microseconds) proves almost all;
    where it doesn't, because a system is implied or a character is escaped, the resource is judged exactly, too.
    """
    if not any(isinstance(clause, TokenClause | UriClause) for clause in clauses):
        return tuple(found)
    if len(found) <= FEW:
        return tuple(one for one in found if holds(one, clauses))
    return tuple(one for one in found if all(_written(one.raw, clause) for clause in clauses) or holds(one, clauses))


def holds(resource: Resource, clauses: tuple[Clause, ...]) -> bool:
    """Whether every clause holds, judged on the resource itself."""
    rows = index(resource.type, resource.body, resource.id)
    return all(matches(clause, rows, id=resource.id, last_updated=resource.last_updated) for clause in clauses)


def meant(resource: Resource, query: Query) -> bool:
    """Whether the query finds this resource: its types, permits and clauses, judged on the resource itself."""
    if resource.type not in query.types or resource.deleted:
        return False
    permits = query.permits[query.types.index(resource.type)]
    return holds(resource, query.clauses) and _permitted(resource, permits)


def _permitted(resource: Resource, permits: tuple[Permit, ...]) -> bool:
    if any(permit.owners is None for permit in permits):
        return True
    inside = frozenset(index(resource.type, resource.body, resource.id).compartments)
    return any(not inside.isdisjoint(permit.owners or ()) for permit in permits)


def _written(raw: bytes, clause: Clause) -> bool:
    match clause:
        case TokenClause(negated=False):
            return any(_token(raw, value) for value in clause.values)
        case TokenClause():  # what is not there can't be seen
            return True
        case UriClause():
            return any(json.encode(value) in raw for value in clause.values)
        case _:
            return True


def _token(raw: bytes, value: Token) -> bool:
    if value.code is not None and json.encode(value.code) not in raw:
        return False
    return not value.system or json.encode(value.system) in raw
