"""Does the floor do hilum's work? The same requests into both, then rows per table and bytes are compared.

A lazy floor insults hilum, a slow one flatters it: so whatever differs is printed, table by table.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import asyncpg

from bench.load import Job
from bench.operations import BASE, OPERATIONS, Answer
from bench.records import Population
from bench.servers import Server
from hilum.audit import file
from hilum.audit.entry import decode
from hilum.problems import Damaged

REQUESTS = 30
"""Of each operation that writes, into both."""
BESIDE = frozenset({"ledger", "revocation", "audit_segment", "audit_about", "audit_anchor"})
"""What hilum alone keeps: the records of the authorization server, and its trail, which is counted by `accesses`."""
SKIPPED = frozenset({"meta", "migration", "reindex"}) | BESIDE
_WORDS = """
SELECT 'words of ' || col, sum(doc), 0 FROM temp.words
WHERE NOT (length(term) IN (4, 8, 12) AND term NOT GLOB '*[^0-9a-f]*') GROUP BY 1
"""
"""How many (word, resource) there are, but for what could be a piece of a UUID: where the id that a server gave has a
word that the resource has, too (2016 of a date), there is one less.
"""
_SEGMENTS = "SELECT process, first, body FROM audit_segment"
BODIES = {"resource": "body", "old": "body", "fulltext": "content"}

Counted = dict[str, tuple[int, int]]
"""Table (and parameter) -> (rows, bytes of bodies)."""
Measure = Callable[[Server, Job], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One count that the floor and hilum do not share."""

    what: str
    floor: object
    hilum: object

    def __str__(self) -> str:
        return f"{self.what}: floor {self.floor}, hilum {self.hilum}"


async def write_both(measure: Measure, servers: tuple[Server, Server], size: int) -> None:
    """Send the same requests of every kind to both, 16 at a time."""
    for operation in OPERATIONS.values():
        for server in servers:
            many = REQUESTS if operation.writes else 5
            job = Job(operation.name, server.port, server.token, size, connections=16, seed=77, requests=many)
            await measure(server, job)


def differences(floor: Counted, hilum: Counted) -> list[Difference]:
    """Whatever is not equal, sorted by name."""
    nothing = (0, 0)
    return [
        Difference(name, floor.get(name, nothing), hilum.get(name, nothing))
        for name in sorted(floor.keys() | hilum.keys())
        if floor.get(name, nothing) != hilum.get(name, nothing)
    ]


def count_sqlite(path: str) -> Counted:
    """Rows of every table, per parameter where there is one, and the bytes of bodies."""
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    found: Counted = {}
    for (table,) in list(
        db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' "
            "AND name NOT LIKE 'fulltext%'"
        )
    ):
        columns = {str(row[1]) for row in db.execute(f"PRAGMA table_info({table})")}
        rows: Any = db.execute(_counting(str(table), columns))
        found |= {label: (many, size) for label, many, size in rows if table not in SKIPPED}
    db.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, fulltext, col)")
    words: Any = db.execute(_WORDS)
    found |= {label: (many, size) for label, many, size in words}
    db.close()
    return found


async def count_postgres(url: str) -> Counted:
    """The same of a PostgreSQL database."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "hilum"})
    tables = await connection.fetch(
        "SELECT c.relname, array_agg(a.attname::text) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relkind = 'r' AND c.relnamespace = 'hilum'::regnamespace AND a.attnum > 0 GROUP BY 1"
    )
    found: Counted = {}
    for table, columns in tables:
        rows = await connection.fetch(_counting(table, set(columns)))
        found |= {label: (many, size) for label, many, size in rows if table not in SKIPPED}
    await connection.close()
    return found


def segments_sqlite(path: str) -> list[tuple[bytes, int, bytes]]:
    """(process, entries before it, body) of each segment of hilum's audit trail."""
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    rows: Any = db.execute(_SEGMENTS)
    found = list(rows)
    db.close()
    return found


async def segments_postgres(url: str) -> list[tuple[bytes, int, bytes]]:
    """The same of a PostgreSQL database."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "hilum"})
    found = await connection.fetch(_SEGMENTS)
    await connection.close()
    return [tuple(row) for row in found]


async def accesses(data: Path, segments: Callable[[], Awaitable[list[tuple[bytes, int, bytes]]]]) -> Counted:
    """How many reads and searches hilum's trail tells of: in its files, which become segments in the store."""
    found: dict[tuple[bytes, int], list[bytes]] = {}
    for path in file.logs(data / "audit"):
        with suppress(Damaged):  # gone meanwhile: it is in the store
            if (log := file.read(path)) is not None:
                found[log.process, log.first] = list(log.payloads)
    for process, first, body in await segments():
        found[process, first] = [payload for payload, _ in file.frames(zlib.decompress(body))]
    return shown(sum(bool(entry.type) for each in found.values() for one in each for entry in decode(one).entries))


def shown(many: int) -> Counted:
    """The line that tells how many accesses there were."""
    return {"accesses told of": (many, 0)}


def _counting(table: str, columns: set[str]) -> str:
    if table == "tally":  # how many rows they are in is the store's own affair
        return "SELECT 'tally ' || type, CAST(sum(n) AS integer), 0 FROM tally GROUP BY type"
    size = f"coalesce(sum(length({BODIES[table]})), 0)" if table in BODIES else "0"
    group = "param" if "param" in columns else "interaction" if "interaction" in columns else None
    name = f"'{table} ' || {group}" if group else f"'{table}'"
    return f"SELECT {name}, count(*), {size} FROM {table}" + (" GROUP BY 1" if group else "")


async def answers(server: Server, size: int) -> dict[str, tuple[int, tuple[str, ...], int]]:
    """Operation -> (status, names of headers, bytes of the body) of its first answer."""
    found = {}
    for operation in OPERATIONS.values():
        calls = operation.make(Population(size), server.token, 78)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head, _, rest = calls.request(0).partition(b"\r\n\r\n")
        writer.write(head + b"\r\nConnection: close\r\n\r\n" + rest)
        data = await reader.read()
        writer.close()
        if not data.startswith(b"HTTP/1.1 "):
            raise RuntimeError(f"{server.name} closed the connection on {operation.name} without an answer.")
        top, _, body = data.partition(b"\r\n\r\n")
        answer = Answer(int(data[9:12]), top.decode("latin-1"), body)
        names = sorted(line.split(":")[0].lower() for line in answer.head.split("\r\n")[1:])
        # The port is part of every address in a body.
        address = f":{server.port}{BASE}".encode()
        found[operation.name] = (answer.status, tuple(names), len(body.replace(address, b"")))
    return found


def differing_answers(
    floor: dict[str, tuple[int, tuple[str, ...], int]], hilum: dict[str, tuple[int, tuple[str, ...], int]]
) -> list[Difference]:
    """Status, headers or length that are not equal."""
    parts = ("status", "headers", "bytes of the body")
    return [
        Difference(f"answer to {name}, {part}", a, b)
        for name in floor
        for part, a, b in zip(parts, floor[name], hilum[name], strict=True)
        if a != b
    ]
