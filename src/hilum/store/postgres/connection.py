"""Connections: a small pool of held ones, and what a driver's error means to a store.

asyncpg's own pool resets a connection at every release, a round trip that costs more than a point read. Nothing here
changes a session, so that a connection goes back as it is; after an error that isn't hilum's own it is dropped.
https://magicstack.github.io/asyncpg/current/api/index.html
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from os import urandom
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import asyncpg

from hilum.problems import Busy, Misconfigured, Problem

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
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "client_min_messages": "warning",
    "default_transaction_isolation": "read committed",
    "application_name": "hilum",
}
AGAIN: Final = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected: the same statement may be run again."""
LOST: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError, asyncio.IncompleteReadError)


@dataclass(slots=True, eq=False)
class Session:
    """One connection, and the audit chain that it extends (`process` names the chain)."""

    db: asyncpg.Connection
    process: bytes
    chain: bytes = b""
    seq: int = 0
    """The first seq of the last commit."""


def lost(error: BaseException) -> bool:
    """Whether the connection is gone: as the driver says, or connection exceptions (08) and shutdowns (57P01-3)."""
    state = getattr(error, "sqlstate", None) or ""
    return isinstance(error, LOST) or state.startswith("08") or state in ("57P01", "57P02", "57P03")


def busy(error: BaseException) -> Busy:
    """A driver's error as the store's, without its text (which may quote values)."""
    state = getattr(error, "sqlstate", None)
    return Busy(f"PostgreSQL can't do it now ({type(error).__name__}{', ' + state if state else ''}). Try again.")


async def connect(url: str, schema: str, **settings: str) -> asyncpg.Connection:
    """A connection to one tenant's schema. Raises Busy when there is no answer, Misconfigured when it is no."""
    try:
        return await asyncpg.connect(
            url,
            server_settings={**SESSION, "search_path": quoted(schema), **settings},
            statement_cache_size=1000,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
            timeout=WAIT_SECONDS,
        )
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError) as error:
        where = urlsplit(url)
        raise Misconfigured(
            f"PostgreSQL at {where.hostname or 'the local socket'} refuses the connection ({type(error).__name__}). "
            "Check user, password and database in --store postgresql://USER@HOST/DATABASE."
        ) from None
    except (asyncpg.PostgresError, *LOST) as error:
        raise busy(error) from None


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Pool:
    """Up to `size` connections, made when first needed and then kept; the one used last is used next."""

    def __init__(self, url: str, schema: str, size: int) -> None:
        self._url, self._schema, self._size = url, schema, size
        self._idle: list[Session] = []
        self._waiting: deque[asyncio.Future[Session | None]] = deque()
        self._open = 0
        self._closed = False

    async def run(self, work: Callable[[Session], Awaitable[T]], *, tries: int = 3) -> T:
        """Do `work` on a connection; on another one when that was lost. A driver's error becomes Busy.

        `work` raises something of its own where it must not be done twice (apply.Unknown).
        """
        session = await self._take()
        try:
            result = await work(session)
        except Problem:  # raised between statements or by hilum's own SQLSTATEs: the session is sound
            self._give(session)
            raise
        except (asyncpg.PostgresError, *LOST) as error:
            self._drop(session)
            if tries > 1 and lost(error):
                return await self.run(work, tries=tries - 1)
            raise busy(error) from error
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
        except (asyncpg.PostgresError, *LOST) as error:
            raise busy(error) from error
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
        if self._open >= self._size:
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
            return Session(await connect(self._url, self._schema, application_name=named), process)
        except BaseException:
            self._open -= 1
            self._wake(None)
            raise

    def _give(self, session: Session) -> None:
        if session.db.is_closed():
            self._drop(session)
        elif not self._wake(session):
            self._idle.append(session)

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
