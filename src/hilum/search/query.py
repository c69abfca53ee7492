"""A search as a value: what a FHIR query string means, before any store turns it into SQL.

A clause names the numbers of search parameters (see `parameters`), never their codes: rows of one number are rows of
one selection on one resource type. Several numbers in a clause are ORed: a parameter is a union of selections.
https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# --- clauses about the resource itself ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Token:
    """One alternative of a token clause.

    `system` None: any system; "": explicitly none (`|code`). `code` None: any code of that system (`system|`).
    """

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class TokenClause:
    """Any of `values`."""

    parameters: tuple[int, ...]
    values: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class UnequalClause:
    """`ne` of `_filter`: a code of the parameters that is none of `values`."""

    parameters: tuple[int, ...]
    values: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class StringClause:
    """Any of `values`: `match` is `starts` (folded prefix), `exact` (as written) or `contains` (folded); of `_filter`
    also `whole` and `ends` and, each for a single value, `ne`, `gt`, `lt`, `ge` and `le`: folded, by code points.
    """

    parameters: tuple[int, ...]
    values: tuple[str, ...]
    match: str = "starts"


@dataclass(frozen=True, slots=True)
class TermClause:
    """`:text` of a token: any of the folded texts begins a word of what is written beside a code (its display)."""

    parameters: tuple[int, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DateRange:
    """One alternative of a date clause: `prefix` (eq ne gt lt ge le sa eb ap; co of `_filter`: what is there includes
    it) against [low, high] microseconds.
    """

    prefix: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class DateClause:
    """Any of `values`. https://hl7.org/fhir/R4/search.html#prefix"""

    parameters: tuple[int, ...]
    values: tuple[DateRange, ...]


@dataclass(frozen=True, slots=True)
class Amount:
    """One alternative of a number or quantity clause.

    `prefix` as for dates. `value`: the number exactly; [`low`, `high`): the range that its digits imply (for `ap`
    already widened to a tenth of the value), all IEEE doubles in the unit that was asked for. `system` None: any unit
    (`5.4`) or, with a `code`, any system (`5.4||mg`: the code or the human unit is mg); else system and code
    (`5.4|http://unitsofmeasure.org|mg`: UCUM units that convert into it are meant, too).
    """

    prefix: str
    value: float
    low: float
    high: float
    system: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class QuantityClause:
    """Any of `values`, of numbers and quantities."""

    parameters: tuple[int, ...]
    values: tuple[Amount, ...]


@dataclass(frozen=True, slots=True)
class ReferenceClause:
    """Any of `values`, each (type, id); type None means any type (`subject=23`)."""

    parameters: tuple[int, ...]
    values: tuple[tuple[str | None, str], ...]


@dataclass(frozen=True, slots=True)
class UriClause:
    """Any of `values`. `match`: `whole`; `below`: the row's uri (or MIME type) is the value or lies under it.

    (`:above` lists the prefixes of the value as `whole` values.)
    """

    parameters: tuple[int, ...]
    values: tuple[str, ...]
    match: str = "whole"


@dataclass(frozen=True, slots=True)
class Composite:
    """One alternative of a composite clause: `first` and `second` hold for one and the same element.

    `first` is a token; `second` is of one kind: a Token, a DateRange, an Amount, a (type, id), or two Amounts (the
    start and the end of a window).
    """

    first: Token
    second: Token | DateRange | Amount | tuple[str | None, str] | tuple[Amount, Amount]


@dataclass(frozen=True, slots=True)
class CompositeClause:
    """Any of `values`, each held by one element. https://hl7.org/fhir/R4/search.html#composite"""

    parameters: tuple[int, ...]
    values: tuple[Composite, ...]


@dataclass(frozen=True, slots=True)
class NearClause:
    """`near`: within `meters` (great circle, WGS 84 mean radius) of any of (latitude, longitude, meters)."""

    parameters: tuple[int, ...]
    values: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class TextClause:
    """`_text` (narrative alone) or `_content` (all text): every alternative is words that must all occur."""

    where: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhraseClause:
    """`_text` or `_content`: the `words`, of which there are several, stand side by side in a text of the resource."""

    where: str
    words: str


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
    """`:missing`: with `missing` no value of the parameter, else at least one."""

    parameters: tuple[int, ...]
    missing: bool


# --- clauses made of clauses --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NotClause:
    """`:not`, `:not-in`, `not` of `_filter`: the clause does not hold."""

    clause: Clause


@dataclass(frozen=True, slots=True)
class AnyClause:
    """At least one holds. Empty: nothing matches."""

    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class AllClause:
    """Every one holds. Empty: everything matches."""

    clauses: tuple[Clause, ...]


# --- clauses about other resources --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChainClause:
    """`subject:Patient.name=x`: refers by one of `parameters` to a resource that one of `targets` describes.

    `names`: refers by its canonical url, in one of these; see `canonicals`.
    """

    parameters: tuple[int, ...]
    targets: tuple[Part, ...]
    names: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class HasClause:
    """`_has:Observation:subject:code=x`: a resource that `source` describes refers here by one of `parameters`.

    `names`: refers by canonical url, in one of these; see `canonicals`.
    """

    source: Part
    parameters: tuple[int, ...]
    names: tuple[int, ...] = ()


# --- clauses that need the store to be understood: interactions turn them into the ones above ---------------------


@dataclass(frozen=True, slots=True)
class ListClause:
    """`_list`: an entry of the List with this id. https://hl7.org/fhir/R4/search.html#list"""

    id: str


@dataclass(frozen=True, slots=True)
class ValueSetClause:
    """`:in`: the code is in the expansion of a ValueSet, named by its url or as ValueSet/[id]."""

    parameters: tuple[int, ...]
    valueset: str


@dataclass(frozen=True, slots=True)
class HierarchyClause:
    """`:below` (`below`) and `:above` of codes: is-a in a CodeSystem that the server holds."""

    parameters: tuple[int, ...]
    values: tuple[Token, ...]
    below: bool


@dataclass(frozen=True, slots=True)
class PlaceClause:
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

# --- the query ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Permit:
    """One thing that a Policy allows of a type: what lies in one of `owners`' compartments (None: anywhere) and
    for which every one of `clauses` holds (`category=laboratory`; no chains, no text).
    """

    owners: tuple[tuple[str, str], ...] | None = None
    clauses: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Resources of one type for which every clause holds and which one of `permits` lets the asker see.

    No permit: nothing is visible.
    """

    type: str
    clauses: tuple[Clause, ...] = ()
    permits: tuple[Permit, ...] = ()


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of `_sort`. `kind`: string, token, date, quantity, reference, uri, or updated, id, score.

    `numbers`: type -> the numbers of the parameter there. Ascending compares the least value of a resource,
    descending (`down`) the greatest; what has no value comes last, in both directions.
    """

    code: str
    kind: str
    numbers: tuple[tuple[str, tuple[int, ...]], ...] = ()
    down: bool = False


@dataclass(frozen=True, slots=True)
class Include:
    """`_include` (or, `reverse`, `_revinclude`) of what `parameters` of `source` refer to (what refers by them).

    `source` "*": any type. `parameters` None: every reference (`*`), those by canonical url too. `target`: only that
    type. `iterate`: also of what was included. `permits`: type -> what the asker may see of it; a type that is not
    there is invisible. `names`: the parameters that refer by canonical url; see `canonicals`.
    """

    source: str
    parameters: tuple[int, ...] | None
    target: str | None = None
    iterate: bool = False
    reverse: bool = False
    permits: tuple[tuple[str, tuple[Permit, ...]], ...] = ()
    names: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Contained:
    """`_contained`: what the parts describe is looked for within other resources. See `contained`.

    `both`: and outside of them. `apart`: the results are the contained resources, else what contains them.
    `containers`: type -> what the asker may see of it; a type that is not there is invisible. Of a contained resource
    the asker sees what the permits of its own part allow, too, its container's compartments counting as its own.
    """

    both: bool = False
    apart: bool = False
    containers: tuple[tuple[str, tuple[Permit, ...]], ...] = ()


NEWEST: Final[tuple[Sort, ...]] = ()
"""No sort asked for: by type, newest created first, stable under updates."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to find, in which order, how much of it, and what to bring along.

    `parts`: one per type, types distinct. `after`: the keyset position of the page before, from the store, opaque.
    `total`: "none", "estimate" or "accurate". `includes` are followed from the page's resources. `contained`: looked
    for within other resources. `exact`: something is written that follows from it: what is found is judged on bodies,
    at the ends of chains, too.
    """

    parts: tuple[Part, ...]
    count: int = 20
    sort: tuple[Sort, ...] = NEWEST
    after: str | None = None
    total: str = "none"
    includes: tuple[Include, ...] = ()
    contained: Contained | None = None
    exact: bool = False

    @property
    def types(self) -> tuple[str, ...]:
        """The types that are searched."""
        return tuple(part.type for part in self.parts)
