"""Index rows as the numbers of the index tables: pure, but for the rids and keys that they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from hilum.search.rows import CompositeRow, DateRow, NearRow, QuantityRow, ReferenceRow, Rows, TokenRow
from hilum.store import keys
from hilum.store.keyed import Keys
from hilum.store.postgres.dialect import FOLDED, ordered
from hilum.store.postgres.names import Name

Flat = tuple[int | float, ...]
Rids = Mapping[Name, int]

TABLES: Final = ("token", "string", "date", "quantity", "reference", "composite", "near", "compartment")
"""In the order of add_rows() in the schema, each row's numbers in the order of its statements there, but for rid."""


def tokens(rows: Rows, of: Keys) -> dict[tuple[int, int], None]:
    """(parameter, key) of tokens, uris and texts beside codes, each once. Raises UnknownSystem."""
    key, text = of.tokens, of.texts
    found = {(param, key[system, code]): None for param, system, code in rows.tokens}
    for row in rows.uris:
        found[row[0], text[row[1]]] = None
    for term in rows.terms:
        found[term[0], text[term[1]]] = None
    return found


def strings(rows: Rows, of: Keys) -> dict[tuple[int, int, str], str | None]:
    """(parameter, hash of the text as written, beginning of the folded text): all of that text, if there is more."""
    found: dict[tuple[int, int, str], str | None] = {}
    for param, folded, value in rows.strings:
        text = writable(folded)
        found[param, of.texts[value], text[:FOLDED]] = text if len(text) > FOLDED else None
    return found


def writable(text: str) -> str:
    """Text that PostgreSQL can hold."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def unit(row: QuantityRow, of: Keys) -> int:
    """The key of the unit of a row; ranges have keys of their own."""
    key = of.units[row.system, row.code, row.unit]
    return key if row.low == row.high else key | keys.WIDE


def _dates(rows: Sequence[DateRow], rids: Rids, of: Keys) -> Iterable[Flat]:
    return ((param, keys.span(low, high), low, high) for param, low, high in rows)


def _quantities(rows: Sequence[QuantityRow], rids: Rids, of: Keys) -> Iterable[Flat]:
    return ((row.parameter, unit(row, of), row.low + 0.0, row.high + 0.0) for row in rows)


def _references(rows: Sequence[ReferenceRow], rids: Rids, of: Keys) -> Iterable[Flat]:
    return ((param, rids[type, id]) for param, type, id in rows)


def _composites(rows: Sequence[CompositeRow], rids: Rids, of: Keys) -> Iterable[Flat]:
    for param, system, code, second in rows:
        first = of.tokens[system, code]
        match second:
            case TokenRow(_, system_, code_):
                key = of.tokens[system_, code_]
                yield param, first, 0, key, key
            case DateRow(_, low, high):
                yield param, first, keys.span(low, high), low, high
            case QuantityRow():
                yield param, first, unit(second, of), ordered(second.low), ordered(second.high)
            case ReferenceRow(_, type, id):
                yield param, first, 0, rids[type, id], rids[type, id]
            case (start, end):
                yield param, first, 0, ordered(start.low), ordered(end.high)


def _nears(rows: Sequence[NearRow], rids: Rids, of: Keys) -> Iterable[Flat]:
    return ((param, keys.cell(keys.across(lon), keys.along(lat)), lat, lon) for param, lat, lon in rows)


def _owners(rows: Sequence[Name], rids: Rids, of: Keys) -> Iterable[Flat]:
    return ((rids[owner],) for owner in rows)


KINDS: Final[tuple[tuple[int, str, Callable[[Any, Rids, Keys], Iterable[Flat]]], ...]] = (
    (2, "dates", _dates),
    (3, "quantities", _quantities),
    (4, "references", _references),
    (5, "composites", _composites),
    (6, "nears", _nears),
    (7, "compartments", _owners),
)
"""Of each kind of row but tokens and strings: the place of its table, its name in Rows, and how it becomes numbers."""


def numbers(rows: Rows) -> tuple[int, ...]:
    """The parameters that have a value, for the shape: all but the texts beside codes."""
    kinds: tuple[Sequence[Any], ...] = (
        rows.tokens, rows.strings, rows.dates, rows.quantities, rows.references, rows.uris, rows.composites, rows.nears
    )  # fmt: skip
    return tuple(sorted({row[0] for kind in kinds for row in kind}))


def targets(rows: Rows) -> Iterable[Name]:
    """Every name that the rows refer to."""
    found = {(row.type, row.id): None for row in rows.references}
    for composite in rows.composites:
        if isinstance(composite.second, ReferenceRow):
            found[composite.second.type, composite.second.id] = None
    return found | dict.fromkeys(rows.compartments)


def units(rows: Rows) -> Iterable[tuple[int, QuantityRow]]:
    """(parameter, a quantity in that unit) of all quantities, those of composites among them."""
    for row in rows.quantities:
        yield row.parameter, row
    for composite in rows.composites:
        if isinstance(composite.second, QuantityRow):
            yield composite.parameter, composite.second
