"""The records of the authorization server on SQLite. See `hilum.oauth.keeping.Ledger`.

Reads run where they are called, a point read each; writes on the thread of beside.py.
https://www.sqlite.org/lang_returning.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw

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
from hilum.problems import VersionChanged
from hilum.store.clock import microseconds
from hilum.store.restoring import HELD, LONGEST_TOKEN
from hilum.store.sqlite.beside import Beside
from hilum.store.sqlite.connection import row, rows
from hilum.store.telling import Telling

_COLUMNS: Final = "kind, key, state, owner, peer, version, changed, expires, value"
_ONE: Final = f"SELECT {_COLUMNS} FROM ledger WHERE kind = ? AND key = ?"
_ALIVE: Final = f"{_ONE} AND expires > ?"
_OF: Final = {
    "": f"SELECT {_COLUMNS} FROM ledger WHERE kind = ? AND key > ? AND expires > ? ORDER BY key LIMIT ?",
    "owner": (
        f"SELECT {_COLUMNS} FROM ledger WHERE kind = ? AND owner = ? AND owner <> x'' AND key > ? AND expires > ? "
        "AND (? = x'' OR peer = ?) ORDER BY key LIMIT ?"
    ),
    "peer": (
        f"SELECT {_COLUMNS} FROM ledger WHERE kind = ? AND peer = ? AND peer <> x'' AND key > ? AND expires > ? "
        "ORDER BY key LIMIT ?"
    ),
}
_RANGED: Final = f"""
SELECT {_COLUMNS} FROM ledger WHERE kind = ? AND peer <> x'' AND peer > ? AND peer <= ? AND expires > ?
ORDER BY peer, key LIMIT ?
"""
_ADD: Final = f"INSERT INTO ledger ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?) ON CONFLICT DO NOTHING"
_REPLACE: Final = """
UPDATE ledger SET state = ?, owner = ?, peer = ?, version = version + 1, changed = ?, expires = ?, value = ?
WHERE kind = ? AND key = ? AND version = ?
"""
_REMOVE: Final = "DELETE FROM ledger WHERE kind = ?1 AND key = ?2 AND (?3 IS NULL OR value = ?3)"
_TAKE: Final = f"""
UPDATE ledger SET state = {USED}, version = version + 1, changed = ?, value = coalesce(?, value)
WHERE kind = ? AND key = ? AND state = {FRESH} AND expires > ? RETURNING {_COLUMNS}
"""
_END: Final = f"UPDATE ledger SET state = {REVOKED}, version = version + 1, changed = ? WHERE state <> {REVOKED} AND "
_END_KEY: Final = _END + "kind = ? AND key = ?"
_END_OWNER: Final = _END + "kind = ? AND owner = ? AND owner <> x''"
_COUNT: Final = f"""
INSERT INTO ledger (kind, key, state, version, changed, expires, value) VALUES ({TRIES}, ?1, {FRESH}, 1, ?2, ?3, x'')
ON CONFLICT DO UPDATE SET version = CASE WHEN expires <= ?2 THEN 1 ELSE version + 1 END, changed = ?2,
expires = CASE WHEN expires <= ?2 THEN ?3 ELSE expires END RETURNING version
"""
_SWEEP: Final = f"""
DELETE FROM ledger WHERE (kind, key) IN
(SELECT kind, key FROM ledger WHERE expires <= ? AND expires < {NEVER} ORDER BY expires LIMIT ?)
"""
_SWEEP_REVOCATIONS: Final = """
DELETE FROM revocation WHERE n IN (SELECT n FROM revocation WHERE expires <= ? ORDER BY expires LIMIT ?)
"""


class SqliteLedger(Telling):
    """Reads by `db`, the connection of the event loop."""

    def __init__(self, db: apsw.Connection, beside: Beside) -> None:
        super().__init__()
        self._db, self._beside = db, beside

    async def get(self, kind: int, key: bytes) -> Row | None:
        """The record, unless it has expired."""
        found = row(self._db, _ALIVE, (kind, key, microseconds()))
        return Row(*found) if found else None

    async def of(
        self, kind: int, *, owner: bytes = b"", peer: bytes = b"", after: bytes = b"", limit: int = 200
    ) -> list[Row]:
        """Unexpired records by key."""
        now = microseconds()
        if owner:
            return _listed(self._db, _OF["owner"], (kind, owner, after, now, peer, peer, limit))
        if peer:
            return _listed(self._db, _OF["peer"], (kind, peer, after, now, limit))
        return _listed(self._db, _OF[""], (kind, after, now, limit))

    async def ranged(self, kind: int, after: bytes, until: bytes, limit: int = 200) -> list[Row]:
        """Unexpired records by peer."""
        return _listed(self._db, _RANGED, (kind, after, until, microseconds(), limit))

    async def add(self, put: Put) -> bool:
        """Write a new record."""
        return await self._beside.run(lambda db: _add(db, put))

    async def replace(self, put: Put, version: int) -> bool:
        """Write it in place of that version."""
        return await self._beside.run(lambda db: _replace(db, put, version))

    async def take(self, kind: int, key: bytes, value: bytes | None = None) -> Taken:
        """Use a fresh record up."""
        return await self._beside.run(lambda db: _take(db, kind, key, value))

    async def end(self, kind: int, *, key: bytes = b"", owner: bytes = b"") -> int:
        """Revoke a record, or all of an owner."""
        if not (key or owner):
            raise ValueError("Neither the key nor the owner of what is to end was named.")

        def work(db: apsw.Connection) -> int:
            now = microseconds()
            if not key:
                return _done(db, _END_OWNER, (now, kind, owner))
            if not owner:
                return _done(db, _END_KEY, (now, kind, key))
            return _done(db, _END_KEY + " AND owner = ?", (now, kind, key, owner))

        return await self._beside.run(work)

    async def remove(self, kind: int, key: bytes, value: bytes | None = None) -> bool:
        """Forget it."""
        return await self._beside.run(lambda db: bool(_done(db, _REMOVE, (kind, key, value))))

    async def many(
        self,
        puts: Sequence[Put] = (),
        takes: Sequence[Take] = (),
        ends: Sequence[tuple[int, bytes]] = (),
        revokes: Sequence[Revoked] = (),
    ) -> None:
        """All or nothing."""

        def work(db: apsw.Connection) -> None:
            for take in takes:
                if not _take(db, take.kind, take.key, take.value).first:
                    raise Lost("A record to be used up is not fresh any more.")
            for kind, owner in ends:
                if not owner:
                    raise ValueError("The owner of what is to end was not named.")
                db.execute(_END_OWNER, (microseconds(), kind, owner))
            for put in puts:
                if not _put(db, put):
                    raise Lost("A record to be written is another by now.")
            note(db, revokes)

        await self._beside.run(work)
        self.tell(revokes)

    async def count(self, key: bytes, seconds: float) -> int:
        """How often, within `seconds` from the first time."""

        def work(db: apsw.Connection) -> int:
            now = microseconds()
            return int(db.execute(_COUNT, (key, now, now + int(seconds * 1_000_000))).get)

        return await self._beside.run(work)

    async def revoke(self, some: Sequence[Revoked]) -> None:
        """Note revocations."""
        await self._beside.run(lambda db: note(db, some))
        self.tell(some)

    async def revocations(self, after: int) -> list[Numbered]:
        """Those with greater numbers: one writer at a time makes them grow with the commits."""
        found = rows(self._db, "SELECT n, kind, key, before, expires FROM revocation WHERE n > ? ORDER BY n", (after,))
        return [Numbered(n, Revoked(*one)) for n, *one in found]

    async def changed(self, kind: int, since: int) -> list[Row]:
        """Records that changed at or after `since`, the oldest change first."""
        sql = f"SELECT {_COLUMNS} FROM ledger WHERE kind = ? AND changed >= ? ORDER BY changed, key"
        return _listed(self._db, sql, (kind, since))

    async def sweep(self, most: int = 500) -> int:
        """Delete expired records and revocations."""

        def work(db: apsw.Connection) -> int:
            now = microseconds()
            done = _done(db, _SWEEP, (now, most))
            return done + _done(db, _SWEEP_REVOCATIONS, (now, most - done))

        return await self._beside.run(work)


def revoke(db: apsw.Connection, some: Sequence[Revoked], now: int) -> None:
    """Within the transaction of a commit: note revocations, and end the records of grants."""
    note(db, some)
    for one in some:
        if one.kind == GRANT_REVOKED:
            db.execute(_END_KEY, (now, GRANT, one.key))
            for kind in (CODE, REFRESH):
                db.execute(_END_OWNER, (now, kind, one.key))


def put(db: apsw.Connection, some: Sequence[Put]) -> None:
    """Within the transaction of a commit. Raises VersionChanged."""
    for one in some:
        if not _put(db, one):
            raise VersionChanged("A record to be written is another by now.")


def after_restore(db: apsw.Connection) -> None:
    """Within a transaction, of a store that was restored: it may not know any more what was revoked or used up since.

    So whoever is signed in, and every token, ends; apps and accounts stay.
    """
    now = microseconds()
    kinds = ", ".join(map(str, HELD))
    db.execute(_END + f"kind IN ({kinds})", (now,))
    db.execute(
        f"INSERT INTO revocation (kind, key, before, expires) SELECT {CLIENT_REVOKED}, key, ?, ? FROM ledger "
        f"WHERE kind = {CLIENT} ORDER BY key",
        (now // 1_000_000, now + LONGEST_TOKEN),
    )


def note(db: apsw.Connection, some: Sequence[Revoked]) -> None:
    """Within a transaction: note revocations."""
    db.executemany(
        "INSERT INTO revocation (kind, key, before, expires) VALUES (?, ?, ?, ?)",
        [(one.kind, one.key, one.before, one.expires) for one in some],
    )


def _listed(db: apsw.Connection, sql: str, values: Sequence[Any]) -> list[Row]:
    return [Row(*found) for found in rows(db, sql, values)]


def _done(db: apsw.Connection, sql: str, values: Sequence[Any]) -> int:
    db.execute(sql, values)
    return db.changes()


def _add(db: apsw.Connection, put: Put) -> bool:
    values = (put.kind, put.key, put.state, put.owner, put.peer, microseconds(), put.expires, put.value)
    return bool(_done(db, _ADD, values))


def _put(db: apsw.Connection, put: Put) -> bool:
    return _add(db, put) if put.version is None else _replace(db, put, put.version)


def _replace(db: apsw.Connection, put: Put, version: int) -> bool:
    values = (put.state, put.owner, put.peer, microseconds(), put.expires, put.value, put.kind, put.key, version)
    return bool(_done(db, _REPLACE, values))


def _take(db: apsw.Connection, kind: int, key: bytes, value: bytes | None) -> Taken:
    now = microseconds()
    ours: list[Any] = db.execute(_TAKE, (now, value, kind, key, now)).fetchall()
    if ours:
        return Taken(Row(*ours[0]), True)
    found: list[Any] = db.execute(_ONE, (kind, key)).fetchall()
    return Taken(Row(*found[0]) if found else None, False)
