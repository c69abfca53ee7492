"""Where HTTP becomes FHIR: the token makes a Principal, the body is taken in, the router answers.

Bearer tokens: https://www.rfc-editor.org/rfc/rfc6750 (in the Authorization header only, never in a URL).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol

from hilum.access.policy import EVERYTHING, Policy, Principal
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.problems import Forbidden, Malformed, Problem, Unauthenticated
from hilum.rest import outcome, router
from hilum.rest.message import NO_SNIFF, Request, Response
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


FORM_BYTES: Final = 1 << 20
"""The most bytes that a search form or the Parameters of an operation may have."""
_GIANT: Final = 1 << 22
_GIANTS: Final = 2
"""How many bodies of more than `_GIANT` bytes are worked on at once: parsed, they take about ten times their size."""

LETTERS: Final = {
    "create": ("c", "create"),
    "update": ("u", "update"),
    "patch": ("u", "patch"),
    "search-type": ("s", "search"),
    "search-system": ("s", "search"),
    "$everything": ("r", "read"),
}
"""Interactions that come with a body -> the letter of `cruds` that a scope must have for them, and its word."""


class Limits(NamedTuple):
    """The most bytes that a body may have: a Bundle's, one resource's, and those of all bodies in memory together."""

    bundle: int
    resource: int
    together: int


def may_send(who: Principal, route: Route, type: str | None) -> None:
    """Raises Forbidden when the route alone tells that this token can't do it, whatever the body says."""
    letter, word = LETTERS.get(route.interaction, ("", "do"))
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
        require_key(who.api_key, headers)
    return who


def require_key(expected: bytes, headers: Mapping[bytes, bytes]) -> None:
    """Raises Unauthenticated unless the client's own key comes beside the user's token. `expected`: its SHA-256."""
    if not hmac.compare_digest(sha256(headers.get(b"x-api-key", b"")).digest(), expected):
        raise Unauthenticated("This client must send its own key, too, in the header X-API-Key.")


def bearer(headers: Mapping[bytes, bytes]) -> str:
    """The token in the Authorization header. Raises Unauthenticated when there is none."""
    header = headers.get(b"authorization")
    if header is None:
        raise Unauthenticated("This needs a token: send it as 'Authorization: Bearer ...'. `hilum token` makes one.")
    scheme, _, token = header.partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise Unauthenticated("The Authorization header must be 'Bearer' and a token.")
    return token.strip().decode("latin-1")


class Edge:
    """The FHIR API below one prefix."""

    def __init__(self, service: Service, verifier: Verifies | None, limits: Limits, prefix: bytes = b"/fhir") -> None:
        self._service = service
        self._verifier = verifier
        self._limits = limits
        self._budget = body.Budget(limits.together)
        self._giants = asyncio.Semaphore(_GIANTS)
        self._skip = len(prefix)
        self._open = frozenset(tuple(route.pattern.split("/")) for route in service.router.routes if route.open)

    async def respond(
        self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], receive: body.Receive
    ) -> tuple[Response, Request]:
        """The answer to an HTTP request, and the request as it was understood (for the log).

        Raises Disconnected when the client went away. Token, scope and headers are judged before the body is read.
        """
        held = 0
        lanes.begin(SEARCH_SECONDS)
        method: str = scope["method"]
        request = Request(method, (), "", headers, b"", NOBODY)
        unread = method in BODIES
        try:
            request.path = uri.path(scope["raw_path"][self._skip :])
            query = scope["query_string"]
            if b"access_token=" in query:  # it is in histories and logs by now: nobody may build on it
                raise Malformed("A token belongs into the Authorization header, never into a URL.")
            if request.path not in self._open:
                request.who = await authenticate(self._verifier, headers)
            if query:
                request.query = query.decode("latin-1")
            if unread:
                limit, setting = self._expected(request)
                request.body, held = await body.collect(receive, headers, limit, self._budget, setting)
        except Problem as problem:
            sent = isinstance(problem, Unauthenticated) and b"authorization" in headers
            refused = outcome.invalid_token(problem) if sent else outcome.response(problem)
            if unread and body.is_long(headers):
                refused.headers.append(body.CLOSE)
            refused.headers.append(NO_SNIFF)
            return await self._kept(router.noted(self._service.trail, request, refused), refused), request
        try:
            if held > _GIANT:
                async with self._giants:
                    response = await router.answer(self._service, request)
            else:
                response = await router.answer(self._service, request)
        finally:
            if held:
                request.body = b""
                self._budget.give_back(held)
        response.headers.append(NO_SNIFF)
        if response.ticket:
            response = await self._kept(response.ticket, response)
        return response, request

    async def _kept(self, ticket: int, response: Response) -> Response:
        """The response once it is audited as the server promises; what can't be audited isn't shown."""
        try:
            await self._service.trail.flushed(ticket)
        except Problem as problem:
            response = outcome.response(problem)
            response.headers.append(NO_SNIFF)
        return response

    def _expected(self, request: Request) -> tuple[int, str]:
        """How many bytes the body may have, and by which setting. Raises NotFound, MethodNotAllowed, Forbidden."""
        route = self._service.router.find(request.method, request.path)
        request.interaction = route.interaction
        type_ = request.path[0] if request.path and request.path[0] in TYPE_NUMBER else None
        may_send(request.who, route, type_)
        bundle, resource, _ = self._limits
        if route.takes_form:
            return min(FORM_BYTES, bundle), ""
        if type_ is None or type_ == "Bundle" or bundle <= resource:
            return bundle, "max-body-bytes"
        return resource, "max-resource-bytes"
