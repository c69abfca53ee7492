"""How PostgreSQL says what a plan needs. https://www.postgresql.org/docs/current/queries-table-expressions.html

Scalar subqueries, `OFFSET 0`, `IS TRUE` and LATERAL leave PostgreSQL's planner no choice: it plans by estimates that
index tables of codes defeat (joins that it chose drove from the commonest code: 134 ms against 1.4).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.fhir.resource import Resource
from hilum.problems import Invalid, Malformed
from hilum.search.parameters import R4, Registry
from hilum.search.seen import Seen
from hilum.store.keyed import Keys
from hilum.store.keys import NUMBER, TYPE_SHIFT
from hilum.store.plan.access import RID, Access
from hilum.store.plan.counted import Counted
from hilum.store.plan.cursor import NO_MOMENT, Moment
from hilum.store.plan.dialect import Name, Steps
from hilum.store.plan.thresholds import FEW, Limits
from hilum.store.postgres.names import DELETED, LASTING, METHODS, Names
from hilum.store.postgres.rows import COLUMNS
from hilum.store.shapes import Shapes
from hilum.store.sql import FALSE, LAST, ORDERS, Part, join
from hilum.store.wordless import NO_WORDS

FOLDED: Final = 200
"""How many characters of a folded text are in the index; string.whole has all where there are more."""

_TYPES: Final = "('{" + ",".join(TYPES) + "}'::text[])[f.target >> 40]"
_RIDS: Final = f"""
SELECT r.type, r.id, r.rid, {LASTING} FROM unnest(?::smallint[], ?::text[]) AS n (type, id)
CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.type = n.type AND r.id = n.id LIMIT 1) r
"""
_SYSTEMS: Final = """
SELECT n.place - 1, k.number FROM unnest(?::bytea[]) WITH ORDINALITY AS n (text, place)
CROSS JOIN LATERAL (SELECT * FROM system s WHERE sha256(s.text) = sha256(n.text) AND s.text = n.text LIMIT 1) k
"""


class Postgres:
    """See `hilum.store.plan.dialect.Dialect`. One for a store: what it remembers of names and shapes never changes."""

    fence = "OFFSET 0"

    def __init__(self, names: Names, keys: Keys, *, full_text: bool = True) -> None:
        self.keys = keys
        self.full_text = full_text
        self.registry = R4
        self.texts: dict[tuple[int, int], tuple[str, ...]] = {}
        self.counted = Counted()
        self.kept: dict[int, tuple[Any, Limits, tuple[str, ...], Access]] = {}
        self.seen = Seen()
        self.plans: dict[int, tuple[Any, Limits, Any]] = {}
        self.places: dict[Any, dict[int, tuple[Any, ...]]] = {}
        self._names = names
        self._shapes = Shapes(tuple)

    def source(self, values: Sequence[int], alias: str = "j") -> Part:
        """One array, however many there are."""
        return Part(f"unnest(?::bigint[]) {alias}(value)", (list(values),))

    def within(self, column: str, values: Sequence[int]) -> Part:
        """One array: few texts of statements, each prepared once."""
        if len(values) == 1:
            return Part(f"{column} = ?", (values[0],))
        return Part(f"{column} = ANY (?::bigint[])", (list(values),))

    def exists(self, sql: str) -> str:
        """A scalar subquery is not turned into a join, as EXISTS is."""
        return f"(({sql} LIMIT 1) IS NOT NULL)"

    def visited(self, name: str, params: Sequence[int], conditions: Sequence[Part]) -> Part | None:
        """An aggregate over the few rows of the resource: a tenth less than two subqueries."""
        listed = self.within("k.param", params)
        held = join(" AND ", [Part(f"bool_or({one.sql})", one.values) for one in conditions])
        sql = f"(SELECT {held.sql} FROM {self.table(name, 'k', 'rid')} WHERE k.rid = {RID} AND {listed.sql})"
        return Part(sql, held.values + listed.values)

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
            case "ne" | "gt" | "lt" | "ge" | "le":
                exact = f'coalesce({{t}}.whole, {{t}}.folded) COLLATE "C" {ORDERS[match]} ?'
                if match == "ne":
                    return [Part(exact, (text,))]
                return [Part(f"({{t}}.folded {'>=' if match in ('gt', 'ge') else '<='} ? AND {exact})", (head, text))]
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
        few = _few(source) if ordered else f"SELECT c.rid FROM ({source.sql}) c ORDER BY c.rid DESC LIMIT ?"
        return Part(f"SELECT {COLUMNS} FROM ({few}) w {_FETCH} ORDER BY w.rid DESC", (*source.values, limit))

    def together(self, source: Part, limit: int, walk: Part | None, beside: Sequence[Part]) -> Part | None:
        """Common table expressions are read as far as is asked for, each once, and all see one moment."""
        tables = [Part(f"p AS MATERIALIZED ({_few(source)})", (*source.values, limit))]
        arms = [Part(f"SELECT {COLUMNS}, 0 FROM p w {_FETCH}")]
        if walk is not None:
            tables.insert(0, Part(f"w AS MATERIALIZED ({walk.sql})", walk.values))
            columns = "min(w.rid), NULL, count(*), NULL, NULL, NULL, -1"
            arms.append(Part(f"SELECT {columns} FROM w WHERE (SELECT count(*) FROM p) < {limit}"))
        arms += [Part(f"SELECT b.*, {n} FROM ({one.sql}) b", one.values) for n, one in enumerate(beside, 1)]
        listed, found = join(", ", tables), join(" UNION ALL ", arms)
        return Part(f"WITH {listed.sql} {found.sql}", listed.values + found.values)

    def rows(self, rids: Sequence[int]) -> Part:
        """By their primary key."""
        return Part(
            f"SELECT {COLUMNS} FROM unnest(?::bigint[]) w(rid) {_FETCH} WHERE r.shape > 0",
            (list(rids),),
        )

    def among(self, rids: Part, held: Part, limit: int) -> Part:
        """By their primary key."""
        return Part(
            f"SELECT {COLUMNS} FROM (SELECT c.rid FROM ({rids.sql}) c WHERE {held.sql} {self.fence}) w {_FETCH} "
            f"WHERE r.shape > 0 LIMIT {limit}",
            rids.values + held.values,
        )

    def resource(self, row: Sequence[Any]) -> Resource:
        """(rid, version, seq, method, id, body), as `rows.as_resource`"""
        rid, version, seq, method, id, body, *_ = row  # `together` tells in the last which part it is of
        return Resource(TYPES[(rid >> TYPE_SHIFT) - 1], id, version, seq, body or b"", METHODS[method])

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

    def names(self, type: str, start: str | None, *, down: bool) -> list[Part]:
        """By the index of (type, id), which compares by code point."""
        held = Part("") if start is None else Part(f" AND a.id {'<=' if down else '>='} ?", (start,))
        order = f"ORDER BY a.id {'DESC' if down else 'ASC'}"
        sql = f"SELECT a.rid, a.id AS v FROM resource a WHERE a.type = ?{held.sql} {order}"
        return [Part(sql, (TYPE_NUMBER[type], *held.values))]

    def name(self, v: Any) -> str:
        """As it is."""
        return str(v)

    def referred(self, params: Sequence[int], types: Sequence[str]) -> Steps[list[str] | None]:
        """Where parameters are about one type (`where(resolve() is Patient)`), and what others say nobody has said."""
        found, others = _targets(self.registry, tuple(params), tuple(types))
        if others:
            shapes = yield from self.shapes([TYPE_NUMBER[type] for type in types])
            if any(not others.isdisjoint(numbers) for numbers in shapes.values()):
                return None
        return sorted(found)

    def sorted_text(self, text: str) -> str:
        """So much as is in the index."""
        return text.replace("\0", "\ufffd")[:FOLDED]  # as tables.py writes it

    def and_now(self, rows: Part) -> Part:
        """The snapshot, a seq up to which all that will ever be seen is seen (see `history`), and the last number of a
        name (they are given out in blocks of 64).
        """
        return Part(f"{rows.sql} UNION ALL {_NOW}", rows.values)

    def moment(self, row: Sequence[Any]) -> Moment:
        """(seq, snapshot, the last number of a name)"""
        snapshot, n = row[4].split()
        return row[2], snapshot, int(n)

    def later(self, types: Sequence[str], moment: Moment, *, known: bool = False) -> tuple[Part, ...]:
        """By the index of (type, seq), which has the rids, too; or, for many types, the one of seq."""
        seq, _, n = _moment(moment)
        held = Part(f"a.seq > ? AND (a.rid & {NUMBER}) <= ?", (seq, n)) if known else Part("a.seq > ?", (seq,))
        if len(types) > FEW:
            of_types = "a.type = ANY (?::smallint[]) AND a.version > 0 AND a.shape > 0"
            numbers = [TYPE_NUMBER[type] for type in types]
            return (Part(f"SELECT a.rid FROM resource a WHERE {held.sql} AND {of_types}", (*held.values, numbers)),)
        arm = f"SELECT a.rid FROM {self.table('resource', 'a', 'seq')} WHERE {self.of_type('a')} AND {held.sql}"
        if known:  # without a look at the rows of those whose names are new
            row = _FETCH.replace("resource r", "resource a").replace(") r", ") a").replace("r.rid", "a.rid")
            arm = f"SELECT a.rid FROM ({arm} {self.fence}) w {row} WHERE a.shape > 0"
        return tuple([Part(arm, (*values, *held.values)) for values in self.type_values(types)])

    def changed(self, moment: Moment) -> Part:
        """Of two seqs the lower may be seen later: what the snapshot sees decides."""
        return Part("a.version > 1 AND NOT pg_visible_in_snapshot(a.xid, ?::text::pg_snapshot)", (_moment(moment)[1],))

    def versions(self, rids: Sequence[int], moment: Moment) -> Part:
        """By the index of old versions of a resource."""
        _, snapshot, _ = _moment(moment)
        return Part(_AS_OF, (list(rids), snapshot, snapshot))

    def words(self, where: str, texts: Sequence[str]) -> Part:
        """By the index of the words."""
        if not self.full_text:
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
            for number, id, rid, lasting in rows:
                name = (TYPES[number - 1], id)
                found[name] = rid
                if lasting:
                    self._names.remember(name, rid)
        return found

    def lasts(self, name: Name) -> bool:
        """What is remembered."""
        return self._names.get(name) is not None

    def systems(self, texts: Sequence[str]) -> Part:
        """By the index of their digests."""
        return Part(_SYSTEMS, ([text.encode() for text in texts],))

    def shapes(self, types: Sequence[int]) -> Steps[dict[int, frozenset[int]]]:
        """From memory."""
        return self._shapes.of(types)

    def having(self, newest: int | None = None) -> Steps[Mapping[int, Collection[int]]]:
        """From memory."""
        return self._shapes.having(newest)


_NOW: Final = """
SELECT 0::bigint, 0, coalesce((SELECT k.seq FROM resource k WHERE k.version > 0 AND k.seq > 0
    AND k.xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY k.seq DESC LIMIT 1), 0), 0::smallint,
    pg_current_snapshot()::text || ' ' || coalesce(pg_sequence_last_value('numbered'), 0) + 63, NULL::bytea
"""
_AS_OF: Final = f"""
SELECT w.rid, o.version, o.seq, o.method, r.id, o.body FROM unnest(?::bigint[]) w(rid)
CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = w.rid LIMIT 1) r
CROSS JOIN LATERAL (SELECT * FROM (
    (SELECT 0 AS place, b.version, b.seq, b.method, b.body FROM old b WHERE b.rid = w.rid
     AND pg_visible_in_snapshot(b.xid, ?::text::pg_snapshot) ORDER BY b.version DESC LIMIT 1)
    UNION ALL (SELECT 1, b.version, b.seq, b.method, b.body FROM old b WHERE b.rid = w.rid
     AND NOT pg_visible_in_snapshot(b.xid, ?::text::pg_snapshot) AND b.method <> {DELETED} ORDER BY b.version LIMIT 1)
    UNION ALL SELECT 2, r.version, r.seq, r.method, r.body
) v WHERE v.method <> {DELETED} ORDER BY v.place LIMIT 1) o
"""
_SNAPSHOT: Final = re.compile(r"\d{1,20}:\d{1,20}:[\d,]*", re.ASCII)


def _moment(moment: Moment) -> tuple[int, str, int]:
    """Raises Malformed."""
    match moment:
        case (int(seq), str(snapshot), int(n)) if _SNAPSHOT.fullmatch(snapshot):
            return seq, snapshot, n
    raise Malformed(NO_MOMENT)


@lru_cache(1024)
def _targets(
    registry: Registry, params: tuple[int, ...], types: tuple[str, ...]
) -> tuple[frozenset[str], frozenset[int]]:
    """To which types those of the parameters refer that are about one type, and the others."""
    found: set[str] = set()
    others: set[int] = set()
    for one in (one for type in types for parameter in registry.table(type).values() for one in parameter.selections):
        if one.main in params:
            some = {leaf.only for leaf in one.leaves if leaf.form == "reference"}
            if None in some or not some:
                others.add(one.main)
            found.update(type for type in some if type is not None)
    return frozenset(found), frozenset(others)


_FETCH: Final = "CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = w.rid LIMIT 1) r"


def _few(source: Part) -> str:
    """The first rids, `?` many, of a fenced statement that gives them in order: its fence becomes the limit."""
    if source.sql.endswith(Postgres.fence):
        return f"{source.sql.removesuffix(Postgres.fence)}LIMIT ?"
    return f"SELECT c.rid FROM ({source.sql}) c LIMIT ?"


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
