"""What a device of the chaos said, as the agent's sources make it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from hilum.phd.reading import (
    NOTHING,
    Clock,
    Coincidence,
    Compound,
    Device,
    Quantity,
    Reading,
    Stamp,
    Status,
    Taken,
)


def taken(said: dict[str, Any]) -> Taken:
    """Of what `measured` made."""
    told = said["coincidence"]
    at = None if told is None else datetime.fromisoformat(told["at"])
    return Taken(
        Device(**said["device"]),
        datetime.fromisoformat(said["received"]),
        tuple(map(_reading, said["readings"])),
        None if at is None else Coincidence(at, _stamp(told["stamp"]), serial=told["serial"]),
        person=said["person"],
    )


def _reading(said: dict[str, Any]) -> Reading:
    quantities = [Quantity(Decimal(value), said["unit"]) for value in said["values"]]
    value = Compound(tuple(zip(said["parts"], quantities, strict=True))) if said["parts"] else quantities[0]
    status = Status.EARLY_INDICATION if said["early"] else NOTHING
    return Reading(said["type"], value, None if said["stamp"] is None else _stamp(said["stamp"]), status)


def _stamp(said: dict[str, Any]) -> Stamp:
    time = datetime.fromisoformat(said["time"]) if "time" in said else None
    return Stamp(Clock(said["clock"]), said["reported"], time, said.get("ticks"))
