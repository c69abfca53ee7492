"""Commands that change what the authorization server remembers: the store opened, something done, the store closed.

Works while `hilum serve` runs on the same store: its processes learn of changes within a second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from hilum.app.desk import Desk
    from hilum.app.settings import Settings
    from hilum.store.interface import Store

T = TypeVar("T")


def done(flags: dict[str, str | None], work: Callable[[Store, Settings], Awaitable[T]], *, begins: bool = False) -> T:
    """What `work` makes of the store of these settings. Raises Misconfigured when there is none, unless it `begins`:
    then it is made, and told.
    """
    import asyncio

    from hilum.app.settings import Settings
    from hilum.app.stores import open_store
    from hilum.cli import existing
    from hilum.web import log

    log.configure("warning", "text")
    settings = Settings.read(flags)
    (existing.new if begins else existing.both)(settings)

    async def run() -> T:
        opened = await open_store(settings)
        try:
            return await work(opened, settings)
        finally:
            await opened.close()

    return asyncio.run(run())


def at_the_desk(flags: dict[str, str | None], work: Callable[[Desk], Awaitable[T]]) -> T:
    """What `work` makes of what signs in, gathers, delivers and films by these settings. Raises as `done`."""
    from hilum.app.desk import desk

    async def opened(store: Store, settings: Settings) -> T:
        async with desk(settings, store) as here:
            return await work(here)

    return done(flags, opened)


async def tell(store: Store, settings: Settings, event: str, about: dict[str, str]) -> None:
    """Audit what is about to be done: `event` of `hilum.audit.entry.EVENTS`. Raises Busy, Misconfigured.

    The keys are made where `hilum serve` has not done so yet, since one of them signs the audit.
    """
    from hilum.access.keyring import Keyring
    from hilum.access.keys import load_or_create
    from hilum.app import recording
    from hilum.app.data import prepare

    prepare(settings)
    ring = Keyring(load_or_create(settings.data, settings.environment))
    await ring.prepare(store.ledger)
    await recording.tell(settings, store, ring, event, about)
