"""How much is asked of one host: so many requests at a time, so many a second, and nothing while it wants to be left.

https://www.rfc-editor.org/rfc/rfc6585#section-4, https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3

It is politeness, and so it lives in the memory of a process; what must outlive that is the `retry_at` of a Failed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from hilum.broker.far import Failed
from hilum.broker.vendors import Vendor

Clock = Callable[[], float]
"""Seconds since 1970."""
Sleep = Callable[[float], Awaitable[None]]

_DIGITS: Final = 9
LONGEST: Final = 7 * 24 * 3600.0
"""Seconds that a Retry-After may ask for: nothing is held for years because a gateway has miscounted."""


class Throttle:
    """One host: `async with` it around each request. Those that may not be sent yet wait in the order they came in;
    where the host wants to be left alone for longer than `vendor.longest_wait`, they fail at once.
    """

    def __init__(self, vendor: Vendor, *, clock: Clock = time.time, sleep: Sleep = asyncio.sleep) -> None:
        self._clock, self._sleep = clock, sleep
        self._longest_wait = vendor.longest_wait
        self._turns = asyncio.Semaphore(vendor.concurrency)
        self._apart = 1 / vendor.per_second if vendor.per_second else 0.0
        self._ahead = self._apart * (vendor.concurrency - 1)  # as many as may be under way may also start at once
        self._next = 0.0
        self._held = 0.0

    def hold(self, until: float) -> None:
        """Send nothing before then: the host said so."""
        self._held = max(self._held, until)

    async def __aenter__(self) -> None:
        """Wait for a turn. Raises Failed."""
        self._refuse()
        await self._turns.acquire()
        if not self._apart and not self._held:
            return
        try:
            await self._due()
        except BaseException:
            self._turns.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        """The turn is over."""
        self._turns.release()

    async def _due(self) -> None:
        now = self._clock()
        starts = max(now, self._next - self._ahead)
        self._next = max(now, self._next) + self._apart
        while (starts := max(starts, self._held)) > now:
            self._refuse()
            await self._sleep(starts - now)
            now = self._clock()

    def _refuse(self) -> None:
        if self._held and self._held - self._clock() > self._longest_wait:
            raise Failed(
                "throttled",
                "The EHR asked to be left alone for longer than hilum waits for: come back at the time that it named.",
                retry_at=self._held,
                again=True,
            )


class Throttles:
    """The throttles of a process: one for each host, whatever connections lead there."""

    def __init__(self) -> None:
        self._of: dict[str, Throttle] = {}

    def of(self, base: str, vendor: Vendor) -> Throttle:
        """The throttle of the host that a URL names; made as the vendor of who asks first wants it."""
        host = urlsplit(base).netloc.lower()
        found = self._of.get(host)
        if found is None:
            found = self._of[host] = Throttle(vendor)
        return found


def retry_at(header: str | None, now: float) -> float | None:
    """The time that a Retry-After names, as seconds or as a date; None where there is none that can be read."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS:
        return now + min(int(text), LONGEST)
    try:
        return min(parsedate_to_datetime(text).timestamp(), now + LONGEST)
    except (ValueError, OverflowError):
        return None
