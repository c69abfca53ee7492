"""Found by hashes, proven by bodies: chains and `_has`, too. What is about to be written follows from nothing less.

The index tells what may be at the end of a chain, which is little, and each such resource is judged on its own body,
and so is what its own chains lead to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from hilum.fhir.resource import Resource
from hilum.search.canonicals import named, texts
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    HasClause,
    NotClause,
    Part,
    PhraseClause,
    ReferenceClause,
    TextClause,
)
from hilum.search.index import index
from hilum.search.matches import decided, matches
from hilum.search.prose import says
from hilum.search.rows import Rows
from hilum.search.score import TEXTS
from hilum.store.plan.access import FIRST, LAST
from hilum.store.plan.choice import choose
from hilum.store.plan.dialect import Name, Steps
from hilum.store.plan.judging import led
from hilum.store.plan.merge import groups
from hilum.store.plan.names import across
from hilum.store.plan.naming import Met, by_id, by_url, urls_of
from hilum.store.plan.newest import newest
from hilum.store.plan.plan import offers, permitted
from hilum.store.plan.planning import Planning

_AT_ONCE: Final = 100


class _Ends(NamedTuple):
    """What the other end of a clause is named by. `inward`: those that a chain leads from to what they contain."""

    names: frozenset[Name]
    urls: frozenset[str]
    inward: frozenset[Name] = frozenset()


def proven(on: Planning, found: Met, clauses: Sequence[Clause]) -> Steps[Met]:
    """Those of the resources for which all clauses hold, judged on bodies, at the ends of chains as well."""
    if not found:
        return {}
    registry = on.dialect.registry
    rows = {rid: index(one.type, one.body, one.id, registry) for rid, one in found.items()}
    ends: dict[Clause, _Ends] = {}
    for clause in _linking(clauses):
        if clause in ends:
            continue
        if isinstance(clause, ChainClause):
            within = yield from led(on, clause, found.items(), proven)
            outside = yield from _targets(on, clause, rows.values())
            ends[clause] = outside._replace(inward=frozenset((found[rid].type, found[rid].id) for rid in within))
        else:
            ends[clause] = yield from _sources(on, clause, found)
    meant: Met = {}
    for rid, one in found.items():
        if all(decided(clause, partial(_holds, one, rows[rid], ends)) for clause in clauses):
            meant[rid] = one
    return meant


def linked(clauses: Iterable[Clause]) -> bool:
    """Whether the clauses say anything about other resources."""
    return next(_linking(clauses), None) is not None


def _linking(clauses: Iterable[Clause]) -> Iterator[ChainClause | HasClause]:
    for clause in clauses:
        match clause:
            case ChainClause() | HasClause():
                yield clause
            case AllClause(inner) | AnyClause(inner):
                yield from _linking(inner)
            case NotClause(one):
                yield from _linking((one,))


def _targets(on: Planning, clause: ChainClause, some: Iterable[Rows]) -> Steps[_Ends]:
    """What the rows refer to by the chain, of what it leads to."""
    names: set[Name] = set()
    urls: set[str] = set()
    for rows in some:
        names.update(_referred(rows, clause.parameters))
        urls |= texts(rows, clause.names) if clause.names else set()
    meant: list[Resource] = []
    for target in clause.targets:
        met = yield from by_id(on, target, names)
        if urls:
            met |= yield from by_url(on, target, urls)
        meant += (yield from proven(on, met, _all(target))).values()
    return _Ends(
        frozenset((one.type, one.id) for one in meant), frozenset(url for one in meant for url in urls_of(one))
    )


def _sources(on: Planning, clause: HasClause, found: Met) -> Steps[_Ends]:
    """What is referred to by what the clause describes; no further than it takes to know that of all that is found."""
    source = clause.source
    wanted = {(one.type, one.id) for one in found.values()}
    names: set[Name] = set()
    if source.permits and clause.parameters:
        refers = ReferenceClause(clause.parameters, tuple(sorted(wanted)))
        (group,) = groups((replace(source, clauses=(*source.clauses, refers)),))
        offered = yield from offers(on, (*group.clauses, permitted(group.permits)), group.types)
        choice = yield from choose(on, offered, group.types)
        below = LAST
        while not wanted <= names:
            rows = yield from newest(on, choice, below, FIRST, _AT_ONCE)
            for made in (yield from _meant(on, rows, source)):
                names.update(_referred(made, clause.parameters))
            if len(rows) < _AT_ONCE:
                break
            below = rows[-1][0]
    urls: set[str] = set()
    own = named(tuple(sorted({one.type for one in found.values()}))) if source.permits and clause.names else ()
    if own:
        rids = [row[0] for row in (yield across(on, sorted(found), own, clause.names))]
        for start in range(0, len(rids), _AT_ONCE):
            some = yield on.dialect.rows(rids[start : start + _AT_ONCE])
            for made in (yield from _meant(on, some, source)):
                urls |= texts(made, clause.names)
    return _Ends(frozenset(names), frozenset(urls))


def _meant(on: Planning, rows: Sequence[Any], source: Part) -> Steps[list[Rows]]:
    """The index rows of those that the source describes."""
    met = {row[0]: one for row in rows if (one := on.dialect.resource(row)).type == source.type}
    meant = yield from proven(on, met, _all(source))
    return [index(one.type, one.body, one.id, on.dialect.registry) for one in meant.values()]


def _all(part: Part) -> tuple[Clause, ...]:
    return (*part.clauses, permitted(part.permits))


def _referred(rows: Rows, parameters: Sequence[int]) -> Iterator[Name]:
    return ((row.type, row.id) for row in rows.references if row.parameter in parameters)


def _holds(one: Resource, rows: Rows, ends: Mapping[Clause, _Ends], clause: Clause) -> bool:
    match clause:
        case ChainClause():
            names, urls, inward = ends[clause]
            refers = (one.type, one.id) in inward or not names.isdisjoint(_referred(rows, clause.parameters))
            return refers or bool(clause.names and not urls.isdisjoint(texts(rows, clause.names)))
        case HasClause():
            names, urls, _ = ends[clause]
            return (one.type, one.id) in names or bool(clause.names and not urls.isdisjoint(urls_of(one)))
        case PhraseClause(where, phrase):
            return says(where, one.body, phrase)
        case TextClause(where, values):
            words = set(TEXTS[where](one.body).split())
            return any(words.issuperset(value.split()) for value in values)
    return matches(clause, rows, id=one.id, last_updated=one.last_updated)
