"""The floor's work on PostgreSQL: one transaction and one round trip per request, eight held connections.

An update reads first, as hilum's does.
Stamps, numbers and the audit chain are made here, because one process needs no sequence and no lock to keep them in
order; the rows are those that hilum's function apply() writes. https://www.postgresql.org/docs/18/wal-async-commit.html
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
import time
from collections import Counter, deque
from typing import Any

import asyncpg

from bench.floor.rows import Keys, Numbers, Rows, extractors
from bench.floor.wire import Made, Version, stamp

AUDIT = ("owner", "hilum-cli")
_CONNECTIONS = 8
_BLOCK = 1_000_000
_SESSION = {
    "synchronous_commit": "on",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_hashagg": "off",
    "jit": "off",
    "timezone": "UTC",
    "search_path": "hilum",
}
_AUDIT = "INSERT INTO audit (seq, writes, process, agent, client, interaction, token, chain, detail) VALUES "
_INSERTS = {
    "resource": ("rid, seq, xid, version, shape, type, method, id, compartments, body",
        "rid, seq, pg_current_xact_id(), 1, shape, type, 1, id, owners::bigint[], body",
        "bigint[] bigint[] integer[] smallint[] -text[] -text[] -bytea[]", "rid, seq, shape, type, id, owners, body"),
    "token": ("param, value, rid", "*", "integer[] bigint[] bigint[]", ""),
    "string": ("exact, rid, param, folded", "*", "bigint[] bigint[] integer[] -text[]", ""),
    "date": ("param, span, low, high, rid", "*", "integer[] smallint[] bigint[] bigint[] bigint[]", ""),
    "quantity": ("param, unit, low, high, rid", "*", "integer[] bigint[] float8[] float8[] bigint[]", ""),
    "composite": ("param, a, unit, low, high, rid", "*", "integer[] bigint[] bigint[] bigint[] bigint[] bigint[]", ""),
    "reference": ("param, target, rid", "*", "integer[] bigint[] bigint[]", ""),
    "compartment": ("owner, rid", "*", "bigint[] bigint[]", ""),
    "fulltext": ("rid, narrative, content",
        "rid, array_to_tsvector(string_to_array(narrative, ' ')), array_to_tsvector(string_to_array(content, ' '))",
        "bigint[] -text[] -text[]", "rid, narrative, content"),
    "tally": ("type, stripe, n", "t, pg_backend_pid() % 256, n", "smallint[] bigint[]", "t, n"),
}  # fmt: skip
"""Table -> its columns, what is selected, the arrays' types (numbers come as text, but those with -), their names."""
_AGAIN = {"tally": "ON CONFLICT (type, stripe) DO UPDATE SET n = tally.n + excluded.n"}


def _create(tables: tuple[str, ...]) -> str:
    """One statement that inserts into all of these tables, and into audit."""
    parts, used = [], 0
    for table in tables:
        columns, selected, types, names = _INSERTS[table]
        arrays = []
        for type in types.split():
            used += 1
            arrays.append(f"${used}::{type[1:]}" if type[0] == "-" else f"${used}::text::{type}")
        source = f"unnest({', '.join(arrays)}) AS x" + (f" ({names})" if names else "")
        insert = f"INSERT INTO {table} ({columns}) SELECT {selected} FROM {source} {_AGAIN.get(table, '')}"
        parts.append(f"in_{table} AS ({insert})")
    marks = ", ".join(f"${used + n}" for n in range(1, 9))
    return f"WITH {', '.join(parts)} {_AUDIT} ({marks}, '{{}}')"


_REPLACE = f"""
WITH o AS (INSERT INTO old (seq, rid, until, xid, version, type, method, compartments, labels, body)
  SELECT seq, rid, $2, xid, version, type, method, compartments, labels, body FROM resource WHERE rid = $1),
r AS (UPDATE resource SET seq = $2, xid = pg_current_xact_id(), version = version + 1, method = 2, shape = $3,
  body = $4 WHERE rid = $1),
tx AS (DELETE FROM token k USING unnest($5::text::integer[], $6::text::bigint[]) AS x (p, v)
  WHERE k.param = x.p AND k.value = x.v AND k.rid = $1),
t AS (INSERT INTO token (param, value, rid) SELECT p, v, $1
  FROM unnest($7::text::integer[], $8::text::bigint[]) AS x (p, v)),
w AS (UPDATE fulltext SET narrative = array_to_tsvector(string_to_array($9, ' ')),
  content = array_to_tsvector(string_to_array($10, ' ')) WHERE rid = $1)
{_AUDIT} ($2, 1, $11, $12, $13, $14, $15, $16, '{{}}')
"""
_READ = "SELECT version, seq, body FROM resource WHERE type = $1 AND id = $2 AND shape > 0"
_CURRENT = "SELECT rid, version, body FROM resource WHERE type = $1 AND id = $2"
_RIDS = """
SELECT r.type, r.id, r.rid FROM unnest($1::smallint[], $2::text[]) AS n (type, id)
CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.type = n.type AND r.id = n.id LIMIT 1) r
"""
_PAGE = "CROSS JOIN LATERAL (SELECT r.rid, r.body FROM resource r WHERE r.rid = w.rid LIMIT 1) r ORDER BY r.rid DESC"
_BY_TOKEN = f"""
SELECT r.rid, r.body FROM (SELECT k.rid FROM token k WHERE k.param = $1 AND k.value = $2 ORDER BY k.rid DESC LIMIT $3) w
{_PAGE}
"""
_BY_REFERENCE = f"""
SELECT r.rid, r.body FROM (SELECT k.rid FROM reference k
  WHERE k.target = (SELECT n.rid FROM resource n WHERE n.type = $1 AND n.id = $2) AND k.param = $3
  AND (SELECT true FROM token t WHERE t.param = $4 AND t.value = $5 AND t.rid = k.rid LIMIT 1)
  ORDER BY k.rid DESC LIMIT $6) w
{_PAGE}
"""
_BY_DATE = f"""
SELECT r.rid, r.body FROM (SELECT k.rid FROM token k WHERE k.param = $1 AND k.value = $2
  AND (SELECT true FROM date d WHERE d.rid = k.rid AND d.param = $3 AND d.param >= 0 AND d.high >= $4 AND d.low < $5
    LIMIT 1)
  ORDER BY k.rid DESC LIMIT $6) w
{_PAGE}
"""
_REFERRED = """
SELECT r.rid, r.body FROM (SELECT DISTINCT k.target AS rid FROM unnest($1::text::bigint[]) AS j (rid)
  CROSS JOIN LATERAL (SELECT f.target FROM reference f WHERE f.rid = j.rid AND f.param = $2 AND f.param >= 0) k) w
CROSS JOIN LATERAL (SELECT r.rid, r.body FROM resource r WHERE r.rid = w.rid AND r.shape > 0 LIMIT 1) r
"""
_SHAPE = "INSERT INTO shape (id, type, params) SELECT max(id) + 1, $1, $2 FROM shape RETURNING id"
_TERM = "INSERT INTO term (param, value, folded) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_NEW_UNIT = "INSERT INTO unit (param, unit, system, code, display) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
_STATEMENTS = (_REPLACE, _READ, _CURRENT, _RIDS, _BY_TOKEN, _BY_REFERENCE, _BY_DATE, _REFERRED)


class Session:
    """One connection, its prepared statements and its audit chain."""

    def __init__(self) -> None:
        self.process, self.chain = os.urandom(8), b""
        self.fetch: dict[str, Any] = {}

    async def open(self, url: str) -> None:
        """Connect and prepare."""
        db = await asyncpg.connect(url, server_settings=_SESSION)
        for sql in _STATEMENTS:
            self.fetch[sql] = (await db.prepare(sql)).fetch
        self.db = db

    async def create(self, columns: dict[str, list[Any]], audit: tuple[Any, ...]) -> None:
        """Insert rows, given as columns, into all tables that there are some for."""
        filled = {table: some for table, some in columns.items() if some[0]}
        key = ",".join(filled)
        if key not in self.fetch:
            self.fetch[key] = (await self.db.prepare(_create(tuple(filled)))).fetch
        values: list[Any] = []
        for table, some in filled.items():
            for type, column in zip(_INSERTS[table][2].split(), some, strict=True):
                values.append(column if type[0] == "-" else _array(column))
        await self.fetch[key](*values, *audit)


class PostgresFloor:
    """create, update, read and the two searches."""

    def __init__(self, url: str, numbers: Numbers, token: str) -> None:
        self._url, self._token = url, token
        self._types = numbers.types
        self._names = {number: name for name, number in numbers.types.items()}
        self.keys = Keys()
        self._extract = extractors(numbers, self.keys, words=False)  # of the version before
        self._rids: dict[tuple[str, str], int] = {}
        self._idle: list[Session] = []
        self._waiting: deque[asyncio.Future[Session]] = deque()
        self._shapes: dict[tuple[int, tuple[int, ...]], int] = {}
        self._learned: set[tuple[int, int]] = set()
        self._learning = asyncio.Lock()
        self._seq = self._n = 0

    async def open(self) -> None:
        """Connect; take a block of numbers that nothing else will use."""
        for _ in range(_CONNECTIONS):
            session = Session()
            await session.open(self._url)
            self._idle.append(session)
        db = self._idle[0].db
        self._n = await db.fetchval(f"SELECT setval('numbered', nextval('numbered') + {_BLOCK}) - {_BLOCK}")
        self._seq = await db.fetchval("SELECT max(seq) FROM resource")
        secret = await db.fetchval("SELECT value FROM meta WHERE key = 'secret'")
        systems = await db.fetch("SELECT text, number FROM system")
        self.keys.open(secret, {text.decode(): number for text, number in systems})
        shapes = await db.fetch("SELECT id, type, params FROM shape")
        self._shapes = {(type, tuple(params)): id for id, type, params in shapes}
        self._learned = {tuple(row) for row in await db.fetch("SELECT param, value FROM term")}
        self._learned |= {tuple(row) for row in await db.fetch("SELECT param, unit FROM unit")}

    async def create(self, interaction: str, made: list[Made]) -> list[Version]:
        """New resources in one transaction."""
        session = await self._take()
        n = self._n
        self._n = n + len(made)
        fresh = {}
        for place, one in enumerate(made, 1):
            fresh[one.type, one.id] = self._types[one.type] << 40 | n + place
        await self._resolve(session, made, fresh)
        seq = self._seq = max(self._seq, time.time_ns() // 1000) + len(made)
        first = seq - len(made) + 1
        versions = [Version(one.type, one.id, 1, at, stamp(one, 1, at)) for at, one in enumerate(made, first)]
        await self._learn(session, made)
        columns = self._columns(made, versions, fresh)
        await session.create(columns, (first, len(made), *self._audit(session, first, len(made), interaction)))
        self._rids |= fresh
        self._give(session)
        return versions

    async def update(self, made: Made) -> Version:
        """The next version: read what is there, write what differs."""
        session = await self._take()
        ((rid, version, before),) = await session.fetch[_CURRENT](self._types[made.type], made.id)
        was, now = self._extract[made.type](before, made.id), made.rows
        if (was.strings, was.dates, was.references) != (now.strings, now.dates, now.references):
            raise NotImplementedError("The benchmark's updates change tokens only.")
        seq = self._seq = max(self._seq + 1, time.time_ns() // 1000)
        raw = stamp(made, version + 1, seq)
        await self._learn(session, [made])
        gone, new = was.tokens - now.tokens, now.tokens - was.tokens
        await session.fetch[_REPLACE](
            rid, seq, self._shape(made), raw,
            _array([p for p, _ in gone]), _array([v for _, v in gone]),
            _array([p for p, _ in new]), _array([v for _, v in new]),
            _distinct(now.narrative), _distinct(now.content), *self._audit(session, seq, 1, "update"),
        )  # fmt: skip
        self._give(session)
        return Version(made.type, made.id, version + 1, seq, raw)

    async def read(self, type: str, id: str) -> tuple[int, int, bytes]:
        """(version, seq, body)."""
        session = await self._take()
        (found,) = await session.fetch[_READ](self._types[type], id)
        self._give(session)
        version, seq, body = found
        return version, seq, body

    async def by_token(self, parameter: int, value: int, count: int) -> list[tuple[int, bytes]]:
        """(rid, body), newest first."""
        session = await self._take()
        found: list[tuple[int, bytes]] = await session.fetch[_BY_TOKEN](parameter, value, count)
        self._give(session)
        return found

    async def by_reference(
        self, parameter: int, target: tuple[str, str], token: int, value: int, count: int
    ) -> list[tuple[int, bytes]]:
        """(rid, body) of what refers to `target` and has the token, newest first."""
        session = await self._take()
        type = self._types[target[0]]
        found: list[tuple[int, bytes]] = await session.fetch[_BY_REFERENCE](
            type, target[1], parameter, token, value, count
        )
        self._give(session)
        return found

    async def by_date(
        self, token: tuple[int, int], parameter: int, start: int, end: int, count: int
    ) -> list[tuple[int, bytes]]:
        """(rid, body) of what has the token and a date between (end exclusive), newest first."""
        session = await self._take()
        found: list[tuple[int, bytes]] = await session.fetch[_BY_DATE](*token, parameter, start, end, count)
        self._give(session)
        return found

    async def referred(self, parameter: int, rids: list[int]) -> list[tuple[int, bytes]]:
        """(rid, body) of what these refer to, each once."""
        session = await self._take()
        found: list[tuple[int, bytes]] = await session.fetch[_REFERRED](_array(rids), parameter)
        self._give(session)
        return found

    # --- rows -----------------------------------------------------------------------------------------------------

    def _columns(
        self, made: list[Made], versions: list[Version], fresh: dict[tuple[str, str], int]
    ) -> dict[str, list[Any]]:
        """Table -> its columns, as _INSERTS has them."""
        rids = list(fresh.values())
        columns: dict[str, list[Any]] = {table: [[] for _ in kind[2].split()] for table, kind in _INSERTS.items()}
        columns["resource"] = [
            rids,
            [one.seq for one in versions],
            [self._shape(one) for one in made],
            [rid >> 40 for rid in rids],
            [one.id for one in made],
            [self._owners(one.rows, fresh) for one in made],
            [one.raw for one in versions],
        ]
        columns["fulltext"] = [
            rids,
            [_distinct(m.rows.narrative) for m in made],
            [_distinct(m.rows.content) for m in made],
        ]
        t_param, t_value, t_rid = columns["token"]
        s_exact, s_rid, s_param, s_folded = columns["string"]
        r_param, r_target, r_rid = columns["reference"]
        owners, owned = columns["compartment"]
        for one, rid in zip(made, rids, strict=True):
            rows = one.rows
            for parameter, value in rows.tokens:
                t_param.append(parameter)
                t_value.append(value)
                t_rid.append(rid)
            for parameter, folded, text in rows.strings:
                s_exact.append(self.keys.exact(text))
                s_rid.append(rid)
                s_param.append(parameter)
                s_folded.append(folded)
            for row in rows.dates:
                _append(columns["date"], (*row, rid))
            for amount in rows.quantities:
                _append(columns["quantity"], (*amount, rid))
            for parameter, first, unit, low, high in rows.composites:
                _append(columns["composite"], (parameter, first, unit, _ordered(low), _ordered(high), rid))
            for parameter, type, id in rows.references:
                r_param.append(parameter)
                r_target.append(self._rids.get((type, id)) or fresh[type, id])
                r_rid.append(rid)
            for owner in rows.compartments:
                owners.append(self._rids.get(owner) or fresh[owner])
                owned.append(rid)
        counted = Counter(columns["resource"][3])
        columns["tally"] = [sorted(counted), [counted[type] for type in sorted(counted)]]
        return columns

    def _owners(self, rows: Rows, fresh: dict[tuple[str, str], int]) -> str:
        return _array([self._rids.get(owner) or fresh[owner] for owner in rows.compartments])

    def _shape(self, made: Made) -> int:
        return self._shapes[self._types[made.type], made.rows.shape]

    async def _learn(self, session: Session, made: list[Made]) -> None:
        """Shapes, texts and units that nobody has written yet: rare."""
        for one in made:
            shape = (self._types[one.type], one.rows.shape)
            if shape not in self._shapes:
                async with self._learning:  # ids are counted up: one at a time
                    if shape not in self._shapes:
                        self._shapes[shape] = await session.db.fetchval(_SHAPE, shape[0], list(shape[1]))
            for term in one.rows.terms:
                if term[:2] not in self._learned:
                    await session.db.execute(_TERM, *term)
                    self._learned.add(term[:2])
            for unit in one.rows.units:
                if unit[:2] not in self._learned:
                    await session.db.execute(_NEW_UNIT, *unit)
                    self._learned.add(unit[:2])

    async def _resolve(self, session: Session, made: list[Made], fresh: dict[tuple[str, str], int]) -> None:
        missing = {
            owner for one in made for owner in one.rows.compartments if owner not in self._rids and owner not in fresh
        }
        if missing:
            types = [self._types[type] for type, _ in missing]
            for type, id, rid in await session.fetch[_RIDS](types, [id for _, id in missing]):
                self._rids[self._names[type], id] = rid

    def _audit(self, session: Session, seq: int, writes: int, interaction: str) -> tuple[Any, ...]:
        fields = (*AUDIT, interaction, self._token)
        session.chain = hashlib.sha256(session.chain + repr((seq, writes, fields)).encode()).digest()
        return (session.process, *fields, session.chain)

    # --- connections ----------------------------------------------------------------------------------------------

    async def _take(self) -> Session:
        if self._idle:
            return self._idle.pop()
        future: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return await future

    def _give(self, session: Session) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(session)
                return
        self._idle.append(session)


def _array(numbers: list[int]) -> str:
    """An array literal: half the driver's work of binary arrays."""
    return f"{{{str(numbers)[1:-1]}}}"


def _append(columns: list[list[Any]], row: tuple[int | float, ...]) -> None:
    for column, value in zip(columns, row, strict=True):
        column.append(value)


def _distinct(words: str) -> str:
    return " ".join(dict.fromkeys(words.split()))


def _ordered(value: float) -> int:
    """A double as an integer in the same order."""
    (bits,) = struct.unpack(">q", struct.pack(">d", value))
    return int(bits) if bits >= 0 else int(bits ^ 0x7FFF_FFFF_FFFF_FFFF)
