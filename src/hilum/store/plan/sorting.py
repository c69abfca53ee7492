"""`_sort`. https://hl7.org/fhir/R4/search.html#sort

Ascending compares the least value of a resource, descending the greatest; what has no value comes last; ties go by rid,
newest created first. Where a clause finds few, all that match are collected, with their values, and sorted. Where none
does, the index of the first key is walked in its order and the clauses are probed, until the page is full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hilum.search.query import Sort
from hilum.store.keys import WIDE
from hilum.store.plan.access import RID, Access
from hilum.store.plan.arms import at, gathered, under
from hilum.store.plan.byname import walked_by_id, walked_by_reference
from hilum.store.plan.choice import Choice, walking
from hilum.store.plan.cursor import Position
from hilum.store.plan.dialect import Steps
from hilum.store.plan.lists import of_types
from hilum.store.plan.planning import Planning
from hilum.store.plan.tokens import sorted_by_tokens, walked_by_token
from hilum.store.sql import Part, either, every, join


@dataclass(frozen=True, slots=True)
class Key:
    """One sort key over types that are searched together. `table` and `column` hold its values, where a table does."""

    kind: str
    numbers: tuple[int, ...]
    down: bool
    table: str = ""
    column: str = ""


MERGED: Final = 150
"""How many walks along indexes are merged into one order at most."""

_TABLES: Final = {
    ("string", False): ("string", "folded"),
    ("string", True): ("string", "folded"),
    ("uri", False): ("string", "folded"),
    ("uri", True): ("string", "folded"),
    ("date", False): ("date", "low"),
    ("date", True): ("date", "high"),
    ("quantity", False): ("quantity", "low"),
    ("quantity", True): ("quantity", "high"),
}


def keys_of(sort: Sequence[Sort], types: Sequence[str]) -> list[Key]:
    """The sort keys as they are for these types."""
    found = []
    for one in sort:
        numbers = tuple(dict.fromkeys(n for type, numbers in one.numbers if type in types for n in numbers))
        table, column = _TABLES.get((one.kind, one.down), ("", ""))
        found.append(Key(one.kind, numbers, one.down, table, column))
    return found


def sorted_rows(
    on: Planning, sort: Sequence[Sort], choices: Sequence[Choice], after: Position | None, wanted: int
) -> Steps[list[tuple[tuple[Any, ...], int]]]:
    """(values, rid) of the first `wanted` after a position, in order; several groups of types are merged."""
    found: list[tuple[tuple[Any, ...], int]] = []
    for choice in choices:
        keys = keys_of(sort, choice.types)
        found += yield from _of_group(on, keys, choice, after, wanted)
    if len(choices) > 1:
        found = in_order(found, [one.down for one in sort])
    return found[:wanted]


def _of_group(
    on: Planning, keys: list[Key], choice: Choice, after: Position | None, wanted: int
) -> Steps[list[tuple[tuple[Any, ...], int]]]:
    first = keys[0]
    if choice.size >= on.limits.look:
        coded = any(key.kind == "token" and key.numbers for key in keys)
        if first.kind == "id" and not coded:
            found = yield from walked_by_id(on, keys, choice, after, wanted, value)
            if found is not None:
                return found
        elif first.kind == "reference" and first.numbers:
            found = yield from walked_by_reference(on, keys, choice, after, wanted, value, _of_group)
            if found is not None:
                return found
        elif first.kind == "token" and first.numbers:
            found = yield from walked_by_token(on, keys, choice, after, wanted, _of_group)
            if found is not None:
                return found
        elif _walks(first) and not coded:
            found = yield from _walk(on, keys, choice, after, wanted)
            if found is not None:
                return found
    if any(key.kind == "token" and key.numbers for key in keys):
        return (yield from sorted_by_tokens(on, keys, choice, after, wanted, value))
    return (yield from collect(on, keys, choice, after, wanted))


# --- values --------------------------------------------------------------------------------------------------------


def value(on: Planning, key: Key) -> Part:
    """The value of `{rid}` by which it is sorted; null where there is none."""
    if key.kind == "updated":
        return Part(f"(SELECT k.seq FROM resource k WHERE k.rid = {RID})")
    if key.kind == "id":
        return on.dialect.sort_id(RID)
    if key.kind == "score" or not key.numbers:
        return Part("NULL")
    take = "max" if key.down else "min"
    if key.kind == "reference":
        return on.dialect.sort_reference(RID, key.numbers, take)
    listed = on.dialect.within("k.param", key.numbers)
    name = on.dialect.table(key.table, "k", "rid")
    return Part(
        f"(SELECT {take}(k.{key.column}) FROM {name} WHERE k.rid = {RID} AND {listed.sql})",
        listed.values,
    )


def order_by(keys: Sequence[Key], columns: Sequence[str]) -> str:
    """`ORDER BY` of the columns, nulls last, then newest created first."""
    pieces = [f"{c} IS NULL, {c} {'DESC' if key.down else 'ASC'}" for key, c in zip(keys, columns, strict=True)]
    return ", ".join([*pieces, "rid DESC"])


def beyond(keys: Sequence[Key], columns: Sequence[str], after: Position) -> Part:
    """The condition that a row comes after a position, in that order."""
    values, rid = after
    found: list[Part] = []
    same: list[Part] = []
    for key, column, one in zip(keys, columns, values, strict=True):
        if one is not None:
            sign = "<" if key.down else ">"
            found.append(every([*same, Part(f"({column} {sign} ? OR {column} IS NULL)", (one,))]))
            same.append(Part(f"{column} = ?", (one,)))
        else:
            same.append(Part(f"{column} IS NULL"))
    found.append(every([*same, Part("rid < ?", (rid,))]))
    inner = " OR ".join([f"({part.sql})" for part in found])
    return Part(f"({inner})", tuple([v for part in found for v in part.values]))


def in_order(found: list[tuple[tuple[Any, ...], int]], down: Sequence[bool]) -> list[tuple[tuple[Any, ...], int]]:
    """The same order, in memory: stable sorts, the last key first."""
    found = sorted(found, key=lambda one: -one[1])
    for n in range(len(down) - 1, -1, -1):
        found.sort(key=lambda one: one[0][n] if one[0][n] is not None else _LEAST, reverse=down[n])
        found.sort(key=lambda one: one[0][n] is None)
    return found


class _Least:
    def __lt__(self, other: object) -> bool:
        return not isinstance(other, _Least)

    def __gt__(self, other: object) -> bool:
        return False


_LEAST: Final = _Least()


# --- collect, or walk ----------------------------------------------------------------------------------------------


def collect(
    on: Planning, keys: Sequence[Key], choice: Choice, after: Position | None, wanted: int, more: Sequence[Part] = ()
) -> Steps[list[tuple[tuple[Any, ...], int]]]:
    """All that matches, with its values, sorted by the database."""
    driver, rest = walking(on, choice)
    source = gathered(under(driver.arms, [*rest, *more]), ordered=False, dialect=on.dialect)
    columns = [f"v{n}" for n in range(len(keys))]
    values = [at(value(on, key), "c.rid") for key in keys]
    listed = ", ".join([f"{part.sql} AS {column}" for part, column in zip(values, columns, strict=True)])
    inner = f"SELECT c.rid AS rid, {listed} FROM ({source.sql}) c"
    held = beyond(keys, columns, after) if after is not None else Part("1=1")
    rows = yield Part(
        f"SELECT * FROM ({inner}) s WHERE {held.sql} ORDER BY {order_by(keys, columns)} LIMIT ?",
        (*[v for part in values for v in part.values], *source.values, *held.values, wanted),
    )
    on.note("sort", by=[key.kind for key in keys], collected=True)
    return [(tuple(row)[1:], row[0]) for row in rows]


def _walks(key: Key) -> bool:
    if key.kind == "updated":
        return True
    return bool(key.numbers) and key.kind in ("string", "uri", "date", "quantity") and len(key.numbers) <= 4


def _walk(
    on: Planning, keys: Sequence[Key], choice: Choice, after: Position | None, wanted: int
) -> Steps[list[tuple[tuple[Any, ...], int]] | None]:
    """Along the index of the first key. None: the walk is too long, or one value is shared by too many."""
    first = keys[0]
    probes = _probes(on, choice)
    found: list[tuple[tuple[Any, ...], int]] = []
    if after is None or after[0][0] is not None:
        prefixes = yield from _prefixes(on, first, choice)
        if not 0 < len(prefixes) <= MERGED:
            return None
        step, entries = _entries(on, first, prefixes, after[0][0] if after is not None else None)
        values = [at(value(on, key), "w.rid") for key in keys]
        own = values[0]
        listed = ", ".join([f"{part.sql} AS v{n}" for n, part in enumerate(values)])
        held = at(every(probes), "w.rid")
        columns = [f"v{n}" for n in range(len(keys))]
        past = beyond(keys, columns, after) if after is not None else Part("1=1")
        fence = on.dialect.fence
        inner = f"SELECT w.rid AS rid, {listed} FROM ({step.sql} LIMIT {on.limits.walk}) w"
        sql = (
            f"SELECT rid, {', '.join(columns)} FROM ({inner} WHERE {own.sql} = w.v AND {held.sql} {fence}) s "
            f"WHERE {past.sql} LIMIT ?"
        )
        bound = (*[v for part in values for v in part.values], *step.values, *own.values, *held.values, *past.values)
        limit = wanted
        while True:
            rows = yield Part(sql, (*bound, limit))
            found = list(dict.fromkeys((tuple(row)[1:], row[0]) for row in rows))
            if len(rows) < limit or len(found) >= wanted:
                break
            limit *= 4  # a resource stands in the index more than once with the same value
        on.note("sort", by=first.kind, walked=True, found=len(found))
        if len(rows) < limit:
            ends = yield Part(f"SELECT count(*) FROM ({entries.sql} LIMIT {on.limits.walk}) t", entries.values)
            if ends[0][0] >= on.limits.walk:
                return None
        if len(keys) > 1 and found:
            settled = yield from _settled(on, keys, choice, after, wanted, found, len(rows) >= limit)
            if settled is None:
                return None
            found = settled
    if len(found) < wanted and first.kind != "updated":
        last = after if after is not None and after[0][0] is None else None
        found += yield from _without(on, keys, choice, last, wanted - len(found))
    return found[:wanted]


def _settled(
    on: Planning,
    keys: Sequence[Key],
    choice: Choice,
    after: Position | None,
    wanted: int,
    found: list[tuple[tuple[Any, ...], int]],
    cut: bool,
) -> Steps[list[tuple[tuple[Any, ...], int]] | None]:
    """With several keys the walk knows the first one's order only: all that ties with its last value is collected."""
    down = [key.down for key in keys]
    if not cut:
        return in_order(found, down)
    last = found[-1][0][0]
    before = [one for one in found if one[0][0] != last]
    own = value(on, keys[0])
    tied = Part(f"{own.sql} = ?", (*own.values, last))
    driver = yield from _entry(on, keys[0], choice, last)
    again = Choice(choice.types, driver, tuple(_probes(on, choice)), on.limits.look)
    position = after if after is not None and after[0][0] == last else None
    rest = yield from collect(on, keys, again, position, wanted - len(before), (tied,))
    return in_order(before, down) + rest


def _probes(on: Planning, choice: Choice) -> list[Part]:
    """Everything that the choice asks for, as probes: nothing of it drives."""
    found = [of_types(on, choice.types, RID)]
    if choice.driver is None:
        return [*found, *choice.rest]
    return [*found, choice.driver.probe, *choice.rest]


def _entries(on: Planning, key: Key, prefixes: Sequence[tuple[Any, ...]], start: Any) -> tuple[Part, Part]:
    """`SELECT rid, v` along an index in the order of the key, from a value on; and the same without an order."""
    word = "DESC" if key.down else "ASC"
    sign = "<=" if key.down else ">="
    arms: list[Part] = []
    name, column, fixed = _index(on, key)
    for values in prefixes:
        if key.kind == "quantity":
            column = "a.low" if values[1] < WIDE else f"a.{key.column}"
        held = Part(f"{column} {sign} ?", (start,)) if start is not None else Part("1=1")
        arms.append(
            Part(f"SELECT a.rid AS rid, {column} AS v FROM {name} WHERE {fixed} AND {held.sql}", values + held.values)
        )
    joined = join(" UNION ALL ", arms)
    if len(arms) == 1:
        return Part(f"{joined.sql} ORDER BY {column} {word}, a.rid DESC", joined.values), joined
    return on.dialect.merged(arms, f"v {word}, rid DESC", distinct=False), joined


def _entry(on: Planning, key: Key, choice: Choice, value: Any) -> Steps[Access]:
    """What has one value of the key."""
    name, column, fixed = _index(on, key)
    prefixes = yield from _prefixes(on, key, choice)
    arms = [Part(f"SELECT a.rid FROM {name} WHERE {fixed} AND {column} = ?", (*values, value)) for values in prefixes]
    return Access("tie", either([Part("1=1")]), tuple(arms), ordered=False)


def _index(on: Planning, key: Key) -> tuple[str, str, str]:
    """The table as `a`, the column that is in order, and the condition on the columns before it."""
    if key.kind == "updated":
        return on.dialect.table("resource", "a", "seq"), "a.seq", on.dialect.of_type("a")
    if key.kind == "date" and key.down:
        return on.dialect.table("date", "a", "high"), "a.high", "a.param = ?"
    if key.kind == "date":
        return on.dialect.table("date", "a"), "a.low", "a.param = ? AND a.span = ?"
    if key.kind == "quantity":  # of what is a range, `high` is not in order and is sorted: those are few
        return on.dialect.table("quantity", "a"), f"a.{key.column}", "a.param = ? AND a.unit = ?"
    return on.dialect.table("string", "a"), "a.folded", "a.param = ?"


def _prefixes(on: Planning, key: Key, choice: Choice) -> Steps[list[tuple[Any, ...]]]:
    """The values of the columns before the one that is in order: each is a walk of its own, and they are merged."""
    if key.kind == "updated":
        return on.dialect.type_values(choice.types)
    if key.kind == "date" and not key.down:
        return [(number, span) for number in key.numbers for span in range(5)]
    if key.kind == "quantity":
        listed = on.dialect.within("k.param", key.numbers)
        rows = yield Part(f"SELECT k.param, k.unit FROM unit k WHERE {listed.sql}", listed.values)
        return sorted((row[0], row[1]) for row in rows)
    return [(number,) for number in key.numbers]


def _without(
    on: Planning, keys: Sequence[Key], choice: Choice, after: Position | None, wanted: int
) -> Steps[list[tuple[tuple[Any, ...], int]]]:
    """What matches and has no value of the first key, by the other keys or newest first."""
    from hilum.search.clauses import MissingClause
    from hilum.store.plan.access import FIRST, LAST
    from hilum.store.plan.choice import choose
    from hilum.store.plan.newest import newest
    from hilum.store.plan.plan import access

    missing = yield from access(on, MissingClause(keys[0].numbers, True), choice.types)
    again = yield from choose(on, [*choice.found, missing], choice.types)
    if again.nothing:
        return []
    if len(keys) == 1:
        below = after[1] if after is not None else LAST
        rows = yield from newest(on, again, below, FIRST, wanted)
        return [((None,), row[0]) for row in rows]
    position = (after[0][1:], after[1]) if after is not None else None
    found = yield from _of_group(on, list(keys[1:]), again, position, wanted)
    return [((None, *values), rid) for values, rid in found]
