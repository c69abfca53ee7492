"""What the routes stand on: the broker of one process. FastAPI is not imported here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from hilum.access.policy import Principal
from hilum.access.roles import Roles
from hilum.audit.recording import Trail
from hilum.broker.checking import Step
from hilum.broker.connection import Connection
from hilum.broker.connections import Connections
from hilum.broker.destinations import Destinations
from hilum.broker.grants import Grants
from hilum.broker.orders import LOOK_SECONDS, Orders
from hilum.broker.parcels import Parcels
from hilum.broker.recipes import Recipes
from hilum.broker.telling import TASK
from hilum.fhir.resource import Resource
from hilum.interactions.door import Door

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True)
class Broker:
    """`authenticate`: who asks, as below /fhir; raises Unauthenticated, Busy. `check`: tries a connection, step by
    step. `remove`: ends a connection, and what it gave; `sign_out`: a person's sign-in, by its id. `look_seconds`:
    between two looks at an order that somebody watches; `beat`: after so many in which nothing happened the stream says
    that it is there. `clock`: seconds since 1970.
    """

    door: Door
    orders: Orders
    parcels: Parcels
    connections: Connections
    grants: Grants
    destinations: Destinations
    recipes: Callable[[], Recipes]
    check: Callable[[Connection], AsyncIterator[Step]]
    remove: Callable[[str], Awaitable[None]]
    sign_out: Callable[[str], Awaitable[None]]
    authenticate: Callable[[Headers], Awaitable[Principal]]
    trail: Trail
    roles: Roles
    look_seconds: float = LOOK_SECONDS
    beat: int = 30
    clock: Callable[[], float] = time.time

    @property
    def origin(self) -> str:
        """Scheme, host and port as clients see them."""
        return self.door.base.removesuffix("/fhir")

    async def seen(self, who: Principal, task: Resource) -> None:
        """Audit that this version was shown: it is as safe as the server promises when this returns. Raises Busy."""
        ticket = self.trail.note(who, "read", TASK, task.id, task.version, 200, "", (task.last_updated,))
        await self.trail.flushed(ticket)
