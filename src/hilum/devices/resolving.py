"""Whose readings are: what the gateway asks of the registry, for each device and patient that a bundle names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hilum.access.policy import Principal
from hilum.phd.fhir.devices import Identifier

__all__ = ["Found", "Hold", "Identifier", "Subject", "Whose"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A patient as a bundle names one: by the logical id, or by identifiers (all those of its Patient entry).

    With neither, nothing is said: it is for the links to say. A placeholder (`{origin}/devices/person`) is one of the
    identifiers, like any other.
    """

    id: str = ""
    identifiers: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """`patient`: the logical id of a Patient that is there."""

    patient: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Nobody can say yet. `why`: for the receipt; names no patient."""

    why: str


class Whose(Protocol):
    """`hilum.devices.whose.whose`, with its registry and store."""

    async def __call__(self, who: Principal, devices: Sequence[Identifier], subject: Subject) -> Found | Hold:
        """`devices`: all identifiers of the one device that measured, none where the reading names none. Raises
        Forbidden for a device that was revoked, which names it.
        """
        ...
