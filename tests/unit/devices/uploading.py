"""A gateway over a real SQLite store that PCD-01 goes to, and messages as agents send them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from hilum.access.granting import of_scopes
from hilum.access.keys import load_or_create
from hilum.access.policy import EVERYTHING, Principal
from hilum.access.seal import Seal
from hilum.devices.gateway import Gateway, take
from hilum.devices.hl7v2 import Messages
from hilum.devices.resolving import Found, Hold, Identifier, Subject
from hilum.hl7v2 import pcd01
from hilum.interactions.create import create
from hilum.interactions.door import Door
from hilum.oauth import scopes
from hilum.phd.reading import Clock, Coincidence, Device, Quantity, Reading, Stamp, Taken
from hilum.problems import Forbidden
from hilum.store.sqlite import open_sqlite

Body = dict[str, Any]
ORIGIN = "http://hilum.test"
PERSONS = f"{ORIGIN}/devices/person"
OWNER = Principal("owner", "test", "jti", EVERYTHING, 1 << 62)
METER = Device("FE-ED-AB-EE-DE-AD-77-C3", "bluetooth", "FE-ED-AB-AD-77-C3", manufacturer="Ware", model="G1", serial="7")
PHG = pcd01.Gateway("EC-DE-3D-4E-58-53-2D-31", "hilum")
AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
PERSON = pcd01.Identifier(f"{METER.system_id}#", "", PERSONS, "URI", "U")


def stamp(minute: int = 0) -> Stamp:
    when = (AT + timedelta(minutes=minute)).replace(tzinfo=None)
    return Stamp(Clock.ABSOLUTE, f"{when:%Y%m%d%H%M%S}.00", when)


GLUCOSE = Reading(160184, Quantity(Decimal("18.9"), 266866), stamp())
FEVER = Reading(150364, Quantity(Decimal("37.6"), 268192), stamp(1))


def taken(*readings: Reading, device: Device = METER) -> Taken:
    now = AT + timedelta(hours=1)
    clock = Stamp(Clock.ABSOLUTE, f"{now:%Y%m%d%H%M%S}.00", now.replace(tzinfo=None))
    return Taken(device, now, readings, Coincidence(now, clock))


def upload(
    *readings: Reading, id: str = "M1", patient: Sequence[pcd01.Identifier] = (PERSON,), processing: str = "P"
) -> pcd01.Upload:
    at = AT + timedelta(hours=1)
    return pcd01.Upload(id, at, tuple(patient), PHG, (taken(*(readings or (GLUCOSE,))),), processing)


def er7(*readings: Reading, **more: Any) -> bytes:
    return pcd01.write(upload(*readings, **more)).write()


def agent(client: str = "agent-1") -> Principal:
    scope = of_scopes(scopes.parse("system/Observation.c system/Device.c"), None)
    return Principal(client, client, "jti", scope, 1 << 62)


@dataclass
class Links:
    """Whose readings are, by identifier."""

    known: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)

    async def __call__(self, who: Principal, devices: Sequence[Identifier], subject: Subject) -> Found | Hold:
        for one in devices:
            if one.value in self.revoked:
                raise Forbidden(f"{one.value}: the device is revoked.")
        if subject.id in self.known.values():
            return Found(subject.id)
        for identifier in subject.identifiers:
            if identifier.value in self.known:
                return Found(self.known[identifier.value])
        return Hold("Nobody has said whose these are.")


@dataclass(frozen=True)
class World:
    gateway: Gateway
    links: Links
    seal: Seal
    messages: Messages
    patient: str

    async def send(self, raw: bytes, who: Principal | None = None) -> str:
        found = await self.messages.answer(who or agent(), raw)
        return found.content.decode(found.codec)

    async def stored(self, type: str = "Observation") -> list[Body]:
        found = {one.id: one.body for one in await self.gateway.door.store.changes(0, types=(type,))}
        return list(found.values())

    async def values(self) -> list[str]:
        """Of all measurements but what the clocks said."""
        return sorted(
            f"{one['valueQuantity']['value']} {one['valueQuantity']['code']}"
            for one in await self.stored()
            if "valueQuantity" in one
        )


@asynccontextmanager
async def world(folder: Path, environment: str = "sandbox") -> AsyncIterator[World]:
    store = await open_sqlite(str(folder / "store.db"))
    links, seal, numbers = Links(), Seal(load_or_create(folder, "sandbox")), count(1)
    gateway = Gateway(Door(store, f"{ORIGIN}/fhir", integrity=True), links, seal)
    messages = Messages(
        partial(take, gateway),
        ORIGIN,
        environment,
        lambda: (AT + timedelta(hours=2)).timestamp(),
        lambda: f"ACK{next(numbers)}",
    )
    made = await create(gateway.door, OWNER, "Patient", {"resourceType": "Patient"})
    links.known[PERSON.value] = made.resource.id
    try:
        yield World(gateway, links, seal, messages, made.resource.id)
    finally:
        await store.close()


def with_header(raw: bytes, **fields: str) -> bytes:
    """With other fields of MSH: f11="T"."""
    header, _, rest = raw.decode().partition("\r")
    parts = header.split("|")
    for name, text in fields.items():
        parts += [""] * (int(name[1:]) - len(parts))
        parts[int(name[1:]) - 1] = text
    return f"{'|'.join(parts)}\r{rest}".encode()
