"""Pages at the edge: the route of a path, and what becomes of what goes wrong, as a page in words."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from hilum.oauth.errors import OAuthError
from hilum.problems import Busy, Conflict, Forbidden, Gone, MethodNotAllowed, NotFound, Problem, TooLarge
from hilum.web import body, log, uri
from hilum.web.message import Answer, Asked, Headers
from hilum.web.routing import Route, Routes, chosen

LONGEST_BODY: Final = 64 * 1024
"""Bytes of a form."""
SELF: Final = b"same-origin"
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


class Wrong(NamedTuple):
    """What went wrong, for a page. `reference`: of our log, where that is all that is told."""

    status: int
    text: str
    reference: str = ""


class Pages:
    """Answers requests of its routes. Each event loop has its own. `site`: what the handlers get. `page`: the page of
    what went wrong; `known`: what else handlers raise, "" where that is a defect.
    """

    def __init__(
        self,
        site: Any,
        routes: Iterable[Route],
        page: Callable[[Asked, Wrong], Answer],
        known: Callable[[Exception], Wrong | None] = lambda error: None,
    ) -> None:
        self._site, self._page, self._known = site, page, known
        self._routes = Routes(routes)
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
            return await route.handler(self._site, asked, **named), pattern
        except Problem as problem:
            return self._refused(asked, problem), pattern
        except Exception as error:  # The edge: nothing is above that could know better, and nobody may see the details.
            wrong = self._known(error)
            if wrong is None:
                wrong = Wrong(500, "Something went wrong in hilum.", secrets.token_hex(6))
                log.error("defect", reference=wrong.reference, error=type(error).__name__, frames=frames(error))
            return self._page(asked, wrong), pattern

    def _refused(self, asked: Asked, problem: Problem) -> Answer:
        status = next((number for category, number in _STATUS if isinstance(problem, category)), 400)
        if isinstance(problem, OAuthError):
            status = problem.status
        answer = self._page(asked, Wrong(status, str(problem)))
        if isinstance(problem, OAuthError) and problem.retry_after is not None:
            answer.headers.append((b"retry-after", b"%d" % problem.retry_after))
        if isinstance(problem, MethodNotAllowed):
            answer.headers.append((b"allow", ", ".join(problem.allowed).encode()))
        if status == 413:
            answer.headers.append(body.CLOSE)
        return answer


def of_our_own(origin: str, headers: Headers) -> None:
    """Judge whether a form is of one of our own pages: cookies come along with those of other sites, too.

    A browser says so by itself, by one header or both: https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header and
    https://fetch.spec.whatwg.org/#origin-header. Raises Forbidden.
    """
    site, sent = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    ours = sent in (None, origin.encode()) and site in (None, SELF)
    if not ours or (site is None and sent is None):
        raise Forbidden(
            "This form was not sent from a page of this server, or the browser does not tell, so nothing was done."
        )


def frames(error: Exception) -> list[str]:
    """Where an error came from: the innermost places, without values."""
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]
