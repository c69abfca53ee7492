"""What comes along with results that are contained in others. https://hl7.org/fhir/R4/search.html#include

Whatever matches refers for itself: of a container its own references are followed, and those of what it is found by; of
a contained resource alone only these. They are read from the bodies, since the index can't tell one from another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hilum.fhir.resource import Resource
from hilum.search.canonicals import texts
from hilum.search.clauses import Part
from hilum.search.query import Include, Query
from hilum.search.references import canonicals, references
from hilum.store.plan.dialect import Name, Steps
from hilum.store.plan.entries import ITSELF, Entry, Said
from hilum.store.plan.includes import included
from hilum.store.plan.naming import Met, by_id, by_url
from hilum.store.plan.planning import Planning


def along(on: Planning, query: Query, entries: Sequence[Entry]) -> Steps[tuple[Resource, ...]]:
    """What the query's includes bring along to these results, by type and id."""
    if not query.includes or not entries:
        return ()
    shown = {(one.resource.type, one.resource.id) for one in entries if one.place == ITSELF}
    page = sorted({one.rid for one in entries if one.place == ITSELF})
    found = list((yield from included(on, query.includes, page))) if page else []
    met: dict[int, Resource] = {}
    within = [said for one in entries for said in one.within]
    for include in query.includes:
        if within and not include.reverse:
            met |= yield from _led_to(on, include, within)
    found += met.values()
    further = [one for one in query.includes if one.iterate]
    if further and met:
        found += yield from included(on, further, sorted(met))
    by_name = {(one.type, one.id): one for one in found}
    return tuple(by_name[name] for name in sorted(by_name) if name not in shown)


def _led_to(on: Planning, include: Include, within: Iterable[Said]) -> Steps[Met]:
    """What the contained resources refer to, as far as it may be seen."""
    names: set[Name] = set()
    urls: set[str] = set()
    for said in within:
        if include.source not in ("*", said.type):
            continue
        numbers, naming = include.parameters, include.names
        if numbers is None:
            registry = on.dialect.registry
            numbers, naming = references(said.type, registry), canonicals(said.type, registry)
        names |= {(row.type, row.id) for row in said.rows.references if row.parameter in numbers}
        urls |= texts(said.rows, naming)
    met: Met = {}
    for type, permits in include.permits:
        if include.target in (None, type):
            part = Part(type, (), permits)
            met |= yield from by_id(on, part, names)
            met |= yield from by_url(on, part, urls)
    return met
