"""E2E-CRC: what tells a record that was changed on its way. Continuous Glucose Monitoring Service 1.0.2, "E2E-CRC".

The service says CRC-CCITT: x^16 + x^12 + x^5 + 1 (0x1021), seed 0xFFFF, and means octets whose lowest bit goes first:
so do the stacks that cite its clause (Nordic's Kotlin BLE library, "MCRF4XX"; Cypress' CGMS example, 0x8408). Sensors
are on the market that put the highest bit first (Medtronic; frames captured in 2026 are among our tests). A CGM Feature
ends with its own E2E-CRC always, so that `of_feature` can tell which of the two a sensor means.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

SIZE: Final = 2
_SEED: Final = 0xFFFF
_TOP_BIT_FIRST: Final = 0x1021
_LOW_BIT_FIRST: Final = 0x8408


class Check(Enum):
    """Which bit of each octet goes first."""

    LOW_BIT_FIRST = "CRC-16/MCRF4XX"
    TOP_BIT_FIRST = "CRC-16/CCITT-FALSE"

    def of(self, data: bytes) -> int:
        """The 16 bits that belong to `data`."""
        return _low_bit_first(data) if self is Check.LOW_BIT_FIRST else _top_bit_first(data)


def of_feature(data: bytes, crc: int) -> Check | None:
    """The check by which `crc` belongs to `data`; the service's own before the other. None: it belongs by neither."""
    return next((check for check in Check if check.of(data) == crc), None)


def _low_bit_first(data: bytes) -> int:
    crc = _SEED
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (_LOW_BIT_FIRST if crc & 1 else 0)
    return crc


def _top_bit_first(data: bytes) -> int:
    crc = _SEED
    for octet in data:
        crc ^= octet << 8
        for _ in range(8):
            crc = (crc << 1 ^ (_TOP_BIT_FIRST if crc & 0x8000 else 0)) & 0xFFFF
    return crc
