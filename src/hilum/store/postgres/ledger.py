"""The records of the authorization server on PostgreSQL. See `hilum.oauth.keeping.Ledger`.

**Why revocations() misses nothing.** A number is given under an advisory lock that is held until the commit, as the
last thing that a transaction does: of two transactions that revoke, the later one's numbers are greater, and when they
are seen, so are those of the earlier one.

A statement is run again when the connection was lost. It may have been done before: then what was ours to take is
taken, and nobody is `first`. https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from hilum.oauth.ledger import (
    CLIENT,
    CLIENT_REVOKED,
    CODE,
    FRESH,
    GRANT,
    GRANT_REVOKED,
    NEVER,
    REFRESH,
    REVOKED,
    TRIES,
    USED,
    Lost,
    Numbered,
    Put,
    Revoked,
    Row,
    Take,
    Taken,
)
from hilum.problems import Busy, VersionChanged
from hilum.store.clock import microseconds
from hilum.store.postgres.connection import AGAIN, Session, fetch
from hilum.store.restoring import HELD, LONGEST_TOKEN
from hilum.store.telling import Telling

T = TypeVar("T")
Point = Callable[[Callable[[Session], Awaitable[Any]]], Awaitable[Any]]

_TRIES: Final = 4
_IN_ORDER: Final = "SELECT pg_advisory_xact_lock(1751741812, $1::integer)"
_COLUMNS: Final = "kind, key, state, owner, peer, version, changed, expires, value"
_ONE: Final = f"SELECT {_COLUMNS} FROM ledger WHERE kind = $1 AND key = $2"
_ALIVE: Final = f"{_ONE} AND expires > $3"
_OF: Final = {
    "": f"SELECT {_COLUMNS} FROM ledger WHERE kind = $1 AND key > $2 AND expires > $3 ORDER BY key LIMIT $4",
    "owner": (
        f"SELECT {_COLUMNS} FROM ledger WHERE kind = $1 AND owner = $2 AND owner <> '' AND key > $3 AND expires > $4 "
        "AND ($5 = ''::bytea OR peer = $5) ORDER BY key LIMIT $6"
    ),
    "peer": (
        f"SELECT {_COLUMNS} FROM ledger WHERE kind = $1 AND peer = $2 AND peer <> '' AND key > $3 AND expires > $4 "
        "ORDER BY key LIMIT $5"
    ),
}
_RANGED: Final = f"""
SELECT {_COLUMNS} FROM ledger WHERE kind = $1 AND peer <> '' AND peer > $2 AND peer <= $3 AND expires > $4
ORDER BY peer, key LIMIT $5
"""
_ADD: Final = (
    f"INSERT INTO ledger ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING 1"
)
_REPLACE: Final = """
UPDATE ledger SET state = $1, owner = $2, peer = $3, version = version + 1, changed = $4, expires = $5, value = $6
WHERE kind = $7 AND key = $8 AND version = $9 RETURNING 1
"""
_REMOVE: Final = """
DELETE FROM ledger WHERE kind = $1 AND key = $2 AND ($3::bytea IS NULL OR value = $3) RETURNING 1
"""
_TAKE: Final = f"""
UPDATE ledger SET state = {USED}, version = version + 1, changed = $1, value = coalesce($2, value)
WHERE kind = $3 AND key = $4 AND state = {FRESH} AND expires > $1 RETURNING {_COLUMNS}
"""
_END: Final = f"UPDATE ledger SET state = {REVOKED}, version = version + 1, changed = $1 WHERE state <> {REVOKED} AND "
_END_KEY: Final = _END + "kind = $2 AND key = $3 AND ($4 = ''::bytea OR owner = $4) RETURNING 1"
_END_OWNER: Final = _END + "kind = $2 AND owner = $3 AND owner <> '' RETURNING 1"
_AGAIN: Final = f"""
UPDATE ledger SET version = CASE WHEN expires <= $2 THEN 1 ELSE version + 1 END, changed = $2,
expires = CASE WHEN expires <= $2 THEN $3 ELSE expires END WHERE kind = {TRIES} AND key = $1 RETURNING version
"""
_FIRST: Final = f"""
INSERT INTO ledger (kind, key, state, version, changed, expires, value) VALUES ({TRIES}, $1, {FRESH}, 1, $2, $3, '')
ON CONFLICT DO NOTHING RETURNING version
"""
_NOTE: Final = """
INSERT INTO revocation (kind, key, before, expires)
SELECT * FROM unnest($1::smallint[], $2::bytea[], $3::bigint[], $4::bigint[])
"""
_SWEEP: Final = f"""
DELETE FROM ledger l USING (SELECT kind, key FROM ledger WHERE expires <= $1 AND expires < {NEVER}
ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED) x WHERE l.kind = x.kind AND l.key = x.key RETURNING 1
"""
_SWEEP_REVOCATIONS: Final = """
DELETE FROM revocation r USING (SELECT n FROM revocation WHERE expires <= $1
ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED) x WHERE r.n = x.n RETURNING 1
"""


class PostgresLedger(Telling):
    """`point` does short work on a connection of the pool; `guard` is the number of the tenant's schema."""

    def __init__(self, point: Point, guard: int) -> None:
        super().__init__()
        self._point, self._guard = point, guard

    async def get(self, kind: int, key: bytes) -> Row | None:
        """The record, unless it has expired."""
        found = await self._rows(_ALIVE, kind, key, microseconds())
        return found[0] if found else None

    async def of(
        self, kind: int, *, owner: bytes = b"", peer: bytes = b"", after: bytes = b"", limit: int = 200
    ) -> list[Row]:
        """Unexpired records by key."""
        now = microseconds()
        if owner:
            return await self._rows(_OF["owner"], kind, owner, after, now, peer, limit)
        if peer:
            return await self._rows(_OF["peer"], kind, peer, after, now, limit)
        return await self._rows(_OF[""], kind, after, now, limit)

    async def ranged(self, kind: int, after: bytes, until: bytes, limit: int = 200) -> list[Row]:
        """Unexpired records by peer."""
        return await self._rows(_RANGED, kind, after, until, microseconds(), limit)

    async def add(self, put: Put) -> bool:
        """Write a new record."""
        return await self._do(lambda session: _add(session, put))

    async def replace(self, put: Put, version: int) -> bool:
        """Write it in place of that version."""
        return await self._do(lambda session: _replace(session, put, version))

    async def take(self, kind: int, key: bytes, value: bytes | None = None) -> Taken:
        """Use a fresh record up."""
        return await self._do(lambda session: _take(session, kind, key, value))

    async def end(self, kind: int, *, key: bytes = b"", owner: bytes = b"") -> int:
        """Revoke a record, or all of an owner."""
        if not (key or owner):
            raise ValueError("Neither the key nor the owner of what is to end was named.")
        if key:
            return len(await self._fetched(_END_KEY, microseconds(), kind, key, owner))
        return len(await self._fetched(_END_OWNER, microseconds(), kind, owner))

    async def remove(self, kind: int, key: bytes, value: bytes | None = None) -> bool:
        """Forget it."""
        return bool(await self._fetched(_REMOVE, kind, key, value))

    async def many(
        self,
        puts: Sequence[Put] = (),
        takes: Sequence[Take] = (),
        ends: Sequence[tuple[int, bytes]] = (),
        revokes: Sequence[Revoked] = (),
    ) -> None:
        """All or nothing. Sorted, so that those who want the same wait for each other in one order."""

        async def work(session: Session) -> str:
            for take in sorted(takes, key=_name):
                if not (await _take(session, take.kind, take.key, take.value)).first:
                    return "A record to be used up is not fresh any more."
            for kind, owner in ends:
                if not owner:
                    raise ValueError("The owner of what is to end was not named.")
                await fetch(session, _END_OWNER, microseconds(), kind, owner)
            for put in sorted(puts, key=_name):
                if not await _put(session, put):
                    return "A record to be written is another by now."
            if revokes:
                await note(session, self._guard, revokes)
            return ""

        if lost := await self._do(lambda session: _whole(session, work)):
            raise Lost(lost)
        self.tell(revokes)

    async def count(self, key: bytes, seconds: float) -> int:
        """How often, within `seconds` from the first time."""
        now = microseconds()
        values = (key, now, now + int(seconds * 1_000_000))

        async def work(session: Session) -> int:
            while True:  # swept or begun meanwhile by another
                found = await fetch(session, _AGAIN, *values) or await fetch(session, _FIRST, *values)
                if found:
                    return int(found[0][0])

        return await self._do(work)

    async def revoke(self, some: Sequence[Revoked]) -> None:
        """Note revocations."""

        async def work(session: Session) -> str:
            await note(session, self._guard, some)
            return ""

        if some:
            await self._do(lambda session: _whole(session, work))
            self.tell(some)

    async def revocations(self, after: int) -> list[Numbered]:
        """Those with greater numbers."""
        found = await self._fetched(
            "SELECT n, kind, key, before, expires FROM revocation WHERE n > $1 ORDER BY n", after
        )
        return [Numbered(n, Revoked(*one)) for n, *one in found]

    async def changed(self, kind: int, since: int) -> list[Row]:
        """Records that changed at or after `since`, the oldest change first."""
        sql = f"SELECT {_COLUMNS} FROM ledger WHERE kind = $1 AND changed >= $2 ORDER BY changed, key"
        return await self._rows(sql, kind, since)

    async def sweep(self, most: int = 500) -> int:
        """Delete expired records and revocations."""
        now = microseconds()
        done = len(await self._fetched(_SWEEP, now, most))
        return done + len(await self._fetched(_SWEEP_REVOCATIONS, now, most - done))

    async def _rows(self, sql: str, *values: Any) -> list[Row]:
        return [Row(*found) for found in await self._fetched(sql, *values)]

    async def _fetched(self, sql: str, *values: Any) -> list[Any]:
        return await self._do(lambda session: fetch(session, sql, *values))

    async def _do(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Again, when it and another got into each other's way."""

        async def patient(session: Session) -> T:
            for _ in range(_TRIES):
                try:
                    return await work(session)
                except asyncpg.PostgresError as error:
                    if error.sqlstate not in AGAIN:
                        raise
            raise Busy("Other writes kept getting in the way. Try again.")

        done: T = await self._point(patient)
        return done


async def revoke(session: Session, guard: int, some: Sequence[Revoked], now: int) -> None:
    """At the end of the transaction of a commit: end the records of grants, and note revocations."""
    for one in some:
        if one.kind == GRANT_REVOKED:
            await fetch(session, _END_KEY, now, GRANT, one.key, b"")
            for kind in (CODE, REFRESH):
                await fetch(session, _END_OWNER, now, kind, one.key)
    await note(session, guard, some)


async def put(session: Session, some: Sequence[Put]) -> None:
    """Within the transaction of a commit. Raises VersionChanged."""
    for one in sorted(some, key=_name):
        if not await _put(session, one):
            raise VersionChanged("A record to be written is another by now.")


async def after_restore(db: asyncpg.Connection) -> None:
    """Within the transaction of a restore: see `hilum.store.restoring`. Apps and accounts stay."""
    now = microseconds()
    await db.execute(_END + "kind = ANY ($2::smallint[])", now, list(HELD))
    await db.execute(
        f"INSERT INTO revocation (kind, key, before, expires) SELECT {CLIENT_REVOKED}, key, $1, $2 FROM ledger "
        f"WHERE kind = {CLIENT} ORDER BY key",
        now // 1_000_000,
        now + LONGEST_TOKEN,
    )


async def note(session: Session, guard: int, some: Sequence[Revoked]) -> None:
    """At the end of a transaction: note revocations."""
    await fetch(session, _IN_ORDER, guard)
    columns = zip(*((one.kind, one.key, one.before, one.expires) for one in some), strict=True)
    await fetch(session, _NOTE, *map(list, columns))


async def _whole(session: Session, work: Callable[[Session], Awaitable[str]]) -> str:
    """In one transaction; what `work` says is why nothing of it was written."""
    transaction = session.db.transaction()
    await transaction.start()
    try:
        said = await work(session)
    except BaseException:
        if not session.db.is_closed():
            await transaction.rollback()
        raise
    if said:
        await transaction.rollback()
    else:
        await transaction.commit()
    return said


def _name(step: Put | Take) -> tuple[int, bytes]:
    return step.kind, step.key


async def _add(session: Session, put: Put) -> bool:
    values = (put.kind, put.key, put.state, put.owner, put.peer, microseconds(), put.expires, put.value)
    return bool(await fetch(session, _ADD, *values))


async def _put(session: Session, put: Put) -> bool:
    return await (_add(session, put) if put.version is None else _replace(session, put, put.version))


async def _replace(session: Session, put: Put, version: int) -> bool:
    values = (put.state, put.owner, put.peer, microseconds(), put.expires, put.value, put.kind, put.key, version)
    return bool(await fetch(session, _REPLACE, *values))


async def _take(session: Session, kind: int, key: bytes, value: bytes | None) -> Taken:
    ours = await fetch(session, _TAKE, microseconds(), value, kind, key)
    if ours:
        return Taken(Row(*ours[0]), True)
    found = await fetch(session, _ONE, kind, key)
    return Taken(Row(*found[0]) if found else None, False)
