"""The broker as a command has it, beside a server or without one: what signs in, gathers and delivers, by the owner.

What it audits and what it holds of others' orders is left whole when it closes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hilum.access.keyring import Keyring
from hilum.access.keys import load_or_create
from hilum.access.policy import Principal
from hilum.app import roles
from hilum.app.blobs import open_blobs
from hilum.app.brokering import Brokering, Ordered, brokering, ordered
from hilum.app.data import prepare, served_at
from hilum.app.devices import gateway
from hilum.app.enrolling import registry
from hilum.app.filming import Filmed, filmed
from hilum.app.recording import Recording, by_command
from hilum.app.settings import Settings
from hilum.audit.recording import Trail
from hilum.devices.registry import Registry
from hilum.interactions.door import Door
from hilum.store.interface import Store


@dataclass(frozen=True, slots=True)
class Desk:
    """`who`: the owner of the data directory, by the name of the operating system's user."""

    who: Principal
    door: Door
    ways: Brokering
    ordered: Ordered
    filmed: Filmed
    devices: Registry
    trail: Trail


@asynccontextmanager
async def desk(settings: Settings, store: Store) -> AsyncIterator[Desk]:
    """Open while the store is. Raises Misconfigured, Busy."""
    prepare(settings)
    root = load_or_create(settings.data, settings.environment)
    ring = Keyring(root)
    await ring.prepare(store.ledger)
    recording = Recording(settings, store, ring)
    recording.start()
    try:
        door = Door(
            store,
            served_at(settings),
            settings.integrity,
            settings.check_claimed_profiles,
            blobs=await open_blobs(settings, store.ledger),
            large=settings.blob_bytes,
        )
        ways = brokering(settings, store, root)
        orders = ordered(settings, ways, door, root, recording.trail)
        try:
            films = filmed(settings, ways, orders, door, root, roles.table(settings), recording.trail)
            devices = registry(gateway(door, root), roles.table(settings), recording.trail)
            yield Desk(by_command(), door, ways, orders, films, devices, recording.trail)
        finally:
            await orders.running.stop()
            await ways.renewing.close()
            await ways.launching.ending.close()
            await ways.pools.close()
    finally:
        await recording.stop()
