"""Where orders are kept: one record of kind PARCEL each, what is patient data in it sealed for its place.

A record is written in place of the version that was read, or not at all: whoever has slept past the end of his lease
finds it changed, and stops (`Lost`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from msgspec import structs

from hilum.access.seal import Seal
from hilum.broker.order import DEAD, Order
from hilum.feed import working
from hilum.fhir import json
from hilum.interactions.build import apart
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import PARCEL, Lost, Put, Row, read, write

KEPT_SECONDS: Final = 30 * 86_400
"""How long a dead letter can be replayed; then what is sealed in it is deleted."""
_MICRO: Final = 1_000_000
_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Parcel:
    """An order as it stands, and the version of its record. `content`: what is sealed in it, where this process has
    just sealed it.
    """

    id: str
    order: Order
    version: int
    content: dict[str, Any] | None = field(default=None, compare=False, repr=False)


class Parcels:
    """All orders that are not settled, and dead letters."""

    def __init__(self, ledger: Ledger, seal: Seal) -> None:
        self.ledger, self._seal = ledger, seal

    async def get(self, id: str) -> Parcel | None:
        """One of them. Raises Busy."""
        row = await self.ledger.get(PARCEL, id.encode())
        return None if row is None else _parcel(row)

    async def put(self, parcel: Parcel, order: Order, content: dict[str, Any] | None = None) -> Parcel:
        """Write it in place of that version, with other content where some is given. Raises Lost, Busy."""
        if content is not None:
            order = structs.replace(order, sealed=await self.sealed(parcel.id, content))
        elif order.sealed:
            content = parcel.content
        if not await self.ledger.replace(_put(parcel.id, order), parcel.version):
            raise Lost
        return Parcel(parcel.id, order, parcel.version + 1, content)

    async def forget(self, parcel: Parcel) -> None:
        """Take the record away. Raises Busy."""
        await self.ledger.remove(PARCEL, parcel.id.encode())

    async def dead(self, destination: str) -> list[Parcel]:
        """Dead letters to a destination. Raises Busy."""
        found: list[Parcel] = []
        after = b""
        while rows := await self.ledger.of(PARCEL, owner=_owner(destination), after=after, limit=_PAGE):
            found += (_parcel(row) for row in rows)
            after = rows[-1].key
        return found

    async def oldest(self, most: int) -> list[Parcel]:
        """The first of all, so many at most. Raises Busy."""
        found: list[Parcel] = []
        after = b""
        while len(found) < most and (rows := await self.ledger.of(PARCEL, after=after, limit=_PAGE)):
            found += (_parcel(row) for row in rows)
            after = rows[-1].key
        return found[:most]

    async def sealed(self, id: str, content: dict[str, Any]) -> str:
        """Content as it stands in `Order.sealed`."""
        text = json.encode(content).decode()
        return await apart(len(text), self._seal.seal, PARCEL, id.encode(), text)

    async def opened(self, parcel: Parcel) -> dict[str, Any]:
        """The content of `Order.sealed`. Raises Misconfigured where the root key is another one."""
        if parcel.content is not None:
            return parcel.content
        sealed = parcel.order.sealed
        text = await apart(len(sealed), self._seal.open, PARCEL, parcel.id.encode(), sealed)
        return json.stored(text.encode())


ORDER: Final = "order"
"""The kind of work that an order is (`hilum.feed.working`)."""
OWNER: Final = ORDER.encode()
"""Of the leases that orders are executed under."""


def lease_of(id: str) -> bytes:
    """The key of an order's lease."""
    return working.lease_of(ORDER, id)


def new(id: str, order: Order) -> Put:
    """The record of a new order, for the commit of its Task."""
    return _put(id, order)


def replaced(parcel: Parcel, order: Order) -> Put:
    """The record in place of that version, for a write of more than that."""
    return replace(_put(parcel.id, order), version=parcel.version)


def _put(id: str, order: Order) -> Put:
    """A dead letter alone has an end, and is found by where it should have gone."""
    if order.step != DEAD:
        return Put(PARCEL, id.encode(), write(order))
    return Put(PARCEL, id.encode(), write(order), order.at + KEPT_SECONDS * _MICRO, owner=_owner(order.deliver_to))


def _owner(destination: str) -> bytes:
    return b"dead:" + destination.encode()


def _parcel(row: Row) -> Parcel:
    return Parcel(row.key.decode(), read(row, Order), row.version)
