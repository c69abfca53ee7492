"""How PostgreSQL says what a plan needs. https://www.postgresql.org/docs/current/queries-table-expressions.html

Scalar subqueries, `OFFSET 0`, `IS TRUE` and LATERAL leave PostgreSQL's planner no choice: it plans by estimates that
index tables of codes defeat (joins that it chose drove from the commonest code: 134 ms against 1.4).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.fhir.resource import Resource
from hilum.problems import Invalid
from hilum.search.parameters import R4
from hilum.store.plan.access import RID, Name, Steps
from hilum.store.postgres.names import Names
from hilum.store.postgres.rows import COLUMNS, as_resource
from hilum.store.sql import FALSE, LAST, Part, join
from hilum.store.wordless import NO_WORDS

FOLDED: Final = 200
"""How many characters of a folded text are in the index; string.whole has all where there are more."""

_TYPES: Final = "('{" + ",".join(TYPES) + "}'::text[])[f.target >> 40]"
_RIDS: Final = """
SELECT r.type, r.id, r.rid FROM unnest(?::smallint[], ?::text[]) AS n (type, id)
CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.type = n.type AND r.id = n.id LIMIT 1) r
"""


class Postgres:
    """See `hilum.store.plan.access.Dialect`. One for a store: what it remembers of names and shapes never changes."""

    fence = "OFFSET 0"

    def __init__(self, names: Names, *, full_text: bool = True) -> None:
        self._full_text = full_text
        self.registry = R4
        self.texts: dict[tuple[int, int], tuple[str, ...]] = {}
        self._names = names
        self._shapes: dict[int, tuple[int, frozenset[int]]] = {}

    def source(self, values: Sequence[int]) -> Part:
        """One array, however many there are."""
        return Part("unnest(?::bigint[]) j(value)", (list(values),))

    def within(self, column: str, values: Sequence[int]) -> Part:
        """One array: few texts of statements, each prepared once."""
        if len(values) == 1:
            return Part(f"{column} = ?", (values[0],))
        return Part(f"{column} = ANY (?::bigint[])", (list(values),))

    def exists(self, sql: str) -> str:
        """A scalar subquery is not turned into a join, as EXISTS is."""
        return f"(({sql} LIMIT 1) IS NOT NULL)"

    def inside(self, column: str, sql: str) -> str:
        """IS TRUE keeps it a hashed set, built once, instead of a join."""
        return f"(({column} IN ({sql})) IS TRUE)"

    def merged(self, arms: Sequence[Part], order: str, *, distinct: bool) -> Part:
        """Each arm in order, below a merge: UNION itself would collect and sort (before PostgreSQL 17 always)."""
        union = join(" UNION ALL ", [Part(f"({arm.sql} ORDER BY {order})", arm.values) for arm in arms])
        if distinct:
            order = order.replace("rid", "u.rid")
            sql = f"SELECT u.rid FROM ({union.sql}) u GROUP BY u.rid ORDER BY {order} {self.fence}"
        else:
            sql = f"SELECT u.* FROM ({union.sql}) u ORDER BY {order}"
        return Part(sql, union.values)

    def text(self, match: str, text: str) -> list[Part]:
        """On the first FOLDED characters, which are in the index, or on the whole text where there is more."""
        head = text[:FOLDED]
        long = len(text) > FOLDED
        match match:
            case "starts" if long:
                return [Part("({t}.folded = ? AND starts_with({t}.whole, ?))", (head, text))]
            case "starts":
                return [Part("({t}.folded >= ? AND {t}.folded < ?)", (text, text + LAST))]
            case "whole" if len(text) >= FOLDED:
                return [Part("({t}.folded = ? AND coalesce({t}.whole, {t}.folded) = ?)", (head, text))]
            case "whole":
                return [Part("{t}.folded = ?", (text,))]
            case "contains":
                whole = Part("({t}.whole IS NOT NULL AND strpos({t}.whole, ?) > 0)", (text,))
                return [whole] if long else [Part("strpos({t}.folded, ?) > 0", (text,)), whole]
            case _:  # ends: the right of both is compared, since `folded` is no end of a longer text
                whole = Part("({t}.whole IS NOT NULL AND right({t}.whole, ?) = ?)", (len(text), text))
                ends = "(right({t}.folded, ?) = ? AND {t}.whole IS NULL)"
                return [whole] if long else [Part(ends, (len(text), text)), whole]

    def table(self, name: str, alias: str, by: str = "value") -> str:
        """The indexes by resource, by the end of a date and by shape are partial, on a condition that always holds:
        PostgreSQL uses them only where it is said, and not because it takes one unknown bound to be like another.
        """
        if name == "resource":
            return f"(SELECT * FROM resource WHERE version > 0) {alias}" if by == "shape" else f"resource {alias}"
        return f"(SELECT * FROM {name} WHERE param >= 0) {alias}" if by in ("rid", "high") else f"{name} {alias}"

    def real(self, value: float) -> Any:
        """The integer that stands among others where the number does: its bits, those of negative ones turned."""
        return ordered(value)

    def current(self, alias: str) -> str:
        """What is current has a shape."""
        return f"{alias}.shape > 0"

    def page(self, source: Part, limit: int, *, ordered: bool) -> Part:
        """The bodies after the page is full."""
        order = "" if ordered else "ORDER BY c.rid DESC "
        return Part(
            f"SELECT {COLUMNS} FROM (SELECT c.rid FROM ({source.sql}) c {order}LIMIT ?) w {_FETCH} ORDER BY w.rid DESC",
            (*source.values, limit),
        )

    def rows(self, rids: Sequence[int]) -> Part:
        """By their primary key."""
        return Part(
            f"SELECT {COLUMNS} FROM unnest(?::bigint[]) w(rid) {_FETCH} WHERE r.shape > 0",
            (list(rids),),
        )

    def resource(self, row: Sequence[Any]) -> Resource:
        """(rid, version, seq, method, id, body)"""
        return as_resource(row)

    def of_type(self, alias: str) -> str:
        """As resource_type_seq has it: the shape is in it, too."""
        return f"{alias}.type = ? AND {alias}.version > 0 AND {alias}.shape > 0"

    def type_values(self, types: Sequence[str]) -> list[tuple[Any, ...]]:
        """Their numbers."""
        return [(TYPE_NUMBER[type],) for type in types]

    def sort_id(self, rid: str) -> Part:
        """A column, which compares by code point."""
        return Part(f"(SELECT k.id FROM resource k WHERE k.rid = {rid} LIMIT 1)")

    def sort_reference(self, rid: str, params: Sequence[int], take: str) -> Part:
        """By the index (rid, param, target), and the targets' rows."""
        listed = self.within("f.param", params)
        name = f"{_TYPES} || '/' || (SELECT k.id FROM resource k WHERE k.rid = f.target LIMIT 1)"
        table = self.table("reference", "f", "rid")
        return Part(
            f'(SELECT {take}(({name}) COLLATE "C") FROM {table} WHERE f.rid = {rid} AND {listed.sql})',
            listed.values,
        )

    def words(self, where: str, texts: Sequence[str]) -> Part:
        """By the index of the words."""
        if not self._full_text:
            raise Invalid(NO_WORDS)
        held = _says(where, texts)
        return Part(f"SELECT k.rid FROM fulltext k WHERE {held.sql} OFFSET 0", held.values)

    def says(self, where: str, texts: Sequence[str]) -> Part | None:
        """By the index of the rids: one row."""
        held = _says(where, texts)
        return Part(self.exists(f"SELECT 1 FROM fulltext k WHERE k.rid = {RID} AND {held.sql}"), held.values)

    def rids(self, names: Sequence[Name]) -> Steps[dict[Name, int]]:
        """From memory, but for those that were not seen yet."""
        found: dict[Name, int] = {}
        ask: list[Name] = []
        for name in names:
            rid = self._names.get(name)
            if rid is None:
                ask.append(name)
            else:
                found[name] = rid
        if ask:
            rows = yield Part(_RIDS, ([TYPE_NUMBER[type] for type, _ in ask], [id for _, id in ask]))
            for number, id, rid in rows:
                name = (TYPES[number - 1], id)
                found[name] = rid
                self._names.remember(name, rid)
        return found

    def shapes(self, types: Sequence[int]) -> Steps[dict[int, frozenset[int]]]:
        """From memory, but for those that came after: a lower number is never seen later (learn() in the schema)."""
        rows = yield Part("SELECT id, type, params FROM shape WHERE id > ?", (max(self._shapes, default=0),))
        for id, type, params in rows:
            self._shapes[id] = (type, frozenset(params))
        wanted = frozenset(types)
        return {id: numbers for id, (type, numbers) in self._shapes.items() if type in wanted}


_FETCH: Final = "CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = w.rid LIMIT 1) r"


def ordered(value: float) -> int:
    """A double as a signed 64-bit integer in the same order; both zeros are one."""
    (bits,) = struct.unpack(">q", struct.pack(">d", value + 0.0))
    return int(bits) if bits >= 0 else int(bits ^ 0x7FFF_FFFF_FFFF_FFFF)


def _says(where: str, texts: Sequence[str]) -> Part:
    """Words as they are, without a parser: all of one text, any of the texts."""
    column = "narrative" if where == "text" else "content"
    each = ["(" + " & ".join(map(_lexeme, text.split())) + ")" for text in texts if text.split()]
    return Part(f"k.{column} @@ (?::text)::tsquery", (" | ".join(each),)) if each else FALSE


def _lexeme(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"
