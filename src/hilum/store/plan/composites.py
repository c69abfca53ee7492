"""Two values of one element, kept as one row. https://hl7.org/fhir/R4/search.html#composite"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hilum.search.alternatives import Amount, Composite, DateRange, Token
from hilum.search.clauses import CompositeClause
from hilum.store import keys
from hilum.store.plan.access import NOTHING, Access
from hilum.store.plan.amounts import Asked, asked
from hilum.store.plan.dialect import Steps
from hilum.store.plan.leaves import named, token_keys, walks_of
from hilum.store.plan.lists import by_rid
from hilum.store.plan.planning import Planning
from hilum.store.plan.systems import numbered
from hilum.store.sql import Part, either, every, join, reach, weigh

FEW: Final = 8
"""Up to so many keys, or units, are spelled out; more are handed over as one list."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows with any of the keys (or ranges of keys, if none) as their first value, and `second` as their other.

    `units`: any of these, where `second` doesn't say it.
    """

    keys: tuple[int, ...]
    range: tuple[int, int] | None
    second: Part
    units: tuple[int, ...] = ()

    def walks(self, on: Planning, params: Sequence[int]) -> list[Part]:
        """Statements that list them."""
        name = on.dialect.table("composite", "a")
        begun: list[tuple[Part, Part]] = []  # what is joined before the table, and the condition on the first value
        if self.range is not None:
            begun.append((Part(""), Part("a.a BETWEEN ? AND ?", self.range)))
        elif len(self.keys) <= FEW:
            begun += [(Part(""), Part("a.a = ?", (key,))) for key in self.keys]
        else:
            begun.append((_joined(on.dialect.source(self.keys)), Part("a.a = j.value")))
        if self.units:
            units = _joined(on.dialect.source(self.units, "u"))
            begun = [(join("", (units, source)), every([first, Part("a.unit = u.value")])) for source, first in begun]
        return [
            Part(
                f"SELECT a.rid FROM {source.sql}{name} WHERE a.param = ? AND {first.sql} AND {self.second.sql}",
                (*source.values, param, *first.values, *self.second.values),
            )
            for source, first in begun
            for param in params
        ]

    def probe(self, on: Planning) -> Part:
        """The condition on `k`."""
        second = Part(self.second.sql.replace("a.", "k."), self.second.values)
        first = Part("k.a BETWEEN ? AND ?", self.range) if self.range else on.dialect.within("k.a", self.keys)
        return every([first, on.dialect.within("k.unit", self.units), second] if self.units else [first, second])


def _joined(source: Part) -> Part:
    return Part(f"{source.sql} CROSS JOIN ", source.values)


def composite(on: Planning, clause: CompositeClause) -> Steps[Access]:
    """Any of the pairs."""
    params = tuple(dict.fromkeys(clause.parameters))
    pieces: list[_Piece] = []
    for value in clause.values:
        exact, ranges = yield from token_keys(on, "composite", "a", params, (value.first,))
        seconds = yield from _second(on, params, value)
        firsts: list[tuple[tuple[int, ...], tuple[int, int] | None]] = [((), limits) for limits in ranges]
        if exact:
            firsts.append((tuple(exact), None))
        pieces += [_Piece(*first, second, units) for first in firsts for second, units in seconds]
    if not pieces or not params:
        return NOTHING
    arms = tuple([walk for piece in pieces for walk in piece.walks(on, params)])
    held = by_rid(on, "composite", params, either([piece.probe(on) for piece in pieces]))
    return Access("composite", held, arms, ordered=False)


def _second(on: Planning, params: Sequence[int], value: Composite) -> Steps[list[tuple[Part, tuple[int, ...]]]]:
    """Conditions on the other value, each with the units that it is in, where it doesn't say that itself."""
    known = {}
    if isinstance(value.second, Token):
        known = yield from numbered(on, [value.second.system])
        if value.second.system not in known:  # nobody ever wrote it
            return []
    match value.second:
        case Token(system=None, code=str(code)):
            return [(Part(f"a.unit = 0 AND (a.low & {keys.CODE_MASK}) = ?", (on.dialect.keys.code(code),)), ())]
        case Token(system=system, code=None):
            return [(Part("a.unit = 0 AND a.low BETWEEN ? AND ?", keys.system_range(known[system])), ())]
        case Token(system=system, code=code):
            return [(Part("a.unit = 0 AND a.low = ?", (on.dialect.keys.tokens[system or None, code],)), ())]
        case DateRange() as dates:
            return [(walk, ()) for walk in walks_of(dates, "a", "unit")]
        case Amount() as amount:
            wanted = yield from asked(on, params, (amount,))
            many = [(_held(on, one), one.units) for one in wanted if len(one.units) > FEW]
            few = [(one, unit) for one in wanted if len(one.units) <= FEW for unit in one.units]
            return many + [(every([Part("a.unit = ?", (unit,)), _held(on, one)]), ()) for one, unit in few]
        case (Amount() as start, Amount() as end):
            starting, ending = weigh(start, "a.low", "a.low"), weigh(end, "a.high", "a.high")
            return [(_real(on, every([Part("a.unit = 0"), starting, ending])), ())]
        case (type, id):
            rids = yield from named(on, [(type, id)])
            return [(Part("a.unit = 0 AND a.low = ?", (rid,)), ()) for rid in rids]


def _held(on: Planning, one: Asked) -> Part:
    low, high = reach(one.amount, wide=one.wide)
    exact = weigh(one.amount, "a.low", "a.high")
    values = tuple([on.dialect.real(value) for value in (low, high, *exact.values)])
    return Part(f"a.low BETWEEN ? AND ? AND {exact.sql}", values)


def _real(on: Planning, part: Part) -> Part:
    values: list[Any] = [on.dialect.real(value) if isinstance(value, float) else value for value in part.values]
    return Part(part.sql, tuple(values))
