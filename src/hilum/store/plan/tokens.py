"""Sorting by codes: their texts are not in the index, only their hashes, so they are read where they are written.

Of few matches the codes are read from the resources. Of many, the different codes of the parameter are listed (a step
of the index for each), each one's text is read from one resource that has it and remembered, and the codes are
walked in the order of their texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from hilum.search.clauses import MissingClause
from hilum.search.index import extract
from hilum.store.plan.arms import at, gathered, under
from hilum.store.plan.choice import Choice, choose, walking
from hilum.store.plan.cursor import Position
from hilum.store.plan.dialect import Steps
from hilum.store.plan.lists import points
from hilum.store.plan.plan import access
from hilum.store.plan.planning import Planning
from hilum.store.plan.systems import numbered
from hilum.store.plan.thresholds import too_costly
from hilum.store.sql import Part

if TYPE_CHECKING:
    from hilum.store.plan.sorting import Key

Found = list[tuple[tuple[Any, ...], int]]
AT_ONCE: Final = 200
MOST: Final = 200_000
"""Of how many resources the codes are read to be sorted."""


def text_of(system: str | None, code: str | None) -> str:
    """What codes are compared by: the code, then the system."""
    return f"{code or ''}\x00{system or ''}"


def least(on: Planning, key: Key, row: Sequence[Any]) -> str | None:
    """The code of a resource (a row of `resource`) that it is sorted by; None where it has none."""
    resource = on.dialect.resource(row)
    rows = extract(resource.type, key.numbers, on.dialect.registry)(resource.body)
    texts = [text_of(one.system, one.code) for one in rows.tokens if one.parameter in key.numbers]
    return (max if key.down else min)(texts, default=None)


def sorted_by_tokens(
    on: Planning,
    keys: Sequence[Key],
    choice: Choice,
    after: Position | None,
    wanted: int,
    value: Callable[[Planning, Key], Part],
) -> Steps[Found]:
    """All that matches, its codes read from the resources, its other values from the index; sorted here."""
    from hilum.store.plan.sorting import in_order

    driver, rest = walking(on, choice)
    source = gathered(under(driver.arms, rest), ordered=False, dialect=on.dialect)
    plain = [key for key in keys if key.kind != "token" or not key.numbers]
    values = [at(value(on, key), "c.rid") for key in plain]
    listed = "".join([f", {part.sql}" for part in values])
    rows = yield Part(
        f"SELECT c.rid{listed} FROM ({source.sql}) c LIMIT {MOST + 1}",
        (*[v for part in values for v in part.values], *source.values),
    )
    if len(rows) > MOST:
        raise too_costly("Too many resources match to be sorted by codes. Use narrower parameters.")
    on.note("sort", by=[key.kind for key in keys], read=len(rows))
    others = {row[0]: iter(tuple(row)[1:]) for row in rows}
    found: Found = []
    rids = list(others)
    for start in range(0, len(rids), AT_ONCE):
        bodies = yield on.dialect.rows(rids[start : start + AT_ONCE])
        for row in bodies:
            plain_values = others[row[0]]
            found.append(
                (
                    tuple(
                        least(on, key, row) if key.kind == "token" and key.numbers else next(plain_values)
                        for key in keys
                    ),
                    row[0],
                )
            )
    down = [key.down for key in keys]
    found = in_order(found, down)
    if after is not None:
        found = [one for one in found if one != after and in_order([one, after], down)[0] == after]
    return found[:wanted]


def walked_by_token(
    on: Planning,
    keys: list[Key],
    choice: Choice,
    after: Position | None,
    wanted: int,
    within: Callable[[Planning, list[Key], Choice, Position | None, int], Steps[Found]],
) -> Steps[Found | None]:
    """Code by code, in the order of their texts. None: they are too many."""
    from hilum.store.plan.access import FIRST, LAST
    from hilum.store.plan.newest import newest

    first = keys[0]
    codes = yield from _texts(on, first, choice.types)
    if codes is None:
        return None
    on.note("sort", by="token", different=len(codes))
    found: Found = []
    start = after[0][0] if after is not None else None
    for text, key in sorted(codes, reverse=first.down):
        if len(found) >= wanted:
            break
        if after is not None and (start is None or (text > start if first.down else text < start)):
            continue
        having = points(on, "token", "token", "value", first.numbers, [key])
        last = after if after is not None and start == text else None
        again = yield from choose(on, [*choice.found, having], choice.types)
        while len(found) < wanted:  # some of them have a code that comes before this one, and are not of this place
            asked = wanted - len(found)
            rows = yield from _place(on, keys, again, last, asked, within, newest, FIRST, LAST)
            bodies = {row[0]: row for row in (yield on.dialect.rows([rid for _, rid in rows]))} if rows else {}
            for values, rid in rows:
                if rid in bodies and least(on, first, bodies[rid]) == text:
                    found.append(((text, *values), rid))
            if len(rows) < asked:
                break
            last = ((text, *rows[-1][0]), rows[-1][1])
    if len(found) < wanted:
        missing = yield from access(on, MissingClause(first.numbers, True), choice.types)
        again = yield from choose(on, [*choice.found, missing], choice.types)
        last = after if after is not None and start is None else None
        rows = yield from _place(on, keys, again, last, wanted - len(found), within, newest, FIRST, LAST)
        found += [((None, *values), rid) for values, rid in rows]
    return found[:wanted]


def _place(
    on: Planning,
    keys: list[Key],
    choice: Choice,
    last: Position | None,
    wanted: int,
    within: Callable[[Planning, list[Key], Choice, Position | None, int], Steps[Found]],
    newest: Callable[[Planning, Choice, int, int, int], Steps[list[Any]]],
    lowest: int,
    highest: int,
) -> Steps[Found]:
    """What shares a value of the first key: by the other keys, or newest first."""
    if choice.nothing:
        return []
    if len(keys) == 1:
        rows = yield from newest(on, choice, last[1] if last is not None else highest, lowest, wanted)
        return [((), row[0]) for row in rows]
    position = (last[0][1:], last[1]) if last is not None else None
    return (yield from within(on, keys[1:], choice, position, wanted))


def _texts(on: Planning, key: Key, types: Sequence[str]) -> Steps[list[tuple[str, int]] | None]:
    """The different codes of the parameter: (text, key). None: they are too many."""
    source = on.dialect.source(key.numbers)
    rows = yield Part(
        f"WITH RECURSIVE found(param, value, n) AS (SELECT j.value, (SELECT k.value FROM token k "
        f"WHERE k.param = j.value ORDER BY k.value LIMIT 1), 0 FROM {source.sql} UNION ALL "
        "SELECT f.param, (SELECT k.value FROM token k WHERE k.param = f.param AND k.value > f.value "
        "ORDER BY k.value LIMIT 1), f.n + 1 FROM found f WHERE f.value IS NOT NULL) "
        f"SELECT f.param, f.value FROM found f WHERE f.value IS NOT NULL LIMIT {on.limits.codes + 1}",
        source.values,
    )
    if len(rows) > on.limits.codes:
        return None
    known: dict[tuple[int, int], tuple[str, ...]] = on.dialect.texts
    for param, value in rows:
        if (param, value) not in known:
            sample = yield Part(
                "SELECT k.rid FROM token k WHERE k.param = ? AND k.value = ? ORDER BY k.rid LIMIT 3", (param, value)
            )
            bodies = yield on.dialect.rows([row[0] for row in sample])
            known[param, value] = yield from _read(on, param, value, bodies)
    return sorted({(text, value) for param, value in rows for text in known[param, value]})


def _read(on: Planning, param: int, value: int, rows: Sequence[Any]) -> Steps[tuple[str, ...]]:
    found: set[str] = set()
    for row in rows:
        resource = on.dialect.resource(row)
        tokens = extract(resource.type, (param,), on.dialect.registry)(resource.body).tokens
        known = yield from numbered(on, [one.system for one in tokens])
        for one in tokens:
            if one.system in known and on.dialect.keys.tokens[one.system, one.code] == value:
                found.add(text_of(one.system, one.code))
    return tuple(sorted(found))
