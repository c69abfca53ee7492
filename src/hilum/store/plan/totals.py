"""How many match. https://hl7.org/fhir/R4/search.html#total"""

from __future__ import annotations

from collections.abc import Sequence

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.store import keys
from hilum.store.plan.arms import gathered, under
from hilum.store.plan.choice import Choice, count, driven, drives, walking
from hilum.store.plan.dialect import Steps
from hilum.store.plan.planning import Planning
from hilum.store.sql import Part


def accurate(on: Planning, choices: Sequence[Choice]) -> Steps[int]:
    """The number of matches."""
    total = 0
    for choice in choices:
        if not choice.found:
            numbers = sorted(TYPE_NUMBER[type] for type in choice.types)
            held = on.dialect.within("k.type", numbers)
            rows = yield Part(f"SELECT coalesce(sum(k.n), 0) FROM tally k WHERE {held.sql}", held.values)
        else:
            source = _source(on, (yield from _best(on, choice)))
            rows = yield Part(f"SELECT count(*) FROM ({source.sql}) t", source.values)
        total += int(rows[0][0])
    return total


def estimate(on: Planning, choices: Sequence[Choice]) -> Steps[int]:
    """The number of matches where it is small; else what the newest ones' share of the driver's rows promises."""
    total = 0
    for choice in choices:
        if not choice.found:
            total += yield from accurate(on, [choice])
            continue
        chosen = yield from _best(on, choice)
        driver, rest = walking(on, chosen)
        ordered = gathered(under(driver.arms, rest), ordered=driver.ordered, dialect=on.dialect)
        rows = yield Part(
            "SELECT count(*), min(t.rid), max(t.rid) FROM "
            f"(SELECT c.rid FROM ({ordered.sql}) c LIMIT {on.limits.sure}) t",
            ordered.values,
        )
        counted, least, greatest = rows[0]
        if counted < on.limits.sure or len(choice.types) > 1 or greatest == least:
            total += counted
            continue
        low, high = keys.type_range(TYPE_NUMBER[choice.types[0]])
        each = "(SELECT {}(k.rid) FROM resource k WHERE k.rid BETWEEN ? AND ?)"  # together they would scan the table
        ends = yield Part(f"SELECT {each.format('min')}, {each.format('max')}", (low, high, low, high))
        first, last = ends[0]
        total += max(on.limits.sure, round(counted * (last - first) / max(1, last - least)))
    return total


def _best(on: Planning, choice: Choice) -> Steps[Choice]:
    """All rows of the driver are visited, so that it pays to look further for the one with the fewest."""
    drivers = [one for one in choice.found if drives(one)]
    if choice.size < on.limits.look or not drivers:
        return choice
    if len(drivers) == 1:  # a page may begin with all resources of the types, and end soon
        return choice if choice.driver is not None else driven(on, choice.types, choice.found, choice.sizes, drivers[0])
    sizes = yield from count(on, drivers, (on.limits.far,))
    best = min(range(len(drivers)), key=lambda n: (sizes[n], not drivers[n].ordered))
    return driven(on, choice.types, choice.found, sizes, drivers[best])


def _source(on: Planning, choice: Choice) -> Part:
    driver, rest = walking(on, choice)
    arms = under(driver.arms, rest)
    if len(arms) == 1 and driver.ordered:
        return arms[0]
    return gathered(arms, ordered=False, dialect=on.dialect)
