"""What video services call back with, at the edge: POST alone, and nobody's token, since the body itself is signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hilum.problems import MethodNotAllowed, NotFound, Problem
from hilum.rest import forms, outcome
from hilum.rest.edge import NOBODY
from hilum.rest.message import NO_STORE, Request, Response
from hilum.video.remote.callbacks import BELOW, MOST_BYTES, Callbacks
from hilum.web import body, uri

_BELOW = BELOW.encode()
_PARTS = BELOW.count("/") - 1


def is_callback(path: bytes) -> bool:
    """Whether a path is answered here."""
    return path.startswith(_BELOW)


class Called:
    """That of one process."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._budget = body.Budget(MOST_BYTES)

    async def respond(
        self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], receive: body.Receive
    ) -> tuple[Response, Request]:
        """The answer, which has no body of its own, and a Request for the log. Raises Disconnected."""
        request = Request(scope["method"], (), "", headers, b"", NOBODY, interaction="video-callback")
        try:
            if scope["method"] != "POST":
                raise MethodNotAllowed("Only POST is possible here.", ("POST",))
            path = uri.path(scope["raw_path"])
            if len(path) != _PARTS + 1:
                raise NotFound("There is no such renderer.")
            content, held = await body.collect(receive, headers, MOST_BYTES, self._budget, "")
            self._budget.give_back(held)
            status = await self._callbacks.take(path[-1], headers, content)
        except Problem as problem:
            return await forms.written(request, outcome.response(problem, headers)), request
        return Response(status, [NO_STORE]), request
