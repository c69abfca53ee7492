"""Chains that lead into what the resource itself contains. https://hl7.org/fhir/R4/search.html#contained

A reference to a contained resource (`#m1`) stands in no index, and of several contained resources of a type the index
doesn't tell which one says what. So it lists which resources may be meant, by what holds of a container if the other
end of the chain is within (`reaching`), and each of those is read and judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.search.clauses import ChainClause
from hilum.search.clauses import Part as Described
from hilum.search.contained import held
from hilum.search.local import selects
from hilum.store.plan.access import RID, Access
from hilum.store.plan.arms import gathered, under
from hilum.store.plan.choice import choose, walking
from hilum.store.plan.dialect import Steps
from hilum.store.plan.judging import led
from hilum.store.plan.lists import of_types
from hilum.store.plan.plan import offers
from hilum.store.plan.planning import Planning
from hilum.store.plan.reaching import contents, reach
from hilum.store.plan.thresholds import too_costly
from hilum.store.sql import TRUE, Part

MOST: Final = 20_000
"""How many resources are read for one chain."""
AT_ONCE: Final = 200


def inward(on: Planning, clause: ChainClause, types: tuple[str, ...]) -> Steps[list[int]]:
    """The resources of these types that refer, by the chain, to something in them that one of its targets describes.

    Raises Unprocessable when too many may be meant.
    """
    having = yield from on.having()
    there = [having[number] for type in types if (number := TYPE_NUMBER[type]) in having]
    targets = [one for one in clause.targets if any(held(one.type) in some for some in there) and one.permits]
    if not targets:
        return []
    beside = yield from contents(on, types)
    registry = on.dialect.registry
    sources = tuple([type for type in types if selects(type, clause.parameters, clause.names, registry)])
    if not sources:
        return []
    rids: set[int] = set()
    for target in targets:
        rids.update((yield from _candidates(on, target, sources, beside)))
        if len(rids) > MOST:
            raise too_costly(_TOO_MANY)
    found: list[int] = []
    ordered = sorted(rids)
    for start in range(0, len(ordered), AT_ONCE):
        rows = yield on.dialect.rows(ordered[start : start + AT_ONCE])
        found += yield from led(on, clause, [(row[0], on.dialect.resource(row)) for row in rows])
    on.note("inward", targets=[one.type for one in targets], read=len(rids), found=len(found))
    return found


_TOO_MANY: Final = (
    f"A chain may lead into what more than {MOST:,} resources contain, and each would have to be read. Narrow what is "
    "asked of the other end, or search with _contained."
)


def _candidates(
    on: Planning, target: Described, types: tuple[str, ...], beside: frozenset[str]
) -> Steps[Sequence[int]]:
    """Which resources of these types may contain what the target describes."""
    offered = yield from offers(on, (reach(target, beside).clause(),), types)
    of = of_types(on, types, RID)
    if of != TRUE:
        offered.append(Access("type", of, alive=False))
    choice = yield from choose(on, offered, types, counted=True)
    if choice.nothing:
        return ()
    driver, rest = walking(on, choice)
    source = gathered(under(driver.arms, rest), ordered=False, dialect=on.dialect)
    rows = yield Part(f"SELECT c.rid FROM ({source.sql}) c LIMIT {MOST + 1}", source.values)
    if len(rows) > MOST:
        raise too_costly(_TOO_MANY)
    return [row[0] for row in rows]
