"""Definitions of custom search parameters as rows of the table `parameter`: the same for both stores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from hilum.fhir.definitions import TYPE_NUMBER, SearchParameter
from hilum.search.catalogue import Catalogue, Defined

COLUMNS: Final = ("id", "definition", "state", "clear", "types", "cursor", "done", "total", "task")
STEP_SECONDS: Final = 0.025
"""How long one step works, so that with its flush it keeps nobody from writing for longer than 50 ms."""
AT_ONCE: Final = 64
"""How many resources a step reads together."""
ROWS_AT_ONCE: Final = 2000
"""How many index rows a step deletes together."""
BY_RID: Final = ("string", "date", "quantity", "reference", "composite")
"""Index tables with an index by resource: what is stale goes with each resource. Of the others it is cleared first."""
BY_PARAM: Final = ("token", "near")

_decode = msgspec.json.Decoder(SearchParameter).decode


def row_of(one: Defined) -> tuple[Any, ...]:
    """The row, in the order of COLUMNS."""
    text = msgspec.json.encode(one.definition).decode()
    clear, types = msgspec.json.encode(one.clear).decode(), msgspec.json.encode(one.types).decode()
    return (one.id, text, one.state, clear, types, one.cursor, one.done, one.total, one.task)


def of_row(row: Sequence[Any]) -> Defined:
    """What a row says."""
    id, text, state, clear, types, cursor, done, total, task = row
    numbers: tuple[int, ...] = tuple(msgspec.json.decode(clear))
    names: tuple[str, ...] = tuple(msgspec.json.decode(types))
    return Defined(id, _decode(text), state, numbers, names, cursor, done, total, task)


def catalogue(generation: int, rows: Iterable[Sequence[Any]]) -> Catalogue:
    """All rows, sorted by id."""
    return Catalogue(generation, tuple(of_row(row) for row in rows))


def type_numbers(one: Defined) -> list[int]:
    """The numbers of the types that are walked, ascending, as rids are."""
    return sorted(TYPE_NUMBER[type] for type in one.types)


def shape(before: Iterable[int], own: Iterable[int], present: Iterable[int]) -> tuple[int, ...]:
    """The parameters that have a value, once those of `own` are known anew."""
    return tuple(sorted(set(before).difference(own).union(present)))
