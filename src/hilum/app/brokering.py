"""The broker in one process: connections, keys, sign-ins, and the orders that stand on them, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from hilum.access.keys import SigningKey
from hilum.access.seal import Seal
from hilum.app.settings import Settings
from hilum.audit.recording import SILENT, Trail
from hilum.broker import vendors
from hilum.broker.backend import Backend
from hilum.broker.connections import Connections
from hilum.broker.destinations import Destinations
from hilum.broker.discovery import Discovery
from hilum.broker.ending import Ending
from hilum.broker.exchange import Exchange
from hilum.broker.following import Following
from hilum.broker.grants import Grants
from hilum.broker.identity import Identities
from hilum.broker.keys import ClientKeys
from hilum.broker.launching import Launching
from hilum.broker.ordering import ordering
from hilum.broker.orders import Orders
from hilum.broker.pages.desk import Desk
from hilum.broker.parcels import Parcels
from hilum.broker.parties import Parties
from hilum.broker.reach import CONNECT_SECONDS, SECONDS, Send, guarded
from hilum.broker.recipes import Recipes, recipes
from hilum.broker.redis import RedisShelf
from hilum.broker.renewing import Renewing
from hilum.broker.running import Running
from hilum.broker.sessions import Sessions, Shelf
from hilum.interactions.door import Door
from hilum.store.interface import Store
from hilum.tables.own import Own
from hilum.web.outbound import Guard
from hilum.web.pool import Pool

RECIPES: Final = "recipes"
"""The folder of the data directory that one's own recipes lie in."""
GATHER_SECONDS: Final = 60.0
"""For one answer of an EHR: some take half a minute for a page."""


class Pools:
    """Kept connections to what may be reached now. `guard` is asked each time, since which hosts may lie within one's
    network can change; connections from before are closed then, when their answers are there.
    """

    def __init__(self, guard: Callable[[], Guard]) -> None:
        self._guard = guard
        self._made = guard()
        self._pool = Pool(self._made, seconds=GATHER_SECONDS)

    def __call__(self) -> Pool:
        """That of now."""
        guard = self._guard()
        if guard != self._made:
            self._made, self._pool = guard, Pool(guard, seconds=GATHER_SECONDS)
        return self._pool

    async def close(self) -> None:
        """Nothing is asked any more."""
        await self._pool.close()


@dataclass(frozen=True, slots=True)
class Brokering:
    """What signs in to EHRs. `recipes`: those that there are now."""

    connections: Connections
    keys: ClientKeys
    discovery: Discovery
    backend: Backend
    send: Send
    launching: Launching
    renewing: Renewing
    pools: Pools
    recipes: Callable[[], Recipes]


@dataclass(frozen=True, slots=True)
class Ordered:
    """What gathers and delivers. `running`: what executes orders in this process."""

    orders: Orders
    running: Running
    parcels: Parcels
    destinations: Destinations


def brokering(settings: Settings, store: Store, root: SigningKey) -> Brokering:
    """All of what signs in. Raises Misconfigured where the file of connections is not sound."""
    seal, table, environment = Seal(root), vendors.packaged(), settings.environment
    known = Own(partial(recipes, settings.data / RECIPES))
    connections = Connections(
        store.ledger,
        seal,
        environment,
        settings.data,
        vendors=frozenset(table),
        recipes=lambda: known().names,
    )
    keys = ClientKeys(store.ledger, seal, environment)

    def guard(seconds: float = SECONDS) -> Guard:
        return reaching(settings, connections.inner(), seconds)

    send = guarded(guard)
    discovery = Discovery(send)
    backend = Backend(connections, discovery, keys, store.ledger, seal, send, table)
    parties = Parties(connections, discovery, Exchange(connections, keys, send, table))
    grants = Grants(store.ledger, seal, environment)
    shelf: Shelf = RedisShelf(settings.redis, environment) if settings.redis else store.ledger
    secure = settings.origin.startswith("https:")
    sessions = Sessions(shelf, seal, environment, secure=secure)
    launching = Launching(settings.origin, parties, sessions, grants, Identities(send), Ending(parties, grants))
    renewing = Renewing(grants, parties.renewal)
    pools = Pools(partial(guard, GATHER_SECONDS))
    return Brokering(connections, keys, discovery, backend, send, launching, renewing, pools, known)


def ordered(settings: Settings, ways: Brokering, door: Door, root: SigningKey, trail: Trail = SILENT) -> Ordered:
    """What gathers by these ways, into this door, and delivers. Raises Misconfigured where the file of destinations is
    not sound.
    """
    seal = Seal(root)
    ways.recipes()  # what is wrong with them is told now, and not when somebody waits for one
    destinations = Destinations(door.store.ledger, seal, settings.data)
    following = Following(
        door, ways.connections, ways.backend, ways.renewing, vendors.packaged(), ways.pools, ways.recipes
    )
    orders, running = ordering(
        door,
        seal,
        destinations,
        following,
        following.store,
        following.template,
        reaching(settings),
        trail=trail,
    )
    return Ordered(orders, running, Parcels(door.store.ledger, seal), destinations)


def desk(settings: Settings, ways: Brokering, made: Ordered, door: Door, trail: Trail = SILENT) -> Desk:
    """What the pages of who signs in stand on."""
    organization = settings.organization
    return Desk(ways.launching, made.orders, made.destinations, ways.recipes, door, organization, trail)


def reaching(settings: Settings, hosts: frozenset[str] = frozenset(), seconds: float = SECONDS) -> Guard:
    """What may be reached: the internet, these hosts and those of the settings wherever they are, and in the sandbox
    this machine.
    """
    named = frozenset(filter(None, (host.strip() for host in settings.allow_private_keys.split(","))))
    return Guard(
        loopback=settings.environment == "sandbox",
        inner=named | hosts,
        connect_seconds=CONNECT_SECONDS,
        seconds=seconds,
    )
