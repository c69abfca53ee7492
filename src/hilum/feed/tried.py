"""A step of long work, counted before it is begun: one that ends the process each time is not begun for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from hilum.oauth.ledger import Lost
from hilum.problems import Problem


class Counted(Protocol):
    """What counts: how often the step that comes next was begun."""

    @property
    def tries(self) -> int:
        """But for the times that hilum was stopped in the middle of it, and did not die."""


class Work(Protocol):
    """The record of it, as it was read."""

    @property
    def id(self) -> str:
        """By which it is read again."""

    @property
    def order(self) -> Counted:
        """What stands in it."""


R = TypeVar("R", bound=Work)
T = TypeVar("T")


async def tried(
    step: Callable[[R], Awaitable[T]],
    record: R,
    count: Callable[[R, int], Awaitable[R]],
    again: Callable[[str], Awaitable[R | None]],
) -> T:
    """What the step comes to. `count` writes how often it was begun; `again` reads the record.

    Where hilum leaves off in the middle, as it does when it is stopped, that was none of its tries, whatever the step
    has written since. Raises Lost, Busy.
    """
    before = record.order.tries
    counted = asyncio.ensure_future(count(record, before + 1))
    try:
        return await step(await asyncio.shield(counted))
    except asyncio.CancelledError:
        with suppress(Lost, Problem):
            await counted
            await _given_back(record, count, again)
        raise


async def _given_back(
    record: R, count: Callable[[R, int], Awaitable[R]], again: Callable[[str], Awaitable[R | None]]
) -> None:
    """Give the try back, unless the step has ended, or somebody else has begun it. Raises Problem."""
    before = record.order.tries
    while (last := await again(record.id)) is not None and last.order.tries == before + 1:
        with suppress(Lost):  # what the step was just writing was written first: it counts, too
            await count(last, before)
