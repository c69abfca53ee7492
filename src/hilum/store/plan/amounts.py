"""Numbers and quantities. https://hl7.org/fhir/R4/search.html#quantity

A row keeps the unit that it was written in. A search is converted into every unit that occurs under its parameters and
asks for the ranges in each: no row has to be converted, and none is rounded twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hilum.search.alternatives import Amount
from hilum.search.clauses import QuantityClause
from hilum.search.matches import in_unit
from hilum.store import keys
from hilum.store.plan.access import NOTHING, Access
from hilum.store.plan.dialect import Steps
from hilum.store.plan.lists import ranged
from hilum.store.plan.planning import Planning
from hilum.store.sql import Part, either, every, reach, weigh


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the rows with these unit keys; `wide`: they are ranges."""

    amount: Amount
    units: tuple[int, ...]
    wide: bool


def asked(on: Planning, params: Sequence[int], values: Sequence[Amount]) -> Steps[list[Asked]]:
    """The amounts in every unit that occurs under the parameters and that is meant."""
    listed = on.dialect.within("k.param", params)
    rows = yield Part(
        f"SELECT DISTINCT k.unit, k.system, k.code, k.display FROM unit k WHERE {listed.sql}", listed.values
    )
    found: dict[tuple[Amount, bool], list[int]] = {}
    for value in values:
        for unit, system, code, display in sorted(rows, key=lambda row: row[0]):
            amount = in_unit(value, system, code, display)
            if amount is not None:
                found.setdefault((amount, unit >= keys.WIDE), []).append(unit)
    return [Asked(amount, tuple(dict.fromkeys(units)), wide) for (amount, wide), units in found.items()]


def quantity(on: Planning, clause: QuantityClause) -> Steps[Access]:
    """Any of the amounts."""
    wanted = yield from asked(on, clause.parameters, clause.values)
    if not wanted:
        return NOTHING
    pieces = [
        every([Part("a.unit = ?", (unit,)), held(one, "a")])
        for one in wanted
        if len(one.units) <= 8
        for unit in one.units
    ]
    pieces += [every([on.dialect.within("a.unit", one.units), held(one, "a")]) for one in wanted if len(one.units) > 8]
    probe = either(
        [every([on.dialect.within("k.unit", one.units), weigh(one.amount, "k.low", "k.high")]) for one in wanted]
    )
    return ranged(on, "quantity", "quantity", clause.parameters, pieces, probe)


def held(one: Asked, alias: str) -> Part:
    """The range of the index in which rows can match, and the comparison."""
    low, high = reach(one.amount, wide=one.wide)
    exact = weigh(one.amount, f"{alias}.low", f"{alias}.high")
    return Part(f"{alias}.low BETWEEN ? AND ? AND {exact.sql}", (low, high, *exact.values))
