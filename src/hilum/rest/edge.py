"""Where HTTP becomes FHIR: the token makes a Principal, the body is taken in, the router answers.

Bearer tokens: https://www.rfc-editor.org/rfc/rfc6750 (in the Authorization header only, never in a URL).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from hilum.access.bearer import NotHeld, bearer, require_key
from hilum.access.policy import EVERYTHING, Policy, Principal
from hilum.access.signed import DOWNLOAD, UPLOAD
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.interactions.permit import WORDS
from hilum.problems import Forbidden, Malformed, Problem, Unauthenticated
from hilum.rest import forms, outcome, receiving, router
from hilum.rest.message import LINK, TICKET, Request, Response
from hilum.rest.router import Route, Service
from hilum.store import lanes
from hilum.store.limits import SEARCH_SECONDS
from hilum.web import body, uri

BODIES = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose body is read; what comes with another one is ignored, as HTTP has it."""

ANYONE = Principal("anyone", "anonymous", "", EVERYTHING, 1 << 62)
"""Who asks when the server runs with `--auth off`."""

NOBODY = Principal("nobody", "anonymous", "", Policy(()), 1 << 62)
"""Who asks where no token is needed: may see nothing."""


TICKETED: Final = b"ticket=hti_"
"""What stands in a query instead of a token, where a browser can send no header."""
LINKED: Final = b"link=hlk_"
"""The same of a signed link to a Binary."""
FORM_BYTES: Final = 1 << 20
"""The most bytes that a search form or the Parameters of an operation may have."""
_RESOURCES: Final = frozenset({"create", "update", "patch", "transaction", "batch"})
"""Interactions whose body can't be empty; that of an operation may."""
_GIANT: Final = 1 << 22
_GIANTS: Final = 2
"""How many bodies of more than `_GIANT` bytes are worked on at once: parsed, they take about ten times their size."""

LETTERS: Final = {
    "create": ("c", "create"),
    "update": ("u", "update"),
    "patch": ("u", "patch"),
    "search-type": ("s", "search"),
    "search-system": ("s", "search"),
}
"""Interactions that come with a body -> the letter of `cruds` that a scope must have for them, and its word."""


class Limits(NamedTuple):
    """The most bytes that a body may have: a Bundle's, one resource's, those of all bodies in memory together, and the
    content of a Binary.
    """

    bundle: int
    resource: int
    together: int
    binary: int = 5 << 30


def may_send(who: Principal, route: Route, type: str | None) -> None:
    """Raises Forbidden when the route alone tells that this token can't do it, whatever the body says."""
    letter, word = (route.needs, WORDS[route.needs]) if route.needs else LETTERS.get(route.interaction, ("", "do"))
    names = {
        grant.type for grant in who.policy.grants if grant.owners != () and (not letter or letter in grant.interactions)
    }
    if type is None and not names:
        raise Forbidden(f"The token does not allow to {word} any resource type.")
    if type is not None and letter and type not in names and "*" not in names:
        raise Forbidden(f"The token does not allow to {word} {type}: no scope names it for '{letter}'.")


class Verifies(Protocol):
    """A token in, who holds it out (`hilum.access.verifier.Verifier`)."""

    def known(self, token: str) -> Principal | None:
        """Who holds a token that was admitted before. Raises Unauthenticated, Busy."""
        ...

    async def admit(self, token: str) -> Principal:
        """Who holds a token that was not. Raises Unauthenticated, Busy."""
        ...


async def authenticate(verifier: Verifies | None, headers: Mapping[bytes, bytes]) -> Principal:
    """Who asks. Without a verifier (`--auth off`) everyone may do everything. Raises Unauthenticated, Busy."""
    if verifier is None:
        return ANYONE
    token = bearer(headers)
    who = verifier.known(token) or await verifier.admit(token)
    if who.api_key:
        require_key(who, headers)
    return who


class Takes(Protocol):
    """A ticket in, who comes with it out (`hilum.access.tickets.Tickets`)."""

    async def use(self, text: str, path: str) -> Principal:
        """Who opens this path with it. Raises Unauthenticated, Busy."""
        ...


class Edge:
    """The FHIR API below one prefix."""

    def __init__(
        self,
        service: Service,
        verifier: Verifies | None,
        limits: Limits,
        prefix: bytes = b"/fhir",
        tickets: Takes | None = None,
    ) -> None:
        self._service = service
        self._verifier = verifier
        self._tickets = tickets
        self._limits = limits
        self._budget = body.Budget(limits.together)
        blobs = service.door.blobs
        self._upload = blobs.memory if blobs is not None else service.door.large
        self._giants = asyncio.Semaphore(_GIANTS)
        self._skip = len(prefix)
        self._open = frozenset(tuple(route.pattern.split("/")) for route in service.router.routes if route.open)

    async def respond(
        self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], receive: body.Receive
    ) -> tuple[Response, Request]:
        """The answer to an HTTP request, and the request as it was understood (for the log).

        Raises Disconnected when the client went away. Token, scope and headers are judged before the body is read.
        """
        request = Request(scope["method"], (), "", headers, b"", NOBODY)
        try:
            return await self._answered(request, scope, receive), request
        finally:
            if request.link is not None and self._service.signed is not None:
                self._service.signed.let_go(request.link)

    async def _answered(self, request: Request, scope: Mapping[str, Any], receive: body.Receive) -> Response:
        held = 0
        lanes.begin(SEARCH_SECONDS)
        method, headers = request.method, request.headers
        unread = method in BODIES
        try:
            request.path = uri.path(scope["raw_path"][self._skip :])
            query = scope["query_string"]
            if b"access_token=" in query:  # it is in histories and logs by now: nobody may build on it
                raise Malformed("A token belongs into the Authorization header, never into a URL.")
            if TICKETED in query:
                request.who, query = await self._ticketed(method, request.path, query), b""
                request.way = TICKET
            elif LINKED in query:
                await self._linked(request, query)
                query = b""
            elif request.path not in self._open:
                opened = None if b"authorization" in headers else self._opened(method, request.path)
                request.who = opened or await authenticate(self._verifier, headers)
            if query:
                request.query = query.decode("latin-1")
            if unread:
                limit, setting = self._expected(request)
                if receiving.is_raw(request):
                    limit, setting = self._limits.binary, "max-binary-bytes"
                    if request.link is not None:
                        limit, setting = request.link.size, ""
                    request.incoming = body.Incoming(receive, headers, limit, setting)
                    held = self._budget.take(self._upload if body.is_long(headers) else 0)
                else:
                    request.body, held = await body.collect(receive, headers, limit, self._budget, setting)
                    if request.body or request.interaction in _RESOURCES:
                        request.sent = forms.sent(request)
        except Problem as problem:
            if isinstance(problem, NotHeld):
                request.who = problem.who
            refused = outcome.response(problem, headers)
            if unread and body.is_long(headers):
                refused.headers.append(body.CLOSE)
            refused = await forms.written(request, refused)
            return await self._kept(router.noted(self._service.trail, request, refused), request, refused)
        try:
            if held > _GIANT and request.incoming is None:
                async with self._giants:
                    response = await router.answer(self._service, request)
            else:
                response = await router.answer(self._service, request)
        finally:
            if held:
                request.body = b""
                self._budget.give_back(held)
        if request.incoming is not None and not request.incoming.finished:
            response.headers.append(body.CLOSE)
        response = await forms.written(request, response)
        if response.ticket:
            response = await self._kept(response.ticket, request, response)
        return response

    def _opened(self, method: str, path: tuple[str, ...]) -> Principal | None:
        """Who asks without a token for what an administrator opened; None: it is not."""
        if self._verifier is None or not path or path[0] not in self._service.opened.types:
            return None
        try:
            route = self._service.router.find(method, path)
        except Problem:  # it is told to who has a token
            return None
        return self._service.opened.who(path[0], route.interaction)

    async def _ticketed(self, method: str, path: tuple[str, ...], query: bytes) -> Principal:
        """Who opens a document by a ticket, which is used up, and is kept nowhere. Raises Unauthenticated, Busy."""
        ticket = query.removeprefix(b"ticket=").decode("latin-1")
        if self._tickets is None or method != "GET" or len(path) != 2 or path[0] != "Binary":
            raise Unauthenticated("A ticket opens one Binary, by GET.")
        return await self._tickets.use(ticket, "/".join(path))

    async def _linked(self, request: Request, query: bytes) -> None:
        """What the request is allowed by a link, which says who asks and what. Raises Unauthenticated, Busy,
        UnsupportedMediaType.
        """
        signed, method = self._service.signed, request.method
        if signed is None or method not in ("GET", "HEAD", "POST"):
            raise Unauthenticated("A link opens the content of one Binary, by GET, or takes one in, by POST.")
        text = query.removeprefix(b"link=").decode("latin-1")
        purpose = UPLOAD if method == "POST" else DOWNLOAD
        request.who, request.link = await signed.use(text, purpose, "/".join(request.path))
        request.way = LINK
        request.headers = receiving.by_link(request.headers, request.link)

    async def _kept(self, ticket: int, request: Request, response: Response) -> Response:
        """The response once it is audited as the server promises; what can't be audited isn't shown."""
        try:
            await self._service.trail.flushed(ticket)
        except Problem as problem:
            response = await forms.written(request, outcome.response(problem))
        return response

    def _expected(self, request: Request) -> tuple[int, str]:
        """How many bytes the body may have, and by which setting. Raises NotFound, MethodNotAllowed, Forbidden."""
        route = self._service.router.find(request.method, request.path)
        request.interaction = route.interaction
        type_ = request.path[0] if request.path and request.path[0] in TYPE_NUMBER else None
        may_send(request.who, route, type_)
        bundle, resource = self._limits.bundle, self._limits.resource
        if route.takes_form:
            return min(FORM_BYTES, bundle), ""
        if type_ is None or type_ == "Bundle" or bundle <= resource:
            return bundle, "max-body-bytes"
        return resource, "max-resource-bytes"
