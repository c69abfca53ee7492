"""Sorting by names: by the logical id, and by the resource that is referred to, `Type/id`.

Names are walked in their order, and what bears the name, or refers to what does, is probed: a page is found without
a look at all that matches. Where a page takes too many names, all matches are collected instead (`sorting.collect`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from hilum.store.plan.access import FIRST, LAST, RID, Access
from hilum.store.plan.arms import at
from hilum.store.plan.choice import Choice, choose
from hilum.store.plan.cursor import Position
from hilum.store.plan.dialect import Steps
from hilum.store.plan.lists import of_types, points
from hilum.store.plan.newest import newest
from hilum.store.plan.planning import Planning
from hilum.store.sql import Part, either, every

if TYPE_CHECKING:
    from hilum.store.plan.sorting import Key

Found = list[tuple[tuple[Any, ...], int]]
Value = Callable[[Planning, "Key"], Part]
Within = Callable[[Planning, list["Key"], Choice, Position | None, int], Steps[Found]]

TYPES: Final = 20
"""The names of so many types at most are walked side by side."""
PLACES: Final = 200
"""At so many targets at most a page looks for what refers to them."""
NUMBERS: Final = 4
"""Of so many parameters at most."""
_AT_ONCE: Final = 20


def walked_by_id(
    on: Planning, keys: Sequence[Key], choice: Choice, after: Position | None, wanted: int, value: Value
) -> Steps[Found | None]:
    """In the order of ids. None: too many ids are of what does not match. No key is a token."""
    from hilum.store.plan.sorting import in_order

    if len(choice.types) > TYPES:
        return None
    down = [key.down for key in keys]
    probes = [of_types(on, choice.types, RID), *choice.rest]
    if choice.driver is not None:
        probes.append(choice.driver.probe)
    if not choice.alive:
        current = on.dialect.current("k")
        probes.append(Part(on.dialect.exists(f"SELECT 1 FROM resource k WHERE k.rid = {RID} AND {current}")))
    held = at(every(probes), "w.rid")
    others = [at(value(on, key), "w.rid") for key in keys[1:]]
    listed = "".join([f", {part.sql}" for part in others])
    bound = [v for part in others for v in part.values]
    found: Found = []
    for type in choice.types:
        for names in on.dialect.names(type, after[0][0] if after is not None else None, down=keys[0].down):
            # one more, since what has the id of the last page's end may be that
            sql = f"SELECT w.rid, w.v{listed} FROM ({names.sql} LIMIT {on.limits.walk}) w WHERE {held.sql} LIMIT ?"
            rows = yield Part(sql, (*bound, *names.values, *held.values, wanted + 1))
            if len(rows) <= wanted and (yield from _too_long(on, names)):
                return None
            found += [((on.dialect.name(row[1]), *tuple(row)[2:]), row[0]) for row in rows]
    if after is not None:
        found = [one for one in found if one != after and in_order([one, after], down)[0] == after]
    on.note("sort", by="id", walked=True, found=len(found))
    return in_order(found, down)[:wanted]


def _too_long(on: Planning, names: Part) -> Steps[bool]:
    """Whether the walk did not come to the end of the names."""
    ((walked,),) = yield Part(f"SELECT count(*) FROM ({names.sql} LIMIT {on.limits.walk}) t", names.values)
    return bool(walked >= on.limits.walk)


def walked_by_reference(
    on: Planning, keys: list[Key], choice: Choice, after: Position | None, wanted: int, value: Value, within: Within
) -> Steps[Found | None]:
    """Target by target. None: they are too many, or of types that can't be told, or the page goes beyond them."""
    first = keys[0]
    start = after[0][0] if after is not None else None
    if after is not None and start is None:
        return None
    types = yield from on.dialect.referred(first.numbers, choice.types)
    if types is None or len(first.numbers) > NUMBERS:
        return None
    found: Found = []
    own = value(on, first)
    targets: list[tuple[str, int]] = []
    begin, visited = start, 0
    while visited < PLACES:
        batch = yield from _targets(on, first, types, begin)
        if batch is None:
            return None
        targets = [one for one in batch if one[0] != begin or (visited == 0 and after is not None)]
        for target, rid in targets:
            here = points(on, "reference", "reference", "target", first.numbers, [rid])
            itself = Access("its place", Part(f"{own.sql} = ?", (*own.values, target)), alive=False)
            again = yield from choose(on, [*choice.found, here, itself], choice.types)
            last = after if target == start else None
            found += yield from _place(on, keys, target, again, last, wanted - len(found), within)
            if len(found) >= wanted:
                on.note("sort", by="reference", walked=True, found=len(found))
                return found
        if len(batch) < _AT_ONCE:
            return None
        begin = batch[-1][0]
        visited += len(batch)
    return None


def _targets(on: Planning, key: Key, types: Sequence[str], begin: str | None) -> Steps[list[tuple[str, int]] | None]:
    """The next targets, from one on: (`Type/id`, rid). None: too many names are none."""
    dialect = on.dialect
    probe = dialect.exists(f"SELECT 1 FROM {dialect.table('reference', 'k')} WHERE k.param = ? AND k.target = w.rid")
    held = either([Part(probe, (number,)) for number in key.numbers])
    reached, _, id = begin.partition("/") if begin is not None else ("", "", "")
    found: list[tuple[str, int]] = []
    for type in sorted(types, reverse=key.down):
        if begin is not None and (type > reached if key.down else type < reached):
            continue
        some: list[tuple[str, int]] = []
        for names in dialect.names(type, id if begin is not None and type == reached else None, down=key.down):
            sql = f"SELECT w.rid, w.v FROM ({names.sql} LIMIT {on.limits.walk}) w WHERE {held.sql} LIMIT {_AT_ONCE}"
            rows = yield Part(sql, names.values + held.values)
            if len(rows) < _AT_ONCE and (yield from _too_long(on, names)):
                return None
            some += [(f"{type}/{dialect.name(v)}", rid) for rid, v in rows]
        found += sorted(some, reverse=key.down)
        if len(found) >= _AT_ONCE:
            return found[:_AT_ONCE]
    return found


def _place(
    on: Planning, keys: list[Key], target: str, choice: Choice, last: Position | None, wanted: int, within: Within
) -> Steps[Found]:
    """What refers to one target: by the other keys, or newest first."""
    if choice.nothing:
        return []
    if len(keys) == 1:
        rows = yield from newest(on, choice, last[1] if last is not None else LAST, FIRST, wanted)
        return [((target,), row[0]) for row in rows]
    position = (last[0][1:], last[1]) if last is not None else None
    found = yield from within(on, keys[1:], choice, position, wanted)
    return [((target, *values), rid) for values, rid in found]
