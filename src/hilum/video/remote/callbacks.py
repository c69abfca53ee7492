"""What services call back with: that there is something new of a job. It only says to look now; the rest is asked for.

Each is signed as Standard Webhooks has it, and taken once. What is not, changes nothing: looking goes on as before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from hilum.video.remote import shapes
from hilum.video.remote.asking import parsed
from hilum.video.remote.renderer import Remote
from hilum.web import log, webhooks

BELOW: Final = "/videos/callback/"
"""Path; the name of the renderer follows."""
MOST_BYTES: Final = 1 << 16
_MOST: Final = 4096
"""Ids that are remembered: signed ones alone are, of one window of time."""


class Callbacks:
    """Those of the renderers of one process. `clock`: seconds since 1970."""

    def __init__(self, renderers: Mapping[str, Remote], clock: Callable[[], float] = time.time) -> None:
        self._renderers, self._clock = renderers, clock
        self._seen: dict[tuple[str, str], float] = {}

    def take(self, name: str, headers: Mapping[bytes, bytes], body: bytes) -> int:
        """The status that answers it: 204 also where there is nothing to do, 401 forged or too old, 404 nobody's."""
        remote = self._renderers.get(name)
        if remote is None or not remote.service.callback or remote.service.shape.callback is None:
            return 404
        id, at, signatures = (headers.get(f"webhook-{one}".encode(), b"").decode("latin-1") for one in _HEADERS)
        now = self._clock()
        if not webhooks.genuine(remote.service.callback, id, at, signatures, body, now):
            log.warning("video callback", renderer=name, code="callback-forged", side="theirs")
            return 401
        if self._again((name, id), now):
            return 204
        job = shapes.at(remote.service.shape.callback.job, parsed(body))
        remote.heard(str(job) if type(job) in (str, int) else "")
        return 204

    def _again(self, key: tuple[str, str], now: float) -> bool:
        if key in self._seen:
            return True
        for old in [one for one, until in self._seen.items() if until < now]:
            del self._seen[old]
        if len(self._seen) < _MOST:
            self._seen[key] = now + 2 * webhooks.WINDOW
        return False


_HEADERS: Final = ("id", "timestamp", "signature")
