"""Index rows of a resource: pure, exact, deterministic. https://hl7.org/fhir/R4/search.html

Contained resources are not indexed on their own, and references to them (`#p1`) are no rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from heapq import merge
from itertools import groupby
from typing import Any, Final

from hilum.fhir import definitions
from hilum.problems import Invalid
from hilum.search.generate import Fill, generate
from hilum.search.parameters import table
from hilum.search.rows import (
    CompositeRow,
    DateRow,
    NearRow,
    QuantityRow,
    ReferenceRow,
    Rows,
    StringRow,
    TermRow,
    TokenRow,
    UriRow,
)

_COMPARTMENTS: Final = frozenset(definitions.compartments())
_PIECE: Final = 1 << 15
_row = tuple.__new__
"""A NamedTuple from a tuple at half the cost of calling its class."""


def index(type: str, body: dict[str, Any], id: str | None = None) -> Rows:
    """The rows of one version of a resource. `id`: its logical id where the body does not carry it (yet).

    The body is one that structural validation accepts. Of others nothing is promised but that what stands in the way
    is raised as Invalid, and a date that is none as Malformed.
    """
    own = (id or body.get("id")) if type in _COMPARTMENTS else None
    return _rows(type, _fill(type), body, [(type, own)] if own else [])


def extract(type: str, numbers: tuple[int, ...]) -> Callable[[dict[str, Any]], Rows]:
    """A function that gives of a resource's rows those of some numbers: all that sorting or probing it needs.

    No compartments and no labels. It is made once per type and numbers, and kept.
    """
    fill = _some(type, tuple(sorted(numbers)))
    return lambda body: _rows(type, fill, body, [])


def _rows(type: str, fill: Fill, body: dict[str, Any], compartments: list[tuple[str, str]]) -> Rows:
    tokens: list[Any] = []
    strings: list[Any] = []
    terms: list[Any] = []
    dates: list[Any] = []
    quantities: list[Any] = []
    references: list[Any] = []
    uris: list[Any] = []
    composites: list[Any] = []
    nears: list[Any] = []
    labels: list[Any] = []
    try:
        fill(body, tokens, strings, terms, dates, quantities, references, uris, composites, nears, compartments, labels)
        return Rows(
            tuple([_row(TokenRow, row) for row in (_mixed(tokens) if len(tokens) > 1 else tokens)]),
            tuple([_row(StringRow, row) for row in _in_order(strings)]) if strings else (),
            tuple([_row(TermRow, row) for row in _in_order(terms)]) if terms else (),
            tuple([_row(DateRow, row) for row in _in_order(dates)]) if dates else (),
            tuple([_row(QuantityRow, row) for row in _mixed(quantities)]) if quantities else (),
            tuple([_row(ReferenceRow, row) for row in _in_order(references)]) if references else (),
            tuple([_row(UriRow, row) for row in _in_order(uris)]) if uris else (),
            tuple([_row(CompositeRow, row) for row in _mixed(composites)]) if composites else (),
            tuple([_row(NearRow, row) for row in _in_order(nears)]) if nears else (),
            tuple(sorted(set(compartments)) if len(compartments) > 1 else compartments),
            tuple(sorted(set(labels)) if len(labels) > 1 else labels),
        )
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise Invalid(f"The body has not the structure of the R4 type {type}; it cannot be indexed.") from error


def _in_order(rows: list[Any]) -> list[Any]:
    """Each row once, in order.

    Very many in pieces: sorting a million tuples in one call holds the interpreter, and so everybody's requests, for
    2.8 seconds, though it runs in a thread.
    """
    if len(rows) <= _PIECE:
        return sorted(set(rows)) if len(rows) > 1 else rows
    pieces = [sorted(set(rows[start : start + _PIECE])) for start in range(0, len(rows), _PIECE)]
    return [row for row, _ in groupby(merge(*pieces))]


@cache
def _fill(type: str) -> Fill:
    table(type)
    return generate(type)


@lru_cache(maxsize=1024)
def _some(type: str, numbers: tuple[int, ...]) -> Fill:
    return generate(type, only=numbers)


def _mixed(found: list[Any]) -> list[Any]:
    """As `_in_order`, of rows in which a value may be missing: None comes before everything else."""
    unique = list(set(found))
    try:
        unique.sort()
    except TypeError:  # one parameter has values with and without a system, a code or a unit
        unique.sort(key=_comparable)
    return unique


def _comparable(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([_comparable(part) for part in value])
    return (False, ()) if value is None else (True, value)
