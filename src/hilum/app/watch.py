"""What others changed: revocations, clients, keys, what is open, the file of roles. Each process looks once a second;
of what it revokes itself it is told.

A revocation holds here within five seconds, or no token does: a process that can't learn of them any more must not
go on honouring tokens. https://www.rfc-editor.org/rfc/rfc7009#section-3
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass
from typing import Final

from hilum.access.keyring import Keyring
from hilum.access.ledger import Ledger
from hilum.access.opened import Opened
from hilum.access.verifier import Verifier
from hilum.app.background import Background
from hilum.oauth.ledger import CLIENT, CLIENT_REVOKED, FRESH, KEY, SETTING, Client, Revoked, Row, read
from hilum.problems import Problem
from hilum.smart.apps import clients
from hilum.web import log

POLL_SECONDS: Final = 1.0
SOON_SECONDS: Final = 0.1
"""How often strangers can make a process look: not oftener, however many ask."""
FRESH_SECONDS: Final = 5.0
"""How long what was learnt counts after the look began."""
_OVERLAP: Final = 60_000_000
"""Microseconds by which the clocks of processes may differ, and a transaction last: what changed is read again."""


@dataclass(frozen=True, slots=True)
class _App:
    origins: frozenset[str]
    states: tuple[str, ...]


class Apps:
    """What has to be known of all clients at every request: whose pages may read answers, whose app state is whose."""

    def __init__(self) -> None:
        self._apps: dict[bytes, _App] = {}
        self._foreign: dict[str, tuple[str, ...]] = {}
        self.origins: Set[str] = frozenset()

    def foreign(self, client: str) -> tuple[str, ...]:
        """The codes of app state that belong to others than this client."""
        found = self._foreign.get(client)
        if found is None:
            own = self._apps.get(client.encode())
            others = {state for app in self._apps.values() for state in app.states}
            found = self._foreign[client] = tuple(sorted(others.difference(own.states if own is not None else ())))
        return found

    def learn(self, rows: list[Row]) -> bool:
        """Take in records of clients; whether the codes of app state are other ones now."""
        before = {state for app in self._apps.values() for state in app.states}
        changed = False
        for row in rows:
            client = read(row, Client)
            out = row.state != FRESH or client.disabled
            app = _App(frozenset() if out else clients.origins(client), client.state_codes)
            if self._apps.get(row.key) != app:
                self._apps[row.key] = app
                changed = True
        if not changed:
            return False
        self.origins = frozenset(origin for app in self._apps.values() for origin in app.origins)
        self._foreign.clear()
        return before != {state for app in self._apps.values() for state in app.states}


class Watch(Background):
    """The looking of one process: `look` before `start`, which only goes on. `also`: what else is looked at; `out`: who
    is told when apps were shut out.
    """

    name = "hilum-watch"

    def __init__(
        self,
        ledger: Ledger,
        verifier: Verifier,
        ring: Keyring,
        apps: Apps,
        opened: Opened | None = None,
        also: Callable[[], None] = lambda: None,
        *,
        out: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._ledger, self._verifier, self._ring, self._apps = ledger, verifier, ring, apps
        self._opened = opened or Opened()
        self._also, self._out = also, out
        self._clock, self._monotonic = clock, monotonic
        self._last = 0
        self._since = 0
        self._failing = False
        self._looking = asyncio.Lock()
        self._began = -SOON_SECONDS
        self._soon: asyncio.Task[None] | None = None

    def hear(self, some: Sequence[Revoked]) -> None:
        """Learn of revocations."""
        self._verifier.revoked(some)
        if any(one.kind == CLIENT_REVOKED for one in some):
            self._out()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self._try(self.look)

    async def _try(self, look: Callable[[], Awaitable[None]]) -> None:
        try:
            await look()
        except Problem as problem:
            self._fails(str(problem))
        except Exception as error:  # a watch that ends would close the server for good, and nobody awaits it
            self._fails(type(error).__name__)
        else:
            self._failing = False

    def _fails(self, text: str) -> None:
        if not self._failing:
            log.warning("revocations can't be learnt of", text=text)
        self._failing = True

    async def stop(self) -> None:
        """End it, and a look that somebody waits for."""
        if self._soon is not None:
            self._soon.cancel()
        await super().stop()

    async def now(self) -> None:
        """What was changed before this was asked for is known afterwards, unless the store can't be read.

        All who ask before a look begins share it.
        """
        if self._soon is None:
            self._soon = asyncio.create_task(self._look_soon(), name="hilum-watch-now")
        await asyncio.shield(self._soon)

    async def _look_soon(self) -> None:
        async with self._looking:
            await asyncio.sleep(self._began + SOON_SECONDS - self._monotonic())
            self._soon = None  # who asks from here on waits for the next
            await self._try(self._look)

    async def look(self) -> None:
        """Look once. Raises Busy, Damaged: then what was known counts no longer than it did."""
        async with self._looking:  # what was read first is learnt first
            await self._look()

    async def _look(self) -> None:
        began, now = self._monotonic(), int(self._clock() * 1_000_000)
        self._began = began
        news = await self._ledger.revocations(self._last)
        if news:
            self._last = news[-1].n
            self.hear([one.revoked for one in news])
        await self._learn()
        self._since = now - _OVERLAP
        self._verifier.fresh = self._opened.fresh = began + FRESH_SECONDS
        self._also()

    async def _learn(self) -> None:
        apps = await self._ledger.changed(CLIENT, self._since)
        if self._apps.learn(apps):
            self._verifier.forget()
        keys = await self._ledger.changed(KEY, self._since)
        if keys and self._ring.learn(keys):
            self._verifier.forget()
        self._opened.learn(await self._ledger.changed(SETTING, self._since))
