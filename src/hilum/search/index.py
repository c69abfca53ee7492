"""Index rows of a resource: pure, exact, deterministic. https://hl7.org/fhir/R4/search.html

Contained resources are not indexed on their own, and references to them (`#p1`) are no rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from heapq import merge
from itertools import groupby
from typing import Any, Final

from hilum.fhir import definitions
from hilum.problems import Invalid
from hilum.search.generate import generate
from hilum.search.parameters import table
from hilum.search.rows import DateRow, ReferenceRow, Rows, StringRow, TokenRow, UriRow

_COMPARTMENTS: Final = frozenset(definitions.compartments())
_PIECE: Final = 1 << 15
_row = tuple.__new__
"""A NamedTuple from a tuple at half the cost of calling its class."""


def index(type: str, body: dict[str, Any], id: str | None = None) -> Rows:
    """The rows of one version of a resource. `id`: its logical id where the body does not carry it (yet).

    The body is one that structural validation accepts. Of others nothing is promised but that what stands in the way
    is raised as Invalid, and a date that is none as Malformed.
    """
    tokens: list[tuple[int, str | None, str | None]] = []
    strings: list[tuple[int, str, str]] = []
    dates: list[tuple[int, int, int]] = []
    references: list[tuple[int, str, str]] = []
    uris: list[tuple[int, str]] = []
    compartments: list[tuple[str, str]] = []
    labels: list[tuple[str, str]] = []
    if type in _COMPARTMENTS and (own := id or body.get("id")):
        compartments.append((type, own))
    fill = _fill(type)
    try:
        fill(body, tokens, strings, dates, references, uris, compartments, labels)
        return Rows(
            tuple([_row(TokenRow, row) for row in (_tokens(tokens) if len(tokens) > 1 else tokens)]),
            tuple([_row(StringRow, row) for row in _in_order(strings)]),
            tuple([_row(DateRow, row) for row in _in_order(dates)]),
            tuple([_row(ReferenceRow, row) for row in _in_order(references)]),
            tuple([_row(UriRow, row) for row in _in_order(uris)]),
            tuple(sorted(set(compartments)) if len(compartments) > 1 else compartments),
            tuple(sorted(set(labels)) if len(labels) > 1 else labels),
        )
    except (AttributeError, TypeError, KeyError) as error:
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
def _fill(type: str) -> Callable[..., None]:
    table(type)
    return generate(type)


def _tokens(found: list[tuple[int, str | None, str | None]]) -> list[tuple[int, str | None, str | None]]:
    unique = list(set(found))
    try:
        unique.sort()
    except TypeError:  # One parameter has values with and without a system, or a code: None sorts first.
        unique.sort(key=lambda row: (row[0], row[1] is not None, row[1] or "", row[2] is not None, row[2] or ""))
    return unique
