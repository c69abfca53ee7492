"""From several accesses to one choice: what drives, what is probed.

hilum plans for itself: cheap bounded counts find the clause with the fewest rows, that one drives, the others are
probed by their keys, whatever the database's own planner estimates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.store import keys
from hilum.store.plan.access import NOTHING, RID, Access
from hilum.store.plan.arms import collected
from hilum.store.plan.dialect import Steps
from hilum.store.plan.lists import by_rid, of_types
from hilum.store.plan.planning import Planning
from hilum.store.sql import Part, every

ARMS: Final = 200
"""Of how many arms a driver consists at most: SQLite puts 500 statements together, and planning them costs."""


_ALL: Final = "all resources of the type"


class Choice(msgspec.Struct, frozen=True):
    """What a conjunction does: `driver` None walks all resources of the types; `rest` is what it has to prove.

    `size`: how many rows the driver visits, counted up to `Limits.look`. `alive`: what all probes hold of is current.
    `cheap`: every probe of the rest is. `found`: all accesses, of which another may drive. `hoped`: the driver is only
    the one to begin with: see `newest`. `shape`: what is remembered of how that went; see `Counted`.
    """

    types: tuple[str, ...]
    driver: Access | None
    rest: tuple[Part, ...]
    size: int
    alive: bool = True
    cheap: bool = True
    found: tuple[Access, ...] = ()
    sizes: tuple[int, ...] = ()
    hoped: bool = False
    shape: Any = None

    @property
    def nothing(self) -> bool:
        """Whether it is certain that nothing is found."""
        return self.driver is NOTHING


def choose(
    on: Planning,
    found: Sequence[Access],
    types: tuple[str, ...],
    *,
    counted: bool = False,
    looks: Sequence[int] = (),
) -> Steps[Choice]:
    """The access with the fewest rows drives; on a draw one that walks in order.

    What is alone and walks in order is counted only if `counted`. `looks`: how far, if not as `Limits.looks`.
    """
    if any(one.nothing for one in found):
        return Choice(types, NOTHING, (), 0)
    drivers = [one for one in found if drives(one)]
    alone = len(drivers) == 1 and len(found) == 1 and drivers[0].ordered and not counted
    if alone:
        sizes: list[int] = [on.limits.look if drivers[0].size is None else drivers[0].size]
    else:
        sizes = yield from count(on, drivers, looks)
    best = min(range(len(drivers)), key=lambda n: (sizes[n], not drivers[n].ordered), default=None)
    choice = driven(on, types, found, sizes, None if best is None else drivers[best])
    noted(on, choice, counted=not alone or drivers[0].size is not None)
    return choice


def noted(on: Planning, choice: Choice, *, counted: bool = True) -> None:
    """Tell what drives, and by which counts."""
    if on.named is None:
        return
    drivers = [one for one in choice.found if drives(one)] if counted else []
    on.note(
        "driver",
        types=list(choice.types),
        driver=choice.driver.kind if choice.driver else _ALL,
        by=choice.driver.told if choice.driver else _ALL,
        counts=[
            {"clause": one.told, "rows": n, "many": n >= (on.limits.looks[0] if choice.hoped else on.limits.look)}
            for one, n in zip(drivers, choice.sizes if counted else (), strict=True)
        ],
        counted=counted,
        probes=[one.told for one in choice.found if one is not choice.driver],
    )


def probes(on: Planning, found: Sequence[Access]) -> tuple[Part, ...]:
    """The probes of all of them; several of the same index as one, where that is cheaper (`date=ge…&date=lt…`)."""
    alike: dict[tuple[str, tuple[int, ...]], list[Access]] = {}
    for one in found:
        if one.visit is not None:
            alike.setdefault(one.visit[:2], []).append(one)
    merged: dict[tuple[str, tuple[int, ...]], Part] = {}
    for place, some in alike.items():
        if len(some) > 1:
            conditions = [one.visit[2] for one in some if one.visit is not None]
            single = all(one.single for one in some)  # the one row that there is meets them all, or none does
            part = by_rid(on, *place, every(conditions)) if single else on.dialect.visited(*place, conditions)
            if part is not None:
                merged[place] = part
    others = [one.probe for one in found if one.visit is None or one.visit[:2] not in merged]
    return (*others, *merged.values())


def drives(one: Access) -> bool:
    """Whether it can."""
    return 0 < len(one.arms) <= ARMS


def hoped(
    on: Planning,
    types: tuple[str, ...],
    found: Sequence[Access],
    sizes: Sequence[int],
    driver: Access | None,
    shape: Any = None,
) -> Choice:
    """The conjunction of what is many, with a driver to begin with. `sizes`: of those that can drive."""
    rest = probes(on, [one for one in found if one is not driver])
    alive = any(one.alive for one in found)
    return Choice(types, driver, rest, on.limits.look, alive, True, tuple(found), tuple(sizes), True, shape)


def driven(
    on: Planning, types: tuple[str, ...], found: Sequence[Access], sizes: Sequence[int], driver: Access | None
) -> Choice:
    """The conjunction with that driver. `sizes`: of those that can drive."""
    known = dict(zip([id(one) for one in found if drives(one)], sizes, strict=True))
    rest: list[Part] = []
    cheap = True
    for one in found:
        if one is driver:
            continue
        few = known.get(id(one), on.limits.look) < on.limits.look
        rest.append(collected(one, on.dialect) if few and not one.cheap else one.probe)
        cheap = cheap and (one.cheap or few)
    size = on.limits.look if driver is None else known[id(driver)]
    alive = any(one.alive for one in found)
    return Choice(types, driver, tuple(rest), size, alive, cheap, tuple(found), tuple(sizes))


def count(on: Planning, drivers: Sequence[Access], looks: Sequence[int] = ()) -> Steps[list[int]]:
    """How many rows each would visit, counted no further than the last of `looks`, nor than it takes to choose."""
    looks = looks or on.limits.looks
    sizes = [one.size if one.size is not None else -1 for one in drivers]
    unknown = [n for n, size in enumerate(sizes) if size < 0]
    reached = 0
    for look in looks:
        if not unknown or any(0 <= size < max(reached, looks[0]) for n, size in enumerate(sizes) if n not in unknown):
            break
        pieces = [_counting(drivers[n], look) for n in unknown]
        sql = ", ".join([piece.sql for piece in pieces])
        besides = on.beside_counts()
        (row, *_) = yield Part(f"SELECT {sql}{besides}", tuple([v for piece in pieces for v in piece.values]))
        if besides:
            *row, newest = row
            on.newest = newest or 0
        for n, rows in zip(unknown, row, strict=True):
            sizes[n] = rows
            if rows >= on.limits.looks[0]:
                on.dialect.counted.keep(drivers[n], rows)
        reached = look
        if any(size < look for n, size in enumerate(sizes) if n in unknown):
            break
    return [looks[-1] if size < 0 or (n in unknown and size >= reached) else size for n, size in enumerate(sizes)]


def _counting(driver: Access, look: int) -> Part:
    if len(driver.arms) == 1:
        (arm,) = driver.arms
        return Part(f"(SELECT count(*) FROM ({arm.sql} LIMIT {look}) t)", arm.values)
    sql = " UNION ALL ".join([arm.sql for arm in driver.arms])
    return Part(f"(SELECT count(*) FROM ({sql} LIMIT {look}) t)", tuple([v for arm in driver.arms for v in arm.values]))


def all_of(on: Planning, types: tuple[str, ...]) -> Access:
    """All current resources of the types."""
    numbers = sorted(TYPE_NUMBER[type] for type in types)
    name, current = on.dialect.table("resource", "a"), on.dialect.current("a")
    low, high = keys.type_range(numbers[0])[0], keys.type_range(numbers[-1])[1]
    sql = f"SELECT a.rid FROM {name} WHERE {current} AND "
    inside, ranged = of_types(on, types, RID), "a.rid BETWEEN ? AND ?"
    if len(numbers) == numbers[-1] - numbers[0] + 1:
        return Access("all", inside, (Part(sql + ranged, (low, high)),), bounded=True)
    if len(numbers) <= on.limits.few:
        arms = tuple([Part(sql + ranged, keys.type_range(number)) for number in numbers])
        return Access("all", inside, arms, bounded=True)
    listed = of_types(on, types, "a.rid")
    return Access("all", inside, (Part(f"{sql}{listed.sql} AND {ranged}", (*listed.values, low, high)),), bounded=True)


def walking(on: Planning, choice: Choice) -> tuple[Access, tuple[Part, ...]]:
    """What drives, and what it must prove, where nothing else drives among it that the resource is of the types."""
    if choice.driver is not None:
        return choice.driver, choice.rest
    return all_of(on, choice.types), choice.rest
