"""What a page brings along: `_include` and `_revinclude`. https://hl7.org/fhir/R4/search.html#include

References are followed by the index (rid, param, target), forwards, and by (param, target, rid), backwards; what is
found must be current and permitted, type by type. Nothing is cut off in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.fhir.resource import Resource
from hilum.search.canonicals import named
from hilum.search.clauses import Permit
from hilum.search.query import Include, Query
from hilum.search.references import canonicals, references
from hilum.store import keys
from hilum.store.plan.access import RID
from hilum.store.plan.arms import at
from hilum.store.plan.dialect import Dialect, Steps
from hilum.store.plan.lists import of_types
from hilum.store.plan.names import across
from hilum.store.plan.plan import WHATEVER, access, permitted
from hilum.store.plan.planning import PAGE, Beside, Planning
from hilum.store.plan.thresholds import too_costly
from hilum.store.sql import FALSE, TRUE, Part, either, every

MOST: Final = 5000
"""How many resources one page may bring along."""
_TOO_MANY: Final = f"The page would bring along more than {MOST} resources. Ask for fewer with _count."
Row = Sequence[Any]


def included(on: Planning, includes: Sequence[Include], page: Sequence[int]) -> Steps[tuple[Resource, ...]]:
    """What the includes bring along to the resources of a page, by type and id; never what is on the page."""
    seen = set(page)
    brought: dict[int, Row] = {}
    fresh = list(page)
    first = True
    while fresh:
        found: dict[int, Row] = {}
        for one in includes:
            if first or one.iterate:
                start = _sources(one, fresh) if not one.reverse else _targets(one, fresh)
                if start:
                    found |= yield from _follow(on, one, start)
        fresh = [rid for rid in found if rid not in seen]
        seen.update(fresh)
        brought |= {rid: found[rid] for rid in fresh}
        first = False
        if len(brought) > MOST:
            raise too_costly(_TOO_MANY)
    return tuple(sorted(map(on.dialect.resource, brought.values()), key=_by_name))


def _by_name(one: Resource) -> tuple[str, str]:
    return one.type, one.id


def _sources(one: Include, rids: Sequence[int]) -> list[int]:
    if one.source == "*" or one.parameters is not None:  # a number belongs to one type
        return list(rids)
    return [rid for rid in rids if rid >> keys.TYPE_SHIFT == TYPE_NUMBER[one.source]]


def _targets(one: Include, rids: Sequence[int]) -> list[int]:
    if one.target is None:
        return list(rids)
    return [rid for rid in rids if rid >> keys.TYPE_SHIFT == TYPE_NUMBER[one.target]]


def _follow(on: Planning, one: Include, rids: Sequence[int]) -> Steps[dict[int, Row]]:
    dialect = on.dialect
    wanted = (one.source if one.reverse else one.target) or "*"
    found = yield from _by_url(on, one, rids, wanted)
    if one.parameters == ():
        return found
    if one.parameters is not None:
        listed = dialect.within("k.param", one.parameters)
    elif not one.reverse:  # of each type its own: the references of what a resource contains are not its own
        own = [n for type in {rid >> keys.TYPE_SHIFT for rid in rids} for n in _own(on, type)]
        listed = dialect.within("k.param", own) if own else FALSE
    else:
        occurring = yield from _occurring(on, None if one.source == "*" else one.source)
        listed = dialect.within("k.param", occurring) if occurring else FALSE
    statement = yield from _statement(on, one, dialect.source(rids), listed, wanted)
    rows = yield statement
    return found | {row[0]: row for row in rows}


def _statement(on: Planning, one: Include, source: Part, listed: Part, wanted: str) -> Steps[Part]:
    """What those in a table `j` refer to by References that are `listed`, or what refers so to them."""
    by, end = ("target", "rid") if one.reverse else ("rid", "target")
    name = on.dialect.table("reference", "k", by if by == "rid" else "value")
    sql = f"SELECT DISTINCT k.{end} AS rid FROM {source.sql} CROSS JOIN {name} WHERE {listed.sql} AND k.{by} = j.value"
    allowed = yield from _visible(on, one, wanted)
    return on.dialect.among(Part(sql, (*source.values, *listed.values)), allowed, MOST + 1)


def together(includes: Sequence[Include]) -> bool:
    """Whether the statement that finds a page can bring it all along: one step, by parameters that hold References."""
    return all(one.parameters and not one.names and not one.iterate for one in includes)


def beside(on: Planning, query: Query) -> Steps[Beside]:
    """What a page of one type brings along, as statements about it. `together(query.includes)` holds."""
    (type,) = query.types
    source = Part(PAGE.format(count=query.count))
    found: list[Part] = []
    for one in query.includes:
        if not one.reverse or one.target in (None, type):
            wanted = (one.source if one.reverse else one.target) or "*"
            listed = on.dialect.within("k.param", one.parameters or ())
            found.append((yield from _statement(on, one, source, listed, wanted)))
    return Beside(found, query.count)


def brought(on: Planning, rows: Sequence[Row], page: Sequence[int]) -> tuple[Resource, ...]:
    """What was asked for beside a page, by type and id; never what is on it. Raises Unprocessable as `included`."""
    seen = set(page)
    found = {row[0]: row for row in rows if row[0] not in seen}
    if len(found) > MOST:
        raise too_costly(_TOO_MANY)
    return tuple(sorted(map(on.dialect.resource, found.values()), key=_by_name))


def _own(on: Planning, type: int) -> tuple[int, ...]:
    return references(TYPES[type - 1], on.dialect.registry)


def _by_url(on: Planning, one: Include, rids: Sequence[int], wanted: str) -> Steps[dict[int, Row]]:
    """What these refer to by canonical url, or, in reverse, what refers so to them."""
    names = one.names
    if one.parameters is None:
        names = canonicals(None if one.source == "*" else one.source, on.dialect.registry)
    if not names:
        return {}
    types = TYPES if one.target is None else (one.target,)
    if one.reverse:
        there = {rid >> keys.TYPE_SHIFT for rid in rids}
        types = tuple([type for type in types if TYPE_NUMBER[type] in there])
    own = named(types)
    if not own:
        return {}
    found = across(on, rids, own, names) if one.reverse else across(on, rids, names, own)
    allowed = yield from _visible(on, one, wanted)
    rows = yield on.dialect.among(found, allowed, MOST + 1)
    return {row[0]: row for row in rows}


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
    return [row[0] for row in rows if row[0] in known]


def _visible(on: Planning, one: Include, wanted: str) -> Steps[Part]:
    """The condition on `c.rid`: of a wanted type, and permitted."""
    place = id(one), id(on.dialect)
    kept = _SEEN.get(place)
    if kept is not None and kept[0] is one and kept[1] is on.dialect:
        return kept[2]
    pieces: list[Part] = []
    lasting = True
    for permits, types in alike(one.permits, wanted):
        allowed = permitted(permits)
        lasting = lasting and allowed is WHATEVER
        offered = yield from access(on, allowed, types)
        held = every([of_types(on, types, RID), offered.probe])
        pieces.append(Part(f"({held.sql})", held.values) if held != TRUE else TRUE)
    found = TRUE if TRUE in pieces else at(either(pieces), "c.rid")
    if lasting:
        if len(_SEEN) >= _KEPT:
            _SEEN.clear()
        _SEEN[place] = one, on.dialect, found
    return found


Permits = tuple[tuple[str, tuple[Permit, ...]], ...]
Alike = list[tuple[tuple[Permit, ...], tuple[str, ...]]]
_KNOWN: Final[dict[tuple[int, str], tuple[Permits, Alike]]] = {}
"""(identity of permits, wanted type) -> the permits and what `alike` made of them: policies stay, and are long."""
_KEPT: Final = 256
_SEEN: Final[dict[tuple[int, int], tuple[Include, Dialect, Part]]] = {}
"""What may be seen of an include, where that is all of some types; an Include is one for each policy: `confine`."""


def alike(permits: Permits, wanted: str) -> Alike:
    """The types of which the same is permitted."""
    kept = _KNOWN.get((id(permits), wanted))
    if kept is not None and kept[0] is permits:
        return kept[1]
    found: dict[tuple[Permit, ...], list[str]] = {}
    for type, allowed in permits:
        if allowed and wanted in ("*", type):
            found.setdefault(allowed, []).append(type)
    made = [(allowed, tuple(types)) for allowed, types in found.items()]
    if len(_KNOWN) >= _KEPT:
        _KNOWN.clear()
    _KNOWN[id(permits), wanted] = permits, made
    return made
