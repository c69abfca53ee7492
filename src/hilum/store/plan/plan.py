"""From clauses to accesses, and from several clauses to one choice: what drives, what is probed.

hilum plans for itself: cheap bounded counts find the clause with the fewest rows, that one drives, the others are
probed by their keys, whatever the database's own planner estimates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.search.query import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    CompartmentClause,
    CompositeClause,
    DateClause,
    HasClause,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    NearClause,
    NotClause,
    Permit,
    PhraseClause,
    QuantityClause,
    ReferenceClause,
    StringClause,
    TermClause,
    TextClause,
    Token,
    TokenClause,
    UnequalClause,
    UriClause,
)
from hilum.store import keys
from hilum.store.plan import leaves, systems
from hilum.store.plan.access import (
    EVERYTHING,
    NOTHING,
    RID,
    Access,
    Planning,
    Steps,
    collected,
    under,
)
from hilum.store.plan.amounts import quantity
from hilum.store.plan.composites import composite
from hilum.store.plan.lists import of_types, these
from hilum.store.plan.near import near
from hilum.store.sql import TRUE, Part, either, every, join

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


_FEW: Final = 8
WHATEVER: Final = AllClause(())
"""What everything is."""


def permitted(permits: tuple[Permit, ...]) -> Clause:
    """What a policy allows of a type, as a clause like any other, so that it may drive, too."""
    found: list[Clause] = []
    for permit in permits:
        owners: tuple[Clause, ...] = () if permit.owners is None else (CompartmentClause(permit.owners),)
        if permit.owners == ():  # nobody is in no compartment
            continue
        if not owners and not permit.clauses:
            return WHATEVER
        found.append(AllClause(owners + permit.clauses))
    owned = [one.clauses[0] for one in found if isinstance(one, AllClause) and len(one.clauses) == 1]
    if len(owned) == len(found) and all(isinstance(one, CompartmentClause) for one in owned):
        names = tuple(dict.fromkeys(n for one in owned if isinstance(one, CompartmentClause) for n in one.owners))
        return CompartmentClause(names) if names else AnyClause(())
    return AnyClause(tuple(found)) if len(found) != 1 else found[0]


def flat(clauses: Sequence[Clause]) -> list[Clause]:
    """The clauses of a conjunction, those of conjunctions within it among them, each once."""
    found: list[Clause] = []
    for clause in clauses:
        # `isinstance`, as at every search, where matching a pattern takes three times as long
        if isinstance(clause, AllClause) or (isinstance(clause, AnyClause) and len(clause.clauses) == 1):
            found += flat(clause.clauses)
        elif isinstance(clause, NotClause) and isinstance(clause.clause, NotClause):
            found += flat((clause.clause.clause,))
        else:
            found.append(clause)
    if len({clause.__class__ for clause in found}) == len(found):
        return found
    if len(found) > _FEW:
        return list(dict.fromkeys(found))
    unique: list[Clause] = []  # to hash them costs more than to compare few
    for clause in found:
        if clause not in unique:
            unique.append(clause)
    return unique


def access(on: Planning, clause: Clause, types: tuple[str, ...]) -> Steps[Access]:
    """What the clause offers for resources of these types."""
    known = _known(on, clause)
    return known if known is not None else (yield from _access(on, clause, types))


def _known(on: Planning, clause: Clause) -> Access | None:
    """What it offers, if that is kept: the same clauses come again and again (`hilum.search.remembered`)."""
    if clause is WHATEVER:
        return EVERYTHING
    if clause.__class__ in _KEPT:
        kept = on.dialect.kept.get(id(clause))
        if kept is not None and kept[0] is clause and kept[1] is on.limits:
            return kept[2]
    return None


_KEPT: Final = frozenset((TokenClause, StringClause, DateClause, UriClause, ReferenceClause))
"""What may offer the same whatever comes into the store."""
_MOST_KEPT: Final = 1024


def _keep(on: Planning, clause: Clause, offered: Access) -> Access:
    kept = on.dialect.kept
    if len(offered.arms) <= on.limits.few:
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        kept[id(clause)] = clause, on.limits, offered
    return offered


def _access(on: Planning, clause: Clause, types: tuple[str, ...]) -> Steps[Access]:
    match clause:
        case TokenClause(_, values):
            offered = yield from leaves.token(on, clause)
            plain = len(values) <= on.limits.few and all(
                one.system is not None and one.code is not None for one in values
            )
            return _keep(on, clause, offered) if plain and systems.every(on, values) else offered
        case StringClause():
            return _keep(on, clause, leaves.string(on, clause))
        case UnequalClause():
            return (yield from leaves.unequal(on, clause))
        case TermClause():
            return (yield from leaves.term(on, clause))
        case DateClause():
            return _keep(on, clause, leaves.date(on, clause))
        case QuantityClause():
            return (yield from quantity(on, clause))
        case ReferenceClause():
            offered = yield from leaves.reference(on, clause)
            # A name that was found stays what it is; one without a type may come to name others, too.
            known = len(clause.values) == 1 and clause.values[0][0] is not None and not offered.nothing
            return _keep(on, clause, offered) if known else offered
        case UriClause():
            return _keep(on, clause, leaves.uri(on, clause))
        case CompositeClause():
            return (yield from composite(on, clause))
        case NearClause():
            return (yield from near(on, clause))
        case PhraseClause():
            from hilum.store.plan.phrases import phrase

            return (yield from phrase(on, clause, types))
        case TextClause():
            return leaves.text(on, clause, types)
        case IdClause():
            return (yield from leaves.ids(on, clause, types))
        case LastUpdatedClause():
            return leaves.last_updated(on, clause, types)
        case CompartmentClause():
            return (yield from leaves.compartment(on, clause, types))
        case MissingClause():
            return (yield from leaves.missing(on, clause, types))
        case NotClause():
            return (yield from _not(on, clause, types))
        case AnyClause():
            return (yield from _any(on, clause, types))
        case AllClause():
            return (yield from _all(on, clause, types))
        case ChainClause():
            from hilum.store.plan.chains import chain

            return (yield from chain(on, clause, types))
        case HasClause():
            from hilum.store.plan.chains import has

            return (yield from has(on, clause, types))
        case _:  # interactions turn these into others before a store sees them
            raise ValueError(f"{type(clause).__name__} is not for a store")


# --- groups --------------------------------------------------------------------------------------------------------


def _not(on: Planning, clause: NotClause, types: tuple[str, ...]) -> Steps[Access]:
    found = yield from access(on, clause.clause, types)
    if found.probe == TRUE:
        return NOTHING
    if found.nothing:
        return EVERYTHING
    inner, cheap = found.probe, found.cheap
    if not cheap and drives(found):
        (size,) = yield from count(on, [found], (on.limits.far,))
        if size < on.limits.far:  # to list once what it is not costs less than to ask each resource
            inner, cheap = collected(found, on.dialect), True
    probe = Part(f"NOT ({inner.sql})", inner.values)
    return Access(f"not {found.kind}", probe, cheap=cheap, deep=found.deep, alive=False)


def _any(on: Planning, clause: AnyClause, types: tuple[str, ...]) -> Steps[Access]:
    found: list[Access] = []
    for one in _joined(clause.clauses):
        offered = yield from access(on, one, types)
        if offered.probe == TRUE:
            return EVERYTHING
        if not offered.nothing:
            found.append(offered)
    if len(found) < 2:
        return found[0] if found else NOTHING
    arms = tuple(arm for one in found for arm in one.arms) if all(one.arms for one in found) else ()
    if len(arms) > ARMS and (rids := (yield from _listed(on, arms))) is not None:
        return these(on, "any", rids)
    return Access(
        "any",
        either([one.probe for one in found]),
        arms if len(arms) <= ARMS else (),
        ordered=all(one.ordered for one in found),
        cheap=all(one.cheap for one in found),
        deep=any(one.deep for one in found),
        alive=all(one.alive for one in found),
    )


def _joined(clauses: Sequence[Clause]) -> list[Clause]:
    """The alternatives, those that ask for tokens of the same parameters as one."""
    tokens: dict[tuple[int, ...], list[Token]] = {}
    for one in clauses:
        if isinstance(one, TokenClause):
            tokens.setdefault(one.parameters, []).extend(one.values)
    found: list[Clause] = []
    for one in clauses:
        if not isinstance(one, TokenClause):
            found.append(one)
        elif one.parameters in tokens:
            values = tuple(dict.fromkeys(tokens.pop(one.parameters)))
            found.append(one if values == one.values else TokenClause(one.parameters, values))
    return found


def _listed(on: Planning, arms: Sequence[Part]) -> Steps[list[int] | None]:
    """What more arms list than one statement takes; None where it is more than `Limits.far`."""
    rids: set[int] = set()
    for start in range(0, len(arms), ARMS // 2):
        union = join(" UNION ", arms[start : start + ARMS // 2])
        rows = yield Part(f"{union.sql} LIMIT {on.limits.far + 1}", union.values)
        rids.update([row[0] for row in rows])
        if len(rids) > on.limits.far:
            return None
    return sorted(rids)


def _all(on: Planning, clause: AllClause, types: tuple[str, ...]) -> Steps[Access]:
    found = yield from offers(on, clause.clauses, types)
    if any(one.nothing for one in found):
        return NOTHING
    if len(found) < 2:
        return found[0] if found else EVERYTHING
    probe = every([one.probe for one in found])
    deep = any(one.deep for one in found)
    chosen = yield from choose(on, found, types)
    if chosen.driver is None:
        return Access("all", Part(f"({probe.sql})", probe.values), cheap=chosen.cheap, deep=deep, alive=chosen.alive)
    return Access(
        "all",
        Part(f"({probe.sql})", probe.values),
        under(chosen.driver.arms, chosen.rest),
        ordered=chosen.driver.ordered,
        cheap=all(one.cheap for one in found),
        deep=deep,
        alive=any(one.alive for one in found),
        size=chosen.size if chosen.size < on.limits.look else None,
    )


# --- conjunctions --------------------------------------------------------------------------------------------------


def offers(on: Planning, clauses: Sequence[Clause], types: tuple[str, ...]) -> Steps[list[Access]]:
    """The accesses of a conjunction's clauses; (NOTHING,) as soon as one of them finds nothing."""
    found: list[Access] = []
    for clause in flat(clauses):
        known = _known(on, clause)
        offered = known if known is not None else (yield from _access(on, clause, types))
        if offered.nothing:
            return [NOTHING]
        if offered.probe != TRUE:
            found.append(offered if on.named is None else replace(offered, name=on.named(clause, types)))
    return found


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
    alike: dict[tuple[str, tuple[int, ...]], list[Part]] = {}
    for one in found:
        if one.visit is not None:
            alike.setdefault(one.visit[:2], []).append(one.visit[2])
    together = [(place, on.dialect.visited(*place, some)) for place, some in alike.items() if len(some) > 1]
    merged = {place: part for place, part in together if part is not None}
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
