"""The API at the edge: who asks is let in and the body taken in before FastAPI sees either.

FastAPI is imported on a thread when somebody first asks below /api (0.5 s): a server has to start faster than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, Final

from hilum.access.roles import Roles
from hilum.app.brokering import Brokering, Ordered
from hilum.audit.recording import Trail
from hilum.broker import checking
from hilum.broker.api.broker import Broker, Headers
from hilum.devices.registry import Registry
from hilum.interactions.door import Door
from hilum.problems import Malformed, Problem, UnsupportedMediaType
from hilum.rest import forms, outcome, router
from hilum.rest.edge import NOBODY, Verifies, authenticate
from hilum.rest.message import NO_SNIFF, NO_STORE, Request, Response
from hilum.video.api.filming import Filming
from hilum.web import body, uri
from hilum.web.fields import Header

BELOW: Final = b"/api/"
COUNTS: Final = b"/api/v1/counts"
"""Older than the rest, and the site's: pages ask for it, which are not to wait for FastAPI."""
MOST_BYTES: Final = 1 << 16
"""Of a body."""
_OPEN: Final = (b"/api/docs", b"/api/openapi.json")
"""What teaches, and holds no data: as /fhir/metadata, for everybody."""
_TASK: Final = "Task"
_ORDERS: Final = (("api", "v1", "gather"), ("api", "v1", "videos"))
"""Whose ids are those of Tasks."""
_BODIES: Final = frozenset({"POST", "PUT", "PATCH"})


Asgi = Callable[[dict[str, Any], Any, Any], Any]


def is_api(path: bytes) -> bool:
    """Whether a path is answered here."""
    return path.startswith(BELOW) and path != COUNTS


def broker(
    ways: Brokering, ordered: Ordered, door: Door, verifier: Verifies | None, trail: Trail, roles: Roles
) -> Broker:
    """What the API stands on."""
    return Broker(
        door=door,
        orders=ordered.orders,
        parcels=ordered.parcels,
        connections=ways.connections,
        grants=ways.launching.grants,
        destinations=ordered.destinations,
        recipes=ways.recipes,
        check=lambda connection: checking.steps(
            connection, ways.backend, ways.discovery, ways.keys, ways.send, ways.launching.origin
        ),
        remove=ways.launching.ending.remove,
        sign_out=ways.launching.ending.forget,
        authenticate=partial(authenticate, verifier),
        trail=trail,
        roles=roles,
    )


class Api:
    """That of one process."""

    def __init__(self, broker: Broker, filming: Filming | None = None, devices: Registry | None = None) -> None:
        self._broker, self._filming, self._devices = broker, filming, devices
        self._budget = body.Budget(MOST_BYTES)
        self._app: asyncio.Task[Asgi] | None = None

    async def respond(
        self, scope: Mapping[str, Any], headers: Headers, receive: body.Receive
    ) -> tuple[Response, Request]:
        """The answer, and a Request that says for the log what it was. Raises Disconnected."""
        request = Request(scope["method"], (), "", headers, b"", NOBODY)
        try:
            response = await self._answered(request, scope, receive)
        except Problem as problem:
            response = await forms.written(request, outcome.response(problem, headers))
            if request.method in _BODIES and not request.body and body.is_long(headers):
                response.headers.append(body.CLOSE)
            response = await self._refused(request, response)
        except body.Disconnected:
            raise
        except Exception as error:  # The edge again: see rest/router.py.
            response = router.defect(error)
        return response, request

    async def _answered(self, request: Request, scope: Mapping[str, Any], receive: body.Receive) -> Response:
        raw: bytes = scope["raw_path"]
        path = uri.path(raw)
        if path[:3] in _ORDERS and len(path) > 3:
            request.path = (_TASK, path[3])  # for the log and the audit
        if b"access_token=" in scope["query_string"]:  # it is in histories and logs by now: nobody may build on it
            raise Malformed("A token belongs into the Authorization header, never into a URL.")
        if not raw.startswith(_OPEN):
            request.who = await self._broker.authenticate(request.headers)
        content = b""
        if request.method in _BODIES:
            content, held = await body.collect(receive, request.headers, MOST_BYTES, self._budget, "")
            self._budget.give_back(held)
            if content and not request.headers.get(b"content-type", b"").lower().startswith(b"application/json"):
                raise UnsupportedMediaType("The body must be JSON: send it as application/json.")
            request.body = content
        inner = {
            **scope,
            "method": "GET" if request.method == "HEAD" else request.method,
            "path": "/" + "/".join(path),
            "root_path": "",
            "hilum.who": request.who,
        }
        answer = _Answer(content)
        app = await self._loaded()
        try:
            await app(inner, answer.receive, answer.send)
        finally:
            request.interaction = _named(inner)
        if request.method == "HEAD" and answer.length < 0:
            answer.stream = None
        return answer.response()

    async def _loaded(self) -> Asgi:
        """The application, imported once, whoever comes first and however many come with him."""
        if self._app is None:
            self._app = asyncio.create_task(asyncio.to_thread(_imported, self._broker, self._filming, self._devices))
        return await asyncio.shield(self._app)

    async def _refused(self, request: Request, response: Response) -> Response:
        """The refusal once it is audited as the server promises."""
        trail = self._broker.trail
        try:
            await trail.flushed(router.noted(trail, request, response))
        except Problem as problem:
            return await forms.written(request, outcome.response(problem))
        return response


class _Answer:
    """The two callables of ASGI, over a body that is there already, and what came of it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._status = 500
        self._headers: list[Header] = []
        self._parts: list[bytes] = []
        self.stream: Callable[[], AsyncIterator[bytes]] | None = None
        self.length = -1

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": self._content, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        elif kind == "http.response.body":
            self._parts.append(message.get("body", b""))
        else:
            self.stream, self.length = message["pieces"], message["length"]

    def response(self) -> Response:
        """Without its length, which is told where it is sent."""
        headers = [header for header in self._headers if header[0] != b"content-length"]
        for one in (NO_STORE, NO_SNIFF):
            if not any(name == one[0] for name, _ in headers):
                headers.append(one)
        return Response(self._status, headers, b"".join(self._parts), stream=self.stream, length=self.length)


def _imported(broker: Broker, filming: Filming | None, devices: Registry | None) -> Asgi:
    from hilum.app.described import application

    return application(broker, filming, devices)


def _named(scope: Mapping[str, Any]) -> str:
    """The route, for log and metrics: nothing that a client made up."""
    endpoint = scope.get("endpoint")
    return f"api-{endpoint.__name__}" if endpoint is not None else "api"
