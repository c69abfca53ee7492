"""A batch: readings of one device and one of its users that are sent together, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hilum.phd.reading import Taken


@dataclass(frozen=True, slots=True)
class Batch:
    """Formed on disk before it is sent, and the same each time that it is sent.

    `id`: urn:uuid:…, by which the far side knows it again. `device`: its key (`Device.key`). `person`: `Taken.person`.
    `taken`: in the order of reception; readings of one `Taken` may stand in several batches. `tries`: so far. `done`:
    of a far side that takes one resource at a time, what was created of this batch already (entry -> reference).
    """

    id: str
    device: str
    person: int | None
    taken: tuple[Taken, ...]
    tries: int
    done: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """The far side has it, for good. `receipt`: what it answered, JSON or ER7, without readings; shown by status."""

    receipt: str


@dataclass(frozen=True, slots=True)
class Held:
    """The far side keeps it until somebody has said whose it is. For the queue it is delivered."""

    receipt: str
    why: str


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: no connection, 429, 5xx. `after`: seconds that the far side asked for."""

    why: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The far side will never take this batch as it is (400, 422, AE). Halved until what is refused stands alone."""

    why: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The far side takes nothing of ours, whatever it is: 401, 403, no Devices, a certificate that does not hold.

    Nothing becomes a dead letter by it. It is tried again slowly, and status says what a person has to do.
    """

    why: str


Fate = Stored | Held | Later | Refused | Stopped


class Keeps(Protocol):
    """Where a way of sending notes how far it came with a batch (`hilum.agent.queue`)."""

    async def note(self, batch: str, entry: str, reference: str) -> None:
        """This entry of the batch was created as that; on disk when it returns."""
        ...


class Way(Protocol):
    """One way of sending."""

    async def send(self, batch: Batch) -> Fate:
        """Try once. Never raises for what the network or the far side does."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
