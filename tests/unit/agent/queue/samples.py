"""What devices give, and a way of sending that does as it is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hilum.agent.batch import Batch, Fate, Stored
from hilum.phd.reading import Clock, Device, Quantity, Reading, Stamp, Taken

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
METER = Device("FE-ED-AB-EE-DE-AD-77-C3", manufacturer="Acme", model="Gluco 1", serial="7")
CUFF = Device(transport="bluetooth", address="00-00-5E-00-53-01", name="Cuff")
GLUCOSE, MG_DL = 160184, 264274


def stamp(minute: int) -> Stamp:
    time = datetime(2026, 11, 1) + timedelta(minutes=minute)
    return Stamp(Clock.ABSOLUTE, f"{time:%Y%m%d%H%M%S}.00", time)


def glucose(minute: int, value: str = "98", **more) -> Reading:
    return Reading(GLUCOSE, Quantity(Decimal(value), MG_DL), stamp(minute), **more)


def taken(*readings: Reading, device: Device = METER, **more) -> Taken:
    return Taken(device, AT, readings, **more)


def many(count: int, device: Device = METER, start: int = 0) -> Taken:
    return taken(*(glucose(start + minute) for minute in range(count)), device=device)


def minutes(batch: Batch) -> list[int]:
    """Of its readings, in order."""
    first = datetime(2026, 11, 1)
    return [int((one.stamp.time - first).total_seconds()) // 60 for part in batch.taken for one in part.readings]


class Clocked:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 1_764_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Way:
    """Answers with what it is told, and keeps what was sent."""

    def __init__(self, fate: Callable[[Batch], Fate] = lambda batch: Stored('{"resourceType":"Bundle"}')) -> None:
        self.fate, self.sent, self.closed = fate, [], False

    async def send(self, batch: Batch) -> Fate:
        self.sent.append(batch)
        return self.fate(batch)

    async def close(self) -> None:
        self.closed = True
