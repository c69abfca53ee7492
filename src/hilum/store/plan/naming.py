"""The resources that references name, by address or by canonical url: for references that stand in no index."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from hilum.fhir.resource import Resource
from hilum.search.canonicals import named, texts
from hilum.search.clauses import Clause, IdClause, Part, UriClause
from hilum.search.index import index
from hilum.search.parameters import R4
from hilum.store.exact import certain
from hilum.store.plan.access import FIRST, LAST
from hilum.store.plan.choice import choose
from hilum.store.plan.dialect import Name, Steps
from hilum.store.plan.merge import groups
from hilum.store.plan.newest import newest
from hilum.store.plan.plan import offers, permitted
from hilum.store.plan.planning import Planning

Met = dict[int, Resource]
"""Rid -> resource."""
_AT_ONCE = 1000


def by_id(on: Planning, part: Part, names: Iterable[Name]) -> Steps[Met]:
    """Those of the names that the part describes."""
    ids = tuple(sorted({id for type, id in names if type == part.type}))
    return (yield from _described(on, part, IdClause(ids))) if ids else {}


def by_url(on: Planning, part: Part, urls: Iterable[str]) -> Steps[Met]:
    """What the part describes and one of the urls names, with or without its version."""
    wanted = frozenset(urls)
    own = named((part.type,))
    if not wanted or not own:
        return {}
    plain = tuple(sorted({text for url in wanted for text in (url, url.rpartition("|")[0]) if text}))
    met = yield from _described(on, part, UriClause(R4.table(part.type)["url"].numbers, plain))
    return {rid: one for rid, one in met.items() if not wanted.isdisjoint(urls_of(one))}


def urls_of(resource: Resource) -> set[str]:
    """The urls that name a resource, with and without its version."""
    return texts(index(resource.type, resource.body, resource.id), named((resource.type,)))


def _described(on: Planning, part: Part, clause: Clause) -> Steps[Met]:
    """What the part describes and for which the clause holds."""
    if not part.permits:
        return {}
    (group,) = groups((replace(part, clauses=(*part.clauses, clause)),))
    allowed = permitted(group.permits)
    offered = yield from offers(on, (*group.clauses, allowed), group.types)
    choice = yield from choose(on, offered, group.types)
    found: Met = {}
    below = LAST
    while True:
        rows = yield from newest(on, choice, below, FIRST, _AT_ONCE)
        found |= {row[0]: on.dialect.resource(row) for row in rows}
        if len(rows) < _AT_ONCE:
            break
        below = rows[-1][0]
    sure = {one.id for one in certain(list(found.values()), (*group.clauses, allowed), on.dialect.registry)}
    return {rid: one for rid, one in found.items() if one.id in sure}
