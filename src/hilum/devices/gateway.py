"""What comes of a bundle of readings: stored, held, or refused, once for each of its identifiers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hilum.access.policy import Principal
from hilum.access.seal import Seal
from hilum.devices.records import Receipt
from hilum.devices.resolving import Whose
from hilum.interactions.door import Door


class Name(NamedTuple):
    """By what a bundle is known, of one client: Bundle.identifier, or MSH-3 and MSH-10."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where bundles go, and who says whose they are. `clock`: seconds since 1970."""

    door: Door
    whose: Whose
    seal: Seal = field(repr=False)
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Outcome:
    """`replayed`: it came before, and `receipt` is the first one. `id`: what the receipt is asked for by.

    `shown`: seqs of the versions that stood there already, for the audit; `recorded`: the commit tells of all of it.
    """

    receipt: Receipt
    id: str
    replayed: bool = False
    shown: tuple[int, ...] = ()
    recorded: bool = False


async def take(
    gateway: Gateway,
    who: Principal,
    bundle: Mapping[str, Any],
    *,
    name: Name,
    content: bytes,
    ack: Callable[[str], str] | None = None,
) -> Outcome:
    """Store it, or hold it, with its receipt; what came before gets the first one.

    `bundle`: a transaction as `POST /devices/bundles` takes it, of whose identifier nothing is read. `content`: SHA-256
    of what was sent. `ack`: what is to be kept in the receipt, made of why it is held ("" once it is stored). Raises
    Invalid and Unprocessable (422) naming the element, Forbidden (a revoked device, or what the token does not allow),
    Unprocessable for another content under the same name, NoRoom where no more can be held, Busy.
    """
    raise NotImplementedError
