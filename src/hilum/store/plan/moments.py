"""Sorted pages while others write: every result stands where it stood when the first page was read.

The first page fixes a moment, which the links carry. What did not change since then is found as ever. What did, and is
found now, is looked at apart: it stands where its version of that moment stood or, if there was none, the first one
after it, and such a place never changes. So whatever is there from the first page to the last appears exactly once,
and nothing appears twice. https://hl7.org/fhir/R4/http.html#paging

What was created later and never changed (version 1) is not apart: it stands where it always stood. So loading a
million resources meanwhile costs a page no more than a walk along their entries in the index of (type, seq).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from hilum.problems import Issue, Unprocessable
from hilum.search.index import extract
from hilum.search.query import Sort
from hilum.search.rows import Rows
from hilum.store.plan.access import RID, Access
from hilum.store.plan.arms import collected, under
from hilum.store.plan.choice import Choice, drives
from hilum.store.plan.cursor import Moment, Position
from hilum.store.plan.dialect import Steps
from hilum.store.plan.entries import Said, rank, values
from hilum.store.plan.planning import Planning
from hilum.store.plan.sorting import in_order, sorted_rows
from hilum.store.sql import Part, every, join

Found = list[tuple[tuple[Any, ...], int]]

LATER: Final = 200_000
"""Of so many resources of the types that were written since the first page each is looked at; of more those alone that
were there before. What was created since and changed again may come twice then.
"""
CHANGED: Final = 10_000
"""How many of those, changed and found by the search, are looked at apart."""
_AT_ONCE: Final = 200
_KEPT: Final = 50_000
"""How many places are remembered at least before all are forgotten: some 20 MB at the most."""
_TEXTS: Final = ("string", "uri")


def as_of(
    on: Planning, sort: Sequence[Sort], choices: Sequence[Choice], after: Position, moment: Moment, wanted: int
) -> Steps[Found]:
    """As `sorted_rows`, in the order of that moment. Raises Unprocessable when too much has changed since then."""
    apart: Found = []
    steady: list[Choice] = []
    for choice in choices:
        rids: list[int] = []
        for known in (False, True):
            counted = yield from _later(on, choice, moment, known=known)
            if counted <= LATER:
                rids = (yield from _changed(on, choice, moment, known=known)) if counted else []
                break
        else:
            raise _too_much(LATER)
        if rids:
            apart += yield from _places(on, sort, rids, moment)
        if len(apart) > CHANGED:
            raise _too_much(CHANGED)
        steady.append(_without(on, choice, rids))
    found = yield from sorted_rows(on, sort, steady, after, wanted)
    if apart:
        on.note("changed since the first page", rows=len(apart))
        start = rank(sort, after)
        found = in_order(found + [one for one in apart if rank(sort, one) > start], [key.down for key in sort])
    return found[:wanted]


def _later(on: Planning, choice: Choice, moment: Moment, *, known: bool) -> Steps[int]:
    """How many current resources of the types were written since, counted up to one more than `LATER`."""
    arms = join(" UNION ALL ", on.dialect.later(choice.types, moment, known=known))
    ((counted,),) = yield Part(f"SELECT count(*) FROM ({arms.sql} LIMIT {LATER + 1}) t", arms.values)
    return int(counted)


def _changed(on: Planning, choice: Choice, moment: Moment, *, known: bool) -> Steps[list[int]]:
    """The rids of what the search finds now and others have written anew since."""
    probes = [on.dialect.changed(moment), *choice.rest]
    if choice.driver is not None:
        few = drives(choice.driver) and choice.size < on.limits.look
        probes.append(collected(choice.driver, on.dialect) if few and not choice.driver.cheap else choice.driver.probe)
    arms = join(" UNION ALL ", under(on.dialect.later(choice.types, moment, known=known), [every(probes)]))
    rows = yield Part(f"SELECT c.rid FROM ({arms.sql}) c LIMIT {CHANGED + 1}", arms.values)
    return [row[0] for row in rows]


def _places(on: Planning, sort: Sequence[Sort], rids: Sequence[int], moment: Moment) -> Steps[Found]:
    """By what they were sorted at the moment; that never changes, so the next page need not look again."""
    places = on.dialect.places
    key = (moment, tuple(sort), on.dialect.registry)
    known = places.get(key)
    if known is None:
        if sum(map(len, places.values())) > _KEPT:
            places.clear()
        known = places[key] = {}
    unknown = [rid for rid in rids if rid not in known]
    if unknown:
        known.update({rid: said for said, rid in (yield from _looked_at(on, sort, unknown, moment))})
    return [(known[rid], rid) for rid in rids if rid in known]


def _looked_at(on: Planning, sort: Sequence[Sort], rids: Sequence[int], moment: Moment) -> Steps[Found]:
    """What the index said of the versions of that moment."""
    found: Found = []
    for start in range(0, len(rids), _AT_ONCE):
        for row in (yield on.dialect.versions(rids[start : start + _AT_ONCE], moment)):
            one = on.dialect.resource(row)
            numbers = tuple([number for key in sort for number in dict(key.numbers).get(one.type, ())])
            rows = extract(one.type, numbers, on.dialect.registry)(one.body) if numbers else Rows()
            said = values(sort, [Said(one.type, rows, one.id, one.last_updated, None)])
            found.append((tuple([_indexed(on, key, value) for key, value in zip(sort, said, strict=True)]), row[0]))
    return found


def _indexed(on: Planning, key: Sort, value: Any) -> Any:
    return on.dialect.sorted_text(value) if value is not None and key.kind in _TEXTS else value


def _without(on: Planning, choice: Choice, rids: Sequence[int]) -> Choice:
    """The choice, but for these."""
    if not rids:
        return choice
    source = on.dialect.source(rids)
    held = Part(f"(NOT {on.dialect.inside(RID, f'SELECT j.value FROM {source.sql}')})", source.values)
    access = Access("changed since", held, alive=False)
    return replace(choice, rest=(*choice.rest, held), found=(*choice.found, access))


def _too_much(most: int) -> Unprocessable:
    text = (
        f"More than {most:,} resources were written since the first page, so that the next one can't be told any more. "
        "Begin the search anew, narrow it, or leave out _sort: in their own order pages know no such limit."
    )
    return Unprocessable(issues=(Issue("error", "too-costly", text),))
