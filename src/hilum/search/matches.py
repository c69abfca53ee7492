"""Does one resource, given as its index rows, satisfy a clause? Exact, in memory. https://hl7.org/fhir/R4/search.html

Stores find by hashes and look again with this; policies and subscriptions judge single resources by it.
"""

from __future__ import annotations

from hilum.search.dates import HOLDS
from hilum.search.query import (
    Clause,
    CompartmentClause,
    DateClause,
    DateRange,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    ReferenceClause,
    StringClause,
    Token,
    TokenClause,
    UriClause,
)
from hilum.search.rows import Rows, StringRow, TokenRow
from hilum.search.text import fold


def matches(clause: Clause, rows: Rows, *, id: str, last_updated: int) -> bool:
    """Whether the resource with these rows, logical id and lastUpdated (microseconds since 1970 UTC) is meant."""
    match clause:
        case TokenClause(number, values, negated):
            found = any(_token(row, value) for row in rows.tokens if row.parameter == number for value in values)
            return found is not negated
        case StringClause(number, texts, how):
            return any(_string(row, text, how) for row in rows.strings if row.parameter == number for text in texts)
        case DateClause(number, ranges):
            return any(_within(row.low, row.high, ranges) for row in rows.dates if row.parameter == number)
        case ReferenceClause(number, targets):
            return any(
                row.id == id_ and (type_ is None or row.type == type_)
                for row in rows.references
                if row.parameter == number
                for type_, id_ in targets
            )
        case UriClause(number, uris):
            return any(row.value in uris for row in rows.uris if row.parameter == number)
        case IdClause(ids):
            return id in ids
        case LastUpdatedClause(ranges):
            return _within(last_updated, last_updated, ranges)
        case CompartmentClause(owners):
            return not set(owners).isdisjoint(rows.compartments)
        case MissingClause():
            return _present(clause, rows) is not clause.missing


def _token(row: TokenRow, value: Token) -> bool:
    if value.system is not None and (row.system or "") != value.system:
        return False
    return value.code is None or row.code == value.code


def _string(row: StringRow, text: str, how: str) -> bool:
    match how:
        case "exact":
            return row.value == text
        case "contains":
            return bool(folded := fold(text)) and folded in row.folded
        case _:  # a text of punctuation only says nothing, so it finds nothing
            return bool(folded := fold(text)) and row.folded.startswith(folded)


def _within(low: int, high: int, ranges: tuple[DateRange, ...]) -> bool:
    return any(HOLDS[one.prefix](one.low, one.high, low, high) for one in ranges)


def _present(clause: MissingClause, rows: Rows) -> bool:
    """A reference to a resource elsewhere is a value of its parameter too: reference parameters also have UriRows."""
    match clause.kind:
        case "token":
            numbers = {row.parameter for row in rows.tokens}
        case "string":
            numbers = {row.parameter for row in rows.strings}
        case "date":
            numbers = {row.parameter for row in rows.dates}
        case "reference":
            numbers = {row.parameter for row in rows.references} | {row.parameter for row in rows.uris}
        case "uri":
            numbers = {row.parameter for row in rows.uris}
        case _:
            raise ValueError(clause.kind)
    return clause.parameter in numbers
