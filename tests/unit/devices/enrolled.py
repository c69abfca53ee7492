"""A registry over a real SQLite store with two patients; invitations and clients are the real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hilum.access.granting import of_scopes
from hilum.access.policy import EVERYTHING, Principal
from hilum.access.roles import packaged
from hilum.app.enrolling import Enrolling
from hilum.audit.recording import Silent
from hilum.devices.inviting import Invited, enrolled
from hilum.devices.registry import Registry
from hilum.devices.waiting import Waiting
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.oauth.ledger import Client
from hilum.oauth.scopes import parse
from hilum.smart.apps import clients, invitations
from hilum.store.sqlite import open_sqlite

BASE = "https://hilum.test/fhir"
NOW = 1_800_000_000


def holder(scope: str, patient: str | None = None, **of: Any) -> Principal:
    values: dict[str, Any] = {"agent": "kim", "client": "app", "token": "jti", "expires": 1 << 62}
    return Principal(policy=of_scopes(parse(scope), patient), **(values | of))


OWNER = Principal("ada", "app", "jti", EVERYTHING, 1 << 62)
ADMIN = holder("user/*.cruds", roles=("admin",), user="adm", agent="adm")
DOCTOR = holder("user/*.cruds", roles=("practitioner",), user="doc", agent="doc")
AMY = holder("patient/*.rs", "amy", agent="amy")
AGENT = holder("system/Device.cs system/Observation.cs", agent="agent", client="agent")
PATIENTS: Mapping[str, Mapping[str, Any]] = {
    "amy": {"name": [{"given": ["Amy"]}], "identifier": [{"system": "urn:mrn", "value": v} for v in ("a", "both")]},
    "ben": {"name": [{"given": ["Ben"]}], "identifier": [{"system": "urn:mrn", "value": v} for v in ("b", "both")]},
}


class Trail(Silent):
    """What was noted as certain."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, str]]] = []

    async def certain(self, who: Principal, event: str, status: int, about: Mapping[str, str]) -> None:
        self.told.append((who.agent, event, dict(about)))


@dataclass
class Waits:
    """Some that wait; how often they were tried again."""

    some: list[Waiting] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    async def waiting(self) -> list[Waiting]:
        return self.some

    async def release(self, id: str = "") -> int:
        self.tried.append(id)
        return len(self.some)


@dataclass
class World:
    door: Door
    registry: Registry
    trail: Trail
    waits: Waits

    async def enrol(self, invited: Invited, who: Principal = OWNER, id: str = "agent") -> str:
        """As registering with the token does it."""
        token, _ = await self.registry.invite(who, invited)
        ledger = self.registry.ledger
        found = await invitations.found(ledger, token)
        assert found is not None
        assert found.initial.agent is not None
        client = Client(
            "Box",
            "private_key_jwt",
            found.initial.scopes,
            ("client_credentials",),
            alg="ES384",
            jwks_uri="https://box.example/jwks",
        )
        added = await clients.add(ledger, client, id, beside=(enrolled(id, "Box", found.initial.agent, NOW),))
        return added.id


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    store = await open_sqlite(str(folder / "hilum.sqlite"), environment="sandbox")
    try:
        door = Door(store, BASE)
        for id, more in PATIENTS.items():
            await update(door, OWNER, "Patient", id, {"resourceType": "Patient", "id": id, **more})
        trail, waits = Trail(), Waits()
        registry = Registry(door, Enrolling(store.ledger, lambda: NOW), packaged(), waits, trail, lambda: NOW)
        yield World(door, registry, trail, waits)
    finally:
        await store.close()
