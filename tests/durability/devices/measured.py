"""What personal health devices measure in the chaos, and how they tell it: generated of a seed. Nothing is hilum's.

Each measurement is a `Fact`: what has to be on the server in the end, once. What a device says is derived of it by the
device's own clock, so that the truth of a time is known before anybody has computed one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
STEP: Final = timedelta(seconds=61)
"""Between two measurements of a device."""
EUI_64: Final = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"
BLUETOOTH: Final = "http://hl7.org/fhir/sid/eui-48/bluetooth"
ABSOLUTE, RELATIVE = 67975, 67983
"""Codes of clocks."""
CLOCKS: Final = frozenset({"67975", "68226", "67983", "68072"})
"""Codes of coincident time stamps."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A measurement. `values`: with the digits that were sent. `at`: by the true time, to the microsecond."""

    device: str
    patient: str
    code: str
    values: tuple[str, ...]
    unit: str
    at: datetime
    status: str = "final"

    @property
    def digest(self) -> bytes:
        return blake2b(repr((self.device, self.patient, self.code, self.values, self.unit, self.at.timestamp(),
                             self.status)).encode(), digest_size=12).digest()  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """What one sort of device measures: MDC code -> (lowest and highest in units of the last digit, digits after the
    point); `unit`: MDC's and UCUM's. `panel`: the code of all of them together, or None.

    `persons`: how many users it tells apart, 0: none. `clock`: None of what streams without time stamps.
    """

    name: str
    parts: tuple[tuple[int, int, int, int], ...]
    unit: tuple[int, str]
    panel: int | None = None
    persons: int = 0
    clock: int | None = ABSOLUTE
    addressed: bool = False
    silent: bool = False
    """It stamps, and does not tell what its clock says: a time fault. Its clock is right by chance."""


KINDS: Final = (
    Kind("glucometer", ((160184, 40, 400, 0),), (264274, "mg/dL")),
    Kind("cuff", ((150021, 90, 180, 0), (150022, 50, 100, 0), (150023, 60, 120, 0)), (266016, "mm[Hg]"), 150020, 2),
    Kind("thermometer", ((150364, 3500, 4100, 2),), (268192, "Cel"), addressed=True),
    Kind("scale", ((188736, 40000, 120000, 3),), (263875, "kg"), persons=3),
    Kind("oximeter", ((150456, 85, 100, 0),), (262688, "%"), clock=None),
    Kind("counting glucometer", ((160184, 20, 330, 1),), (266866, "mmol/L"), clock=RELATIVE),
    Kind("silent glucometer", ((160184, 20, 330, 1),), (266866, "mmol/L"), silent=True),
)


@dataclass(frozen=True, slots=True)
class Device:
    """One of a kind. `skew`: how far its clock is from the true time."""

    number: int
    kind: Kind
    skew: timedelta
    patients: tuple[str, ...]

    @property
    def address(self) -> str:
        """EUI-48 or EUI-64, with dashes."""
        octets = self.number.to_bytes(3 if self.kind.addressed else 5, "big")
        return (b"\x00\xe5\xde" + octets).hex("-").upper()

    @property
    def key(self) -> str:
        """By which the agent tells it from others."""
        return f"bluetooth:{self.address}" if self.kind.addressed else self.address

    @property
    def told(self) -> dict[str, Any]:
        """As it tells what it is."""
        at = {"transport": "bluetooth", "address": self.address} if self.kind.addressed else {"system_id": self.address}
        return {"manufacturer": "Chaos", "model": self.kind.name, "serial": str(self.number), **at}

    @property
    def identifier(self) -> str:
        return f"{BLUETOOTH if self.kind.addressed else EUI_64}|{self.address}"

    @property
    def persons(self) -> tuple[int | None, ...]:
        return tuple(range(1, self.kind.persons + 1)) or (None,)


@dataclass(frozen=True, slots=True)
class Session:
    """What a device tells at once. `again`: how many of the readings it has told before."""

    device: Device
    said: dict[str, Any]
    facts: tuple[Fact, ...]
    again: int

    @property
    def stamped(self) -> bool:
        return self.device.kind.clock is not None


def devices(seed: int, count: int) -> tuple[Device, ...]:
    """Of all kinds, in turn. Each user of a device is another patient, and some patients have several devices."""
    chance = random.Random(f"devices {seed}")
    made = []
    for number in range(1, count + 1):
        kind = KINDS[(number - 1) % len(KINDS)]
        skew = timedelta() if kind.silent else timedelta(seconds=chance.randint(-600, 600))
        users = chance.sample(range(max(4, count)), max(1, kind.persons))
        made.append(Device(number, kind, skew, tuple(f"p{user}" for user in users)))
    return tuple(made)


def sessions(seed: int, device: Device, count: int, most: int = 40) -> Iterator[Session]:
    """Until `count` measurements were told. Some are told again later, in the wrong order, or first as an estimate."""
    chance = random.Random(f"{seed} {device.number}")
    told: dict[int, list[tuple[Fact, dict[str, Any]]]] = {}
    step = 0
    while count:
        which = chance.randrange(len(device.patients))
        known = told.setdefault(which, [])
        size = min(count, 1 if device.kind.clock is None else chance.choice((1, 1, 2, 5, most)))
        new = []
        while len(new) < size:
            step += 1
            at = BEGAN + STEP * step
            first = _measured(chance, device, which, at)
            if size - len(new) > 1 and chance.random() < 0.1:  # an early estimate is another value at the same time
                early = replace(_other(chance, device, which, first), status="preliminary")
                new.append((early, _said(device, early)))
            new.append((first, _said(device, first)))
        count -= len(new)
        again = chance.sample(known, min(len(known), chance.choice((0, 0, 0, 1, 5)))) if device.kind.clock else []
        said = new + again
        if chance.random() < 0.3:
            chance.shuffle(said)
        known += new
        del known[:-200]
        yield _session(device, which, step, said, tuple(fact for fact, _ in new), len(again))


def _session(
    device: Device, which: int, step: int, said: list[tuple[Fact, dict[str, Any]]], new: tuple[Fact, ...], again: int
) -> Session:
    received = BEGAN + STEP * step + (timedelta() if device.kind.clock is None else timedelta(seconds=20))
    coincidence = None
    if device.kind.clock is not None and not device.kind.silent:
        coincidence = {"at": received.isoformat(), "stamp": _stamp(device, received), "serial": str(step)}
    whole = {
        "device": device.told,
        "person": device.persons[which],
        "received": received.isoformat(),
        "coincidence": coincidence,
        "readings": [one for _, one in said],
    }
    return Session(device, whole, new, again)


def _measured(chance: random.Random, device: Device, which: int, at: datetime) -> Fact:
    kind = device.kind
    values = tuple(_written(chance.randint(low, high), digits) for _, low, high, digits in kind.parts)
    code = str(kind.panel or kind.parts[0][0])
    return Fact(device.identifier, device.patients[which], code, values, kind.unit[1], at)


def _other(chance: random.Random, device: Device, which: int, than: Fact) -> Fact:
    while (found := _measured(chance, device, which, than.at)).values == than.values:
        pass
    return found


def _written(number: int, digits: int) -> str:
    """`number` in units of the last digit, all digits told, zeros among them."""
    if not digits:
        return str(number)
    text = str(number).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}"


def _said(device: Device, fact: Fact) -> dict[str, Any]:
    kind = device.kind
    return {
        "type": int(fact.code),
        "values": list(fact.values),
        "parts": [code for code, *_ in kind.parts] if kind.panel else [],
        "unit": kind.unit[0],
        "stamp": None if kind.clock is None else _stamp(device, fact.at),
        "early": fact.status == "preliminary",
    }


def _stamp(device: Device, at: datetime) -> dict[str, Any]:
    """A time by the device's clock."""
    local = at + device.skew
    if device.kind.clock == RELATIVE:  # eighths of a millisecond
        ticks = (local - BEGAN + timedelta(days=1)) // timedelta(microseconds=125)
        return {"clock": RELATIVE, "reported": str(ticks), "ticks": ticks}
    return {
        "clock": ABSOLUTE,
        "reported": local.strftime("%Y%m%d%H%M%S.00"),
        "time": local.replace(tzinfo=None).isoformat(),
    }
