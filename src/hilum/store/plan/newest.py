"""The default order: newest created first, stable under updates. No sort is needed where an index gives that order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hilum.store.plan.access import Access
from hilum.store.plan.arms import at, between, gathered, under
from hilum.store.plan.choice import Choice, choose, count, driven, drives, hoped, noted, walking
from hilum.store.plan.dialect import Steps
from hilum.store.plan.planning import Again, Planning
from hilum.store.sql import Part, every


def first_look(on: Planning, found: Sequence[Access], types: tuple[str, ...]) -> Steps[Choice]:
    """The choice for a page newest first: counts no further than it takes to begin (`Choice.hoped`).

    If all clauses but one are known to be many, that one is walked, uncounted, where it comes in order: if it has few
    rows, the walk soon ends. Nor is anything counted where the last page of such a conjunction, with other values, was
    full at once. Otherwise what is not known is counted, up to the first of `Limits.looks`; if all are
    many, one that comes in order is walked, or, where none does, all resources of the types.
    """
    drivers = [one for one in found if drives(one)]
    if len(found) < 2 and (not drivers or drivers[0].ordered):
        return (yield from choose(on, found, types))
    for one in found:
        if one.deep or not one.cheap or one.nothing:
            return (yield from choose(on, found, types))
    look = on.limits.looks[0]
    told = on.named is not None  # who is told sees what would be counted
    sizes: list[int] = []
    unknown: list[int] = []
    few = False
    for n, one in enumerate(drivers):
        size = one.size if one.size is not None else 0 if told else on.dialect.counted.rows(one)
        sizes.append(size)
        if size < look:
            if one.size is None:
                unknown.append(n)
            else:
                few = True
    memory = on.dialect.counted
    shape = memory.shape(found) if not told and not few and len(drivers) > 1 else None
    if shape is not None and memory.full(shape) and any(one.ordered for one in drivers):
        pass  # nothing is counted: if it goes otherwise this time, that is soon known
    elif not few and (told or len(unknown) != 1 or len(drivers) < 2 or not drivers[unknown[0]].ordered):
        counted = yield from count(on, [drivers[n] for n in unknown], (look,))
        for n, size in zip(unknown, counted, strict=True):
            sizes[n] = size
        few = any(size < look for size in sizes)
        unknown = []
    if few:
        sizes = [on.limits.look if n in unknown else size for n, size in enumerate(sizes)]
        best = min(range(len(drivers)), key=lambda n: (sizes[n], not drivers[n].ordered))
        choice = driven(on, types, found, sizes, drivers[best])
    else:
        ordered = [n for n, one in enumerate(drivers) if one.ordered]
        best = min(ordered, key=lambda n: (sizes[n], drivers[n].kind not in _ABOUT), default=-1)
        choice = hoped(on, types, found, sizes, drivers[best] if best >= 0 else None, shape)
    noted(on, choice)
    return choice


_ABOUT: Final = frozenset(("reference", "compartment"))
"""Of what is equally many, what is about someone is taken for less than a code."""


def newest(on: Planning, choice: Choice, below: int, above: int, wanted: int) -> Steps[list[Any]]:
    """The first `wanted` rows of resources with rids between `above` and `below` (both exclusive)."""
    if choice.nothing:
        return []
    found: list[Any] = []
    hopes: tuple[int, ...] = on.limits.hopes
    if choice.hoped:
        found, reached = yield from _hopefully(on, choice, on.limits.hope(wanted), below, above, wanted)
        if choice.shape is not None:
            on.dialect.counted.met(choice.shape, full=len(found) >= wanted)
        if len(found) >= wanted or reached is None:
            return found
        if on.single:
            raise Again
        below = reached
        choice = yield from choose(on, choice.found, choice.types, looks=on.limits.looks[1:])
        hopes = hopes[1:]
    driver, rest = walking(on, choice)
    others = [one for one in choice.found if drives(one) and one is not choice.driver]
    straight = driver.ordered and (not rest or not others) and choice.driver is not None
    if choice.size < on.limits.look or straight or not choice.found:
        return found + (yield from _walk(on, driver, rest, below, above, wanted - len(found)))
    for hope in hopes:
        more, reached = yield from _hopefully(on, choice, hope, below, above, wanted - len(found))
        found += more
        if len(found) >= wanted or reached is None:
            return found
        below = reached
    again = yield from fewest(on, choice)
    driver, rest = walking(on, again)
    return found + (yield from _walk(on, driver, rest, below, above, wanted - len(found)))


def _walk(on: Planning, driver: Access, rest: Sequence[Part], below: int, above: int, wanted: int) -> Steps[list[Any]]:
    on.decide()
    source = gathered(under(between(driver, below, above), rest), ordered=driver.ordered, dialect=on.dialect)
    if on.beside is not None:
        first = (
            source if driver.ordered else Part(f"SELECT c.rid FROM ({source.sql}) c ORDER BY c.rid DESC", source.values)
        )
        together = on.dialect.together(first, wanted, None, on.beside.statements)
        if together is not None:
            return _parted(on, (yield together))[0]
    return list((yield on.dialect.page(source, wanted, ordered=driver.ordered)))


def _hopefully(
    on: Planning, choice: Choice, hope: int, below: int, above: int, wanted: int
) -> Steps[tuple[list[Any], int | None]]:
    """Walk the next rows of what comes in order; what was found, and below which rid to go on (None: nowhere)."""
    on.decide()
    ordered = choice.driver is not None and choice.driver.ordered
    walked = choice if ordered else driven(on, choice.types, choice.found, choice.sizes, None)
    driver, rest = walking(on, walked)
    dialect = on.dialect
    first = gathered(between(driver, below, above), ordered=True, dialect=dialect, most=hope)
    held = at(every(rest), "a.rid")

    def of(walk: str, values: tuple[Any, ...]) -> Part:
        return Part(f"SELECT a.rid FROM {walk} a WHERE {held.sql} {dialect.fence}", values + held.values)

    uncounted = on.single and choice.driver is not None and dialect.counted.rows(choice.driver) == 0
    together = None
    if uncounted or on.beside is not None:  # what has few rows ends soon, and then that must be known at once
        source = of("w", ()) if uncounted else of(f"({first.sql})", first.values)
        beside = on.beside.statements if on.beside is not None else ()
        together = dialect.together(source, wanted, first if uncounted else None, beside)
    end: tuple[int | None, int | None] | None = None
    if together is not None:
        found, end = _parted(on, (yield together))
    else:
        found = list((yield dialect.page(of(f"({first.sql})", first.values), wanted, ordered=True)))
    if on.named is not None:
        on.note("hope", walked=driver.told, rows=hope, found=len(found))
    if len(found) >= wanted:
        return found, None
    if end is None:
        on.decide()  # where the walk ended
        (end,) = yield Part(f"SELECT min(c.rid), count(*) FROM ({first.sql}) c", first.values)
    least, rows = end
    return found, None if rows is None or rows < hope else least


def _parted(on: Planning, rows: Sequence[Any]) -> tuple[list[Any], tuple[int | None, int | None] | None]:
    """The page out of what `Dialect.together` gave, and where a walk ended; the rest goes to `on.beside`."""
    found: list[Any] = []
    end: tuple[int | None, int | None] | None = None
    for row in rows:
        part = row[-1]
        if part == 0:
            found.append(row)
        elif part < 0:
            end = row[0], row[2]
        elif on.beside is not None:
            on.beside.rows.append(row)
    return found, end


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
