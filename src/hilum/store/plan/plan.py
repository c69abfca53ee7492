"""From clauses to accesses: what each of them offers, alone and together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from hilum.search.alternatives import Token
from hilum.search.clauses import (
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
    TokenClause,
    UnequalClause,
    UriClause,
)
from hilum.store.plan import leaves, systems
from hilum.store.plan.access import EVERYTHING, NOTHING, Access
from hilum.store.plan.amounts import quantity
from hilum.store.plan.arms import collected, under
from hilum.store.plan.choice import ARMS, choose, count, drives
from hilum.store.plan.composites import composite
from hilum.store.plan.dialect import Steps
from hilum.store.plan.lists import these
from hilum.store.plan.near import near
from hilum.store.plan.planning import Planning
from hilum.store.sql import TRUE, Part, either, every, join

_FEW: Final = 8
WHATEVER: Final = AllClause(())
"""What everything is."""


@lru_cache(maxsize=1024)
def permitted(permits: tuple[Permit, ...]) -> Clause:
    """What a policy allows of a type, as a clause like any other, so that it may drive, too.

    The same permits are the same clause, so that what it offers is kept.
    """
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
    before = known(on, clause, types)
    return before if before is not None else (yield from _access(on, clause, types))


def known(on: Planning, clause: Clause, types: tuple[str, ...]) -> Access | None:
    """What it offers, if that is kept: the same clauses come again and again (`hilum.search.remembered`, `permitted`).

    A parameter's numbers are of certain types, a compartment may be asked for resources of any.
    """
    if clause is WHATEVER:
        return EVERYTHING
    if clause.__class__ in _KEPT:
        kept = on.dialect.kept.get(id(clause))
        if kept is not None and kept[0] is clause and kept[1] is on.limits and kept[2] == types:
            return kept[3]
    return None


_KEPT: Final = frozenset((TokenClause, StringClause, DateClause, UriClause, ReferenceClause, CompartmentClause))
"""What may offer the same whatever comes into the store."""
_MOST_KEPT: Final = 1024


def _keep(on: Planning, clause: Clause, types: tuple[str, ...], offered: Access) -> Access:
    kept = on.dialect.kept
    if len(offered.arms) <= on.limits.few and on.dialect.seen.met(clause):
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        kept[id(clause)] = clause, on.limits, types, offered
    return offered


def _access(on: Planning, clause: Clause, types: tuple[str, ...]) -> Steps[Access]:
    match clause:
        case TokenClause(_, values):
            offered = yield from leaves.token(on, clause)
            plain = len(values) <= on.limits.few and all(
                one.system is not None and one.code is not None for one in values
            )
            return _keep(on, clause, types, offered) if plain and systems.every(on, values) else offered
        case StringClause():
            return _keep(on, clause, types, leaves.string(on, clause))
        case UnequalClause():
            return (yield from leaves.unequal(on, clause))
        case TermClause():
            return (yield from leaves.term(on, clause))
        case DateClause():
            return _keep(on, clause, types, leaves.date(on, clause))
        case QuantityClause():
            return (yield from quantity(on, clause))
        case ReferenceClause():
            offered = yield from leaves.reference(on, clause)
            # A resource keeps its number; a name without a type may come to name others, too.
            kind, id = clause.values[0] if len(clause.values) == 1 else (None, "")
            settled = kind is not None and not offered.nothing and on.dialect.lasts((kind, id))
            return _keep(on, clause, types, offered) if settled else offered
        case UriClause():
            return _keep(on, clause, types, leaves.uri(on, clause))
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
            offered = yield from leaves.compartment(on, clause, types)
            settled = len(clause.owners) == 1 and not offered.nothing and on.dialect.lasts(clause.owners[0])
            return _keep(on, clause, types, offered) if settled else offered
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
    return (yield from offers_each(on, flat(clauses), types))


def offers_each(on: Planning, clauses: Sequence[Clause], types: tuple[str, ...]) -> Steps[list[Access]]:
    """As `offers`, of clauses that are `flat`."""
    found: list[Access] = []
    for clause in clauses:
        before = known(on, clause, types)
        offered = before if before is not None else (yield from _access(on, clause, types))
        if offered.nothing:
            return [NOTHING]
        if offered.probe != TRUE:
            found.append(offered if on.named is None else replace(offered, name=on.named(clause, types)))
    return found
