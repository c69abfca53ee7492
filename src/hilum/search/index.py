"""Index rows of a resource: pure, exact, deterministic. https://hl7.org/fhir/R4/search.html

Contained resources are not indexed on their own, and references to them (`#p1`) are no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from heapq import merge
from itertools import groupby
from typing import Any, Final

from hilum.fhir import definitions
from hilum.problems import Invalid
from hilum.search.generate import Found, generate
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
    found = collect(type, body, id)
    try:
        return Rows(
            token_rows(found.tokens),
            string_rows(found.strings),
            date_rows(found.dates),
            reference_rows(found.references),
            uri_rows(found.uris),
            pairs(found.compartments),
            pairs(found.labels),
        )
    except TypeError as error:  # a list or an object where a text should be
        raise _unfit(type) from error


def collect(type: str, body: dict[str, Any], id: str | None = None) -> Found:
    """What `index` makes its rows of: in document order, doubles and all."""
    found = Found([], [], [], [], [], [], [])
    if type in _COMPARTMENTS and (own := id or body.get("id")):
        found.compartments.append((type, own))
    try:
        _fill(type)(body, *found)
    except (AttributeError, TypeError, KeyError) as error:
        raise _unfit(type) from error
    return found


def _unfit(type: str) -> Invalid:
    return Invalid(f"The body has not the structure of the R4 type {type}; it cannot be indexed.")


def token_rows(found: Collection[tuple[int, str | None, str | None]]) -> tuple[TokenRow, ...]:
    """In order, None before any text."""
    if len(found) > 1:
        try:
            found = _in_order(found)
        except TypeError:  # One parameter has values with and without a system, or a code.
            found = sorted(set(found), key=_nones_first)
    return tuple([_row(TokenRow, row) for row in found])


def _nones_first(row: tuple[int, str | None, str | None]) -> tuple[int, bool, str, bool, str]:
    number, system, code = row
    return number, system is not None, system or "", code is not None, code or ""


def string_rows(found: Collection[tuple[int, str, str]]) -> tuple[StringRow, ...]:
    """In order."""
    return tuple([_row(StringRow, row) for row in _in_order(found)])


def date_rows(found: Collection[tuple[int, int, int]]) -> tuple[DateRow, ...]:
    """In order."""
    return tuple([_row(DateRow, row) for row in _in_order(found)]) if found else ()


def reference_rows(found: Collection[tuple[int, str, str]]) -> tuple[ReferenceRow, ...]:
    """In order."""
    return tuple([_row(ReferenceRow, row) for row in _in_order(found)]) if found else ()


def uri_rows(found: Collection[tuple[int, str]]) -> tuple[UriRow, ...]:
    """In order."""
    return tuple([_row(UriRow, row) for row in _in_order(found)]) if found else ()


def pairs(found: Collection[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Compartments or labels, in order."""
    return tuple(_in_order(found))


def _in_order(rows: Collection[Any]) -> Collection[Any]:
    """Each row once, in order.

    Very many in pieces: sorting a million tuples in one call holds the interpreter, and so everybody's requests, for
    2.8 seconds, though it runs in a thread.
    """
    if len(rows) <= _PIECE:
        return sorted(set(rows)) if len(rows) > 1 else rows
    every = list(rows)
    pieces = [sorted(set(every[start : start + _PIECE])) for start in range(0, len(every), _PIECE)]
    return [row for row, _ in groupby(merge(*pieces))]


@cache
def _fill(type: str) -> Callable[..., None]:
    table(type)
    return generate(type)
