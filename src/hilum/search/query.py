"""A search as a value: what a FHIR query string means, before any store turns it into SQL.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Token:
    """One alternative of a token clause.

    `system` None: any system; "" : explicitly none (`|code`). `code` None: any code of that system (`system|`).
    """

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class TokenClause:
    """Any of `values` (OR); with `negated` (`:not`) none of them."""

    parameter: int
    values: tuple[Token, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class StringClause:
    """Any of `values`: `match` is `starts` (folded prefix), `exact` (as written) or `contains` (folded)."""

    parameter: int
    values: tuple[str, ...]
    match: str = "starts"


@dataclass(frozen=True, slots=True)
class DateRange:
    """One alternative of a date clause: `prefix` (eq ne gt lt ge le sa eb ap) against [low, high] microseconds."""

    prefix: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class DateClause:
    """Any of `values`. https://hl7.org/fhir/R4/search.html#prefix"""

    parameter: int
    values: tuple[DateRange, ...]


@dataclass(frozen=True, slots=True)
class ReferenceClause:
    """Any of `values`, each (type, id); type None means any type (`subject=23`)."""

    parameter: int
    values: tuple[tuple[str | None, str], ...]


@dataclass(frozen=True, slots=True)
class UriClause:
    """Any of `values`, compared whole."""

    parameter: int
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdClause:
    """`_id`: any of these logical ids."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LastUpdatedClause:
    """`_lastUpdated`: any of these ranges."""

    values: tuple[DateRange, ...]


@dataclass(frozen=True, slots=True)
class CompartmentClause:
    """The resource is in the compartment of any of these (type, id). Never empty: nobody is in no compartment."""

    owners: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MissingClause:
    """`:missing`: with `missing` no row of the parameter, else at least one. `kind` names the row kind."""

    parameter: int
    kind: str
    missing: bool


Clause = (
    TokenClause
    | StringClause
    | DateClause
    | ReferenceClause
    | UriClause
    | IdClause
    | LastUpdatedClause
    | CompartmentClause
    | MissingClause
)


@dataclass(frozen=True, slots=True)
class Permit:
    """What a Policy adds to a query on one type: nothing at all, everything, or only some compartments.

    `owners` None: every resource of the type; otherwise only what lies in the compartment of one of these.
    """

    owners: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """The resources of `types` for which every clause holds and which `permits` lets the asker see.

    `types`: a type search has one; a system or compartment search several. `permits` has one entry per type, in
    the order of `types`: Permit values are ORed (scopes are judged one by one). An empty tuple permits nothing.
    `order`: "rid" (newest created first, stable under updates) or "updated"/"-updated".
    `after` is the keyset position of the page before (opaque, from the store). `total`: "none" or "accurate".
    """

    types: tuple[str, ...]
    clauses: tuple[Clause, ...]
    permits: tuple[tuple[Permit, ...], ...]
    count: int = 20
    order: str = "rid"
    after: int | None = None
    total: str = "none"
