"""Where HTTP becomes FHIR: the token makes a Principal, the body is taken in, the router answers.

Bearer tokens: https://www.rfc-editor.org/rfc/rfc6750 (in the Authorization header only, never in a URL).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from hilum.access.policy import EVERYTHING, Policy, Principal
from hilum.problems import Problem, Unauthenticated
from hilum.rest import body, outcome, router, uri
from hilum.rest.message import Request, Response
from hilum.rest.router import Service

BODIES = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose body is read; what comes with another one is ignored, as HTTP has it."""

ANYONE = Principal("anyone", "anonymous", "", EVERYTHING, 1 << 62)
"""Who asks when the server runs with `--auth off`."""

NOBODY = Principal("nobody", "anonymous", "", Policy(()), 1 << 62)
"""Who asks where no token is needed: may see nothing."""


class Verifies(Protocol):
    """A token in, who holds it out (`hilum.access.tokens.Verifier`)."""

    def verify(self, token: str) -> Principal:
        """Raises Unauthenticated."""
        ...


def authenticate(verifier: Verifies | None, headers: Mapping[bytes, bytes]) -> Principal:
    """Who asks. Without a verifier (`--auth off`) everyone may do everything. Raises Unauthenticated."""
    if verifier is None:
        return ANYONE
    header = headers.get(b"authorization")
    if header is None:
        raise Unauthenticated("This needs a token: send it as 'Authorization: Bearer ...'. `hilum token` makes one.")
    scheme, _, token = header.partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise Unauthenticated("The Authorization header must be 'Bearer' and a token.")
    return verifier.verify(token.strip().decode("latin-1"))


class Edge:
    """The FHIR API below one prefix. `limit`: the most bytes a body may have."""

    def __init__(self, service: Service, verifier: Verifies | None, limit: int, prefix: bytes = b"/fhir") -> None:
        self._service = service
        self._verifier = verifier
        self._limit = limit
        self._skip = len(prefix)
        self._open = frozenset(route.pattern for route in service.router.routes if route.open)

    async def respond(
        self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], receive: body.Receive
    ) -> tuple[Response, Request]:
        """The answer to an HTTP request, and the request as it was understood (for the log).

        Raises Disconnected when the client went away. The token is judged before the body is read.
        """
        method: str = scope["method"]
        request = Request(method, (), "", headers, b"", NOBODY)
        unread = method in BODIES
        try:
            request.path = uri.path(scope["raw_path"][self._skip :])
            if "/".join(request.path) not in self._open:
                request.who = authenticate(self._verifier, headers)
            query = scope["query_string"]
            if query:
                request.query = query.decode("latin-1")
            if unread:
                request.body = await body.collect(receive, headers, self._limit)
        except Problem as problem:
            sent = isinstance(problem, Unauthenticated) and b"authorization" in headers
            refused = outcome.invalid_token(problem) if sent else outcome.response(problem)
            if unread and body.is_long(headers):
                refused.headers.append(body.CLOSE)
            return refused, request
        return await router.answer(self._service, request), request
