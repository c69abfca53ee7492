"""A Query within a policy: every part of it, and everything that comes along, sees only what the asker may search.

What is not permitted is as if it were absent: a chain, `_has` or `_include` tells nothing about it. A search that asks
only about types of which nothing is permitted is Forbidden, which tells nothing but the policy itself. What a policy
shows by name is seen where the search names it: by `_id`, a definition by its url, the target of an `_include` or of a
chain by the reference; never as the source of a `_has` or `_revinclude`.
https://hl7.org/fhir/R4/security.html#AccessDenied
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from msgspec.structs import replace

from hilum.access.policy import Policy
from hilum.access.shared import NAMED_BY_URL
from hilum.fhir.definitions import TYPES
from hilum.problems import Forbidden
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    HasClause,
    IdClause,
    ListClause,
    NotClause,
    Part,
    Permit,
    UriClause,
)
from hilum.search.parameters import lookup
from hilum.search.query import Include, Query

SEARCH: Final = "s"
_READ: Final = "r"


def confine(query: Query, policy: Policy) -> Query:
    """The query with the permits of a policy, whatever permits it had.

    A search needs the letter `s` of a type, for chains, `_has` and includes too; `_list` needs `r` of List. Raises
    Forbidden when none of the types may be searched, nor any that one of its chains leads to, nor the one of a `_has`.
    What is contained is seen by who may search both its type and the resource that contains it.
    """
    parts = tuple([_part(part, policy) for part in query.parts])
    for part in parts:
        if part.permits:
            break
    else:
        raise _forbidden(query.types[0] if len(parts) == 1 else "any of these types")
    includes = query.includes and tuple([_include(include, policy) for include in query.includes])
    contained = query.contained and replace(query.contained, containers=_visible(policy, TYPES))
    total = query.total
    if total == "estimate":  # it goes by how many there are of a type, hidden ones among them
        whole = policy.searches_all if contained else all(part.permits in _WHOLLY for part in parts)
        total = total if whole else "accurate"
    # Spelled out, as at every search: `replace` takes three times as long.
    return Query(parts, query.count, query.sort, query.after, total, includes, contained)


_WHOLLY: Final = ((), (Permit(None),))
"""The permits of a type of which nothing can be seen, or everything."""


def _part(part: Part, policy: Policy, *, named: bool = False) -> Part:
    """`named`: something that may be seen refers to what is found."""
    clauses = part.clauses
    permits = policy.by_name(part.type) if named or _named(part) else policy.permits(part.type, SEARCH)
    for one in clauses:
        if one.__class__ in _WITHIN:
            clauses = tuple([_clause(one, policy) for one in clauses])
            break
    return Part(part.type, clauses, permits)


def _named(part: Part) -> bool:
    """Whether a clause says which resources are meant, by ids or, of definitions, urls."""
    for one in part.clauses:
        kind = one.__class__
        if kind is IdClause or (kind in _NAMING and _names(one, _URLS.get(part.type))):
            return True
    return False


def _names(clause: Clause, urls: tuple[int, ...] | None) -> bool:
    match clause:
        case IdClause():
            return True
        case UriClause(parameters, _, "whole"):
            return parameters == urls
        case AllClause(inner):  # a url and a version, too
            return any(_names(one, urls) for one in inner)
    return False


_NAMING: Final = frozenset((UriClause, AllClause))
_URLS: Final = {type: lookup(type, "url").numbers for type in NAMED_BY_URL}


def _clause(clause: Clause, policy: Policy) -> Clause:
    within = _WITHIN.get(clause.__class__)
    return clause if within is None else within(clause, policy)


def _not(clause: NotClause, policy: Policy) -> Clause:
    return NotClause(_clause(clause.clause, policy))


def _any(clause: AnyClause, policy: Policy) -> Clause:
    return AnyClause(tuple(_clause(one, policy) for one in clause.clauses))


def _all(clause: AllClause, policy: Policy) -> Clause:
    return AllClause(tuple(_clause(one, policy) for one in clause.clauses))


def _chain(clause: ChainClause, policy: Policy) -> Clause:
    targets = tuple(_part(target, policy, named=True) for target in clause.targets)
    if not any(target.permits for target in targets):
        raise _forbidden(" or ".join(target.type for target in targets[:3]))
    return replace(clause, targets=targets)


def _has(clause: HasClause, policy: Policy) -> Clause:
    source = _part(clause.source, policy)
    if not source.permits:
        raise _forbidden(source.type)
    return replace(clause, source=source)


def _list(clause: ListClause, policy: Policy) -> Clause:
    """An entry of a List is what the List refers to by `item`."""
    permits = policy.permits("List", _READ)
    if not permits:
        raise Forbidden("The token does not allow to read List, which _list needs: no scope names it for 'r'.")
    return HasClause(Part("List", (IdClause((clause.id,)),), permits), lookup("List", "item").numbers)


_WITHIN: Final[dict[type[Any], Callable[[Any, Policy], Clause]]] = {
    NotClause: _not,
    AnyClause: _any,
    AllClause: _all,
    ChainClause: _chain,
    HasClause: _has,
    ListClause: _list,
}
"""The clauses that are about other resources, or hold clauses that may be."""


def _include(include: Include, policy: Policy) -> Include:
    """What may come along: targets of an `_include`, sources of a `_revinclude`.

    Both are values that come again (`hilum.search.remembered`, verified tokens), and long ones to compare.
    """
    place = id(include), id(policy)
    kept = _KNOWN.get(place)
    if kept is not None and kept[0] is include and kept[1] is policy:
        return kept[2]
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    made = _permitted(include, policy)
    _KNOWN[place] = include, policy, made
    return made


_KNOWN: Final[dict[tuple[int, int], tuple[Include, Policy, Include]]] = {}
_MOST_KNOWN: Final = 512


def _permitted(include: Include, policy: Policy) -> Include:
    if include.reverse:
        return replace(include, permits=_visible(policy, TYPES if include.source == "*" else (include.source,)))
    types = TYPES if include.target is None else (include.target,)
    return replace(include, permits=_referred(policy, types))


@lru_cache(maxsize=256)
def _visible(policy: Policy, types: tuple[str, ...]) -> tuple[tuple[str, tuple[Permit, ...]], ...]:
    found = ((type, policy.permits(type, SEARCH)) for type in types)
    return tuple((type, permits) for type, permits in found if permits)


@lru_cache(maxsize=256)
def _referred(policy: Policy, types: tuple[str, ...]) -> tuple[tuple[str, tuple[Permit, ...]], ...]:
    """What may be seen of them by who has a reference."""
    found = ((type, policy.by_name(type)) for type in types)
    return tuple((type, permits) for type, permits in found if permits)


def _forbidden(what: str) -> Forbidden:
    return Forbidden(f"The token does not allow to search {what}: no scope names it for '{SEARCH}'.")
