"""What services call back with: that there is something new of a job. It only says to look now; the rest is asked for.

Each is signed as Standard Webhooks has it, and taken once, whichever process it comes to. What is not, changes nothing:
looking goes on as before.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Final

from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import TRIES
from hilum.problems import Busy
from hilum.video.remote import shapes
from hilum.video.remote.asking import parsed
from hilum.video.remote.renderer import Remote
from hilum.web import log, webhooks

BELOW: Final = "/videos/callback/"
"""Path; the name of the renderer follows."""
MOST_BYTES: Final = 1 << 16

Heard = Callable[[str, str], Awaitable[None]]
"""Told the name of a renderer, and a job of which it has something new."""


class Callbacks:
    """Those of all renderers. `ledger`: where it stands which were taken. `clock`: seconds since 1970."""

    def __init__(
        self, renderers: Mapping[str, Remote], heard: Heard, ledger: Ledger, clock: Callable[[], float] = time.time
    ) -> None:
        self._renderers, self._heard, self._ledger, self._clock = renderers, heard, ledger, clock

    async def take(self, name: str, headers: Mapping[bytes, bytes], body: bytes) -> int:
        """The status that answers it: 204 also where there is nothing to do, 401 forged or too old, 404 nobody's.

        Raises Busy.
        """
        remote = self._renderers.get(name)
        if remote is None or not remote.service.callback or remote.service.shape.callback is None:
            return 404
        id, at, signatures = (headers.get(f"webhook-{one}".encode(), b"").decode("latin-1") for one in _HEADERS)
        if not webhooks.genuine(remote.service.callback, id, at, signatures, body, self._clock()):
            log.warning("video callback", renderer=name, code="callback-forged", side="theirs")
            return 401
        job = shapes.at(remote.service.shape.callback.job, parsed(body))
        key = b"callback:" + sha256(f"{name}\0{id}".encode()).digest()
        if type(job) in (str, int) and await self._ledger.count(key, _REMEMBERED) == 1:
            try:
                await self._heard(name, str(job))
            except Busy:
                await self._ledger.remove(TRIES, key)  # the service is told so, and calls again
                raise
        return 204


_REMEMBERED: Final = 2.0 * webhooks.WINDOW
"""Seconds; then it is too old to be taken."""
_HEADERS: Final = ("id", "timestamp", "signature")
