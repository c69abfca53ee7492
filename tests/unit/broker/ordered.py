"""Orders over a real SQLite store and a real receiver; only who signs in, gathers and stores is played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.unit.broker.receiver import SECRET, Receiver, receiving

from hilum.access.keys import load_or_create
from hilum.access.policy import EVERYTHING, Principal
from hilum.access.seal import Seal
from hilum.audit.recording import Silent
from hilum.broker import payload
from hilum.broker.connection import Connection
from hilum.broker.destinations import Destination, Destinations
from hilum.broker.gathering import Fill, Gathered, Stored, Tell
from hilum.broker.order import Came, Order, Start
from hilum.broker.ordering import ordering
from hilum.broker.orders import Orders
from hilum.broker.parcels import Parcels
from hilum.broker.running import Running
from hilum.interactions import granting
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.oauth.ledger import LEASE, PARCEL
from hilum.store.interface import Store
from hilum.store.sqlite import open_sqlite
from hilum.web.outbound import Guard
from hilum.web.webhooks import decoded

BASE = "https://hilum.test/fhir"
WHO = Principal("ada", "app", "jti", EVERYTHING, 1 << 62)
EHR = Connection("epic", "sandbox", "epic", "https://ehr.test/fhir", "id", "private_key_jwt", recipes=("video",))
MRN = "MRN-4711-secret"
START = Start("mrn", MRN)
PATIENT = {
    "resourceType": "Patient",
    "id": "far-1",
    "identifier": [{"system": "urn:mrn", "value": MRN}],
    "name": [{"family": "Quimby", "given": ["Amy"]}],
}
VISIT = {
    "resourceType": "Encounter",
    "id": "far-2",
    "status": "finished",
    "class": {"code": "AMB"},
    "subject": {"reference": "Patient/far-1"},
}
CAME = (Came("Patient", 1), Came("Encounter", 1), Came("Condition", 0, "forbidden", True))
TEMPLATE = payload.read({"fields": {"first_name": {"from": "Patient", "path": "name.given.first()"}}}, "video.toml")


@dataclass
class Gatherer:
    """Brings the same each time. `raises`: what it meets instead, at its sign-in, one a time. `gate`: it waits for it.

    `begun` is set by each sign-in.
    """

    raises: list[BaseException] = field(default_factory=list)
    gate: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    signed_in: int = 0
    gathered: int = 0
    starts: list[Start] = field(default_factory=list)

    async def sign_in(self, order: Order, start: Start) -> str:
        self.signed_in += 1
        self.begun.set()
        self.starts.append(start)
        if self.raises:
            raise self.raises.pop(0)
        return "far"

    async def gather(self, far: str, order: Order, start: Start, tell: Tell) -> Gathered:
        tell({"resources": 1, "requests": 2})
        if self.gate is not None:
            await self.gate.wait()
        self.gathered += 1
        return Gathered({"base": EHR.base, "resources": [PATIENT, VISIT]}, CAME)


@dataclass
class Shelf:
    """Stores by PUT, under ids that are always the same. `gate`: it waits for it; `begun` is set each time."""

    door: Door
    stored: int = 0
    raises: list[Exception] = field(default_factory=list)
    gate: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    refused: tuple[Came, ...] = ()

    async def __call__(self, id: str, order: Order, content: Mapping[str, Any]) -> Stored:
        self.stored += 1
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.raises:
            raise self.raises.pop(0)
        for one in content["resources"]:
            type = one["resourceType"]
            mine = {**one, "id": f"{order.ehr}-{one['id']}"}
            if "subject" in mine:
                mine["subject"] = {"reference": f"Patient/{order.ehr}-far-1"}
            await update(self.door, granting.server(), type, mine["id"], mine)
        return Stored(f"Patient/{order.ehr}-far-1", self.refused)


@dataclass
class Noted(Silent):
    """The audit trail, as far as it is told of deliveries: before each of them. `sent`: how many had come by then."""

    receiver: Receiver
    noted: list[tuple[str, str, dict[str, str], int]] = field(default_factory=list)

    async def certain(self, who: Principal, event: str, status: int, about: Mapping[str, str]) -> None:
        self.noted.append((who.client, event, dict(about), len(self.receiver.attempts)))


@dataclass
class World:
    """One process, as far as its orders are concerned."""

    store: Store
    door: Door
    seal: Seal
    receiver: Receiver
    gatherer: Gatherer
    shelf: Shelf
    orders: Orders
    running: Running
    parcels: Parcels
    destinations: Destinations
    trail: Noted
    time: list[float]

    def move(self, seconds: float) -> None:
        self.time[0] += seconds

    async def accept(self, **options: Any) -> str:
        options = {"deliver_to": "video", **options}
        return (await self.orders.accept(WHO, EHR, "video", START, **options)).id

    async def work(self) -> None:
        """All that is due now."""
        while await self.running.turn() or self.running._under_way:
            await self.running.idle()

    async def task(self, id: str) -> dict[str, Any]:
        found = await self.store.read("Task", id)
        assert found is not None
        return found.body

    async def left(self) -> tuple[int, int]:
        """Records of orders, and leases of orders."""
        return len(await self.store.ledger.of(PARCEL)), len(await self.store.ledger.of(LEASE, owner=b"order"))


def filled(recipe: str) -> Fill | None:
    return partial(payload.fill, TEMPLATE) if recipe == "video" else None


def process(
    store: Store,
    folder: Path,
    receiver: Receiver,
    clock: Callable[[], float],
    gatherer: Gatherer | None = None,
    **options: Any,
) -> tuple[Door, Seal, Gatherer, Shelf, Destinations, Orders, Running]:
    door = Door(store, BASE)
    seal = Seal(load_or_create(folder, "sandbox"))
    destinations = Destinations(store.ledger, seal, folder, clock)
    gatherer, shelf = gatherer or Gatherer(), Shelf(door)
    orders, running = ordering(
        door, seal, destinations, gatherer, shelf, filled, Guard(loopback=True), clock=clock, **options
    )
    return door, seal, gatherer, shelf, destinations, orders, running


@asynccontextmanager
async def world(folder: Path, **options: Any) -> AsyncIterator[World]:
    """Time stands still until it is moved; it begins now, since the receiver has a clock of its own."""
    import time as clocks

    time = [clocks.time()]
    store = await open_sqlite(str(folder / "hilum.sqlite"), environment="sandbox")
    try:
        async with receiving(Receiver(any_time=True)) as receiver:
            trail = Noted(receiver)
            door, seal, gatherer, shelf, destinations, orders, running = process(
                store, folder, receiver, lambda: time[0], trail=trail, **options
            )
            await destinations.add(Destination("video", receiver.url, "sandbox", decoded(SECRET)), time[0])
            yield World(
                store,
                door,
                seal,
                receiver,
                gatherer,
                shelf,
                orders,
                running,
                Parcels(store.ledger, seal),
                destinations,
                trail,
                time,
            )
            await running.stop()
    finally:
        await store.close()
