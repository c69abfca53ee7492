"""What one message carries: readings of one patient, of devices behind one gateway."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hilum.phd.reading import Taken

_EUI64: Final = re.compile("[0-9A-F]{2}(?:-[0-9A-F]{2}){7}")


@dataclass(frozen=True, slots=True)
class Identifier:
    """PID-3, CX. `namespace`, `universal`, `universal_type`: of who assigned it. `type`: table 0203."""

    value: str
    namespace: str = ""
    universal: str = ""
    universal_type: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The PHG. `system_id`: EUI-64, "EC-DE-3D-4E-58-53-2D-31". `synchronization`, `accuracy`: as a `Device`'s."""

    system_id: str
    name: str = ""
    synchronization: int | None = None
    accuracy: int | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """One message. `sent`: MSH-7. `processing`: MSH-11: P, T (training) or D (debugging). `receiver`: MSH-6."""

    control_id: str
    sent: datetime
    patient: tuple[Identifier, ...]
    gateway: Gateway
    taken: tuple[Taken, ...]
    processing: str = "P"
    receiver: str = ""


def to_hex(system_id: str) -> str | None:
    """An EUI-64 without its hyphens, as OBX-18 has it; None: it is none."""
    return system_id.replace("-", "") if _EUI64.fullmatch(system_id) else None


def from_hex(text: str) -> str | None:
    """An EUI-64 with its hyphens; None: it is none."""
    digits = text.replace("-", "").replace(":", "").upper()
    parted = "-".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    return parted if _EUI64.fullmatch(parted) else None
