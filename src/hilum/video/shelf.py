"""Where videos are kept while they are made, and as long as links may lead to them: one record of kind VIDEO each, what
is patient data in it sealed for its place.

A record is written in place of the version that was read, or not at all: whoever has slept past the end of his lease
finds it changed, and stops (`Lost`).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

from hilum.access.seal import Seal
from hilum.feed.working import lease_of, owner_of
from hilum.fhir import json
from hilum.oauth.keeping import Ledger
from hilum.oauth.lease import offered
from hilum.oauth.ledger import VIDEO, Lost, Put, Row, read, write
from hilum.video import script
from hilum.video.order import Order, Whom
from hilum.video.script import Script

KIND: Final = "video"
"""The kind of work that a video is (`hilum.feed.working`)."""
FAR: Final = "far"
"""The lane of those that are rendered elsewhere; this machine's own go in the one that all kinds have."""
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Reel:
    """A video as it stands, and the version of its record."""

    id: str
    order: Order
    version: int


class Shelf:
    """All videos that are not settled."""

    def __init__(self, ledger: Ledger, seal: Seal) -> None:
        self.ledger, self._seal = ledger, seal

    async def get(self, id: str) -> Reel | None:
        """One of them. Raises Busy."""
        row = await self.ledger.get(VIDEO, id.encode())
        return None if row is None else _reel(row)

    async def lane(self, id: str) -> str:
        """That in which it is made. Raises Busy."""
        reel = await self.get(id)
        return "" if reel is None else _lane(reel.order)

    async def ordered(self, renderer: str, most: int) -> int:
        """How many of its jobs a renderer elsewhere has now, counted up to so many. Raises Busy."""
        return len(await self.ledger.of(VIDEO, owner=renderer.encode(), limit=most))

    async def of_job(self, renderer: str, job: str) -> list[str]:
        """Ids of those whose job is called so there: one, or none. Raises Busy."""
        return [row.key.decode() for row in await self.ledger.of(VIDEO, peer=_job(renderer, job))]

    async def every(self) -> list[Reel]:
        """All. Raises Busy."""
        found: list[Reel] = []
        after = b""
        while rows := await self.ledger.of(VIDEO, after=after, limit=_PAGE):
            found += map(_reel, rows)
            after = rows[-1].key
        return found

    async def empty(self) -> bool:
        """Whether there is none. Raises Busy."""
        return not await self.ledger.of(VIDEO, limit=1)

    async def put(self, reel: Reel, order: Order) -> Reel:
        """Write it in place of that version. Raises Lost, Busy."""
        if not await self.ledger.replace(new(reel.id, order), reel.version):
            raise Lost
        return Reel(reel.id, order, reel.version + 1)

    async def go_on(self, reel: Reel, order: Order) -> None:
        """The same of one that rests, for whichever process comes first to go on with it: its lease is made in the same
        transaction, so that no crash comes between. Raises Lost, Busy.
        """
        key = lease_of(KIND, reel.id)
        lease = offered(key, owner_of(KIND, _lane(order)), order.at / 1_000_000)
        await self.ledger.many([replaced(reel, order), lease])

    async def forget(self, reel: Reel) -> None:
        """Take the record away. Raises Busy."""
        await self.ledger.remove(VIDEO, reel.id.encode())

    def sealed(self, id: str, content: msgspec.Struct) -> str:
        """Content as it stands in `Order.sealed`."""
        return self._seal.seal(VIDEO, id.encode(), json.encode(content).decode())

    def whom(self, reel: Reel) -> Whom:
        """Whom to gather. Raises Misconfigured where the root key is another one."""
        return msgspec.json.decode(self._opened(reel), type=Whom)

    def script(self, reel: Reel) -> Script:
        """The script of one that has one. Raises Misconfigured where the root key is another one."""
        return script.read(self._opened(reel))

    def _opened(self, reel: Reel) -> bytes:
        return self._seal.open(VIDEO, reel.id.encode(), reel.order.sealed).encode()


def digest(made: Script) -> str:
    """What names a script, in an approval and as its ETag: SHA-256 of its JSON, hex."""
    return sha256(script.written(made)).hexdigest()


def new(id: str, order: Order) -> Put:
    """The record of a new one, for the commit of its Task."""
    return _put(id, order)


def replaced(reel: Reel, order: Order) -> Put:
    """The record in place of that version, for a write of more than that."""
    return _put(reel.id, order, reel.version)


def _put(id: str, order: Order, version: int | None = None) -> Put:
    """Who has a job of it elsewhere is its owner, and that job its peer: so both are found."""
    owner = order.renderer.encode() if order.held else b""
    peer = _job(order.renderer, order.job) if order.job else b""
    return Put(VIDEO, id.encode(), write(order), owner=owner, peer=peer, version=version)


def _job(renderer: str, job: str) -> bytes:
    return f"{renderer}\0{job}".encode()


def _lane(order: Order) -> str:
    return FAR if order.far else ""


def _reel(row: Row) -> Reel:
    return Reel(row.key.decode(), read(row, Order), row.version)
