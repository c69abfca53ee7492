"""Lanes for what may take long, so that short searches, reads and writes never stand behind it.

How long a search takes is known only once it has run. So it begins among the short ones, for a moment; what isn't done
by then begins anew in the long lane, where few run and few wait, and whose time counts from when they came.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from contextvars import ContextVar
from time import monotonic
from typing import Final

from hilum.problems import Busy
from hilum.store.limits import too_costly

SHORT_SECONDS: Final = 0.25
"""How long a search may run among the short ones, before it begins anew in the long lane."""
LONG: Final = 2
"""How many long searches run at a time."""
QUEUE: Final = 8
"""How many more may wait."""

_FULL: Final = "Too many long searches are running. Try again later, or use fewer or narrower parameters."
_until: ContextVar[float | None] = ContextVar("until", default=None)


def begin(seconds: float) -> None:
    """From now on all searches of this request (a batch, a GraphQL query) have so long together."""
    _until.set(monotonic() + seconds)


def remaining(seconds: float) -> float:
    """How long the next search may take: `seconds`, or what is left to the request. Raises Unprocessable."""
    until = _until.get()
    if until is None:
        return seconds
    left = until - monotonic()
    if left <= 0:
        raise too_costly(seconds)
    return min(seconds, left)


class Lane:
    """At most `places` at a time; up to `queue` wait, first come, first served.

    A semaphore and a timeout of asyncio's would do the same, in three times the time: at 16 clients most searches wait.
    """

    def __init__(self, places: int, queue: int) -> None:
        self._free = places
        self._queue = queue
        self._waiting: deque[asyncio.Future[bool]] = deque()

    async def enter(self, seconds: float) -> float:
        """Wait for a place; what is left of `seconds`. Raises Busy when too many wait or the time is over.

        Who has entered has to `leave`.
        """
        if self._free:
            self._free -= 1
            return seconds
        if len(self._waiting) >= self._queue:
            raise Busy(_FULL)
        came = monotonic()
        loop = asyncio.get_running_loop()
        place: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(place)
        late = loop.call_later(seconds, _decide, place, False)
        try:
            given = await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():  # given in the same turn of the loop
                self.leave()
            else:
                self._forget(place)
            raise
        finally:
            late.cancel()
        if not given:
            self._forget(place)
            raise Busy(_FULL)
        return seconds - (monotonic() - came)

    def leave(self) -> None:
        """Give the place to the next."""
        while self._waiting:
            if _decide(self._waiting.popleft(), True):
                return
        self._free += 1

    def _forget(self, place: asyncio.Future[bool]) -> None:
        with suppress(ValueError):  # `leave` may have met it already
            self._waiting.remove(place)


def _decide(place: asyncio.Future[bool], given: bool) -> bool:
    """Tell who waits whether it has the place; False: it has been told, or waits no more."""
    if place.done():
        return False
    place.set_result(given)
    return True
