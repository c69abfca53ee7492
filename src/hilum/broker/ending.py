"""Sign-ins of people at EHRs, ended: forgotten here at once, and then revoked there, where the EHR takes that.

https://www.rfc-editor.org/rfc/rfc7009

Nobody waits for the EHR, and nothing is tried twice: what it does not hear of ends there by time. Tokens go where they
could have been used, and nowhere else: to the EHR of the base and client that they were given to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from hilum.broker.connection import Connection
from hilum.broker.discovery import Found
from hilum.broker.far import Failed
from hilum.broker.grants import Grants, Kept
from hilum.broker.parties import Parties
from hilum.problems import NotFound, Problem
from hilum.web import log
from hilum.web.outbound import Unreachable

SECONDS: Final = 30.0
"""For all that is to be revoked at one EHR."""
STOP_SECONDS: Final = 5.0
"""For that which is under way when a process is stopped."""


class Ending:
    """What one process ends."""

    def __init__(self, parties: Parties, grants: Grants) -> None:
        self._parties, self._grants = parties, grants
        self._under_way: set[asyncio.Task[None]] = set()

    async def forget(self, id: str) -> None:
        """End one sign-in. Raises Busy."""
        try:
            kept = await self._grants.get(id)
        except Failed:  # it has ended by itself
            return
        try:
            connection: Connection | None = await self._parties.connections.get(kept.grant.connection)
        except NotFound:
            connection = None
        if await self._grants.forget(id) and connection is not None:
            self._begin(connection, [kept])

    async def remove(self, name: str) -> None:
        """Forget a connection, and all that it gave. Raises NotFound, Conflict where it stands in the file, Busy."""
        connections = self._parties.connections
        await connections.removable(name)
        connection, some = await connections.get(name), await self._grants.of(name)
        await connections.remove(name)
        self._begin(connection, some)

    async def close(self, seconds: float = STOP_SECONDS) -> None:
        """Wait for what is under way, so long at most."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=seconds)
            for one in late:
                one.cancel()

    def _begin(self, connection: Connection, some: Sequence[Kept]) -> None:
        if some:
            task = asyncio.create_task(self._revoked(connection, some))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _revoked(self, connection: Connection, some: Sequence[Kept]) -> None:
        kept = some[0]
        try:
            async with asyncio.timeout(SECONDS):
                found = await self._parties.discovery.of(connection.base)
                for kept in some:
                    if _revocable(kept, connection, found):
                        await self._one(kept, connection, found)
        except Unreachable as error:
            cause = error.kind
        except Failed as failed:
            cause = failed.kind
        except TimeoutError:
            cause = "time"
        except Problem as problem:  # a key that is missing, or a seal that does not open
            cause = problem.issues[0].code
        except Exception as error:  # nobody awaits it, and what it says could hold a token
            cause = type(error).__name__
        else:
            return
        log.warning("ehr token not revoked", grant=kept.id, ehr=connection.name, cause=cause)

    async def _one(self, kept: Kept, connection: Connection, found: Found) -> None:
        """The refresh token first, which ends the access token, too, at most EHRs (section 2.1)."""
        pair, now = self._grants.opened(kept), self._grants.clock()
        tokens = {"refresh_token": pair.refresh, "access_token": pair.access if now < kept.grant.expires else ""}
        for hint, token in tokens.items():
            if token:
                form = {"token": token, "token_type_hint": hint}
                status = await self._parties.exchange.revoked(connection, found.revoke, found.token, form)
                log.info("ehr token revoked", grant=kept.id, ehr=connection.name, kind=hint, status=status)


def _revocable(kept: Kept, connection: Connection, found: Found) -> bool:
    """Whether the EHR takes it, is the one that gave the tokens, and has them come the way that they came."""
    grant = kept.grant
    same = (connection.base, connection.client_id) == (grant.base, grant.client_id)
    safe = found.revoke.startswith("https:") or not connection.base.startswith("https:")
    return bool(found.revoke) and same and safe and found.issuer in ("", grant.issuer)
