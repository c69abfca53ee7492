"""Search parameters that limit what a policy allows: `category=laboratory`.

They are judged in memory, too (reads, writes, streams), from the index rows of one version alone: no chains, no text,
nothing that needs a look into the store.
"""

from __future__ import annotations

from functools import lru_cache

from hilum.problems import Invalid
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    HasClause,
    HierarchyClause,
    LastUpdatedClause,
    ListClause,
    NotClause,
    PhraseClause,
    PlaceClause,
    TextClause,
    ValueSetClause,
)
from hilum.search.parse import parse_query

_NOT_ALONE = (
    ChainClause | HasClause | TextClause | PhraseClause | ListClause | ValueSetClause | HierarchyClause | PlaceClause
)
"""What needs other resources, terminology, or text that is no index row."""


@lru_cache(maxsize=4096)
def constraint(type: str, pairs: tuple[tuple[str, str], ...]) -> tuple[Clause, ...]:
    """What every resource of the type must say. Raises Invalid when the parameters can't limit a policy on it."""
    (part,) = parse_query(type, pairs).query.parts
    clauses = part.clauses
    if len(clauses) != len(pairs) or not all(alone(one) and not isinstance(one, LastUpdatedClause) for one in clauses):
        raise Invalid(
            f"A policy on {type} takes search parameters of the resource itself: no chains, _has, _list, _text, "
            "_content, _lastUpdated, ':in', ':above', ':below' of codes, and nothing that shapes results."
        )
    return clauses


def alone(clause: Clause) -> bool:
    """Whether the index rows of one resource decide."""
    match clause:
        case NotClause(inner):
            return alone(inner)
        case AnyClause(inner) | AllClause(inner):
            return all(map(alone, inner))
    return not isinstance(clause, _NOT_ALONE)
