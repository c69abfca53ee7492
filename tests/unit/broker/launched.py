"""hilum as the app of a launch, with what it stands on, and browsers that keep its cookies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.unit.broker.ehr import VENDORS
from tests.unit.broker.strict import SECRET, Strict

from hilum.access.keys import load_or_create
from hilum.access.seal import Seal
from hilum.broker.connection import Connection
from hilum.broker.connections import Connections
from hilum.broker.discovery import Discovery
from hilum.broker.ending import Ending
from hilum.broker.exchange import Exchange
from hilum.broker.grants import Grants
from hilum.broker.identity import Identities
from hilum.broker.launching import Going, Launching, connect, launch
from hilum.broker.parties import Parties
from hilum.broker.reach import Send, guarded
from hilum.broker.renewing import Renewing
from hilum.broker.returning import Arrived, callback
from hilum.broker.sessions import Sessions, Shelf
from hilum.oauth.keeping import Ledger
from hilum.store.memory import MemoryLedger
from hilum.web.outbound import Guard

ORIGIN = "https://hilum.example.org"
SCOPES = "openid fhirUser offline_access patient/*.rs"


HTTP = guarded(lambda: Guard(loopback=True))
"""Really, to this machine."""


def connection(base: str, **other: Any) -> Connection:
    values: dict[str, Any] = {
        "name": "lake", "environment": "sandbox", "vendor": "plain", "base": base, "client_id": "hilum-at-lake",
        "method": "client_secret_basic", "grants": ("authorization_code",), "user_scopes": SCOPES, "origin": "kim",
    }  # fmt: skip
    return Connection(**(values | other))


@dataclass
class Here:
    """One process of hilum."""

    launching: Launching
    renewing: Renewing
    ledger: Ledger
    connections: Connections


async def at_once(seconds: float) -> None:
    await asyncio.sleep(0)


class NoKeys:
    async def signing(self, alg: str) -> Any:
        raise AssertionError(alg)


def here(
    folder: Path,
    sender: Send = HTTP,
    *,
    ledger: Ledger | None = None,
    shelf: Shelf | None = None,
    clock: Callable[[], float] = time.time,
    keys: Any = None,
    origin: str = ORIGIN,
) -> Here:
    """hilum with these connections; processes that share something are given the same folder and ledger."""
    kept = ledger or MemoryLedger(lambda: int(clock() * 1_000_000))
    seal = Seal(load_or_create(folder, "sandbox"))
    connections = Connections(kept, seal, "sandbox", vendors=frozenset(VENDORS), clock=clock)
    exchange = Exchange(connections, keys or NoKeys(), sender, VENDORS, clock=clock, sleep=at_once)
    parties = Parties(connections, Discovery(sender, clock, clock), exchange)
    grants = Grants(kept, seal, "sandbox", clock)
    sessions = Sessions(shelf or kept, seal, "sandbox", secure=True, clock=clock)
    launching = Launching(origin, parties, sessions, grants, Identities(sender, clock, clock), Ending(parties, grants))
    return Here(launching, Renewing(grants, parties.renewal), kept, connections)


async def at(folder: Path, strict: Strict, **options: Any) -> Here:
    """hilum with one connection, to this EHR. `registered`: what is otherwise about it."""
    registered = options.pop("registered", {})
    found = here(folder, options.pop("sender", HTTP), **options)
    await found.connections.add(connection(strict.base, **registered), SECRET)
    return found


@dataclass
class Browser:
    """Keeps cookies and goes where it is sent."""

    here: Here
    cookies: dict[str, str] = field(default_factory=dict)
    set: list[str] = field(default_factory=list)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return {b"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()).encode()}

    async def launch(self, iss: str, context: str = "xyz123", ehr: str = "") -> str:
        return self._kept(await launch(self.here.launching, _pairs(iss=iss, launch=context), self.headers, ehr))

    async def connect(self, ehr: str = "lake", **query: str) -> str:
        return self._kept(await connect(self.here.launching, ehr, _pairs(**query), self.headers))

    async def back(self, url: str) -> Arrived:
        parts = urlsplit(url)
        ehr = parts.path.rpartition("/")[2]
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        arrived = await callback(self.here.launching, ehr, pairs, self.headers)
        self._take(arrived.headers)
        return arrived

    def _kept(self, going: Going) -> str:
        self._take(going.headers)
        return going.location

    def _take(self, headers: Any) -> None:
        for name, value in headers:
            assert name == b"set-cookie"
            self.set.append(value.decode())
            key, _, kept = value.decode().partition(";")[0].partition("=")
            self.cookies[key] = kept


def _pairs(**query: str) -> list[tuple[str, str]]:
    return list(query.items())


async def signed_in(where: Here, strict: Strict) -> str:
    """Somebody signs in: the id of the grant."""
    browser = Browser(where)
    return (await browser.back(strict.agreed(await browser.connect()))).grant


class Clock:
    """Stands still until it is set, or goes on by `step` each time that somebody looks."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))
        self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now
