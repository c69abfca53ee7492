"""Searches of several types: those that ask the same of each are one search.

A number belongs to one type, so that `_tag=x` over 146 types is one clause about 146 numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from hilum.search.clauses import AllClause, AnyClause, Clause, DateClause, NotClause, Part, Permit


class Group(NamedTuple):
    """Types of which the same is asked."""

    types: tuple[str, ...]
    clauses: tuple[Clause, ...]
    permits: tuple[Permit, ...]


def groups(parts: Sequence[Part]) -> list[Group]:
    """The parts, those merged that differ in nothing but the numbers of their parameters; permits kept apart."""
    if len(parts) == 1:
        return [_merged(parts)]
    found: dict[Any, list[Part]] = {}
    for part in parts:
        alike = (tuple(map(bare, part.clauses)), tuple((p.owners, tuple(map(bare, p.clauses))) for p in part.permits))
        found.setdefault(alike, []).append(part)
    return [_merged(alike) for alike in found.values()]


def bare(clause: Clause) -> Any:
    """The clause without its numbers."""
    match clause:
        case AllClause(inner) | AnyClause(inner):
            return (type(clause), tuple(map(bare, inner)))
        case NotClause(one):
            return (NotClause, bare(one))
        case _:
            return (type(clause), tuple([getattr(clause, f) for f in clause.__struct_fields__ if f not in _JOINED]))


_JOINED: Final = ("parameters", "single")


def _merged(parts: Sequence[Part]) -> Group:
    first = parts[0]
    if len(parts) == 1:
        return Group((first.type,), first.clauses, first.permits)
    types = tuple(part.type for part in parts)
    clauses = tuple(_joined([part.clauses[n] for part in parts]) for n in range(len(first.clauses)))
    permits = tuple(
        Permit(
            permit.owners,
            tuple(_joined([part.permits[n].clauses[m] for part in parts]) for m in range(len(permit.clauses))),
        )
        for n, permit in enumerate(first.permits)
    )
    return Group(types, clauses, permits)


def _joined(alike: Sequence[Any]) -> Clause:
    """One clause of several that differ in their numbers alone."""
    first: Clause = alike[0]
    match first:
        case AllClause(inner):
            return AllClause(tuple(_joined([one.clauses[n] for one in alike]) for n in range(len(inner))))
        case AnyClause(inner):
            return AnyClause(tuple(_joined([one.clauses[n] for one in alike]) for n in range(len(inner))))
        case NotClause():
            return NotClause(_joined([one.clause for one in alike]))
        case _ if hasattr(first, "parameters"):
            numbers = tuple(dict.fromkeys(number for one in alike for number in one.parameters))
            made: Clause = replace(first, parameters=numbers)
            if isinstance(made, DateClause) and made.single and not all(one.single for one in alike):
                return replace(made, single=False)
            return made
        case _:
            return first
