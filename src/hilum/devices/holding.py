"""Bundles that wait until somebody has said whose they are: sealed, in the ledger, so many of each client.

Records of kind DEVICE_HELD: what is shown of one (key: that of its receipt), its content, and, of each client, how much
of it waits, which is written with every change, so that the bound holds over all processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

from hilum.access import revoking
from hilum.access.policy import Grant, Policy, Principal
from hilum.access.seal import Seal
from hilum.devices.receipts import id_of
from hilum.devices.records import Receipt
from hilum.fhir import json
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import CLIENT, DEVICE_HELD, FRESH, NEVER, Client, Put, Record, Row, read, write
from hilum.problems import NoRoom

MOST: Final = 2_000
MOST_BYTES: Final = 64 << 20
"""How many bundles of one client wait at most, and how many bytes of them, sealed."""

_MANY: Final = 256
"""Entries: more are sealed in a thread, so that the event loop serves others meanwhile."""
_WAITS: Final = b"waits"
"""The peer of what is listed."""
_CONTENT: Final = b"content:"
_TALLY: Final = b"tally:"


class _Held(Record, frozen=True, omit_defaults=True):
    """What is shown of one. `at`: microseconds since 1970. `size`: bytes, sealed."""

    system: str
    value: str
    client: str
    at: int
    why: str
    entries: int
    size: int
    devices: tuple[str, ...] = ()


class _Content(Record, frozen=True):
    """`sealed`: of `_Sealed`."""

    sealed: str


class _Grant(Record, frozen=True, omit_defaults=True):
    type: str
    owners: tuple[tuple[str, str], ...] | None = None
    search: tuple[tuple[str, str], ...] = ()
    but: tuple[str, ...] = ()


class _Sealed(Record, frozen=True, omit_defaults=True):
    """The bundle, and who sent it, with what that one may create."""

    bundle: msgspec.Raw
    agent: str
    client: str
    token: str
    grants: tuple[_Grant, ...]


class _Tally(Record, frozen=True, omit_defaults=True):
    count: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """One that waits, as it is listed. `place`: its key. `id`: of its receipt. `at`: microseconds since 1970.

    `devices`: what measured, `system|value`, with `#person` where the bundle says which of its users.
    """

    place: bytes
    id: str
    client: str
    at: int
    why: str
    entries: int
    size: int
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """One that waits, opened."""

    place: bytes
    bundle: Mapping[str, Any]
    who: Principal
    row: Row
    content: Row


async def kept(
    ledger: Ledger,
    seal: Seal,
    who: Principal,
    bundle: Mapping[str, Any],
    receipt: Receipt,
    place: bytes,
    devices: tuple[str, ...],
) -> list[Put]:
    """The records of a new one. Raises NoRoom."""
    grants = tuple(
        _Grant(one.type, one.owners, one.search, tuple(sorted(one.but)))
        for one in who.policy.grants
        if "c" in one.interactions
    )
    content = _CONTENT + place

    def made() -> str:
        told = _Sealed(msgspec.Raw(json.encode(bundle)), who.agent, who.client, who.token, grants)
        return seal.seal(DEVICE_HELD, content, write(told).decode())

    sealed = await asyncio.to_thread(made) if len(receipt.entries) > _MANY else made()
    row = await ledger.get(DEVICE_HELD, _tally(who.client))
    before = _Tally() if row is None else read(row, _Tally)
    if before.count >= MOST or before.bytes + len(sealed) > MOST_BYTES:
        raise NoRoom(
            "As much of this client waits here as may: somebody has to say whose it is (`hilum devices link`). Keep "
            "this bundle, and send it again later."
        )
    held = _Held(
        receipt.system,
        receipt.value,
        receipt.client,
        receipt.at,
        receipt.held,
        len(receipt.entries),
        len(sealed),
        devices,
    )
    return [
        Put(DEVICE_HELD, place, write(held), NEVER, who.client.encode(), _WAITS),
        Put(DEVICE_HELD, content, write(_Content(sealed))),
        _tallied(who.client, row, before.count + 1, before.bytes + len(sealed)),
    ]


async def waiting(ledger: Ledger, client: str = "") -> AsyncIterator[Waiting]:
    """Those that wait, of one client or of all."""
    after = b""
    while rows := await ledger.of(DEVICE_HELD, peer=_WAITS, after=after):
        for row in rows:
            one = read(row, _Held)
            if client in ("", one.client):
                id = id_of(Receipt(one.system, one.value, one.client, b"", one.at))
                yield Waiting(row.key, id, one.client, one.at, one.why, one.entries, one.size, one.devices)
        after = rows[-1].key


async def opened(ledger: Ledger, seal: Seal, place: bytes) -> Held | None:
    """One of them; None: it waits no more."""
    row, content = await ledger.get(DEVICE_HELD, place), await ledger.get(DEVICE_HELD, _CONTENT + place)
    if row is None or content is None:
        return None
    text = seal.open(DEVICE_HELD, content.key, read(content, _Content).sealed)
    told = msgspec.json.decode(text, type=_Sealed)
    grants = tuple(Grant(one.type, frozenset("c"), one.owners, one.search, frozenset(one.but)) for one in told.grants)
    who = Principal(told.agent, told.client, told.token, Policy(grants), NEVER)
    return Held(place, json.parse(bytes(told.bundle)), who, row, content)


async def stands(ledger: Ledger, client: str) -> bool:
    """Whether a client has not been revoked. What is none of the ledger's (`--auth off`, `hilum token`) has not."""
    row = await ledger.get(CLIENT, revoking.record(CLIENT, client))
    return row is None or (row.state == FRESH and not read(row, Client).disabled)


async def gone(ledger: Ledger, held: Held) -> list[Put]:
    """The records of one that waits no more: those that have ended are swept away."""
    return await _ended(ledger, held.row, held.content)


async def drop(ledger: Ledger, place: bytes) -> bool:
    """Throw one away; its receipt stays. False: it does not wait. Raises Lost where it changes at this moment."""
    row, content = await ledger.get(DEVICE_HELD, place), await ledger.get(DEVICE_HELD, _CONTENT + place)
    if row is None or content is None:
        return False
    await ledger.many(await _ended(ledger, row, content))
    return True


async def _ended(ledger: Ledger, row: Row, content: Row) -> list[Put]:
    one = read(row, _Held)
    tally = await ledger.get(DEVICE_HELD, _tally(one.client))
    before = _Tally() if tally is None else read(tally, _Tally)
    return [
        *(Put(each.kind, each.key, b"{}", 1, version=each.version) for each in (row, content)),
        _tallied(one.client, tally, max(0, before.count - 1), max(0, before.bytes - one.size)),
    ]


def _tally(client: str) -> bytes:
    return _TALLY + sha256(client.encode()).digest()


def _tallied(client: str, row: Row | None, count: int, size: int) -> Put:
    return Put(DEVICE_HELD, _tally(client), write(_Tally(count, size)), version=None if row is None else row.version)
