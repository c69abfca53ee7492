"""The broker's ways to EHRs in one process: connections, keys, discovery and tokens, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hilum.access.keys import SigningKey
from hilum.access.seal import Seal
from hilum.app.settings import Settings
from hilum.broker.backend import Backend, Quirks
from hilum.broker.connections import Connections
from hilum.broker.discovery import Discovery
from hilum.broker.keys import ClientKeys
from hilum.broker.reach import CONNECT_SECONDS, SECONDS, Send, guarded
from hilum.store.interface import Store
from hilum.web.outbound import Guard


@dataclass(frozen=True, slots=True)
class _Vendor:
    retry_bare_400: int = 0
    token_seconds: int = 300


VENDORS: Final[Mapping[str, Quirks]] = MappingProxyType(
    {"plain": _Vendor(), "epic": _Vendor(2), "oracle": _Vendor(0, 570), "meditech": _Vendor()}
)


@dataclass(frozen=True, slots=True)
class Brokering:
    """What signs in to EHRs."""

    connections: Connections
    keys: ClientKeys
    discovery: Discovery
    backend: Backend
    send: Send


def brokering(settings: Settings, store: Store, root: SigningKey) -> Brokering:
    """All of it. Raises Misconfigured where the file of connections is not sound."""
    seal = Seal(root)
    connections = Connections(store.ledger, seal, settings.environment, settings.data, vendors=frozenset(VENDORS))
    keys = ClientKeys(store.ledger, seal, settings.environment)
    send = guarded(lambda: reaching(settings, connections.inner()))
    discovery = Discovery(send)
    backend = Backend(connections, discovery, keys, store.ledger, seal, send, VENDORS)
    return Brokering(connections, keys, discovery, backend, send)


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
