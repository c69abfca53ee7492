"""How SQLite says what a plan needs. https://www.sqlite.org/lang_select.html

CROSS JOIN, INDEXED BY and correlated EXISTS leave SQLite's planner no choice
(https://www.sqlite.org/optoverview.html#manual_control_of_query_plans_using_cross_join).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from hilum.fhir.definitions import TYPES
from hilum.fhir.resource import Resource
from hilum.problems import Invalid
from hilum.search.parameters import R4
from hilum.store.keys import TYPE_SHIFT
from hilum.store.plan.access import FEW, Name, Steps
from hilum.store.sql import LAST, Part, join, literal
from hilum.store.sqlite import ident
from hilum.store.wordless import NO_WORDS

_CHUNK: Final = 500
_BY_RID: Final = frozenset(("string", "date", "quantity", "reference", "composite"))


class Sqlite:
    """See `hilum.store.plan.access.Dialect`. Remembers the shapes that it has read: they never change."""

    fence = "LIMIT -1"  # with a limit, a subquery's order is kept, and it is not merged into the outer query

    def __init__(self, *, full_text: bool = True) -> None:
        self._full_text = full_text
        self.registry = R4
        self.texts: dict[tuple[int, int], tuple[str, ...]] = {}
        self._shapes: dict[int, tuple[int, frozenset[int]]] = {}

    def source(self, values: Sequence[int]) -> Part:
        """json_each: one variable however many there are."""
        return Part("json_each(?) j", (_json(values),))

    def within(self, column: str, values: Sequence[int]) -> Part:
        """Spelled out where they are few."""
        if len(values) == 1:
            return Part(f"{column} = ?", (values[0],))
        if len(values) <= FEW:
            return Part(f"{column} IN ({','.join('?' * len(values))})", tuple(values))
        return Part(f"{column} IN (SELECT j.value FROM json_each(?) j)", (_json(values),))

    def exists(self, sql: str) -> str:
        """SQLite runs it for each row, as it stands."""
        return f"EXISTS ({sql})"

    def inside(self, column: str, sql: str) -> str:
        """SQLite keeps what the statement lists."""
        return f"{column} IN ({sql})"

    def merged(self, arms: Sequence[Part], order: str, *, distinct: bool) -> Part:
        """SQLite merges the arms of a UNION that come in order."""
        union = join(" UNION " if distinct else " UNION ALL ", arms)
        return Part(f"{union.sql} ORDER BY {order} {self.fence if distinct else ''}", union.values)

    def text(self, match: str, text: str) -> list[Part]:
        """A range of the index, or LIKE."""
        match match:
            case "starts":
                return [Part("({t}.folded >= ? AND {t}.folded < ?)", (text, text + LAST))]
            case "whole":
                return [Part("{t}.folded = ?", (text,))]
            case _:
                start = "%" + literal(text)
                return [Part("{t}.folded LIKE ? ESCAPE '!'", (start + "%" if match == "contains" else start,))]

    def table(self, name: str, alias: str, by: str = "value") -> str:
        """INDEXED BY holds SQLite to an index; a table without rowid is held to its key by leaving it no other."""
        if name == "resource":
            return {"shape": f"resource {alias} INDEXED BY resource_shape"}.get(
                by, f"resource {alias} INDEXED BY resource_seq" if by == "seq" else f"resource {alias} NOT INDEXED"
            )
        if by == "rid" and name in _BY_RID:
            return f"{name} {alias} INDEXED BY {name}_rid"
        if by == "high":
            return f"{name} {alias} INDEXED BY {name}_high"
        return f"{name} {alias}"

    def real(self, value: float) -> Any:
        """As it is."""
        return value

    def current(self, alias: str) -> str:
        """What is current has a shape."""
        return f"{alias}.shape > 0"

    def page(self, source: Part, limit: int, *, ordered: bool) -> Part:
        """Without an ORDER BY of its own where the source comes in order: SQLite would sort it again."""
        order = "" if ordered else " ORDER BY c.rid DESC"
        return Part(
            f"SELECT {_COLUMNS} FROM ({source.sql}) c CROSS JOIN resource r WHERE r.rid = c.rid{order} LIMIT ?",
            (*source.values, limit),
        )

    def rows(self, rids: Sequence[int]) -> Part:
        """By their primary key."""
        return Part(
            f"SELECT {_COLUMNS} FROM json_each(?) j CROSS JOIN resource r WHERE r.rid = j.value AND r.shape > 0",
            (_json(rids),),
        )

    def resource(self, row: Sequence[Any]) -> Resource:
        """(rid, version, seq, method, body)"""
        return as_resource(*row)

    def of_type(self, alias: str) -> str:
        """As the index has it, which leaves out what is not current."""
        return f"{alias}.rid >> {TYPE_SHIFT} = ? AND {alias}.shape > 0"

    def type_values(self, types: Sequence[str]) -> list[tuple[Any, ...]]:
        """Their numbers."""
        return [(ident.type_number(type),) for type in types]

    def sort_id(self, rid: str) -> Part:
        """From the beginning of the body, which is `{"resourceType":"…","id":"…"`."""
        return Part(f"(SELECT {_ID} FROM resource k WHERE k.rid = {rid})")

    def sort_reference(self, rid: str, params: Sequence[int], take: str) -> Part:
        """By the index (rid, param, target), and the beginnings of the targets' bodies."""
        listed = self.within("f.param", params)
        return Part(
            f"(SELECT {take}({_TYPE} || '/' || {_ID}) FROM reference f INDEXED BY reference_rid "
            f"CROSS JOIN resource k WHERE f.rid = {rid} AND {listed.sql} AND k.rid = f.target)",
            listed.values,
        )

    def words(self, where: str, texts: Sequence[str]) -> Part:
        """An FTS5 query: quoted words, all of one text, any of the texts."""
        if not self._full_text:
            raise Invalid(NO_WORDS)
        column = "narrative" if where == "text" else "content"
        each = ["(" + " AND ".join(f'"{word}"' for word in text.replace('"', " ").split()) + ")" for text in texts]
        return Part(
            "SELECT k.rowid AS rid FROM fulltext k WHERE k.fulltext MATCH ?", (f"{column} : ({' OR '.join(each)})",)
        )

    def says(self, where: str, texts: Sequence[str]) -> Part | None:
        """FTS5 would look the words up again for every row."""
        return None

    def rids(self, names: Sequence[Name]) -> Steps[dict[Name, int]]:
        """By the primary key of `identity`."""
        found: dict[Name, int] = {}
        if len(names) == 1:  # most searches
            ((type, id),) = names
            rows = yield Part(
                "SELECT rid FROM identity WHERE type = ? AND id = ?", (ident.type_number(type), ident.key(id))
            )
            return {names[0]: rows[0][0]} if rows else {}
        by_id: dict[str, list[str]] = {}
        for type, id in names:
            by_id.setdefault(id, []).append(type)
        alike: dict[tuple[str, ...], list[str]] = {}
        for id, types in by_id.items():
            alike.setdefault(tuple(sorted(set(types))), []).append(id)
        for types_, ids in alike.items():
            numbers = ",".join(str(ident.type_number(type)) for type in types_)
            for start in range(0, len(ids), _CHUNK):
                some = {ident.key(id): id for id in ids[start : start + _CHUNK]}
                marks = ",".join("?" * len(some))
                rows = yield Part(
                    f"SELECT id, rid FROM identity WHERE type IN ({numbers}) AND id IN ({marks})", tuple(some)
                )
                found.update({(ident.type_of(rid), some[key]): rid for key, rid in rows})
        return found

    def shapes(self, types: Sequence[int]) -> Steps[dict[int, frozenset[int]]]:
        """From memory, but for those that came after."""
        rows = yield Part("SELECT id, type, params FROM shape WHERE id > ?", (max(self._shapes, default=0),))
        for id, type, params in rows:
            self._shapes[id] = (type, frozenset(json.loads(params)))
        wanted = frozenset(types)
        return {id: numbers for id, (type, numbers) in self._shapes.items() if type in wanted}


_TYPE: Final = "CAST(substr(k.body, 18, instr(substr(k.body, 18, 80), x'22') - 1) AS TEXT)"
_AFTER: Final = 'instr(k.body, CAST(\'","id":"\' AS BLOB)) + 8'
_ID: Final = f"CAST(substr(k.body, {_AFTER}, instr(substr(k.body, {_AFTER}, 70), x'22') - 1) AS TEXT)"
_COLUMNS: Final = "r.rid, r.version, r.seq, r.method, r.body"


def _json(values: Sequence[int]) -> str:
    return "[" + ",".join(map(str, values)) + "]"


def as_resource(rid: int, version: int, seq: int, method: int, body: bytes) -> Resource:
    """A stored row as the value that flows."""
    type = TYPES[(rid >> TYPE_SHIFT) - 1]
    raw = b"" if method == ident.DELETED else body
    return Resource(type, ident.id_of(type, body), version, seq, raw, ident.METHODS[method])
