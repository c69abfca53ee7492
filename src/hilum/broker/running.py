"""What a process does about orders, beside requests: it follows the feed, and executes what is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from hilum.broker import shown
from hilum.broker.executing import Executing
from hilum.broker.parcels import ORDER
from hilum.broker.telling import Telling
from hilum.feed.feed import Feed
from hilum.feed.working import Kind, Working
from hilum.oauth.lease import Leases

NAME: Final = "orders"
"""Of the follower."""
AT_ONCE: Final = 8
"""Orders that one process executes at the same time."""


class Running(Working):
    """The orders of one process. `at_once`: how many it executes at the same time."""

    def __init__(
        self,
        feed: Feed,
        leases: Leases,
        executing: Executing,
        telling: Telling,
        at_once: int = AT_ONCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        kind = Kind(ORDER, shown.is_order, executing.run, telling.wanted)
        super().__init__(feed, leases, kind, {"": at_once}, clock)
