"""Agents of devices as clients of the authorization server (`hilum.devices.inviting.Clients`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hilum.access.ledger import Ledger
from hilum.access.roles import Roles
from hilum.app.background import Background
from hilum.audit.recording import SILENT, Trail
from hilum.devices.contacts import Contacts
from hilum.devices.gateway import Gateway
from hilum.devices.inviting import SCOPES
from hilum.devices.registry import Registry
from hilum.devices.waiting import AtGateway
from hilum.problems import Busy, NotFound
from hilum.smart.apps import clients, invitations
from hilum.web import log


@dataclass(frozen=True, slots=True)
class Enrolling:
    """Over the ledger that all processes share."""

    ledger: Ledger
    clock: Callable[[], float] = field(default=time.time)

    async def invite(self, agent: Mapping[str, Any]) -> tuple[str, int]:
        """Raises Busy."""
        by = str(agent.get("by", ""))
        token = await invitations.make(self.ledger, SCOPES, 1, by, self.clock(), dict(agent))
        return token, invitations.SECONDS

    async def active(self, id: str) -> bool:
        """Raises Busy."""
        return await clients.active(self.ledger, id) is not None

    async def revoke(self, id: str) -> None:
        """Raises NotFound, Conflict, Busy."""
        found = await clients.get(self.ledger, id)
        if found is None:
            raise NotFound("The agent is no client of this server.")
        if not found.revoked:
            await clients.revoke(self.ledger, found, self.clock())


def registry(gateway: Gateway, roles: Roles, trail: Trail = SILENT) -> Registry:
    """That of one process, or of a command."""
    door = gateway.door
    return Registry(door, Enrolling(door.store.ledger), roles, AtGateway(gateway), trail)


class Noting(Background):
    """What a server process does beside requests: it writes when agents and devices were last in contact."""

    name = "hilum-device-contacts"

    def __init__(self, contacts: Contacts) -> None:
        super().__init__()
        self.contacts = contacts

    async def _run(self) -> None:
        await self.contacts.run()

    async def stop(self) -> None:
        """With what it knows written, where the store takes it."""
        await super().stop()
        try:
            await self.contacts.flush()
        except Busy:
            log.warning("last contacts were not written")
