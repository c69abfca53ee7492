"""The orders of one process: the parts put together, for the server, and for commands that only look or replay."""

from __future__ import annotations

import time
from collections.abc import Callable

from hilum.access.repeated import Repeated
from hilum.access.seal import Seal
from hilum.audit.recording import Trail
from hilum.broker.destinations import Destinations
from hilum.broker.executing import SILENT, Executing
from hilum.broker.gathering import Gathering, Storing, Templates
from hilum.broker.orders import Orders
from hilum.broker.parcels import Parcels
from hilum.broker.running import AT_ONCE, NAME, Running
from hilum.broker.telling import TASK, Telling
from hilum.feed.feed import Feed
from hilum.interactions.door import Door
from hilum.oauth.lease import Leases
from hilum.web.outbound import Guard


def ordering(
    door: Door,
    seal: Seal,
    destinations: Destinations,
    gathering: Gathering,
    storing: Storing,
    templates: Templates,
    guard: Guard,
    *,
    trail: Trail = SILENT,
    at_once: int = AT_ONCE,
    clock: Callable[[], float] = time.time,
) -> tuple[Orders, Running]:
    """Where orders are given, and what executes them: `Running.run` for as long as the process lives."""
    ledger = door.store.ledger
    leases = Leases(ledger, clock)
    parcels, telling = Parcels(ledger, seal), Telling(door)
    feed = Feed(door.store, NAME, leases, (TASK,))
    executing = Executing(parcels, telling, gathering, storing, templates, destinations, guard, trail, clock)
    running = Running(feed, leases, executing, telling, at_once, clock)
    return Orders(door, parcels, destinations, Repeated(ledger, seal), feed, running.nudge, clock), running
