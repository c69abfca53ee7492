"""The default order: newest created first, stable under updates. No sort is needed where an index gives that order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hilum.store.plan.access import Access, Planning, Steps, at, between, gathered, under
from hilum.store.plan.plan import Choice, count, driven, drives, walking
from hilum.store.sql import Part, every


def newest(on: Planning, choice: Choice, below: int, above: int, wanted: int) -> Steps[list[Any]]:
    """The first `wanted` rows of resources with rids between `above` and `below` (both exclusive)."""
    if choice.nothing:
        return []
    driver, rest = walking(on, choice)
    others = [one for one in choice.found if drives(one) and one is not choice.driver]
    straight = driver.ordered and (not rest or not others) and choice.driver is not None
    if choice.size < on.limits.look or straight or not choice.found:
        return (yield from _walk(on, driver, rest, below, above, wanted))
    found: list[Any] = []
    for hope in on.limits.hopes:
        more, reached = yield from _hopefully(on, choice, hope, below, above, wanted - len(found))
        found += more
        if len(found) >= wanted or reached is None:
            return found
        below = reached
    again = yield from fewest(on, choice)
    driver, rest = walking(on, again)
    return found + (yield from _walk(on, driver, rest, below, above, wanted - len(found)))


def _walk(on: Planning, driver: Access, rest: Sequence[Part], below: int, above: int, wanted: int) -> Steps[list[Any]]:
    source = gathered(under(between(driver, below, above), rest), ordered=driver.ordered, dialect=on.dialect)
    rows = yield on.dialect.page(source, wanted, ordered=driver.ordered)
    return list(rows)


def _hopefully(
    on: Planning, choice: Choice, hope: int, below: int, above: int, wanted: int
) -> Steps[tuple[list[Any], int | None]]:
    """Walk the next rows of what comes in order; what was found, and below which rid to go on (None: nowhere)."""
    ordered = choice.driver is not None and choice.driver.ordered
    walked = choice if ordered else driven(on, choice.types, choice.found, choice.sizes, None)
    driver, rest = walking(on, walked)
    first = gathered(between(driver, below, above), ordered=True, dialect=on.dialect)
    held = at(every(rest), "a.rid")
    source = Part(
        f"SELECT a.rid FROM (SELECT c.rid FROM ({first.sql}) c LIMIT {hope}) a WHERE {held.sql} {on.dialect.fence}",
        first.values + held.values,
    )
    found = list((yield on.dialect.page(source, wanted, ordered=True)))
    on.note("hope", walked=driver.told, rows=hope, found=len(found))
    if len(found) >= wanted:
        return found, None
    ends = yield Part(f"SELECT c.rid FROM ({first.sql}) c LIMIT 1 OFFSET {hope}", first.values)
    return found, ends[0][0] + 1 if ends else None


def fewest(on: Planning, choice: Choice) -> Steps[Choice]:
    """The choice again, with counts that look further (its `size` is one of these); what is many even so and in no
    order is no driver: there is more to collect and sort than to walk.
    """
    drivers = [one for one in choice.found if drives(one)]
    if not drivers:
        return choice
    sizes = yield from count(on, drivers, (on.limits.far,))
    best = min(range(len(drivers)), key=lambda n: (sizes[n], not drivers[n].ordered))
    on.note("after hope", driver=drivers[best].told, rows=sizes[best], many=sizes[best] >= on.limits.far)
    driver = None if sizes[best] >= on.limits.far and not drivers[best].ordered else drivers[best]
    return driven(on, choice.types, choice.found, sizes, driver)
