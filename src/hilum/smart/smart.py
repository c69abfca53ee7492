"""The authorization server as a whole: the table of its routes, and what becomes of what goes wrong."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Final

from hilum.access.bearer import challenge
from hilum.oauth import errors
from hilum.oauth.errors import OAuthError
from hilum.problems import Busy, Forbidden, MethodNotAllowed, NotFound, Problem, TooLarge, Unauthenticated
from hilum.smart import assets
from hilum.smart.admin import brand, start
from hilum.smart.apps import brands, discovery, register, style
from hilum.smart.apps.clientauth import tried_basic
from hilum.smart.flow import authorize, consent, flow, mine, picker
from hilum.smart.going import Step
from hilum.smart.launch import launchpages
from hilum.smart.people import account, halfway, outside, signin
from hilum.smart.site import Site, SiteSettings
from hilum.smart.tokens import console, introspect, revoke, tickets, token
from hilum.web import body, log, uri
from hilum.web.message import Answer, Asked, Headers, refused
from hilum.web.pages import Wrong, frames
from hilum.web.routing import Route, Routes, chosen

__all__ = ["ROUTES", "STEPS", "Site", "SiteSettings", "Smart"]

LONGEST_BODY: Final = 64 * 1024
"""Bytes of a form or of a client's metadata."""

LARGE_BODIES: Final = 64 * 1024 * 1024
"""Bytes of larger bodies, of administrators, that a process holds at once."""

ROUTES: Final[tuple[Route, ...]] = (
    *discovery.ROUTES,
    *assets.ROUTES,
    *authorize.ROUTES,
    *flow.ROUTES,
    Route("POST", "/auth/token", token.token, "oauth"),
    Route("POST", "/auth/introspect", introspect.introspect, "oauth"),
    Route("POST", "/auth/revoke", revoke.revoke, "oauth"),
    *register.ROUTES,
    *console.ROUTES,
    *tickets.ROUTES,
    *signin.ROUTES,
    *halfway.ROUTES,
    *account.ROUTES,
    *outside.ROUTES,
    *mine.ROUTES,
    *start.ROUTES,
    *launchpages.ROUTES,
    *style.ROUTES,
    *brands.ROUTES,
    *brand.ROUTES,
)

STEPS: Final[tuple[Step, ...]] = (
    signin.SignIn(),
    halfway.Second(),
    picker.Patient(),
    picker.Encounter(),
    consent.Consent(),
)
"""The pages of a flow: each is shown while it is needed. What no page has asked the user for is not granted."""

_STATUS: Final = (
    (NotFound, 404),
    (MethodNotAllowed, 405),
    (TooLarge, 413),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (Busy, 503),
)
"""Of pages; a Problem of another kind is the browser's (400)."""


class Smart:
    """Answers requests of its routes. Each event loop has its own."""

    def __init__(self, site: Site, routes: Iterable[Route] = ROUTES) -> None:
        self.site = site
        self._routes = Routes(routes)
        self._budget = body.Budget(0)  # bodies as long as these need none
        self._uploads = body.Budget(LARGE_BODIES)

    async def respond(
        self, method: str, raw_path: bytes, raw_query: bytes, headers: Headers, receive: body.Receive, address: str
    ) -> tuple[Answer, str]:
        """The answer, and the pattern of the route for the log. Raises Disconnected when the client went away."""
        kind, pattern = "page", ""
        asked = Asked(method, "", raw_query, headers, b"", address)
        try:
            segments = uri.path(raw_path)
            asked.path = "/" + "/".join(segments)
            found = self._routes.at(asked.path) if not any("/" in one for one in segments) else None
            if found is None:
                raise NotFound("There is no such page.")
            methods, named = found
            kind = next(iter(methods.values())).kind
            route = chosen(methods, method)
            kind, pattern = route.kind, route.pattern
            if kind == "oauth" and b"access_token=" in raw_query:  # RFC 6750, 2.3 is not served anywhere
                raise OAuthError("invalid_request", "No access token belongs into a URL.")
            if route.most:
                return await self._large(route, asked, receive, named), pattern
            if method in ("POST", "PUT"):
                asked.body, _ = await body.collect(receive, headers, LONGEST_BODY, self._budget, "")
            return await route.handler(self.site, asked, **named), pattern
        except Problem as problem:
            return self._refused(problem, asked, kind), pattern
        except Exception as error:  # The edge: nothing is above that could know better, and nobody may see the details.
            reference = secrets.token_hex(6)
            log.error("defect", reference=reference, error=type(error).__name__, frames=frames(error))
            return self._defect(kind, reference), pattern

    async def _large(self, route: Route, asked: Asked, receive: body.Receive, named: dict[str, str]) -> Answer:
        """The answer of a handler that takes the body itself."""
        held = 0

        async def more() -> bytes:
            nonlocal held
            taken, held = await body.collect(receive, asked.headers, route.most, self._uploads, "")
            return taken

        asked.more = more
        try:
            return await route.handler(self.site, asked, **named)
        finally:
            self._uploads.give_back(held)

    def _refused(self, problem: Problem, asked: Asked, kind: str) -> Answer:
        if kind == "page":
            return self._page(problem)
        told = errors.of(problem)
        headers = []
        if isinstance(problem, MethodNotAllowed):
            headers.append((b"allow", ", ".join(problem.allowed).encode()))
        if told.status == 401 and told.error == "invalid_client" and tried_basic(asked):
            headers.append((b"www-authenticate", b'Basic realm="hilum"'))
        if told.status == 401 and told.error == "invalid_token":
            headers.append(challenge(asked.headers))
        if told.status == 413:
            headers.append(body.CLOSE)
        return refused(told, headers)

    def _page(self, problem: Problem) -> Answer:
        status = next((number for category, number in _STATUS if isinstance(problem, category)), 400)
        if isinstance(problem, OAuthError):
            status = problem.status if problem.status != 401 else 400
        answer = self.site.page("error.html", status, wrong=Wrong(status, str(problem)))
        if isinstance(problem, OAuthError) and problem.retry_after is not None:
            answer.headers.append((b"retry-after", b"%d" % problem.retry_after))
        if isinstance(problem, MethodNotAllowed):
            answer.headers.append((b"allow", ", ".join(problem.allowed).encode()))
        if status == 413:
            answer.headers.append(body.CLOSE)
        return answer

    def _defect(self, kind: str, reference: str) -> Answer:
        if kind == "page":
            return self.site.page("error.html", 500, wrong=Wrong(500, "Something went wrong in hilum.", reference))
        text = f"hilum failed. Its log says where, under the reference {reference}."
        return refused(OAuthError("server_error", text))
