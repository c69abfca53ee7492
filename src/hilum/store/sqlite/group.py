"""What the threads have in common that write in groups: how large a group is, and how its outcomes come back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

HOLD_SECONDS: Final = 0.05
"""How long one group may keep the write lock before it commits what it has."""
GROUP: Final = 256
"""How many commits one group takes at most."""

Outcome = tuple["asyncio.Future[Any]", Any]
"""Who waits, and for what: an exception is raised there."""


def answer(done: Sequence[Outcome]) -> None:
    """Hand each outcome to the loop that waits for it: one wake-up per loop and group."""
    loops: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in done:
        loops.setdefault(outcome[0].get_loop(), []).append(outcome)
    for loop, outcomes in loops.items():
        with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            loop.call_soon_threadsafe(_resolve, outcomes)


def _resolve(outcomes: list[Outcome]) -> None:
    for future, result in outcomes:
        if future.done():
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
