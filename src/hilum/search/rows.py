"""Index rows: what a resource says, per search parameter, as exact values.

Indexing is pure; a store decides how to lay rows down (hashes, integers). `parameter` is the number of a search
parameter on one resource type (see `parameters.number`): the same for both stores, stable over releases.
https://hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class TokenRow(NamedTuple):
    """A coded value: `system` is None where the data has none; `code` is None where there is only a system."""

    parameter: int
    system: str | None
    code: str | None


class StringRow(NamedTuple):
    """`value` as written; `folded` is its form for the default match: no case, no accents, single spaces."""

    parameter: int
    folded: str
    value: str


class DateRow(NamedTuple):
    """The interval that the value covers, both ends inclusive, in microseconds since 1970 UTC.

    An open end of a Period is `MIN_DATE` or `MAX_DATE` (dates.py).
    """

    parameter: int
    low: int
    high: int


class ReferenceRow(NamedTuple):
    """A reference to a resource of this server: `type`/`id`. References elsewhere are UriRows."""

    parameter: int
    type: str
    id: str


class UriRow(NamedTuple):
    """A uri, url, canonical or absolute reference, exactly as written (a canonical's `|version` kept)."""

    parameter: int
    value: str


@dataclass(frozen=True, slots=True)
class Rows:
    """All index rows of one version, per kind, each list sorted and free of doubles."""

    tokens: tuple[TokenRow, ...] = ()
    strings: tuple[StringRow, ...] = ()
    dates: tuple[DateRow, ...] = ()
    references: tuple[ReferenceRow, ...] = ()
    uris: tuple[UriRow, ...] = ()
    compartments: tuple[tuple[str, str], ...] = field(default=())
    """(type, id) of each compartment that the resource is in. https://hl7.org/fhir/R4/compartmentdefinition.html"""
    labels: tuple[tuple[str, str], ...] = field(default=())
    """(system, code) of each meta.security label."""


NO_ROWS = Rows()
