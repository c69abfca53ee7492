"""Who takes part in a sign-in of a person: the connection as it is registered, and its EHR as it publishes itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hilum.broker.connection import Connection
from hilum.broker.connections import Connections
from hilum.broker.discovery import Discovery
from hilum.broker.exchange import Exchange, Tokens
from hilum.broker.far import Failed
from hilum.broker.grants import Kept
from hilum.broker.rules import LAUNCH
from hilum.problems import Forbidden


@dataclass(frozen=True, slots=True)
class Parties:
    """What is known of EHRs, and how they are asked for tokens."""

    connections: Connections
    discovery: Discovery
    exchange: Exchange

    async def connection(self, name: str) -> Connection:
        """The connection, by which people may sign in. Raises NotFound, Forbidden, Busy."""
        found = await self.connections.usable(name)
        if not self.serves(found):
            raise Forbidden(f"The EHR {name!r} is not one for people to sign in to ({LAUNCH}).")
        return found

    def serves(self, connection: Connection) -> bool:
        """Whether people may sign in with it."""
        here = connection.environment == self.connections.environment
        return here and LAUNCH in connection.grants and not connection.disabled

    async def renewal(self, kept: Kept) -> Callable[[str], Awaitable[Tokens]]:
        """How a grant's refresh token is sent. Raises Failed where it must not be, NotFound, Forbidden, Busy."""
        grant = kept.grant
        connection = await self.connection(grant.connection)
        found = await self.discovery.of(connection.base)
        same = (connection.base, connection.client_id) == (grant.base, grant.client_id)
        if not same or found.issuer not in ("", grant.issuer):
            text = "The connection is another one than at this sign-in (base URL, client id or issuer). Sign in again."
            raise Failed("unauthorized", text, side="ours")

        async def sending(refresh: str) -> Tokens:
            form = {"grant_type": "refresh_token", "refresh_token": refresh}
            return await self.exchange.tokens(connection, found.token, form)

        return sending
