"""The ASGI application: lifespan, request ids, metrics, the request log; `/fhir` goes to rest, the rest to the site.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any

from hilum.access.keys import SigningKey, load_or_create
from hilum.access.tokens import Verifier
from hilum.app import data, memory, tracing
from hilum.app.indexing import Indexing
from hilum.app.metrics import Measured, Metrics
from hilum.app.packing import Packing
from hilum.app.patience import Patience
from hilum.app.request_id import RequestIds
from hilum.app.settings import Settings
from hilum.app.site import Site
from hilum.app.stores import open_to_serve
from hilum.interactions.door import Door
from hilum.problems import Busy, Damaged, Misconfigured, Problem
from hilum.rest import outcome, router
from hilum.rest.edge import NOBODY, Edge, Limits
from hilum.rest.links import Links
from hilum.rest.message import Request, Response
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.interface import Store
from hilum.web import body, fields, log

Receive = body.Receive
Send = Callable[[dict[str, Any]], Awaitable[None]]
Scope = Mapping[str, Any]
Respond = tracing.Respond

PREFIX = b"/fhir"
_BELOW = PREFIX + b"/"


class Application:
    """`await application(scope, receive, send)`. Made by `create_app`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.patience = Patience(
            head_seconds=settings.head_seconds, body_seconds=settings.body_seconds, connections=settings.connections
        )
        self.metrics = Metrics()
        self._ids = RequestIds()
        self._respond: Respond = self._answer
        self._store: Store | None = None
        self._edge: Edge | None = None
        self._site: Site | None = None
        self._indexing: Indexing | None = None
        self._packing: Packing | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection event: an HTTP request or the lifespan; WebSockets are not served."""
        kind = scope["type"]
        if kind != "http":
            await self._other(kind, receive, send)
            return
        begun = perf_counter()
        headers = dict(scope["headers"])
        request_id = self._ids.of(headers.get(b"x-request-id"))
        request: Request | None = None
        self.metrics.in_flight += 1
        try:
            if fields.ordinary(scope, headers):
                response, request = await self._respond(scope, headers, receive)
            else:
                response, request = await self._unusual(scope, receive)
            response.headers.append((b"x-request-id", request_id))
            await _send(response, receive, send)
        except body.Disconnected:
            response = Response(499, [])
        finally:
            self.metrics.in_flight -= 1
        seconds = perf_counter() - begun
        interaction = request.interaction if request is not None else ""
        self.metrics.observe(interaction, response.status, seconds)
        type_ = client = token = None
        if request is not None:
            type_, client, token = router.type_of(request.path), request.who.client, request.who.token
        log.answered(
            request_id.decode(), scope["method"], interaction, type_, response.status, len(response.body), seconds,
            client, token,
        )  # fmt: skip

    async def _other(self, kind: str, receive: Receive, send: Send) -> None:
        if kind == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def start(self) -> None:
        """Open the store and everything that stands on it. Raises Misconfigured."""
        settings = self.settings
        log.configure(settings.log_level, settings.log_format)
        if settings.otel_endpoint:
            self._respond = tracing.traced(self._answer, settings.otel_endpoint, settings.environment)
        data.prepare(settings)
        key = load_or_create(settings.data, settings.environment)
        verifier = Verifier(key, settings.fhir_base) if settings.auth == "smart" else None
        opened = await open_to_serve(settings)
        self._store = store = Measured(opened, self.metrics)
        door = Door(store, settings.fhir_base, settings.integrity)
        self._indexing = Indexing(door)
        self._indexing.start()
        self._packing = Packing.of(opened)
        if self._packing is not None:
            self._packing.start()
        service = Service(
            door=door,
            links=Links(_link_key(key)),
            router=Router(ROUTES),
            environment=settings.environment,
            token_needed=verifier is not None,
        )
        limits = Limits(
            bundle=settings.max_body_bytes,
            resource=settings.max_resource_bytes,
            together=max(settings.max_bodies_bytes, settings.max_body_bytes),
        )
        self._edge = Edge(service, verifier, limits, PREFIX)
        self._site = Site(settings, service, verifier, self.metrics)
        memory.settle()
        log.info(
            "started",
            store=store.name,
            environment=settings.environment,
            auth=settings.auth,
            base=settings.fhir_base,
            connections=settings.connections,
        )

    async def stop(self) -> None:
        """Close the store; what was acknowledged is on disk already."""
        if self._indexing is not None:
            await self._indexing.stop()
        if self._packing is not None:
            await self._packing.stop()
        if self._store is not None:
            await self._store.close()
            self._store = None
            log.info("stopped")
            log.flush()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except (Misconfigured, Busy, Damaged) as problem:
            await send({"type": "lifespan.startup.failed", "message": str(problem)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _unusual(self, scope: Scope, receive: Receive) -> tuple[Response, Request]:
        """The answer to a request whose headers have to be looked at first."""
        try:
            headers = fields.taken(scope)
        except Problem as problem:
            refused = outcome.response(problem)
            if body.is_long(dict(scope["headers"])):
                refused.headers.append(body.CLOSE)
            return refused, Request(scope["method"], (), "", {}, b"", NOBODY)
        return await self._respond(scope, headers, receive)

    def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> Awaitable[tuple[Response, Request]]:
        edge, site = self._edge, self._site
        if edge is None or site is None:
            raise Misconfigured("The application was not started: the server must run the ASGI lifespan.")
        path: bytes = scope["raw_path"]
        if path.startswith(_BELOW) or path == PREFIX:
            return edge.respond(scope, headers, receive)
        return site.respond(scope, headers)


async def _send(response: Response, receive: Receive, send: Send) -> None:
    """Send it whole. When a long body was refused the connection closes, once the client could read why."""
    headers, content = response.headers, response.body
    if response.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(content)))
    refused = response.status >= 400 and body.CLOSE in headers
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if refused:
        await send({"type": "http.response.body", "body": content, "more_body": True})
        await body.linger(receive)
        content = b""
    await send({"type": "http.response.body", "body": content})


def _link_key(key: SigningKey) -> bytes:
    """A key for paging links, the same in every worker and after a restart, that tells nothing of the signing key."""
    secret = str(key.key.as_dict(private=True)["d"]).encode()
    return hashlib.blake2b(b"hilum paging links", key=secret[:64]).digest()
