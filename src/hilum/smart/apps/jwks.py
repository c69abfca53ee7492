"""Key sets of clients that registered a URL: fetched when needed, kept as long as they say, and no longer.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys,
https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2

Whoever may call the token endpoint can make hilum fetch, so that fetching has limits: one at a time for each URL, one
for unknown keys in 30 seconds, one after a failure in 5, four in a second of a set that may not be kept, and ten in
a second over all URLs.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from hilum.oauth import keyset
from hilum.oauth.keyset import Jwk
from hilum.web import log, outbound
from hilum.web.outbound import Fetched, Guard, Unreachable

MOST_BYTES: Final = 128 * 1024
MOST_URLS: Final = 1000
LONGEST_LIFE: Final = 3600.0
LIFE: Final = 300.0
"""Seconds that a set is kept when its server says nothing."""
REFETCH_SECONDS: Final = 30.0
FAILED_SECONDS: Final = 5.0
PER_SECOND: Final = 10
PER_URL: Final = 4
"""Of those: a set that says `no-store` must not use up what the other clients' sets need."""

_MAX_AGE: Final = re.compile(r'max-age="?([0-9]{1,10})"?')


class Unfetched(Exception):
    """There is no key set now. `kind`: what Unreachable says, or status, form, busy."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Fetch(Protocol):
    """`hilum.web.outbound.get`."""

    def __call__(self, url: str, *, limit: int, guard: Guard) -> Awaitable[Fetched]:
        """Raises Unreachable."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    keys: tuple[Jwk, ...]
    fetched: float
    ends: float
    failed: str = ""


class KeySets:
    """The sets by their URLs. `clock`: seconds that only go forward."""

    def __init__(self, guard: Guard, clock: Callable[[], float] = time.monotonic, fetch: Fetch = outbound.get) -> None:
        self._guard = guard
        self._clock = clock
        self._fetch = fetch
        self._kept: dict[str, _Kept] = {}
        self._coming: dict[str, asyncio.Task[_Kept]] = {}
        self._lately: list[tuple[float, str]] = []

    async def keys(self, url: str, kid: str) -> tuple[Jwk, ...]:
        """The keys there, as `keyset.read` has them; fetched anew when no kept one has this `kid`. Raises Unfetched."""
        kept = self._kept.get(url)
        now = self._clock()
        if kept is not None:
            if kept.failed:
                if now < kept.ends:
                    raise Unfetched(kept.failed)
            elif now < kept.ends:
                known = any(key.get("kid") == kid for key in kept.keys)
                if known or now < kept.fetched + REFETCH_SECONDS:
                    return kept.keys
        found = await self._once(url)
        if found.failed:
            raise Unfetched(found.failed)
        return found.keys

    async def _once(self, url: str) -> _Kept:
        """One fetch for all who wait for the URL; who goes away doesn't stop it for the others."""
        coming = self._coming.get(url)
        if coming is None:
            now = self._clock()
            self._lately = [one for one in self._lately if one[0] > now - 1]
            if len(self._lately) >= PER_SECOND or sum(one == url for _, one in self._lately) >= PER_URL:
                raise Unfetched("busy")
            self._lately.append((now, url))
            coming = self._coming[url] = asyncio.ensure_future(self._fetched(url))
        return await asyncio.shield(coming)

    async def _fetched(self, url: str) -> _Kept:
        try:
            before = self._kept.get(url)
            found = await self._read(url)
            if found.failed and before is not None and not before.failed and found.fetched < before.ends:
                found = replace(before, fetched=found.fetched)  # one bad moment of a server costs no sound set
            self._kept.pop(url, None)
            if found.ends > found.fetched:
                while len(self._kept) >= MOST_URLS:
                    del self._kept[next(iter(self._kept))]
                self._kept[url] = found
            return found
        finally:
            del self._coming[url]

    async def _read(self, url: str) -> _Kept:
        asked = self._clock()
        try:
            answer = await self._fetch(url, limit=MOST_BYTES, guard=self._guard)
        except Unreachable as error:
            return self._failed(url, error.kind)
        if answer.status != 200:
            return self._failed(url, "status")
        try:
            keys = keyset.read(json.loads(answer.body))
        except (ValueError, RecursionError, keyset.Unfit):
            return self._failed(url, "form")
        return _Kept(keys, asked, asked + life(answer.headers))

    def _failed(self, url: str, kind: str) -> _Kept:
        """A failure is kept for a while, too."""
        log.warning("key set not fetched", url=url, kind=kind)
        now = self._clock()
        return _Kept((), now, now + FAILED_SECONDS, kind)


def life(headers: Mapping[str, str]) -> float:
    """How many seconds an answer with these headers may be kept: what `cache-control` says, an hour at most."""
    said = headers.get("cache-control", "").lower()
    words = [word.strip() for word in said.split(",")]
    if any(word.partition("=")[0] in ("no-store", "no-cache") for word in words):
        return 0.0
    ages = [int(found[1]) for word in words if (found := _MAX_AGE.fullmatch(word))]
    if not ages:
        return LIFE
    spent = headers.get("age", "0").strip()
    return max(0.0, min(float(min(ages)), LONGEST_LIFE) - (int(spent) if spent.isdecimal() and len(spent) < 10 else 0))
