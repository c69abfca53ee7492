"""The floor's work on PostgreSQL: one transaction and one round trip per request, eight held connections.

An update reads first, as hilum's does.
Stamps, numbers and the audit chain are made here, because one process needs no sequence and no lock to keep them in
order; the rows are those that hilum's function apply() writes. https://www.postgresql.org/docs/18/wal-async-commit.html
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections import deque
from typing import Any

import asyncpg

from bench.floor.rows import Numbers, Rows, extractors
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
_AUDIT = "INSERT INTO audit (seq, writes, process, agent, client, interaction, token, chain) VALUES "
_CREATE = f"""
WITH r AS (INSERT INTO resource (rid, seq, xid, version, type, method, id, params, compartments, body)
  VALUES ($1, $2, pg_current_xact_id(), 1, $3, 1, $4, $5::text::integer[], $6::text::bigint[], $7)),
t AS (INSERT INTO token (param, value, rid) SELECT p, v, $1
  FROM unnest($8::text::integer[], $9::text::bigint[]) AS x (p, v)),
s AS (INSERT INTO string (rid, param, folded, value)
  SELECT $1, p, f, v FROM unnest($10::text::integer[], $11::text[], $12::text[]) AS x (p, f, v)),
d AS (INSERT INTO date (rid, low, high, param, span) VALUES ($1, $13, $14, $15, 0)),
f AS (INSERT INTO reference (target, rid, param)
  SELECT t, $1, p FROM unnest($16::text::bigint[], $17::text::integer[]) AS x (t, p))
{_AUDIT} ($2, 1, $18, $19, $20, $21, $22, $23)
"""
_CREATE_MANY = f"""
WITH r AS (INSERT INTO resource (rid, seq, xid, version, type, method, id, params, compartments, body)
  SELECT rid, seq, pg_current_xact_id(), 1, type, 1, id, params::integer[], owners::bigint[], body
  FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::smallint[], $4::text[], $5::text[], $6::text[],
    $7::bytea[]) AS x (rid, seq, type, id, params, owners, body)),
t AS (INSERT INTO token (param, value, rid)
  SELECT * FROM unnest($8::text::integer[], $9::text::bigint[], $10::text::bigint[])),
s AS (INSERT INTO string (rid, param, folded, value)
  SELECT * FROM unnest($11::text::bigint[], $12::text::integer[], $13::text[], $14::text[])),
d AS (INSERT INTO date (rid, low, high, param, span)
  SELECT *, 0 FROM unnest($15::text::bigint[], $16::text::bigint[], $17::text::bigint[], $18::text::integer[])),
f AS (INSERT INTO reference (target, rid, param)
  SELECT * FROM unnest($19::text::bigint[], $20::text::bigint[], $21::text::integer[]))
{_AUDIT} ($22, $23, $24, $25, $26, $27, $28, $29)
"""
_REPLACE = f"""
WITH o AS (INSERT INTO old (seq, rid, until, xid, version, type, method, compartments, labels, body)
  SELECT seq, rid, $2, xid, version, type, method, compartments, labels, body FROM resource WHERE rid = $1),
r AS (UPDATE resource SET seq = $2, xid = pg_current_xact_id(), version = version + 1, method = 2,
  params = $3::text::integer[], body = $4 WHERE rid = $1),
tx AS (DELETE FROM token k USING unnest($5::text::integer[], $6::text::bigint[]) AS x (p, v)
  WHERE k.param = x.p AND k.value = x.v AND k.rid = $1),
t AS (INSERT INTO token (param, value, rid) SELECT p, v, $1
  FROM unnest($7::text::integer[], $8::text::bigint[]) AS x (p, v))
{_AUDIT} ($2, 1, $9, $10, $11, $12, $13, $14)
"""
_READ = "SELECT version, seq, body FROM resource WHERE type = $1 AND id = $2 AND version > 0 AND method <> 3"
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
  WHERE k.target = (SELECT n.rid FROM resource n WHERE n.type = $1 AND n.id = $2) AND abs(k.param) = $3
  AND (SELECT true FROM token t WHERE t.param = $4 AND t.value = $5 AND t.rid = k.rid LIMIT 1)
  ORDER BY k.rid DESC LIMIT $6) w
{_PAGE}
"""
_NUMBERS = (0, 1, 2, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20)
"""Which of the arrays of _CREATE_MANY hold numbers."""
_STATEMENTS = (_CREATE, _CREATE_MANY, _REPLACE, _READ, _CURRENT, _RIDS, _BY_TOKEN, _BY_REFERENCE)


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


class PostgresFloor:
    """create, update, read and the two searches."""

    def __init__(self, url: str, numbers: Numbers, token: str) -> None:
        self._url, self._token = url, token
        self._types = numbers.types
        self._names = {number: name for name, number in numbers.types.items()}
        self._extract = extractors(numbers)
        self._rids: dict[tuple[str, str], int] = {}
        self._idle: list[Session] = []
        self._waiting: deque[asyncio.Future[Session]] = deque()
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
        if len(made) == 1:
            (one,), (version,) = made, versions
            ((rid,),) = (fresh.values(),)
            rows = one.rows
            params, values = [p for p, _ in rows.tokens], [v for _, v in rows.tokens]
            named_by, folded, texts = zip(*rows.strings, strict=True) if rows.strings else ((), (), ())
            ((when, _, low, high),) = rows.dates
            targets, named = self._references(rows, fresh)
            await session.fetch[_CREATE](
                rid, first, rid >> 40, one.id, _array(_params(rows)), self._owners(rows, fresh), version.raw,
                _array(params), _array(values), _array(list(named_by)), folded, texts, low, high, when,
                _array(targets), _array(named), *self._audit(session, first, 1, interaction),
            )  # fmt: skip
        else:
            await session.fetch[_CREATE_MANY](
                *self._columns(made, versions, fresh),
                first,
                len(made),
                *self._audit(session, first, len(made), interaction),
            )
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
        gone, new = was.tokens - now.tokens, now.tokens - was.tokens
        await session.fetch[_REPLACE](
            rid, seq, _array(_params(now)), raw,
            _array([p for p, _ in gone]), _array([v for _, v in gone]),
            _array([p for p, _ in new]), _array([v for _, v in new]),
            *self._audit(session, seq, 1, "update"),
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

    # --- rows -----------------------------------------------------------------------------------------------------

    def _columns(self, made: list[Made], versions: list[Version], fresh: dict[tuple[str, str], int]) -> list[Any]:
        rids = list(fresh.values())
        columns: list[Any] = [[] for _ in range(21)]
        columns[0] = rids
        columns[1] = [one.seq for one in versions]
        columns[2] = [rid >> 40 for rid in rids]
        columns[3] = [one.id for one in made]
        columns[6] = [one.raw for one in versions]
        params, owners = columns[4:6]
        t_param, t_value, t_rid, s_rid, s_param, s_folded, s_value, d_rid, d_low, d_high, d_param = columns[7:18]
        r_target, r_rid, r_param = columns[18:]
        for one, rid in zip(made, rids, strict=True):
            rows = one.rows
            params.append(_array(_params(rows)))
            owners.append(self._owners(rows, fresh))
            for parameter, value in rows.tokens:
                t_param.append(parameter)
                t_value.append(value)
                t_rid.append(rid)
            for parameter, folded, text in rows.strings:
                s_rid.append(rid)
                s_param.append(parameter)
                s_folded.append(folded)
                s_value.append(text)
            for parameter, _, low, high in rows.dates:
                d_rid.append(rid)
                d_low.append(low)
                d_high.append(high)
                d_param.append(parameter)
            targets, named = self._references(rows, fresh)
            r_target += targets
            r_param += named
            r_rid += [rid] * len(targets)
        for number in _NUMBERS:
            columns[number] = _array(columns[number])
        return columns

    def _references(self, rows: Rows, fresh: dict[tuple[str, str], int]) -> tuple[list[int], list[int]]:
        """Targets and parameters; of one row per compartment the parameter is negative, or 0 where there is none."""
        found = {((type, id), parameter) for parameter, type, id in rows.references}
        for owner in rows.compartments:
            parameter = min((p for name, p in found if name == owner), default=0)
            found.discard((owner, parameter))
            found.add((owner, -parameter))
        return [self._rids.get(name) or fresh[name] for name, _ in found], [parameter for _, parameter in found]

    def _owners(self, rows: Rows, fresh: dict[tuple[str, str], int]) -> str:
        return _array([self._rids.get(owner) or fresh[owner] for owner in rows.compartments])

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


def _params(rows: Rows) -> list[int]:
    found = {parameter for parameter, _ in rows.tokens}
    found.update([row[0] for row in rows.strings])
    found.update([row[0] for row in rows.dates])
    found.update([row[0] for row in rows.references])
    return sorted(found)
