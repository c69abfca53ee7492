"""What a source of readings is, and where it puts them."""

from __future__ import annotations

from typing import Protocol

from hilum.phd.reading import Device, Taken


class Full(Exception):
    """Nothing more can be kept now: the disk is full, or the queue has reached its bound. The device keeps its own."""


class Sink(Protocol):
    """Where a source puts what it read."""

    async def take(self, taken: Taken) -> None:
        """Keep it. It is on disk when this returns, and only then the device is told that it was taken. Raises Full."""
        ...

    async def refuse(self, source: str, device: str, data: bytes, why: str) -> None:
        """Keep bytes that say nothing, with the reason, for who wants to look at them. Never raises Full: of these the
        oldest go. `device`: its key or address, or "".
        """
        ...

    async def seen(self, device: Device, battery: int | None = None) -> None:
        """A device was in contact, whether it had a reading or not. `battery`: per cent."""
        ...


class Source(Protocol):
    """One way by which readings come. `name`: as the settings and the status call it."""

    @property
    def name(self) -> str:
        """Which source it is."""
        ...

    async def run(self, sink: Sink) -> None:
        """Read until cancelled; return where there is an end (a recorded stream). What goes wrong with one device is
        told and tried again, and stops no other. Raises Misconfigured for what will never work.
        """
        ...
