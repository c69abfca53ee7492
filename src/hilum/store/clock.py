"""The time of day, as stores write it."""

from __future__ import annotations

import time


def microseconds() -> int:
    """Now, since 1970."""
    return time.time_ns() // 1000
