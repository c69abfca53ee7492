"""Index rows of a resource: pure, exact, deterministic. https://hl7.org/fhir/R4/search.html

Contained resources have rows apart, under their container (`contained`); references to them (`#p1`) are no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from heapq import merge
from itertools import groupby
from typing import Any, Final

from hilum.fhir import definitions
from hilum.problems import Invalid
from hilum.search import contained
from hilum.search.generate import Fill, Found, generate
from hilum.search.parameters import R4, Registry
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


def index(type: str, body: dict[str, Any], id: str | None = None, registry: Registry = R4) -> Rows:
    """The rows of one version of a resource. `id`: its logical id where the body does not carry it (yet).

    `registry`: the parameters that there are.

    The body is one that structural validation accepts. Of others nothing is promised but that what stands in the way
    is raised as Invalid, and a date that is none as Malformed.
    """
    return _rows(type, collect(type, body, id, registry))


def collect(type: str, body: dict[str, Any], id: str | None = None, registry: Registry = R4) -> Found:
    """What `index` makes its rows of: in document order, doubles and all."""
    own = (id or body.get("id")) if type in _COMPARTMENTS else None
    found = _found(type, _fill(type, registry), body, [(type, own)] if own else [])
    if "contained" in body:
        try:
            contained.note(found, body["contained"], _within)
        except (AttributeError, TypeError, KeyError) as error:
            raise _unfit(type) from error
    return found


def _within(type: str, body: dict[str, Any]) -> Found:
    return _found(type, _fill(type, R4), body, [])


def extract(type: str, numbers: tuple[int, ...], registry: Registry = R4) -> Callable[[dict[str, Any]], Rows]:
    """A function that gives of a resource's rows those of some numbers: all that sorting or probing it needs.

    No compartments and no labels. It is made once per type and numbers, and kept.
    """
    fill = _some(type, tuple(sorted(numbers)), registry.over(type))
    return lambda body: _rows(type, _found(type, fill, body, []))


def _found(type: str, fill: Fill, body: dict[str, Any], compartments: list[tuple[str, str]]) -> Found:
    found = Found([], [], [], [], [], [], [], [], [], compartments, [])
    try:
        fill(body, *found)
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise _unfit(type) from error
    return found


def _rows(type: str, found: Found) -> Rows:
    try:
        kinds: Iterable[Collection[Any]] = iter(found)
        return Rows(*[make(some) if some else () for make, some in zip(MAKERS.values(), kinds, strict=True)])
    except TypeError as error:  # a list or an object where a text should be
        raise _unfit(type) from error


def _unfit(type: str) -> Invalid:
    return Invalid(f"The body has not the structure of the R4 type {type}; it cannot be indexed.")


def _plain(kind: type[Any]) -> Callable[[Collection[Any]], tuple[Any, ...]]:
    def made(found: Collection[Any]) -> tuple[Any, ...]:
        return tuple([_row(kind, row) for row in _in_order(found)])

    return made


def _mixed(kind: type[Any]) -> Callable[[Collection[Any]], tuple[Any, ...]]:
    """Of rows in which a value may be missing: None comes before everything else."""

    def made(found: Collection[Any]) -> tuple[Any, ...]:
        try:
            found = _in_order(found)
        except TypeError:  # one parameter has values with and without a system, a code or a unit
            found = sorted(set(found), key=_comparable)
        return tuple([_row(kind, row) for row in found])

    return made


def _comparable(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([_comparable(part) for part in value])
    return (False, ()) if value is None else (True, value)


def _pairs(found: Collection[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
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


def _fill(type: str, registry: Registry) -> Fill:
    found: Fill | None = registry.made.get((type,))
    if found is None:
        own = registry.over(type)
        own.table(type)
        found = registry.made[type,] = generate(type, own) if own is registry else _fill(type, own)
    return found


@lru_cache(maxsize=1024)
def _some(type: str, numbers: tuple[int, ...], registry: Registry) -> Fill:
    return generate(type, registry, only=numbers)


MAKERS: Final[dict[str, Callable[[Collection[Any]], tuple[Any, ...]]]] = {
    "tokens": _mixed(TokenRow),
    "strings": _plain(StringRow),
    "terms": _plain(TermRow),
    "dates": _plain(DateRow),
    "quantities": _mixed(QuantityRow),
    "references": _plain(ReferenceRow),
    "uris": _plain(UriRow),
    "composites": _mixed(CompositeRow),
    "nears": _plain(NearRow),
    "compartments": _pairs,
    "labels": _pairs,
}
"""Field of `Rows` and `Found` -> what makes the rows, each once and in order, of what was found."""
