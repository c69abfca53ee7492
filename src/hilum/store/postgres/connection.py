"""Connections: a small pool of held ones, and what a driver's error means to a store.

asyncpg's own pool resets a connection at every release, a round trip that costs more than a point read. Nothing here
changes a session, so that a connection goes back as it is; after an error that isn't hilum's own it is dropped.
https://magicstack.github.io/asyncpg/current/api/index.html,
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from os import urandom
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import asyncpg

from hilum.problems import Busy, Damaged, Misconfigured, Problem

T = TypeVar("T")

WAIT_SECONDS: Final = 10
"""How long a request waits for a connection, and a statement for a lock, before the answer is Busy."""
SESSION: Final = {
    "synchronous_commit": "on",  # an acknowledged write is flushed
    "plan_cache_mode": "force_generic_plan",  # hilum plans for itself (select.py); PostgreSQL plans a statement once
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_hashagg": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",  # what stops early is no work to share
    "lock_timeout": f"{WAIT_SECONDS}s",
    "statement_timeout": "300s",  # of a commit; reads have less, which run() counts over all their statements
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "client_min_messages": "warning",
    "default_transaction_isolation": "read committed",
    "application_name": "hilum",
}
AGAIN: Final = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected: the same statement may be run again."""
DRIVER: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises: the server's errors, its own, and the socket's (a timeout is an OSError)."""
_ENDED: Final = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})
"""The server shuts down, starts, has crashed, or has ended a session that was idle for too long."""
_DAMAGE: Final = frozenset({"XX001", "XX002"})
"""data_corrupted and index_corrupted."""
_TRANSIENT_CLASSES: Final = frozenset({"40", "53"})
"""Transaction rollback; insufficient resources: disk, memory, connections."""
_TRANSIENT: Final = _ENDED | {"25006", "55P03", "57014", "58000", "58030"}
"""What the machine, the operator or another session is to blame for, too: read_only_sql_transaction (what was the
primary is a standby by now), lock_not_available, query_canceled, system_error, io_error."""


@dataclass(slots=True, eq=False)
class Session:
    """One connection, and the audit chain that it extends (`process` names the chain)."""

    db: asyncpg.Connection
    process: bytes
    chain: bytes = b""
    seq: int = 0
    """The first seq of the last commit."""


def lost(error: BaseException, db: asyncpg.Connection) -> bool:
    """Whether the connection is gone, as the server says or as the driver has seen.

    A protocol_violation (08P01) is a defect, and so is what the driver refuses on a sound connection.
    """
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state in _ENDED or (state[:2] == "08" and state != "08P01")
    return isinstance(error, OSError) or db.is_closed()


def translated(error: Exception, *, gone: bool) -> Exception:
    """A driver's error in the words of the client, where trying again can help; never its text, which may hold values.

    `gone`: the connection is lost. What is left is an error of our own SQL: it is given back as it is, a defect that
    the edge logs and hides.
    """
    state = getattr(error, "sqlstate", None) or ""
    if state in _DAMAGE:
        return Damaged(f"PostgreSQL finds its data damaged ({state}). Whoever runs hilum has to restore a backup.")
    if state == "53100":
        return Busy("PostgreSQL's disk is full: nothing was written. Free some space and try again.")
    if not (gone or state in _TRANSIENT or state[:2] in _TRANSIENT_CLASSES):
        return error
    what = f"{type(error).__name__}{', ' + state if state else ''}"
    return Busy(f"PostgreSQL can't do this now ({what}); nothing was written. Try again.")


async def connect(url: str, schema: str, **settings: str) -> asyncpg.Connection:
    """A connection to one tenant's schema. Raises Busy when there is no answer, Misconfigured when it is no."""
    try:
        return await _connected(url, schema, settings)
    except (*DRIVER, ValueError) as error:
        where = urlsplit(url)
        raise Misconfigured(
            f"PostgreSQL at {where.hostname or 'the local socket'} refuses the connection ({type(error).__name__}). "
            "Check user, password and database in --store postgresql://USER@HOST/DATABASE."
        ) from None


async def _connected(url: str, schema: str, settings: dict[str, str]) -> asyncpg.Connection:
    """Raises Busy when there is no answer, the driver's error when it is no."""
    try:
        return await asyncpg.connect(
            url,
            server_settings={**SESSION, "search_path": quoted(schema), **settings},
            statement_cache_size=1000,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
            timeout=WAIT_SECONDS,
        )
    except DRIVER as error:
        state = getattr(error, "sqlstate", None) or ""
        # InternalClientError: of several hosts none is what target_session_attrs asks for, as during a failover.
        # A certificate that does not hold is an OSError and a ValueError.
        nobody = isinstance(error, (OSError, asyncpg.InternalClientError)) and not isinstance(error, ValueError)
        closed = state == "55000"  # the database takes no connections at present (ALLOW_CONNECTIONS false)
        raise translated(error, gone=nobody or closed or (state[:2] == "08" and state != "08P01")) from None


def at_work(error: Exception, db: asyncpg.Connection) -> Exception:
    """`translated` for work that has files of its own: an OSError while the connection stands is one of theirs."""
    if isinstance(error, OSError) and not db.is_closed():
        return error
    return translated(error, gone=lost(error, db))


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Pool:
    """Up to `size` connections, made when first needed and then kept; the one used last is used next."""

    def __init__(self, url: str, schema: str, size: int) -> None:
        self._url, self._schema, self.size = url, schema, size
        self._idle: list[Session] = []
        self._waiting: deque[asyncio.Future[Session | None]] = deque()
        self._open = 0
        self._closed = False

    async def run(self, work: Callable[[Session], Awaitable[T]], *, seconds: float | None = None, tries: int = 3) -> T:
        """Do `work` on a connection; on another one when that was lost. A driver's error becomes what it means.

        Raises TimeoutError when `work` takes longer than `seconds`, with all of its statements; PostgreSQL is told to
        stop. `work` raises something of its own where it must not be done twice (apply.Unknown).
        """
        session = await self._take()
        try:
            async with asyncio.timeout(seconds) as limit:
                result = await work(session)
        except Problem:  # raised between statements or by hilum's own SQLSTATEs: the session is sound
            self._give(session)
            raise
        except DRIVER as error:
            if limit.expired():
                await self._stop(session)
                raise TimeoutError from None
            gone = lost(error, session.db)
            self._drop(session)
            if tries > 1 and gone:
                return await self.run(work, seconds=seconds, tries=tries - 1)
            raise translated(error, gone=gone) from None
        except BaseException:
            self._drop(session)
            raise
        self._give(session)
        return result

    @asynccontextmanager
    async def alone(self, **settings: str) -> AsyncIterator[asyncpg.Connection]:
        """A connection of its own, for long work, with other settings."""
        connection = await connect(self._url, self._schema, **settings)
        try:
            yield connection
        except DRIVER as error:
            raise at_work(error, connection) from None
        finally:
            connection.terminate()

    async def close(self) -> None:
        """Wait for the connections in use, then close all."""
        self._closed = True
        while self._open:
            while self._idle:
                session = self._idle.pop()
                self._open -= 1
                await session.db.close()
            if self._open:
                await asyncio.sleep(0.01)

    async def _take(self) -> Session:
        while self._idle:
            session = self._idle.pop()
            if not session.db.is_closed():
                return session
            self._drop(session)
        if self._closed:
            raise Busy("The store is closed.")
        if self._open >= self.size:
            future: asyncio.Future[Session | None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    given = await future
            except TimeoutError:
                raise Busy("Every connection to PostgreSQL is in use. Try again.") from None
            except asyncio.CancelledError:
                if future.done() and not future.cancelled() and (late := future.result()) is not None:
                    self._give(late)
                raise
            if given is not None:
                return given
            return await self._take()
        self._open += 1
        try:
            process = urandom(8)
            named = f"hilum {process.hex()}"  # apply.outcome() finds it by this in pg_stat_activity
            return Session(await _connected(self._url, self._schema, {"application_name": named}), process)
        except BaseException:
            self._open -= 1
            self._wake(None)
            raise

    def _give(self, session: Session) -> None:
        if session.db.is_closed():
            self._drop(session)
        elif not self._wake(session):
            self._idle.append(session)

    async def _stop(self, session: Session) -> None:
        """Drop a session whose statement was given up, once PostgreSQL has ended it: until then it takes a place."""
        try:
            with suppress(*DRIVER):
                await session.db.close(timeout=WAIT_SECONDS)  # waits for the cancellation that asyncpg has sent
        finally:
            self._drop(session)

    def _drop(self, session: Session) -> None:
        session.db.terminate()
        self._open -= 1
        self._wake(None)

    def _wake(self, session: Session | None) -> bool:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(session)
                return True
        return False


async def fetch(session: Session, sql: str, *values: Any) -> list[Any]:
    """All rows of a statement, prepared once per connection. What a column holds is known by the schema."""
    found: list[Any] = await session.db.fetch(sql, *values)
    return found
