"""Try again from newly read state when a commit found that the state had changed meanwhile."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from hilum.problems import Busy, CriteriaChanged, VersionChanged

LONGEST: Final = 10.0
"""Seconds after which a client is told to come back later."""
_FIRST: Final = 0.001
_MOST: Final = 0.25

T = TypeVar("T")


async def retrying(attempt: Callable[[], Awaitable[T]]) -> T:
    """The result of `attempt`, which reads and builds everything anew each time.

    With If-Match nothing special is needed: the next attempt reads the version that won and answers 412 at once. The
    first retry is immediate, later ones wait a random time that grows, so that writers of one resource spread out.
    Raises Busy.
    """
    ends = time.monotonic() + LONGEST
    pause = 0.0
    while True:
        try:
            return await attempt()
        except (VersionChanged, CriteriaChanged):
            if time.monotonic() >= ends:
                raise Busy("Too many writers of the same resource at once. Try again in a moment.") from None
        await asyncio.sleep(random.uniform(0, pause))
        pause = min(max(_FIRST, pause * 2), _MOST)
