"""What a page brings along: `_include` and `_revinclude`. https://hl7.org/fhir/R4/search.html#include

References are followed by the index (rid, param, target), forwards, and by (param, target, rid), backwards; what is
found must be current and permitted, type by type. Nothing is cut off in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.fhir.resource import Resource
from hilum.search.query import Include, Permit
from hilum.store import keys
from hilum.store.plan.access import RID, Planning, Steps, at, too_costly
from hilum.store.plan.lists import of_types
from hilum.store.plan.plan import access, permitted
from hilum.store.plan.references import references
from hilum.store.sql import FALSE, TRUE, Part

MOST: Final = 5000
"""How many resources one page may bring along."""


def included(on: Planning, includes: Sequence[Include], page: Sequence[int]) -> Steps[tuple[Resource, ...]]:
    """What the includes bring along to the resources of a page, by type and id; never what is on the page."""
    seen = set(page)
    brought: list[int] = []
    fresh = list(page)
    first = True
    while fresh:
        found: list[int] = []
        for one in includes:
            if first or one.iterate:
                start = _sources(one, fresh) if not one.reverse else _targets(one, fresh)
                rids = (yield from _follow(on, one, start)) if start else []
                found += rids
        fresh = [rid for rid in dict.fromkeys(found) if rid not in seen]
        seen.update(fresh)
        brought += fresh
        first = False
        if len(brought) > MOST:
            raise too_costly(f"The page would bring along more than {MOST} resources. Ask for fewer with _count.")
    if not brought:
        return ()
    rows = yield on.dialect.rows(brought)
    return tuple(sorted(map(on.dialect.resource, rows), key=lambda one: (one.type, one.id)))


def _sources(one: Include, rids: Sequence[int]) -> list[int]:
    if one.source == "*" or one.parameters is not None:  # a number belongs to one type
        return list(rids)
    return [rid for rid in rids if rid >> keys.TYPE_SHIFT == TYPE_NUMBER[one.source]]


def _targets(one: Include, rids: Sequence[int]) -> list[int]:
    if one.target is None:
        return list(rids)
    return [rid for rid in rids if rid >> keys.TYPE_SHIFT == TYPE_NUMBER[one.target]]


def _follow(on: Planning, one: Include, rids: Sequence[int]) -> Steps[list[int]]:
    dialect = on.dialect
    source = dialect.source(rids)
    by, end = ("target", "rid") if one.reverse else ("rid", "target")
    wanted = (one.source if one.reverse else one.target) or "*"
    listed = TRUE if one.parameters is None else dialect.within("k.param", one.parameters)
    if one.reverse and one.parameters is None:
        occurring = yield from _occurring(on, None if one.source == "*" else one.source)
        listed = dialect.within("k.param", occurring) if occurring else FALSE
    name = dialect.table("reference", "k", by if by == "rid" else "value")
    allowed = yield from _visible(on, one, wanted)
    sql = (
        f"SELECT DISTINCT c.rid FROM (SELECT k.{end} AS rid FROM {source.sql} CROSS JOIN {name} "
        f"WHERE {listed.sql} AND k.{by} = j.value) c "
        f"WHERE {allowed.sql} LIMIT {MOST + 1}"
    )
    rows = yield Part(sql, (*source.values, *listed.values, *allowed.values))
    return [row[0] for row in rows]


def _occurring(on: Planning, type: str | None) -> Steps[list[int]]:
    """The reference parameters of a type (None: of any) of which there are rows: a step of the index for each.

    Most of the 800 that there are occur in no store, and each would be looked up for each resource.
    """
    rows = yield Part(
        "WITH RECURSIVE found(param) AS (SELECT min(k.param) FROM reference k UNION ALL "
        "SELECT (SELECT min(k.param) FROM reference k WHERE k.param > f.param) FROM found f WHERE f.param IS NOT NULL) "
        "SELECT f.param FROM found f WHERE f.param IS NOT NULL"
    )
    known = set(references(type, on.dialect.registry))
    return [row[0] for row in rows if type is None or row[0] in known]


def _visible(on: Planning, one: Include, wanted: str) -> Steps[Part]:
    """The condition on `c.rid`: current, of a wanted type, and permitted."""
    alike: dict[tuple[Permit, ...], list[str]] = {}
    for type, permits in one.permits:
        if permits and type in (TYPES if wanted == "*" else (wanted,)):
            alike.setdefault(permits, []).append(type)
    pieces: list[Part] = []
    for permits, types in alike.items():
        of = of_types(on, tuple(types), RID)
        offered = yield from access(on, permitted(permits), tuple(types))
        pieces.append(Part(f"({of.sql} AND {offered.probe.sql})", of.values + offered.probe.values))
    if not pieces:
        return Part("1=0")
    inner = Part("(" + " OR ".join([p.sql for p in pieces]) + ")", tuple([v for p in pieces for v in p.values]))
    current = on.dialect.exists(f"SELECT 1 FROM resource r WHERE r.rid = {RID} AND {on.dialect.current('r')}")
    return at(Part(f"{inner.sql} AND {current}", inner.values), "c.rid")
