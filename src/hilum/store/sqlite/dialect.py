"""How SQLite says what a plan needs. https://www.sqlite.org/lang_select.html

CROSS JOIN, INDEXED BY and correlated EXISTS leave SQLite's planner no choice
(https://www.sqlite.org/optoverview.html#manual_control_of_query_plans_using_cross_join).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from hilum.fhir.definitions import TYPES
from hilum.fhir.resource import Resource
from hilum.problems import Invalid, Malformed
from hilum.search.parameters import R4
from hilum.search.seen import Seen
from hilum.store.keyed import Keys
from hilum.store.keys import NUMBER, TYPE_SHIFT, type_range
from hilum.store.lasting import settled
from hilum.store.plan.access import Access
from hilum.store.plan.counted import Counted
from hilum.store.plan.cursor import NO_MOMENT, Moment
from hilum.store.plan.dialect import Name, Steps
from hilum.store.plan.thresholds import FEW, Limits
from hilum.store.shapes import Shapes
from hilum.store.sql import LAST, ORDERS, Part, join, literal
from hilum.store.sqlite import ident
from hilum.store.wordless import NO_WORDS

_CHUNK: Final = 500
_REMEMBERED: Final = 100_000  # about 20 MB
_BY_RID: Final = frozenset(("string", "date", "quantity", "reference", "composite"))


class Sqlite:
    """See `hilum.store.plan.dialect.Dialect`. Remembers the shapes that it has read: they never change."""

    fence = "LIMIT -1"  # with a limit, a subquery's order is kept, and it is not merged into the outer query

    def __init__(self, keys: Keys, *, full_text: bool = True) -> None:
        self.keys = keys
        self.full_text = full_text
        self.registry = R4
        self.texts: dict[tuple[int, int], tuple[str, ...]] = {}
        self.counted = Counted()
        self.kept: dict[int, tuple[Any, Limits, tuple[str, ...], Access]] = {}
        self.seen = Seen()
        self.plans: dict[int, tuple[Any, Limits, Any]] = {}
        self.places: dict[Any, dict[int, tuple[Any, ...]]] = {}
        self._rids: dict[Name, int] = {}
        self._shapes = Shapes(json.loads)

    def source(self, values: Sequence[int], alias: str = "j") -> Part:
        """json_each: one variable however many there are."""
        return Part(f"json_each(?) {alias}", (_json(values),))

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

    def visited(self, name: str, params: Sequence[int], conditions: Sequence[Part]) -> Part | None:
        """An aggregate costs as much as it saves."""
        return None

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
            case "ne" | "gt" | "lt" | "ge" | "le":
                return [Part(f"{{t}}.folded {ORDERS[match]} ?", (text,))]
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

    def together(self, source: Part, limit: int, walk: Part | None, beside: Sequence[Part]) -> Part | None:
        """There is no way to go for another statement."""
        return None

    def rows(self, rids: Sequence[int]) -> Part:
        """By their primary key."""
        return Part(
            f"SELECT {_COLUMNS} FROM json_each(?) j CROSS JOIN resource r WHERE r.rid = j.value AND r.shape > 0",
            (_json(rids),),
        )

    def among(self, rids: Part, held: Part, limit: int) -> Part:
        """By their primary key."""
        return Part(
            f"SELECT {_COLUMNS} FROM ({rids.sql}) c CROSS JOIN resource r "
            f"WHERE r.rid = c.rid AND r.shape > 0 AND {held.sql} LIMIT {limit}",
            rids.values + held.values,
        )

    def resource(self, row: Sequence[Any]) -> Resource:
        """(rid, version, seq, method, body)"""
        rid, version, seq, method, body = row
        type, start = _STARTS[rid >> TYPE_SHIFT]
        id = body[start : body.index(b'"', start)].decode()  # as `ident.id_of`
        return Resource(type, id, version, seq, b"" if method == _DELETED else body, _METHODS[method])

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

    def names(self, type: str, start: str | None, *, down: bool) -> list[Part]:
        """Texts, and UUIDs, whose bytes are in the order of their texts; a text comes before any bytes."""
        if start is None:
            bounds = [Part("a.id < x''"), Part("a.id >= x''")]
        elif down:
            end = ident.least_uuid(start + "\0")
            uuids = Part("a.id >= x''") if end is None else Part("a.id >= x'' AND a.id < ?", (end,))
            bounds = [Part("a.id <= ?", (start,)), uuids]
        else:
            least = ident.least_uuid(start)
            bounds = [Part("a.id >= ? AND a.id < x''", (start,))]
            bounds += [Part("a.id >= ?", (least,))] if least is not None else []
        number, order = ident.type_number(type), "DESC" if down else "ASC"
        sql = "SELECT a.rid, a.id AS v FROM identity a WHERE a.type = ?"
        return [Part(f"{sql} AND {one.sql} ORDER BY a.id {order}", (number, *one.values)) for one in bounds]

    def name(self, v: Any) -> str:
        """A UUID has its hyphens again."""
        return v if isinstance(v, str) else ident.uuid(v)

    def referred(self, params: Sequence[int], types: Sequence[str]) -> Steps[list[str] | None]:
        """The key leads with parameter and target: a step for each type."""
        found: set[str] = set()
        for param in params:
            after = 0
            while rows := (
                yield Part(
                    "SELECT k.target FROM reference k WHERE k.param = ? AND k.target > ? ORDER BY k.target LIMIT 1",
                    (param, after),
                )
            ):
                number = rows[0][0] >> TYPE_SHIFT
                found.add(TYPES[number - 1])
                after = type_range(number)[1]
        return sorted(found)

    def sorted_text(self, text: str) -> str:
        """As it is."""
        return text

    def and_now(self, rows: Part) -> Part:
        """The clock: there is one writer at a time."""
        return Part(f"{rows.sql} UNION ALL SELECT 0, t.number, t.seq, 0, x'' FROM clock t", rows.values)

    def moment(self, row: Sequence[Any]) -> Moment:
        """The newest seq, and the last number of a name."""
        return row[2], row[1]

    def later(self, types: Sequence[str], moment: Moment, *, known: bool = False) -> tuple[Part, ...]:
        """By the index of (type, seq), which has the rids, too."""
        name, (seq, n) = self.table("resource", "a", "seq"), _moment(moment)
        held = Part("a.seq > ?", (seq,))
        if known:
            held = Part(f"{held.sql} AND (a.rid & {NUMBER}) <= ?", (seq, n))
        if len(types) <= FEW:
            arm = f"SELECT a.rid FROM {name} WHERE {self.of_type('a')} AND {held.sql}"
            return tuple([Part(arm, (*values, *held.values)) for values in self.type_values(types)])
        source = self.source([ident.type_number(type) for type in types])
        of_type = self.of_type("a").replace("?", "j.value")
        arm = f"SELECT a.rid FROM {source.sql} CROSS JOIN {name} WHERE {of_type} AND {held.sql}"
        return (Part(arm, source.values + held.values),)

    def changed(self, moment: Moment) -> Part:
        """Seqs are in the order of commits."""
        return Part("a.version > 1 AND a.seq > ?", _moment(moment)[:1])

    def versions(self, rids: Sequence[int], moment: Moment) -> Part:
        """By the index of the log by rid, whose entries are in the order of seq."""
        seq, _ = _moment(moment)
        return Part(_AS_OF, (_json(rids), seq, seq))

    def words(self, where: str, texts: Sequence[str]) -> Part:
        """An FTS5 query: quoted words, all of one text, any of the texts."""
        if not self.full_text:
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
        if len(names) == 1:  # most searches; from memory, since what was created keeps its rid
            ((type, id),) = names
            rid = self._rids.get(names[0])
            if rid is not None:
                return {names[0]: rid}
            rows = yield Part(_RID, (settled(), ident.type_number(type), ident.key(id)))
            if not rows:
                return {}
            rid, lasting = rows[0]
            if lasting:
                if len(self._rids) >= _REMEMBERED:
                    self._rids.clear()
                self._rids[names[0]] = rid
            return {names[0]: rid}
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

    def lasts(self, name: Name) -> bool:
        """What is remembered."""
        return name in self._rids

    def systems(self, texts: Sequence[str]) -> Part:
        """By the index of texts."""
        values: list[Any] = [value for place, text in enumerate(texts) for value in (place, text)]
        listed = ",".join(["(?,?)"] * len(texts))
        return Part(
            f"SELECT j.column1, s.number FROM (VALUES {listed}) j CROSS JOIN system s WHERE s.text = j.column2",
            tuple(values),
        )

    def shapes(self, types: Sequence[int]) -> Steps[dict[int, frozenset[int]]]:
        """From memory."""
        return self._shapes.of(types)

    def having(self, newest: int | None = None) -> Steps[Mapping[int, Collection[int]]]:
        """From memory."""
        return self._shapes.having(newest)


_TYPE: Final = "CAST(substr(k.body, 18, instr(substr(k.body, 18, 80), x'22') - 1) AS TEXT)"
_AFTER: Final = 'instr(k.body, CAST(\'","id":"\' AS BLOB)) + 8'
_ID: Final = f"CAST(substr(k.body, {_AFTER}, instr(substr(k.body, {_AFTER}, 70), x'22') - 1) AS TEXT)"
_COLUMNS: Final = "r.rid, r.version, r.seq, r.method, r.body"
_RID: Final = """
SELECT i.rid, r.version > 0 AND NOT EXISTS (SELECT 1 FROM former f WHERE f.rid = i.rid AND f.at > ?)
FROM identity i CROSS JOIN resource r ON r.rid = i.rid WHERE i.type = ? AND i.id = ?
"""
"""The rid of a name, and whether it may be remembered: see `hilum.store.lasting`."""
_AS_OF: Final = f"""
SELECT j.value, l.version, l.seq, l.method, coalesce(o.body, r.body) FROM json_each(?) j CROSS JOIN log l
LEFT JOIN old o ON o.seq = l.seq LEFT JOIN resource r ON r.rid = l.rid
WHERE l.seq = coalesce(
    (SELECT b.seq FROM (SELECT k.seq, k.method FROM log k INDEXED BY log_rid
     WHERE k.rid = j.value AND k.seq <= ? ORDER BY k.seq DESC LIMIT 1) b WHERE b.method <> {ident.DELETED}),
    (SELECT k.seq FROM log k INDEXED BY log_rid
     WHERE k.rid = j.value AND k.seq > ? AND k.method <> {ident.DELETED} ORDER BY k.seq LIMIT 1))
"""


def _moment(moment: Moment) -> tuple[int, int]:
    """Raises Malformed."""
    match moment:
        case (int(seq), int(n)):
            return seq, n
    raise Malformed(NO_MOMENT)


def _json(values: Sequence[int]) -> str:
    return msgspec.json.encode(values).decode()


_STARTS: Final = (("", 0), *[(type, len(type) + 25) for type in TYPES])
"""By number: the type, and where the logical id begins in a body."""
_DELETED: Final = ident.DELETED
_METHODS: Final = ident.METHODS


def as_resource(rid: int, version: int, seq: int, method: int, body: bytes) -> Resource:
    """A stored row as the value that flows."""
    type, _ = _STARTS[rid >> TYPE_SHIFT]
    return Resource(type, ident.id_of(type, body), version, seq, b"" if method == _DELETED else body, _METHODS[method])
