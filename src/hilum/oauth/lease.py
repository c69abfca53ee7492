"""A lease: of all who want to do one thing, in all processes, one does it at a time; whoever dies loses it by time.

https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html: a lease saves work being done twice, and
makes nothing safe, since its holder may have slept past its end. What is done under one names, at each write, the
version that it replaces.

Its record (kind LEASE) stays until it is ended: an expired one could neither be seen nor be written over. Its `peer`
is its place among those of its owner, by when each can be taken: of any number that wait, those that are due are found
without a look at the others.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

import msgspec

from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import LEASE, Put, Record, Row, read, write
from hilum.problems import Busy

SECONDS: Final = 15.0
_MICRO: Final = 1_000_000
_PAGE: Final = 200

T = TypeVar("T")


class Lease(Record, frozen=True, omit_defaults=True):
    """`until`, in microseconds since 1970, nobody but `holder` may take it; "": nobody at all, until then. `hastened`:
    there is something new since it was taken, so that whoever holds it leaves it to be taken again at once.
    """

    holder: str = ""
    until: int = 0
    hastened: bool = False


class Lapsed(Exception):
    """The lease went to somebody else, or was ended, while work was done under it."""


class Leases:
    """Those that one process takes. `clock`: seconds since 1970. `seconds`: how long one holds unless it is renewed."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time, seconds: float = SECONDS) -> None:
        self.ledger, self.clock, self.seconds = ledger, clock, seconds
        self.holder = secrets.token_hex(8)

    async def offer(self, key: bytes, owner: bytes = b"") -> bool:
        """There is something to be done from now on. False: that was known. Raises Busy."""
        return await self.ledger.add(offered(key, owner, self.clock()))

    async def due(self, owner: bytes) -> AsyncIterator[bytes]:
        """Keys of those of this owner that can be taken now, the one that waits longest first. Raises Busy."""
        after, until = _place(owner), _place(owner, int(self.clock() * _MICRO) + 1)
        while rows := await self.ledger.ranged(LEASE, after, until, _PAGE):
            for row in rows:
                yield row.key
            after = rows[-1].peer

    async def hasten(self, key: bytes) -> bool:
        """There is something new to be done under it: it may be taken now, before others, or, where somebody holds it,
        as soon as that one lays it down, whichever process that is. False: there is none such. Raises Busy.
        """
        while (row := await self.ledger.get(LEASE, key)) is not None:
            lease = read(row, Lease)
            put = _put(key, row.owner, _hastened(lease)) if lease.holder else offered(key, row.owner)
            if lease.hastened or await self.ledger.replace(put, row.version):
                return True
        return False

    async def take(self, key: bytes) -> Held | None:
        """Take one that is there and free. None: there is none, or somebody has it. Raises Busy."""
        row = await self.ledger.get(LEASE, key)
        if row is None or read(row, Lease).until > self.clock() * _MICRO:
            return None
        held = Held(self, row)
        return held if await held.renew() else None

    async def claim(self, key: bytes, owner: bytes = b"") -> Held | None:
        """The same, and it is made where there is none. Raises Busy."""
        held = await self.take(key)
        if held is None and await self.offer(key, owner):
            held = await self.take(key)
        return held


class Held:
    """One that is ours, as long as it is renewed in time."""

    def __init__(self, leases: Leases, row: Row) -> None:
        self._leases = leases
        self.key, self.owner, self._version, self._value = row.key, row.owner, row.version, row.value
        self._turn = asyncio.Lock()
        self._hastened = False
        self.until = 0.0

    async def renew(self) -> bool:
        """Hold it for longer. False: it is lost. Raises Busy."""
        until = self._leases.clock() + self._leases.seconds
        if not await self._written(Lease(self._leases.holder, int(until * _MICRO))):
            return False
        self.until = until
        return True

    async def lay_down(self, until: float = 0.0) -> bool:
        """Let anybody take it, from then on, or at once where it was hastened. False: it was lost. Raises Busy."""
        return await self._written(Lease("", int(until * _MICRO)))

    async def end(self) -> bool:
        """There is nothing left to be done; unless it was hastened: who comes next sees. False: it was lost, and who
        has it keeps it. Raises Busy.
        """
        async with self._turn:
            if not self._hastened and await self._leases.ledger.remove(LEASE, self.key, self._value):
                return True
            if not self._hastened and not await self._is_hastened():
                return False
        return await self.lay_down()

    async def _written(self, value: Lease) -> bool:
        """Versions begin anew where one was ended and offered again: whoever slept past its end names none."""
        async with self._turn:
            if 0 < self.until <= self._leases.clock():
                return False
            while True:
                put = _put(self.key, self.owner, _hastened(value) if self._hastened else value)
                if await self._leases.ledger.replace(put, self._version):
                    self._version += 1  # as every ledger counts
                    self._value = put.value
                    return True
                if not await self._is_hastened():
                    return False

    async def _is_hastened(self) -> bool:
        """Whether nothing but that has become of it since it was written last: then it is ours yet."""
        row = await self._leases.ledger.get(LEASE, self.key)
        lease = msgspec.json.decode(self._value, type=Lease)
        if self._hastened or row is None or row.value != write(_hastened(lease)):
            return False
        self._version, self._value, self._hastened = row.version, row.value, True
        return True

    async def during(self, work: Coroutine[Any, Any, T], wanted: Callable[[], Awaitable[bool]] | None = None) -> T:
        """What `work` comes to, the lease being renewed meanwhile; whoever cancels this cancels it.

        `wanted` is asked as often as it is renewed, whether the work is to go on. Raises Lapsed when it is not, and
        when the lease is lost: the work is cancelled then.
        """
        task = asyncio.ensure_future(work)
        try:
            while True:
                await asyncio.wait({task}, timeout=self._leases.seconds / 3)
                if task.done():
                    return task.result()
                if not await self._goes_on(wanted):
                    raise Lapsed
        finally:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # heard: it may have ended while the lease was looked at

    async def _goes_on(self, wanted: Callable[[], Awaitable[bool]] | None) -> bool:
        try:
            return await self.renew() and (wanted is None or await wanted())
        except Busy:
            return self._leases.clock() < self.until


def offered(key: bytes, owner: bytes = b"", at: float = 0.0) -> Put:
    """The record of one that anybody may take, for a commit of more than that. `at`: since when, in seconds."""
    return _put(key, owner, Lease(until=int(at * _MICRO)))


def _hastened(lease: Lease) -> Lease:
    """One that is held, with the sign; one that was laid down may be taken at once."""
    return msgspec.structs.replace(lease, hastened=True) if lease.holder else Lease()


def _put(key: bytes, owner: bytes, value: Lease) -> Put:
    return Put(LEASE, key, write(value), owner=owner, peer=_place(owner, value.until) + key if owner else b"")


def _place(owner: bytes, until: int | None = None) -> bytes:
    """Before all of an owner; or before those that can be taken at that time, or later."""
    return owner + b"\0" + (b"" if until is None else until.to_bytes(8, "big"))
