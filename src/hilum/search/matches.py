"""Does one resource, given as its index rows, satisfy a clause? Exact, in memory. https://hl7.org/fhir/R4/search.html

Stores find by hashes and look again with this; policies and subscriptions judge single resources by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

from hilum.fhir.units import SAME, UCUM, Scale, converted, scale
from hilum.search import dates, numbers
from hilum.search.alternatives import Amount, Composite, DateRange, Token
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    Clause,
    CompartmentClause,
    CompositeClause,
    DateClause,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    NearClause,
    NotClause,
    Permit,
    QuantityClause,
    ReferenceClause,
    StringClause,
    TermClause,
    TokenClause,
    UnequalClause,
    UriClause,
)
from hilum.search.places import meters
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
from hilum.search.text import fold


def matches(clause: Clause, rows: Rows, *, id: str, last_updated: int) -> bool:
    """Whether the resource with these rows, logical id and lastUpdated (microseconds since 1970 UTC) is meant.

    Raises ValueError for clauses that one resource's rows cannot answer: chains, full text, and what interactions
    must resolve first.
    """
    match clause:
        case NotClause(denied):
            return not matches(denied, rows, id=id, last_updated=last_updated)
        case AnyClause(inner):
            return any(matches(one, rows, id=id, last_updated=last_updated) for one in inner)
        case AllClause(inner):
            return all(matches(one, rows, id=id, last_updated=last_updated) for one in inner)
        case IdClause(ids):
            return id in ids
        case LastUpdatedClause(ranges):
            return any(_within(last_updated, last_updated, one) for one in ranges)
        case CompartmentClause(owners):
            return not set(owners).isdisjoint(rows.compartments)
        case MissingClause(parameters, missing):
            return any(row[0] in parameters for kind in KINDS for row in getattr(rows, kind)) is not missing
        case UnequalClause(parameters, values, uris, system):
            return any(
                row.parameter in parameters
                and system in (None, row.system)
                and not any(_token(row, value) for value in values)
                for row in rows.tokens
            ) or any(system is None and row.parameter in parameters and row.value not in uris for row in rows.uris)
    found = _TESTS.get(clause.__class__)
    if found is None:
        raise ValueError(f"{clause.__class__.__name__} is not about the rows of one resource.")
    kinds, test = found
    how = getattr(clause, "match", None)
    asked: Any = clause  # every class in _TESTS has values and parameters
    some: Iterable[Any] = asked.values if how is None else [(how, value) for value in asked.values]
    wanted: tuple[int, ...] = asked.parameters
    return any(
        test(row, value) for kind in kinds for row in getattr(rows, kind) if row.parameter in wanted for value in some
    )


def decided(clause: Clause, of: Callable[[Clause], bool]) -> bool:
    """Whether it holds, by whether those that it is made of do."""
    match clause:
        case AllClause(some):
            return all(decided(inner, of) for inner in some)
        case AnyClause(some):
            return any(decided(inner, of) for inner in some)
        case NotClause(inner):
            return not decided(inner, of)
    return of(clause)


def lies(permit: Permit, compartments: tuple[tuple[str, str], ...]) -> bool:
    """Whether the permit reaches beyond compartments, or one of these is of its owners."""
    return permit.owners is None or not set(permit.owners).isdisjoint(compartments)


def permitted(permits: Iterable[Permit], rows: Rows, *, id: str, last_updated: int) -> bool:
    """Whether one of the permits lets its holder see the resource: it lies with an owner, and every clause holds."""
    return any(
        lies(permit, rows.compartments)
        and all(matches(clause, rows, id=id, last_updated=last_updated) for clause in permit.clauses)
        for permit in permits
    )


KINDS: Final = ("tokens", "strings", "terms", "dates", "quantities", "references", "uris", "composites", "nears")
"""The fields of `Rows` that hold rows with a parameter."""


def _token(row: TokenRow | CompositeRow, value: Token) -> bool:
    if value.system is not None and (row.system or "") != value.system:
        return False
    return value.code is None or row.code == value.code


def _string(row: StringRow, value: tuple[str, str]) -> bool:
    how, text = value
    if how == "exact":
        return row.value == text
    folded = fold(text)
    if not folded:  # a text of punctuation only says nothing, so it finds nothing
        return False
    return _FOLDED[how](row.folded, folded)


_FOLDED: Final[dict[str, Callable[[str, str], bool]]] = {
    "starts": str.startswith,
    "ends": str.endswith,
    "contains": str.__contains__,
    "whole": str.__eq__,
    "ne": str.__ne__,
    "gt": str.__gt__,
    "lt": str.__lt__,
    "ge": str.__ge__,
    "le": str.__le__,
}


def _term(row: TermRow, text: str) -> bool:
    return bool(folded := fold(text)) and (row.folded.startswith(folded) or f" {folded}" in row.folded)


def _date(row: DateRow, value: DateRange) -> bool:
    return _within(row.low, row.high, value)


def _within(low: int, high: int, value: DateRange) -> bool:
    return dates.HOLDS[value.prefix](value.low, value.high, low, high)


def _quantity(row: QuantityRow, value: Amount) -> bool:
    asked = in_unit(value, row.system, row.code, row.unit)
    if asked is None:
        return False
    return numbers.HOLDS[asked.prefix](asked.value, asked.low, asked.high, row.low, row.high)


@lru_cache(maxsize=1024)
def in_unit(value: Amount, system: str | None, code: str | None, unit: str | None) -> Amount | None:
    """An amount asked for as it is compared with values of this unit; None when they don't compare."""
    how = _scale_of(value, system, code, unit)
    if how is None or how == SAME:
        return None if how is None else value
    low, exact, high = (converted(one, how) for one in (value.low, value.value, value.high))
    return Amount(value.prefix, exact, low, high)


def _scale_of(value: Amount, system: str | None, code: str | None, unit: str | None) -> Scale | None:
    """How an amount asked for is compared with values of a unit; None when they don't compare."""
    if value.system is None:
        return SAME if value.code is None or value.code in (code, unit) else None
    if (system or "") != value.system:
        return None
    if value.code is None or value.code == code:
        return SAME
    return scale(value.code, code) if system == UCUM and code is not None else None


def _reference(row: ReferenceRow, value: tuple[str | None, str]) -> bool:
    type, id = value
    return row.id == id and (type is None or row.type == type)


def _uri(row: UriRow | StringRow, value: tuple[str, str]) -> bool:
    how, uri = value
    text = row[1]  # of a StringRow its `folded`: for the version that a canonical names stands a row without it, too
    return text == uri or (how == "starts" and text.startswith(uri)) or (how == "below" and lies_below(text, uri))


def lies_below(text: str, above: str) -> bool:
    """Whether a MIME type is of a kind (`text/xml` of `text`), or a canonical of a version (`url|1.2` of `url|1`)."""
    return text.startswith(above + ("." if "|" in above else "/"))


def _composite(row: CompositeRow, value: Composite) -> bool:
    if not _token(row, value.first):
        return False
    match row.second, value.second:
        case TokenRow() as found, Token() as wanted:
            return _token(found, wanted)
        case DateRow() as found, DateRange() as wanted:
            return _date(found, wanted)
        case QuantityRow() as found, Amount() as wanted:
            return _quantity(found, wanted)
        case ReferenceRow() as found, (str() | None, str()) as wanted:
            return _reference(found, wanted)
        case (QuantityRow() as start, QuantityRow() as end), (Amount() as low, Amount() as high):
            return _quantity(start, low) and _quantity(end, high)
    return False


def _near(row: NearRow, value: tuple[float, float, float]) -> bool:
    latitude, longitude, distance = value
    return meters(row.latitude, row.longitude, latitude, longitude) <= distance


_TESTS: Final[dict[type, tuple[tuple[str, ...], Callable[[Any, Any], bool]]]] = {
    TokenClause: (("tokens",), _token),
    StringClause: (("strings",), _string),
    TermClause: (("terms",), _term),
    DateClause: (("dates",), _date),
    QuantityClause: (("quantities",), _quantity),
    ReferenceClause: (("references",), _reference),
    UriClause: (("uris", "strings"), _uri),
    CompositeClause: (("composites",), _composite),
    NearClause: (("nears",), _near),
}
"""Clause -> the rows that it is about, and whether one of them has one of its values."""
