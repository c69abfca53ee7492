"""Rate limits, kept in the memory of each process: several of them allow that many times as much.

A bucket of tokens per limit and key (https://en.wikipedia.org/wiki/Token_bucket): it holds a burst and fills evenly.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from hilum.oauth.errors import OAuthError


class Rate(NamedTuple):
    """`burst` at once, and as many again in `seconds`."""

    burst: int
    seconds: float


RATES: Final[Mapping[str, Rate]] = {
    "token by client": Rate(60, 1),
    "token by address": Rate(20, 1),
    "authorize by address": Rate(10, 1),
    "register by address": Rate(10, 3600),
    "introspect by client": Rate(200, 1),
    "ticket by address": Rate(60, 1),
    "refused token by address": Rate(100, 60),
    "sign-in by address": Rate(30, 15 * 60),
    "ehr sign-in by address": Rate(10, 1),
    "order by address": Rate(20, 60),
    "video proof by address": Rate(30, 15 * 60),
}

BY_ADDRESS: Final = "by address"
"""How the names of limits end whose keys are addresses."""
MOST_KEYS: Final = 20_000
"""Buckets that are kept: the one that was asked longest ago goes first."""


class Limits:
    """How often something was done. `clock`: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, rates: Mapping[str, Rate] = RATES) -> None:
        self._clock = clock
        self._rates = rates
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def spend(self, limit: str, key: str) -> None:
        """Count one more of `limit` (a key of RATES) for `key`. Raises OAuthError, status 429."""
        rate = self._rates[limit]
        wait = self._take(rate, _name(limit, key))
        if wait > 0:
            raise OAuthError(
                "temporarily_unavailable",
                "Too many requests of this kind. Wait as long as Retry-After says.",
                status=429,
                retry_after=math.ceil(wait),
            )

    def wait(self, limit: str, key: str) -> float:
        """Seconds until there is one left; 0 when there is. Nothing is counted."""
        rate = self._rates[limit]
        left, at = self._buckets.get(_name(limit, key), (float(rate.burst), 0.0))
        pace = rate.burst / rate.seconds
        return max(0.0, (1 - left) / pace - (self._clock() - at)) if left < 1 else 0.0

    def note(self, limit: str, key: str) -> None:
        """Count one more, for what is judged by `wait`: where only what failed counts."""
        self._take(self._rates[limit], _name(limit, key))

    def _take(self, rate: Rate, name: tuple[str, str]) -> float:
        """Seconds to wait; 0 when there was one left, which is taken."""
        now = self._clock()
        left, at = self._buckets.get(name, (float(rate.burst), now))
        pace = rate.burst / rate.seconds
        left = min(float(rate.burst), left + (now - at) * pace)
        allowed = left >= 1
        self._buckets[name] = (left - 1 if allowed else left, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > MOST_KEYS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / pace


def _name(limit: str, key: str) -> tuple[str, str]:
    return limit, _network(key) if limit.endswith(BY_ADDRESS) else key


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    """Who has one IPv6 address has 2^64 of them (https://www.rfc-editor.org/rfc/rfc6177): they count as one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), 64), strict=False))
