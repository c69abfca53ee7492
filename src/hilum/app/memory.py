"""Garbage collection fit for a server: what is there at the start stays, and is not walked again and again.

https://docs.python.org/3/library/gc.html#gc.freeze. Requests make few cycles but many objects, parsed JSON above all;
at Python's thresholds collections took a seventh of a transaction's time (2026-11).
"""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (100_000, 50, 1000)
"""Allocations before a young collection, young ones before a middle one, middle ones before a full one."""


def settle() -> None:
    """Call once, when everything that stays has been made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
