"""What must be so of a resource: a clause says one thing of it, a part describes resources of a type by several.

A clause names the numbers of search parameters (see `parameters`), never their codes: rows of one number are rows of
one selection on one resource type. Several numbers in a clause are ORed: a parameter is a union of selections.
https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import msgspec

from hilum.search.alternatives import Amount, Composite, DateRange, Token

# --- clauses about the resource itself ----------------------------------------------------------------------------


class TokenClause(msgspec.Struct, frozen=True):
    """Any of `values`."""

    parameters: tuple[int, ...]
    values: tuple[Token, ...]


class UnequalClause(msgspec.Struct, frozen=True):
    """`ne` of `_filter`: a code of the parameters that is none of `values`; or a uri that is none of `uris`.

    `system`: only of codes of that one, as `:in` a value set of all of its codes but some.
    """

    parameters: tuple[int, ...]
    values: tuple[Token, ...]
    uris: tuple[str, ...] = ()
    system: str | None = None


class StringClause(msgspec.Struct, frozen=True):
    """Any of `values`: `match` is `starts` (folded prefix), `exact` (as written) or `contains` (folded); of `_filter`
    also `whole` and `ends` and, each for a single value, `ne`, `gt`, `lt`, `ge` and `le`: folded, by code points.
    """

    parameters: tuple[int, ...]
    values: tuple[str, ...]
    match: str = "starts"


class TermClause(msgspec.Struct, frozen=True):
    """`:text` of a token: any of the folded texts begins a word of what is written beside a code (its display)."""

    parameters: tuple[int, ...]
    values: tuple[str, ...]


class DateClause(msgspec.Struct, frozen=True):
    """Any of `values`. `single`: see `Parameter`. https://hl7.org/fhir/R4/search.html#prefix"""

    parameters: tuple[int, ...]
    values: tuple[DateRange, ...]
    single: bool = False


class QuantityClause(msgspec.Struct, frozen=True):
    """Any of `values`, of numbers and quantities."""

    parameters: tuple[int, ...]
    values: tuple[Amount, ...]


class ReferenceClause(msgspec.Struct, frozen=True):
    """Any of `values`, each (type, id); type None means any type (`subject=23`)."""

    parameters: tuple[int, ...]
    values: tuple[tuple[str | None, str], ...]


class UriClause(msgspec.Struct, frozen=True):
    """Any of `values`. `match`: `whole`; `starts`: the row's uri begins with the value; `below`: a MIME type or the
    version of a canonical is the value or lies under it.

    (`:above` lists the prefixes of the value as `whole` values.)
    """

    parameters: tuple[int, ...]
    values: tuple[str, ...]
    match: str = "whole"


class CompositeClause(msgspec.Struct, frozen=True):
    """Any of `values`, each held by one element. https://hl7.org/fhir/R4/search.html#composite"""

    parameters: tuple[int, ...]
    values: tuple[Composite, ...]


class NearClause(msgspec.Struct, frozen=True):
    """`near`: within `meters` (great circle, WGS 84 mean radius) of any of (latitude, longitude, meters)."""

    parameters: tuple[int, ...]
    values: tuple[tuple[float, float, float], ...]


class TextClause(msgspec.Struct, frozen=True):
    """`_text` (narrative alone) or `_content` (all text): every alternative is words that must all occur."""

    where: str
    values: tuple[str, ...]


class PhraseClause(msgspec.Struct, frozen=True):
    """`_text` or `_content`: the `words`, of which there are several, stand side by side in a text of the resource."""

    where: str
    words: str


class IdClause(msgspec.Struct, frozen=True):
    """`_id`: any of these logical ids."""

    values: tuple[str, ...]


class LastUpdatedClause(msgspec.Struct, frozen=True):
    """`_lastUpdated`: any of these ranges."""

    values: tuple[DateRange, ...]


class CompartmentClause(msgspec.Struct, frozen=True):
    """The resource is in the compartment of any of these (type, id). Never empty: nobody is in no compartment."""

    owners: tuple[tuple[str, str], ...]


class MissingClause(msgspec.Struct, frozen=True):
    """`:missing`: with `missing` no value of the parameter, else at least one."""

    parameters: tuple[int, ...]
    missing: bool


# --- clauses made of clauses --------------------------------------------------------------------------------------


class NotClause(msgspec.Struct, frozen=True):
    """`:not`, `:not-in`, `not` of `_filter`: the clause does not hold."""

    clause: Clause


class AnyClause(msgspec.Struct, frozen=True):
    """At least one holds. Empty: nothing matches."""

    clauses: tuple[Clause, ...]


class AllClause(msgspec.Struct, frozen=True):
    """Every one holds. Empty: everything matches."""

    clauses: tuple[Clause, ...]


# --- clauses about other resources --------------------------------------------------------------------------------


class ChainClause(msgspec.Struct, frozen=True):
    """`subject:Patient.name=x`: refers by one of `parameters` to a resource that one of `targets` describes.

    `names`: refers by its canonical url, in one of these; see `canonicals`.
    """

    parameters: tuple[int, ...]
    targets: tuple[Part, ...]
    names: tuple[int, ...] = ()


class HasClause(msgspec.Struct, frozen=True):
    """`_has:Observation:subject:code=x`: a resource that `source` describes refers here by one of `parameters`.

    `names`: refers by canonical url, in one of these; see `canonicals`.
    """

    source: Part
    parameters: tuple[int, ...]
    names: tuple[int, ...] = ()


# --- clauses that need the store to be understood: interactions turn them into the ones above ---------------------


class ListClause(msgspec.Struct, frozen=True):
    """`_list`: an entry of the List with this id. https://hl7.org/fhir/R4/search.html#list"""

    id: str


class ValueSetClause(msgspec.Struct, frozen=True):
    """`:in`: the code is in the expansion of a ValueSet, named by its url or as ValueSet/[id]."""

    parameters: tuple[int, ...]
    valueset: str


class HierarchyClause(msgspec.Struct, frozen=True):
    """`:below` (`below`) and `:above` of codes: is-a in a CodeSystem that the server holds."""

    parameters: tuple[int, ...]
    values: tuple[Token, ...]
    below: bool


class PlaceClause(msgspec.Struct, frozen=True):
    """`:below` and `:above` of references: what `hierarchy` (a partOf of the type) puts under or over the value."""

    parameters: tuple[int, ...]
    values: tuple[tuple[str, str], ...]
    hierarchy: tuple[int, ...]
    below: bool


Clause = (
    TokenClause
    | UnequalClause
    | StringClause
    | TermClause
    | DateClause
    | QuantityClause
    | ReferenceClause
    | UriClause
    | CompositeClause
    | NearClause
    | TextClause
    | PhraseClause
    | IdClause
    | LastUpdatedClause
    | CompartmentClause
    | MissingClause
    | NotClause
    | AnyClause
    | AllClause
    | ChainClause
    | HasClause
    | ListClause
    | ValueSetClause
    | HierarchyClause
    | PlaceClause
)

# --- what is described by clauses ------------------------------------------------------------------------------------


class Permit(msgspec.Struct, frozen=True):
    """One thing that a Policy allows of a type: what lies in one of `owners`' compartments (None: anywhere) and
    for which every one of `clauses` holds (`category=laboratory`; no chains, no text).
    """

    owners: tuple[tuple[str, str], ...] | None = None
    clauses: tuple[Clause, ...] = ()


class Part(msgspec.Struct, frozen=True):
    """Resources of one type for which every clause holds and which one of `permits` lets the asker see.

    No permit: nothing is visible.
    """

    type: str
    clauses: tuple[Clause, ...] = ()
    permits: tuple[Permit, ...] = ()
