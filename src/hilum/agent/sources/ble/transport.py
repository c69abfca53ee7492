"""What a source needs of Bluetooth LE: to find a device, to connect, and GATT. Bluetooth Core 5.4, Vol 3, Part G.

Two stacks do it: `by_bleak` (the operating system's, a real radio) and `by_bumble` (one of its own, without a radio).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Place = tuple[int, int]
"""A characteristic in its service: both by their 16 bits, since several services have a characteristic of one UUID."""


class Gone(Exception):
    """There is no connection, or no longer: out of reach, switched off, or silent."""


class NoRadio(Exception):
    """The machine's Bluetooth is off or missing. It may come."""


class Rejected(Exception):
    """The device answered with an error. `code`: of the Attribute Protocol."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the device answered with the error {code:#04x}")
        self.code = code


class Unpaired(Exception):
    """The device talks only to those that it is paired with."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} talks only to a paired machine: put it into its pairing mode (see its manual) and either set "
            f"`pair = true` in this source, or pair it once by hand with `bluetoothctl pair {address}`"
        )


UNPAIRED = frozenset({0x05, 0x08, 0x0C, 0x0F})
"""Insufficient authentication, authorization, key size, encryption: Vol 3, Part F, 3.4.1.1."""


@dataclass(frozen=True, slots=True)
class Sighted:
    """A device that advertises. `services`: those of 16 bits that it says; many say none."""

    address: str
    name: str = ""
    services: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Heard:
    """A notification, or an indication. `confirm`: tells the device that it was taken; of a notification nothing."""

    place: Place
    data: bytes
    indicated: bool
    confirm: Callable[[], None]


class Inbox:
    """What was heard of one device, in its order. What came before the connection was lost is still there after."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[Heard | None] = asyncio.Queue()

    def put(self, heard: Heard) -> None:
        """One more."""
        self._heard.put_nowait(heard)

    def close(self) -> None:
        """The connection was lost."""
        self._heard.put_nowait(None)

    async def get(self) -> Heard:
        """The next. Raises Gone once there is none and will be none."""
        heard = await self._heard.get()
        if heard is None:
            self.close()
            raise Gone("the device has hung up")
        return heard


class Link(Protocol):
    """A connection. All but `hear` and `disconnect` raise Gone, Rejected and Unpaired."""

    @property
    def sighted(self) -> Sighted:
        """Whom with."""
        ...

    @property
    def places(self) -> frozenset[Place]:
        """All characteristics of the SIG that the device has."""
        ...

    @property
    def confirms(self) -> bool:
        """Whether an indication is confirmed only when `Heard.confirm` is called; else the stack did it already."""
        ...

    async def read(self, place: Place) -> bytes:
        """A value."""
        ...

    async def write(self, place: Place, data: bytes) -> None:
        """With a response."""
        ...

    async def subscribe(self, place: Place) -> None:
        """From now on it is heard; indicated, where the device can do both."""
        ...

    async def hear(self) -> Heard:
        """What the device says next. Raises Gone."""
        ...

    async def disconnect(self) -> None:
        """Hang up. Never raises."""
        ...


class Radio(Protocol):
    """A stack."""

    async def find(self, wanted: Callable[[Sighted], bool]) -> Sighted:
        """Scan until one that is wanted advertises. Raises NoRadio."""
        ...

    async def connect(self, sighted: Sighted) -> Link:
        """Raises Gone, Rejected, Unpaired and NoRadio."""
        ...
