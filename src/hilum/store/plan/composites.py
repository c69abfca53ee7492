"""Two values of one element, kept as one row. https://hl7.org/fhir/R4/search.html#composite"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hilum.search.query import Amount, Composite, CompositeClause, DateRange, Token
from hilum.store import keys
from hilum.store.plan.access import Access, Planning, Steps
from hilum.store.plan.amounts import Asked, asked
from hilum.store.plan.leaves import named, token_keys, walks_of
from hilum.store.plan.lists import ranged
from hilum.store.sql import Part, every, reach, weigh


def composite(on: Planning, clause: CompositeClause) -> Steps[Access]:
    """Any of the pairs."""
    pieces: list[Part] = []
    for value in clause.values:
        first = yield from _first(on, clause.parameters, value.first)
        second = yield from _second(on, clause.parameters, value)
        pieces += [every([one, other]) for one in first for other in second]
    probe = [Part(piece.sql.replace("a.", "k."), piece.values) for piece in pieces]
    return ranged(on, "composite", "composite", clause.parameters, pieces, _any(probe))


def _any(parts: Sequence[Part]) -> Part:
    inner = " OR ".join([f"({part.sql})" for part in parts])
    return Part(f"({inner or '1=0'})", tuple([v for part in parts for v in part.values]))


def _first(on: Planning, params: Sequence[int], value: Token) -> Steps[list[Part]]:
    exact, ranges = yield from token_keys(on, "composite", "a", params, (value,))
    found = [Part("a.a = ?", (key,)) for key in exact]
    return found + [Part("a.a BETWEEN ? AND ?", limits) for limits in ranges]


def _second(on: Planning, params: Sequence[int], value: Composite) -> Steps[list[Part]]:
    match value.second:
        case Token(system=None, code=str(code)):
            return [Part(f"a.unit = 0 AND (a.low & {keys.CODE_MASK}) = ?", (keys.code(code),))]
        case Token(system=system, code=None):
            return [Part("a.unit = 0 AND a.low BETWEEN ? AND ?", keys.system_range(system))]
        case Token(system=system, code=code):
            return [Part("a.unit = 0 AND a.low = ?", (keys.token(system or None, code),))]
        case DateRange() as dates:
            return walks_of(dates, "a", "unit")
        case Amount() as amount:
            wanted = yield from asked(on, params, (amount,))
            return [_held(on, one, unit) for one in wanted for unit in one.units]
        case (Amount() as start, Amount() as end):
            starting, ending = weigh(start, "a.low", "a.low"), weigh(end, "a.high", "a.high")
            return [_real(on, every([Part("a.unit = 0"), starting, ending]))]
        case (type, id):
            rids = yield from named(on, [(type, id)])
            return [Part("a.unit = 0 AND a.low = ?", (rid,)) for rid in rids]


def _held(on: Planning, one: Asked, unit: int) -> Part:
    low, high = reach(one.amount, wide=one.wide)
    exact = weigh(one.amount, "a.low", "a.high")
    values = tuple([on.dialect.real(value) for value in (low, high, *exact.values)])
    return Part(f"a.unit = ? AND a.low BETWEEN ? AND ? AND {exact.sql}", (unit, *values))


def _real(on: Planning, part: Part) -> Part:
    values: list[Any] = [on.dialect.real(value) if isinstance(value, float) else value for value in part.values]
    return Part(part.sql, tuple(values))
