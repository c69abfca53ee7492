"""The broker's pages as a whole: the table of their routes, and what becomes of what goes wrong, as a page in words."""

from __future__ import annotations

import re
import secrets
import traceback
from collections.abc import Mapping
from typing import Any, Final

from hilum.broker.far import Failed
from hilum.broker.pages import choosing, progress, signing
from hilum.broker.pages.desk import Desk
from hilum.oauth.errors import OAuthError
from hilum.problems import Busy, Conflict, Forbidden, Gone, MethodNotAllowed, NotFound, Problem, TooLarge
from hilum.web import body, log, uri
from hilum.web.message import Answer, Asked, Headers
from hilum.web.routing import Route, Routes, chosen

LONGEST_BODY: Final = 16 * 1024
"""Bytes of a form."""

ROUTES: Final[tuple[Route, ...]] = (*signing.ROUTES, *choosing.ROUTES, *progress.ROUTES)

_OURS: Final = (b"/connect/", b"/callback/", b"/gather/")
_WHOLE: Final = (b"/connect", b"/gather")
_ISSUER: Final = re.compile(rb"(?:^|&)iss=")
_STATUS: Final = (
    (NotFound, 404),
    (Gone, 410),
    (MethodNotAllowed, 405),
    (Conflict, 409),
    (TooLarge, 413),
    (Forbidden, 403),
    (Busy, 503),
)
"""Of pages; a Problem of another kind is the browser's (400)."""
_FAILED: Final[Mapping[str, int]] = {"forbidden": 403, "unauthorized": 403, "throttled": 503}
"""A kind of `Failed` -> the status; others are 502: the EHR, or the way to it, is what fails."""


def serves(path: bytes, query: bytes) -> bool:
    """Whether a request is the broker's. `/launch` is that of an EHR where it names one, else the authorization
    server's page for staff.
    """
    if path == b"/launch" or path.startswith(b"/launch/"):
        return _ISSUER.search(query) is not None
    return path.startswith(_OURS) or path in _WHOLE


class Pages:
    """Answers requests of its routes. Each event loop has its own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._routes = Routes(ROUTES)
        self._budget = body.Budget(0)  # bodies as long as these need none

    async def respond(
        self, method: str, raw_path: bytes, raw_query: bytes, headers: Headers, receive: body.Receive, address: str
    ) -> tuple[Answer, str]:
        """The answer, and the pattern of the route for the log. Raises Disconnected when the client went away."""
        pattern = ""
        asked = Asked(method, "", raw_query, headers, b"", address)
        try:
            segments = uri.path(raw_path)
            asked.path = "/" + "/".join(segments)
            found = self._routes.at(asked.path) if not any("/" in one for one in segments) else None
            if found is None:
                raise NotFound("There is no such page.")
            methods, named = found
            route = chosen(methods, method)
            pattern = route.pattern
            if method == "POST":
                asked.body, _ = await body.collect(receive, headers, LONGEST_BODY, self._budget, "")
            return await route.handler(self._desk, asked, **named), pattern
        except Failed as failed:
            return self._page(_FAILED.get(failed.kind, 502), failed.text), pattern
        except Problem as problem:
            return self._refused(problem), pattern
        except Exception as error:  # The edge: nothing is above that could know better, and nobody may see the details.
            reference = secrets.token_hex(6)
            log.error("defect", reference=reference, error=type(error).__name__, frames=_frames(error))
            return self._page(500, "Something went wrong in hilum.", reference), pattern

    def _refused(self, problem: Problem) -> Answer:
        status = next((number for category, number in _STATUS if isinstance(problem, category)), 400)
        if isinstance(problem, OAuthError):
            status = problem.status
        answer = self._page(status, str(problem))
        if isinstance(problem, OAuthError) and problem.retry_after is not None:
            answer.headers.append((b"retry-after", b"%d" % problem.retry_after))
        if isinstance(problem, MethodNotAllowed):
            answer.headers.append((b"allow", ", ".join(problem.allowed).encode()))
        if status == 413:
            answer.headers.append(body.CLOSE)
        return answer

    def _page(self, status: int, text: str, reference: str = "") -> Answer:
        return self._desk.page("error.html", status, text=text, reference=reference)


def _frames(error: Exception) -> list[Any]:
    """Where an error came from: the innermost places, without values."""
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]
