"""Code systems on PostgreSQL. See `hilum.terminology.concepts.Concepts`. Loads go by COPY, some thousand rows each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from hilum.store.clock import microseconds
from hilum.store.postgres.connection import Session, fetch
from hilum.terminology.concepts import ABANDONED, IMPORTED, LINGERS, Head, Posting, Row, System

Run = Callable[[Callable[[Session], Awaitable[Any]]], Awaitable[Any]]

_STEP: Final = 20_000
"""Rows that are taken away in one transaction."""
_SYSTEM: Final = "number, url, version, source, seq, count, about"
_COLUMNS: Final = "n, code, display, flags, last, parents, over, under, detail"
_CHANGED: Final = "UPDATE meta SET value = (value::bigint + 1)::text WHERE key = 'terminology'"
_HEARD: Final = "UPDATE code_system SET changed = $2 WHERE number = $1 AND state = 0"
_SAME: Final = "state = 1 AND source = $1 AND ($1 <> $4 OR (url = $2 AND version = $3))"
_AT: Final = f"""
SELECT {_COLUMNS} FROM unnest($2::integer[]) AS w (wanted)
CROSS JOIN LATERAL (SELECT {_COLUMNS} FROM concept WHERE system = $1 AND n = w.wanted OFFSET 0) c
"""
_OF: Final = f"""
SELECT {_COLUMNS} FROM unnest($2::text[]) AS w (wanted)
CROSS JOIN LATERAL (SELECT {_COLUMNS} FROM concept WHERE system = $1 AND code = w.wanted OFFSET 0) c
"""
_CLOSURES: Final = """
WITH RECURSIVE found (name) AS (
    SELECT min(name) FROM closure WHERE name >= $1 AND name < $2
    UNION ALL SELECT (SELECT min(name) FROM closure WHERE name > found.name AND name < $2) FROM found
    WHERE found.name IS NOT NULL
) SELECT name FROM found WHERE name IS NOT NULL LIMIT $3
"""
"""'0' comes behind '/'."""
_LESS: Final = tuple(
    f"DELETE FROM {table} WHERE ctid = ANY (ARRAY("
    f"SELECT ctid FROM {table} WHERE system = $1 LIMIT {_STEP})) RETURNING 1"
    for table in ("concept", "posting")
)


class PostgresConcepts:
    """`point` does what is short on a connection of the pool, `run` what takes as long as it takes."""

    def __init__(self, point: Run, run: Run) -> None:
        self._point, self._run = point, run

    async def generation(self) -> int:
        """One probe."""
        ((found,),) = await self._fetch("SELECT value FROM meta WHERE key = 'terminology'")
        return int(found)

    async def systems(self, url: str | None = None) -> list[System]:
        """Ready ones, the newest first."""
        if url is not None and "\0" in url:
            return []
        if url is None:
            found = await self._fetch(f"SELECT {_SYSTEM} FROM code_system WHERE state = 1 ORDER BY number DESC")
        else:
            sql = f"SELECT {_SYSTEM} FROM code_system WHERE url = $1 AND state = 1 ORDER BY number DESC"
            found = await self._fetch(sql, url)
        return [System(one[0], _head(one)) for one in found]

    async def begin(self, head: Head) -> int:
        """A row that nobody finds yet."""
        sql = (
            "INSERT INTO code_system (url, version, source, seq, count, state, changed, about) "
            "VALUES ($1, $2, $3, $4, $5, 0, $6, $7) RETURNING number"
        )
        ((number,),) = await self._fetch(sql, *head[:5], microseconds(), msgspec.json.encode(head.about))
        return int(number)

    async def add(self, number: int, rows: Sequence[Row]) -> None:
        """One COPY."""
        names = ["system", "n", "code", "display", "flags", "last", "parents", "over", "under", "detail"]
        await self._copied("concept", names, [(number, *one) for one in rows], number)

    async def post(self, number: int, postings: Sequence[Posting]) -> None:
        """One COPY."""
        await self._copied("posting", ["system", "kind", "key", "value"], [(number, *one) for one in postings], number)

    async def finish(self, number: int) -> bool:
        """In one transaction with what it replaces; one finishes at a time."""

        async def work(session: Session) -> bool:
            async with session.db.transaction():
                await fetch(session, _CHANGED)
                now = microseconds()
                sql = "SELECT url, version, source, seq FROM code_system WHERE number = $1"
                ((url, version, source, seq),) = await fetch(session, sql, number)
                same = (source, url, version, IMPORTED)
                newer = await fetch(
                    session, f"SELECT 1 FROM code_system WHERE {_SAME} AND seq > $5 LIMIT 1", *same, seq
                )
                if not newer:
                    await fetch(session, f"UPDATE code_system SET state = 2, changed = $5 WHERE {_SAME}", *same, now)
                put = "UPDATE code_system SET state = $2, changed = $3 WHERE number = $1"
                await fetch(session, put, number, 2 if newer else 1, now)
                return not newer

        done: bool = await self._point(work)
        return done

    async def retire(self, number: int) -> bool:
        """Found no more."""

        async def work(session: Session) -> bool:
            async with session.db.transaction():
                sql = "UPDATE code_system SET state = 2, changed = $2 WHERE number = $1 AND state = 1 RETURNING number"
                found = await fetch(session, sql, number, microseconds())
                if found:
                    await fetch(session, _CHANGED)
                return bool(found)

        done: bool = await self._point(work)
        return done

    async def sweep(self) -> int:
        """In small transactions."""
        now = microseconds()
        sql = "SELECT number FROM code_system WHERE (state = 2 AND changed < $1) OR (state = 0 AND changed < $2)"
        found = await self._fetch(sql, now - LINGERS * 1_000_000, now - ABANDONED * 1_000_000)
        for (number,) in found:
            for less in _LESS:
                while await self._less(less, number):
                    pass
            await self._fetch("DELETE FROM code_system WHERE number = $1", number)
        return len(found)

    async def at(self, number: int, some: Sequence[int]) -> list[Row]:
        """By number."""
        found = [Row(*one) for one in await self._fetch(_AT, number, list(some))]
        by = {one.n: one for one in found}
        return [by[n] for n in some if n in by]

    async def of(self, number: int, codes: Sequence[str]) -> list[Row]:
        """By code."""
        wanted = [code for code in dict.fromkeys(codes) if "\0" not in code]
        return [Row(*one) for one in await self._fetch(_OF, number, wanted)]

    async def postings(self, number: int, kind: int, low: str, high: str | None = None) -> list[tuple[str, bytes]]:
        """One range of the primary key."""
        if "\0" in low:
            return []
        sql = "SELECT key, value FROM posting WHERE system = $1 AND kind = $2 AND key >= $3 AND key <= $4 ORDER BY key"
        found = await self._fetch(sql, number, kind, low, low if high is None else high)
        return [(key, value) for key, value in found]

    async def closure(self, name: str) -> list[tuple[int, str]] | None:
        """Step 0 is that there is one."""
        found = await self._fetch("SELECT n, step FROM closure WHERE name = $1 ORDER BY n", name)
        return [(n, step) for n, step in found[1:]] if found else None

    async def closures(self, start: str, most: int) -> list[str]:
        """From name to name, past their steps."""
        return [name for (name,) in await self._fetch(_CLOSURES, start, start[:-1] + "0", most)]

    async def extend(self, name: str, after: int, step: str | None) -> bool:
        """Where nobody else did since: two who try the same number meet at the primary key."""

        async def anew(session: Session) -> bool:
            async with session.db.transaction():
                await fetch(session, "DELETE FROM closure WHERE name = $1", name)
                await fetch(session, "INSERT INTO closure VALUES ($1, 0, '') ON CONFLICT DO NOTHING", name)
                return True

        async def more(session: Session) -> bool:
            sql = (
                "INSERT INTO closure SELECT $1, $2 + 1, $3 WHERE (SELECT max(n) FROM closure WHERE name = $1) = $2 "
                "ON CONFLICT DO NOTHING RETURNING n"
            )
            return bool(await fetch(session, sql, name, after, step))

        done: bool = await self._point(anew if step is None else more)
        return done

    async def _fetch(self, sql: str, *values: Any) -> Any:
        return await self._point(lambda session: fetch(session, sql, *values))

    async def _less(self, sql: str, number: int) -> list[Any]:
        found: list[Any] = await self._run(lambda session: fetch(session, sql, number))
        return found

    async def _copied(self, table: str, names: list[str], records: list[Any], number: int) -> None:
        async def work(session: Session) -> None:
            async with session.db.transaction():
                await session.db.copy_records_to_table(table, records=records, columns=names)
                await fetch(session, _HEARD, number, microseconds())

        await self._run(work)


def _head(found: Any) -> Head:
    return Head(found[1], found[2], found[3], found[4], found[5], msgspec.json.decode(found[6]))
