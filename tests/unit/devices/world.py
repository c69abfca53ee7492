"""A gateway over a real SQLite store, a registry of two lines, and bundles as agents send them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from hilum.access.granting import of_scopes
from hilum.access.policy import EVERYTHING, Principal
from hilum.devices.bundles import name
from hilum.devices.gateway import Gateway, Outcome, take
from hilum.devices.resolving import Found, Hold, Identifier, Subject
from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.interactions.create import create
from hilum.oauth import scopes
from hilum.phd.fhir.bundles import bundle
from hilum.phd.fhir.patients import Patient
from hilum.phd.reading import NOTHING, Clock, Coincidence, Device, Quantity, Reading, Stamp, Status, Taken
from hilum.problems import Forbidden

Body = dict[str, Any]
ORIGIN = "http://hilum.test"
PERSONS = f"{ORIGIN}/devices/person"
OWNER = Principal("owner", "test", "jti", EVERYTHING, 1 << 62)
GLUCOSE = 160184
MG_DL = 264274
METER = Device(system_id="FE-ED-AB-EE-DE-AD-77-C3", manufacturer="Ware", model="G1", serial="7")
AGENT = Device(system_id="00-11-22-FF-FE-33-44-55", manufacturer="hilum", model="agent")
AT = datetime(2026, 11, 24, 8, tzinfo=UTC)


def agent(client: str = "agent-1", scope: str = "system/Observation.c system/Device.c") -> Principal:
    """Who holds a token with these scopes: no more than to create."""
    return Principal(client, client, "jti", of_scopes(scopes.parse(scope), None), 1 << 62)


@dataclass
class Links:
    """Whose readings are: of each placeholder that somebody has linked, and of patients who are named."""

    known: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)

    async def __call__(self, who: Principal, devices: Sequence[Identifier], subject: Subject) -> Found | Hold:
        for one in devices:
            if one.value in self.revoked:
                raise Forbidden(f"{one.value}: the device is revoked.")
        if subject.id:
            return Found(subject.id)
        for identifier in subject.identifiers:
            if identifier.value in self.known:
                return Found(self.known[identifier.value])
        return Hold("Nobody has said whose these are.")


def reading(
    value: str = "104", minute: int = 0, status: Status = NOTHING, at: datetime = AT, record: int | None = None
) -> Reading:
    """A glucose, stamped by the device's clock."""
    when = at + timedelta(minutes=minute)
    stamp = Stamp(Clock.ABSOLUTE, f"{when:%Y-%m-%dT%H:%M:%S}", when.replace(tzinfo=None))
    return Reading(GLUCOSE, Quantity(Decimal(value), MG_DL), stamp, status, record=record)


def taken(*readings: Reading, off: timedelta = timedelta(), device: Device = METER) -> Taken:
    """At once. `off`: by how much the device's clock is wrong."""
    now = AT + timedelta(hours=1)
    theirs = (now + off).replace(tzinfo=None)
    clock = Stamp(Clock.ABSOLUTE, f"{theirs:%Y-%m-%dT%H:%M:%S}", theirs)
    return Taken(device, now, readings, Coincidence(now, clock))


def uuid(number: int) -> str:
    return f"urn:uuid:00000000-0000-4000-8000-{number:012d}"


def sent(*readings: Reading, number: int = 1, device: Device = METER, off: timedelta = timedelta()) -> Body:
    """The agent's bundle, by the placeholder."""
    who = Patient(system=PERSONS, value=f"{device.system_id}#")
    made = bundle(taken(*(readings or (reading(),)), device=device, off=off), AGENT, who, uuid(number))
    return json.parse(json.encode(made))


def digest(body: Body) -> bytes:
    return sha256(json.encode(body)).digest()


async def push(gateway: Gateway, body: Body, who: Principal | None = None, content: bytes | None = None) -> Outcome:
    return await take(gateway, who or agent(), body, name=name(body), content=content or digest(body))


async def person(gateway: Gateway) -> str:
    """A new Patient's id."""
    made = await create(gateway.door, OWNER, "Patient", {"resourceType": "Patient"})
    return made.resource.id


async def stored(gateway: Gateway, type: str = "Observation") -> list[Resource]:
    """Current ones, in the order of their creation or last change."""
    found = {one.id: one for one in await gateway.door.store.changes(0, types=(type,))}
    return list(found.values())


async def values(gateway: Gateway) -> list[str]:
    """Of all glucose that is stored."""
    bodies = [one.body for one in await stored(gateway)]
    return [str(one["valueQuantity"]["value"]) for one in bodies if _glucose(one)]


def _glucose(body: Body) -> bool:
    return any(one.get("code") == str(GLUCOSE) for one in body["code"]["coding"])


def changed(gateway: Gateway, **more: Any) -> Gateway:
    return replace(gateway, **more)


def clock(at: float) -> Callable[[], float]:
    return lambda: at
