"""Which PostgreSQL layout, and which shape of commit: the measurement behind docs/adr/0003-postgres-layout.md.

    python bench/layouts/postgres.py --rows 1000000

Observations of about 900 bytes with 16 index values each (8 tokens, 4 references, 3 compartments, 1 date), in five
layouts: `function` and `statement` write the same key tables by one PL/pgSQL function and by one statement with CTEs;
`merged` has one row where a reference's target is a compartment, too; `packed` puts parameter and value of a token into
one integer; `arrays` keeps the values in a bigint[] with a GIN index.
Times are microseconds of wall clock and of CPU (client + every server process), on one connection.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.postgres import server

SESSION = {
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
BODY = ('{"resourceType":"Observation","note":"' + "x" * 850 + '"}').encode()
COMMON, PATIENTS = 400, 5_000
TABLE = """
CREATE TABLE resource (rid bigint PRIMARY KEY, seq bigint NOT NULL, xid xid8 NOT NULL, version int NOT NULL,
  type smallint NOT NULL, method smallint NOT NULL, id text COLLATE "C" NOT NULL, {extra} body bytea);
CREATE UNIQUE INDEX ON resource (type, id);
CREATE INDEX ON resource (seq);
CREATE INDEX ON resource (type, seq);
CREATE SEQUENCE stamp;
SELECT setval('stamp', 1000);
"""
DATES = "CREATE TABLE date (param smallint, rid bigint, low bigint, high bigint); CREATE INDEX ON date (param, rid);"
KEYS = (
    TABLE.format(extra="")
    + DATES
    + """
CREATE TABLE token (value bigint, rid bigint, param smallint);
CREATE INDEX ON token (param, value, rid);
CREATE TABLE reference (target bigint, rid bigint, param smallint);
CREATE INDEX ON reference (target, param, rid);
"""
)
PACKED = (
    TABLE.format(extra="")
    + DATES
    + """
CREATE TABLE token (value bigint, rid bigint);
CREATE INDEX ON token (value, rid);
CREATE TABLE reference (target bigint, rid bigint, param smallint);
CREATE INDEX ON reference (target, param, rid);
"""
)
MERGED = KEYS.replace("reference (target, param, rid)", "reference (target, rid, param)")
ARRAY = (
    TABLE.format(extra="keys bigint[],") + DATES + "CREATE INDEX ON resource USING gin (keys) WITH (fastupdate = off);"
)
STAMP = """
  PERFORM pg_advisory_lock(7);
  xid := pg_current_xact_id();
  seq := greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, pg_sequence_last_value('stamp') + 1);
  PERFORM setval('stamp', seq);
  PERFORM pg_advisory_unlock(7);
"""
FUNCTION = (
    """
CREATE FUNCTION create_one(rid bigint, id text, body bytea, tp smallint[], tv bigint[], rp smallint[], rt bigint[],
  dp smallint[], dl bigint[], dh bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE xid xid8; seq bigint;
BEGIN
"""
    + STAMP
    + """
  INSERT INTO resource (rid, seq, xid, version, type, method, id, body) VALUES (rid, seq, xid, 1, 1, 1, id, body);
  {token}
  INSERT INTO reference (target, rid, param) SELECT t, rid, p FROM unnest(rp, rt) AS x(p, t);
  INSERT INTO date (param, rid, low, high) SELECT p, rid, l, h FROM unnest(dp, dl, dh) AS x(p, l, h);
  RETURN seq;
END $$;
"""
)
BY_KEYS = FUNCTION.format(
    token="INSERT INTO token (value, rid, param) SELECT v, rid, p FROM unnest(tp, tv) AS x(p, v);"
)
BY_PACKED = FUNCTION.format(
    token="INSERT INTO token (value, rid) SELECT (p::bigint << 48) | (v & 281474976710655), rid "
    "FROM unnest(tp, tv) AS x(p, v);"
)
BY_ARRAY = (
    """
CREATE FUNCTION create_one(rid bigint, id text, body bytea, tp smallint[], tv bigint[], rp smallint[], rt bigint[],
  dp smallint[], dl bigint[], dh bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE xid xid8; seq bigint;
BEGIN
"""
    + STAMP
    + """
  INSERT INTO resource (rid, seq, xid, version, type, method, id, keys, body)
    VALUES (rid, seq, xid, 1, 1, 1, id, tv || rt, body);
  INSERT INTO date (param, rid, low, high) SELECT p, rid, l, h FROM unnest(dp, dl, dh) AS x(p, l, h);
  RETURN seq;
END $$;
"""
)
STATEMENT = """
WITH stamped AS MATERIALIZED (
  SELECT setval('stamp', greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    pg_sequence_last_value('stamp') + 1)) AS seq, pg_current_xact_id() AS xid),
r AS (INSERT INTO resource (rid, seq, xid, version, type, method, id, body)
  SELECT $1, seq, xid, 1, 1, 1, $2, $3 FROM stamped RETURNING seq),
t AS (INSERT INTO token (value, rid, param) SELECT v, $1, p FROM unnest($4::smallint[], $5::bigint[]) AS x(p, v)),
f AS (INSERT INTO reference (target, rid, param) SELECT t, $1, p FROM unnest($6::smallint[], $7::bigint[]) AS x(p, t)),
d AS (INSERT INTO date (param, rid, low, high)
  SELECT p, $1, l, h FROM unnest($8::smallint[], $9::bigint[], $10::bigint[]) AS x(p, l, h))
SELECT seq FROM r
"""
CALL = "SELECT create_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
LAYOUTS = {
    "function": (KEYS + BY_KEYS, CALL),
    "statement": (KEYS, STATEMENT),
    "merged": (MERGED + BY_KEYS, CALL),
    "packed": (PACKED + BY_PACKED, CALL),
    "arrays": (ARRAY + BY_ARRAY, CALL),
}
WALK = """SELECT r.body FROM (SELECT rid FROM token t WHERE param = 1 AND value = $1
  AND (SELECT true FROM reference f WHERE f.target = $2 AND f.param = 1 AND f.rid = t.rid LIMIT 1) IS {probe}
  ORDER BY rid DESC LIMIT 20) w JOIN resource r USING (rid) ORDER BY rid DESC"""
KEY_QUERIES = {
    "newest 20 of a common code": (WALK.replace("IS {probe}", "IS NOT TRUE"), "code", "nobody"),
    "newest 20 of a rare code": (WALK.replace("IS {probe}", "IS NOT TRUE"), "rare", "nobody"),
    "count of a common code, bounded by 500": (
        "SELECT count(*) FROM "
        "(SELECT FROM token WHERE param = 1 AND value = $1 AND $2::bigint IS NOT NULL LIMIT 500) x",
        "code",
        "nobody",
    ),
    "common code of one patient": (
        """SELECT r.body FROM (SELECT rid FROM reference f WHERE target = $2 AND param = 1
           AND (SELECT true FROM token t WHERE t.param = 1 AND t.value = $1 AND t.rid = f.rid LIMIT 1)
           ORDER BY rid DESC LIMIT 20) w JOIN resource r USING (rid) ORDER BY rid DESC""",
        "code",
        "patient",
    ),
}
ARRAY_QUERIES = {
    "newest 20 of a common code": (
        "SELECT body FROM "
        "(SELECT * FROM resource WHERE keys @> ARRAY[$1::bigint] AND $2::bigint IS NOT NULL OFFSET 0) x "
        "ORDER BY rid DESC LIMIT 20",
        "code",
        "nobody",
    ),
    "newest 20 of a rare code": (
        "SELECT body FROM "
        "(SELECT * FROM resource WHERE keys @> ARRAY[$1::bigint] AND $2::bigint IS NOT NULL OFFSET 0) x "
        "ORDER BY rid DESC LIMIT 20",
        "rare",
        "nobody",
    ),
    "count of a common code, bounded by 500": (
        "SELECT count(*) FROM "
        "(SELECT FROM resource WHERE keys @> ARRAY[$1::bigint] AND $2::bigint IS NOT NULL LIMIT 500) x",
        "code",
        "nobody",
    ),
    "common code of one patient": (
        "SELECT body FROM (SELECT * FROM resource WHERE keys @> ARRAY[$1::bigint, $2::bigint] OFFSET 0) x "
        "ORDER BY rid DESC LIMIT 20",
        "code",
        "patient",
    ),
}
RARE = 77_777_777_777


def observation(n: int, chance: random.Random) -> tuple[Any, ...]:
    """The arguments of one create: 8 tokens (identifier, code, common ones), 4 references, 3 compartments, a date."""
    patient = 1 << 40 | chance.randrange(PATIENTS)
    encounter = 2 << 40 | n // 20
    code = 1000 + chance.randrange(COMMON) if n % 100_000 else RARE
    tokens = [chance.getrandbits(46), code, 21, 22, 23, 24 + n % 3, 30 + n % 7, 40 + n % 11]
    references = [patient, patient, encounter, 3 << 40 | n % 50, patient, encounter, 3 << 40 | n % 50]
    day = chance.randrange(10**15)
    id = f"0190{n:08x}-0000-7000-8000-{chance.getrandbits(48):012x}"
    return (n, id, BODY, [8, 1, 2, 3, 4, 5, 6, 7], tokens, [1, 2, 3, 4, 0, 0, 0], references, [9], [day], [day + 10**6])


def merged(n: int, chance: random.Random) -> tuple[Any, ...]:
    """The same with one row for a reference and a compartment that have one target: its parameter is negative."""
    found = list(observation(n, chance))
    linked = dict(zip(found[5][:4], found[6][:4], strict=True))
    for owner in found[6][4:]:
        param = next(p for p, target in linked.items() if target == owner and p > 0)
        linked[-param] = linked.pop(param)
    return (*found[:5], list(linked), list(linked.values()), *found[7:])


def cpu(postmaster: psutil.Process) -> float:
    """Seconds of CPU that this process and every process of the server have used."""
    spent = sum(os.times()[:2])
    for process in (postmaster, *postmaster.children()):
        used = process.cpu_times()
        spent += used.user + used.system
    return spent


async def fill(connection: asyncpg.Connection, name: str, rows: int) -> None:
    """`rows` resources by COPY, committed as a bulk load does: in portions, indexes live."""
    chance = random.Random(7)
    make = merged if name == "merged" else observation
    for start in range(1, rows + 1, 20_000):
        some = [make(n, chance) for n in range(start, min(start + 20_000, rows + 1))]
        columns = ["rid", "seq", "xid", "version", "type", "method", "id", "body"]
        head: list[tuple[Any, ...]] = [(a[0], a[0], 1, 1, 1, 1, a[1], a[2]) for a in some]
        if name == "arrays":
            columns.append("keys")
            head = [(*row, [*a[4], *a[6]]) for row, a in zip(head, some, strict=True)]
        await connection.execute("CREATE TEMP TABLE IF NOT EXISTS staged AS SELECT * FROM resource WHERE false")
        await connection.execute("ALTER TABLE staged ALTER COLUMN xid TYPE bigint USING 1") if start == 1 else None
        await connection.copy_records_to_table("staged", records=head, columns=columns)
        listed = ", ".join(columns)
        taken = listed.replace("xid", "xid::text::xid8")
        await connection.execute(f"INSERT INTO resource ({listed}) SELECT {taken} FROM staged; TRUNCATE staged")
        dates = [(p, a[0], low, high) for a in some for p, low, high in zip(a[7], a[8], a[9], strict=True)]
        await connection.copy_records_to_table("date", records=dates, columns=["param", "rid", "low", "high"])
        if name == "arrays":
            continue
        references = [(t, a[0], p) for a in some for p, t in zip(a[5], a[6], strict=True)]
        await connection.copy_records_to_table("reference", records=references, columns=["target", "rid", "param"])
        tokens: list[tuple[Any, ...]]
        if name == "packed":
            tokens = [(p << 48 | v, a[0]) for a in some for p, v in zip(a[3], a[4], strict=True)]
            await connection.copy_records_to_table("token", records=tokens, columns=["value", "rid"])
        else:
            tokens = [(v, a[0], p) for a in some for p, v in zip(a[3], a[4], strict=True)]
            await connection.copy_records_to_table("token", records=tokens, columns=["value", "rid", "param"])


async def measure(url: str, name: str, rows: int, creates: int) -> None:
    """Fill one layout, then time creates and searches on it."""
    connection = await asyncpg.connect(url)
    postmaster = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()")).parent()
    await connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}; SET search_path = {name}")
    schema, call = LAYOUTS[name]
    await connection.execute(schema)
    await fill(connection, name, rows)
    await connection.execute("VACUUM ANALYZE")
    size = await connection.fetchval(
        "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c "
        "WHERE relkind = 'r' AND relnamespace = $1::regnamespace",
        name,
    )
    await connection.execute("CHECKPOINT")
    await connection.close()
    settings = SESSION | ({"enable_bitmapscan": "on"} if name == "arrays" else {})
    connection = await asyncpg.connect(url, server_settings={**settings, "search_path": name})
    await connection.execute(f"SELECT setval('stamp', {rows + 1000})")
    create = await connection.prepare(call)
    chance = random.Random(11)
    make = merged if name == "merged" else observation
    work = [make(n, chance) for n in range(rows + 1, rows + 1 + creates)]
    for arguments in work[:50]:
        await create.fetchval(*arguments)
    before, times = cpu(postmaster), []
    for arguments in work[50:]:
        start = time.perf_counter()
        await create.fetchval(*arguments)
        times.append(time.perf_counter() - start)
    spent = (cpu(postmaster) - before) / len(times)
    print(f"{name:10} {rows:8} rows, {size / rows:6.0f} bytes per resource")
    print(f"  create: {statistics.median(times) * 1e6:6.0f} us wall, {spent * 1e6:6.0f} us CPU")
    for title, (sql, code, patient) in (ARRAY_QUERIES if name == "arrays" else KEY_QUERIES).items():
        value = {"code": 1007, "rare": RARE}[code]
        if name == "merged":
            sql = sql.replace("f.param = 1", "abs(f.param) = 1").replace("$2 AND param = 1", "$2 AND abs(param) = 1")
        if name == "packed":
            value |= 1 << 48
            sql = sql.replace("param = 1 AND value", "value").replace("t.param = 1 AND ", "")
        query = await connection.prepare(sql)
        who = (1 << 40 | 17) if patient == "patient" else 1
        before, times = cpu(postmaster), []
        for _ in range(100):
            start = time.perf_counter()
            found = await query.fetch(value, who)
            times.append(time.perf_counter() - start)
        spent = (cpu(postmaster) - before) / len(times)
        print(f"  {title}: {statistics.median(times) * 1e6:.0f} us wall, {spent * 1e6:.0f} us CPU, {len(found)} rows")
    await connection.close()


def main() -> None:
    """Measure each layout in a PostgreSQL of its own schema."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--creates", type=int, default=3_000)
    parser.add_argument("--layouts", nargs="*", default=list(LAYOUTS))
    chosen = parser.parse_args()
    with server("shared_buffers=512MB", "max_wal_size=4GB") as url:
        for name in chosen.layouts:
            asyncio.run(measure(url, name, chosen.rows, chosen.creates))


if __name__ == "__main__":
    main()
