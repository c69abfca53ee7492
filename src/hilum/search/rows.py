"""Index rows: what a resource says, per search parameter, as exact values.

Indexing is pure; a store decides how to lay rows down (hashes, integers). `parameter` is the number of a selection
on one resource type (see `parameters`): the same for both stores, stable over releases.
https://hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class TokenRow(NamedTuple):
    """A coded value: `system` is None where the data has none; `code` is None where there is only a system.

    Under its own numbers also what `:identifier` finds (the identifier of a Reference), `:of-type` (system: the
    type's `system|code`, code: the identifier's value) and phonetic parameters (the sound as code). With neither a
    system nor a code: a Reference of which no other row tells, since it has a display only or means what is contained.
    """

    parameter: int
    system: str | None
    code: str | None


class StringRow(NamedTuple):
    """`value` as written; `folded` is its form for the default match: no case, no accents, single spaces."""

    parameter: int
    folded: str
    value: str


class TermRow(NamedTuple):
    """A text beside a code (CodeableConcept.text, Coding.display, Identifier.type.text), folded: for `:text`."""

    parameter: int
    folded: str


class DateRow(NamedTuple):
    """The interval that the value covers, both ends inclusive, in microseconds since 1970 UTC.

    An open end of a Period is `MIN_DATE` or `MAX_DATE` (dates.py).
    """

    parameter: int
    low: int
    high: int


class QuantityRow(NamedTuple):
    """A number (no unit) or a quantity, as written: [`low`, `high`], equal but for ranges and comparators.

    An open end is minus or plus infinity. `system`, `code` and `unit` None where the data has none.
    """

    parameter: int
    low: float
    high: float
    system: str | None = None
    code: str | None = None
    unit: str | None = None


class ReferenceRow(NamedTuple):
    """A reference to a resource of this server: `type`/`id`. References elsewhere are UriRows."""

    parameter: int
    type: str
    id: str


class UriRow(NamedTuple):
    """A uri, url, canonical or absolute reference, exactly as written.

    A canonical with a `|version` makes a second row without it.
    """

    parameter: int
    value: str


class CompositeRow(NamedTuple):
    """Two values of one element. First a code, then a row of another kind (its `parameter` 0), or, for a window,
    two QuantityRows.
    """

    parameter: int
    system: str | None
    code: str | None
    second: TokenRow | DateRow | QuantityRow | ReferenceRow | tuple[QuantityRow, QuantityRow]


class NearRow(NamedTuple):
    """A position, degrees WGS 84."""

    parameter: int
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Rows:
    """All index rows of one version, per kind, each list sorted and free of doubles."""

    tokens: tuple[TokenRow, ...] = ()
    strings: tuple[StringRow, ...] = ()
    terms: tuple[TermRow, ...] = ()
    dates: tuple[DateRow, ...] = ()
    quantities: tuple[QuantityRow, ...] = ()
    references: tuple[ReferenceRow, ...] = ()
    uris: tuple[UriRow, ...] = ()
    composites: tuple[CompositeRow, ...] = ()
    nears: tuple[NearRow, ...] = ()
    compartments: tuple[tuple[str, str], ...] = field(default=())
    """(type, id) of each compartment that the resource is in. https://hl7.org/fhir/R4/compartmentdefinition.html"""
    labels: tuple[tuple[str, str], ...] = field(default=())
    """(system, code) of each meta.security label."""


NO_ROWS = Rows()
