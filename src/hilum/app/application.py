"""The ASGI application: lifespan, request ids, metrics, the request log; `/fhir` goes to rest, the rest to the site.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any

from hilum.access.keys import SigningKey, load_or_create
from hilum.access.opened import Opened
from hilum.access.roles import packaged
from hilum.access.signed import Signed
from hilum.app import address, cors, data, memory, streaming, tracing
from hilum.app.administering import Administering
from hilum.app.api import Api, broker, is_api
from hilum.app.authorizing import Authorizing
from hilum.app.blobs import open_blobs
from hilum.app.brokering import Brokering, brokering, desk, ordered
from hilum.app.callbacks import Called, is_callback
from hilum.app.collecting import Collecting
from hilum.app.cors import Cors
from hilum.app.devices import Devices as Pushed
from hilum.app.devices import gateway, is_push
from hilum.app.enrolling import Noting, registry
from hilum.app.filming import Making, Marking, filmed
from hilum.app.indexing import Indexing
from hilum.app.listening import Listens
from hilum.app.metrics import Measured, Metrics
from hilum.app.ordering import Ordering
from hilum.app.packing import Packing
from hilum.app.patience import Patience
from hilum.app.recording import Recording
from hilum.app.request_id import RequestIds
from hilum.app.settings import Settings
from hilum.app.site import Site
from hilum.app.stores import open_to_serve
from hilum.app.visiting import Anyone, Visiting
from hilum.audit.context import ORIGIN, Origin
from hilum.audit.recording import SILENT
from hilum.broker.pages import pages
from hilum.devices.contacts import Contacts
from hilum.devices.pages import pages as of_devices
from hilum.devices.pages.desk import Desk as DevicesDesk
from hilum.interactions.door import Door
from hilum.problems import Busy, Damaged, Misconfigured, Problem
from hilum.rest import forms, outcome, router
from hilum.rest.edge import ANYONE, NOBODY, Edge, Limits, authenticate
from hilum.rest.links import Links
from hilum.rest.message import Request, Response
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.smart.smart import Smart
from hilum.store.interface import Store
from hilum.video.api.filming import Filming
from hilum.video.pages import pages as films
from hilum.video.pages.desk import Desk
from hilum.web import body, fields, log
from hilum.web.fields import Header
from hilum.web.pages import Pages

Receive = body.Receive
Send = Callable[[dict[str, Any]], Awaitable[None]]
Scope = Mapping[str, Any]
Respond = tracing.Respond

PREFIX = b"/fhir"
_BELOW = PREFIX + b"/"
DISCOVERY = PREFIX + b"/.well-known/smart-configuration"
BESIDE = tuple(b"/" + name for name in (b"auth", b".well-known", b"my", b"admin", b"launch", b"brands"))
"""First segments of what the authorization server answers."""


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
        self._collecting: Collecting | None = None
        self._recording: Recording | None = None
        self._authorizing: Authorizing | None = None
        self._smart: Smart | None = None
        self._brokering: Brokering | None = None
        self._ordering: Ordering | None = None
        self._filming: Making | None = None
        self._marking: Marking | None = None
        self._called: Called | None = None
        self._api: Api | None = None
        self._pages: Pages | None = None
        self._films: Pages | None = None
        self._devices: Pages | None = None
        self._noting: Noting | None = None
        self._pushed: Pushed | None = None
        self._listens: Listens | None = None
        self._cors: Cors | None = None
        self._proxies = address.networks(settings.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection event: an HTTP request or the lifespan; WebSockets are not served."""
        kind = scope["type"]
        if kind != "http":
            await self._other(kind, receive, send)
            return
        begun = perf_counter()
        headers = dict(scope["headers"])
        request_id = self._ids.of(headers.get(b"x-request-id"))
        if self._recording is not None:
            ORIGIN.set(Origin(request_id.decode(), address.of(scope, headers, self._proxies)))
        request: Request | None = None
        self.metrics.in_flight += 1
        try:
            asked = await self._preflight(scope, headers) if b"origin" in headers else None
            if asked is not None:
                response = Response(204, asked)
            elif fields.ordinary(scope, headers):
                response, request = await self._respond(scope, headers, receive)
            else:
                response, request = await self._unusual(scope, receive)
            response.headers.append((b"x-request-id", request_id))
            if asked is None and b"origin" in headers:
                self._open_to_pages(scope, headers, response)
            if response.stream is None or scope["method"] == "HEAD":
                await _send(response, receive, send)
            else:
                await streaming.send(response, response.stream, receive, send)
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
            request_id.decode(), scope["method"], interaction, type_, response.status, response.size, seconds,
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
        opened = await open_to_serve(settings)
        self._store = store = Measured(opened, self.metrics)
        verifier = None
        if settings.auth == "smart":
            self._authorizing = authorizing = await Authorizing.prepared(settings, store, key)
            verifier, self._cors = authorizing.verifier, authorizing.cors
            self._recording = Recording(settings, store, authorizing.ring)
            self._recording.start()
        audits = self._recording.audits if self._recording else None
        blobs = await open_blobs(settings, store.ledger)
        door = Door(
            store,
            settings.fhir_base,
            settings.integrity,
            settings.check_claimed_profiles,
            audits=audits,
            blobs=blobs,
            large=settings.blob_bytes,
        )
        self._indexing = Indexing(door)
        self._indexing.start()
        self._collecting = Collecting(blobs, store.ledger)
        self._collecting.start()
        self._packing = Packing.of(opened)
        if self._packing is not None:
            self._packing.start()
        trail = self._recording.trail if self._recording else SILENT
        self._brokering = ways = brokering(settings, store, key)
        orders = ordered(settings, ways, door, key, trail)
        if self._authorizing is not None:
            self._smart = await self._authorizing.start(door, trail, Administering(ways, orders))
        service = Service(
            door=door,
            links=Links(_link_key(key)),
            router=Router(ROUTES),
            environment=settings.environment,
            token_needed=verifier is not None,
            issuer=settings.origin if verifier is not None else "",
            trail=trail,
            opened=self._authorizing.opened if self._authorizing else Opened(),
            signed=self._authorizing.signed if self._authorizing else Signed(key, store.ledger, None, ANYONE),
            longest_link=settings.link_seconds,
            largest=settings.max_binary_bytes,
        )
        limits = Limits(
            bundle=settings.max_body_bytes,
            resource=settings.max_resource_bytes,
            together=max(settings.max_bodies_bytes, settings.max_body_bytes),
            binary=settings.max_binary_bytes,
        )
        tickets = self._authorizing.tickets if self._authorizing else None
        self._edge = Edge(service, verifier, limits, PREFIX, tickets)
        unreadable = self._recording.unreadable if self._recording else tuple
        roles = self._authorizing.roles if self._authorizing else packaged()
        made = filmed(settings, ways, orders, door, key, roles, trail)
        contacts = Contacts(store.ledger)
        self._noting = Noting(contacts)
        self._noting.start()
        pushed = gateway(door, key, contacts)
        self._pushed = Pushed(pushed, verifier, limits, trail, settings.environment)
        devices = registry(pushed, roles, trail)
        if settings.mqtt:
            self._listens = Listens(settings, store.ledger, pushed.seal, self._pushed.bundle, self._pushed.messages)
            self._listens.start()
        self._api = Api(
            broker(ways, orders, door, verifier, trail, roles),
            Filming(made.videos, door.base, partial(authenticate, verifier)),
            devices,
        )
        self._ordering = Ordering(orders.running)
        self._ordering.start()
        self._called = Called(made.callbacks)
        self._filming, self._marking = Making(made.working), Marking(made.lapsing)
        self._filming.start()
        self._marking.start()
        self._pages = pages.pages(desk(settings, ways, orders, door, trail))
        people = Anyone(settings.origin) if self._smart is None else Visiting(self._smart.site)
        self._films = films.pages(Desk(made.videos, people, door, settings.organization, settings.environment, trail))
        at_devices = DevicesDesk(devices, people, door, settings.organization, settings.environment, trail)
        self._devices = of_devices.pages(at_devices)
        self._site = Site(settings, service, verifier, self.metrics, ways.keys, unreadable)
        memory.settle()
        log.info(
            "started",
            store=store.name,
            environment=settings.environment,
            auth=settings.auth,
            base=settings.fhir_base,
            connections=settings.connections,
        )
        if self._authorizing is not None and settings.origin.startswith("https:") and not settings.trusted_proxies:
            log.warning(
                "all clients count as one",
                text="Limits go by address, and what ends TLS before hilum hides it: name it by --trusted-proxies, "
                "else a stranger who guesses passwords keeps everybody from signing in.",
            )

    async def stop(self) -> None:
        """Close the store; what was acknowledged is on disk already."""
        if self._listens is not None:
            await self._listens.stop()
        if self._noting is not None:
            await self._noting.stop()
        if self._marking is not None:
            await self._marking.stop()
        if self._filming is not None:
            await self._filming.stop()
        if self._ordering is not None:
            await self._ordering.stop()
        if self._brokering is not None:
            await self._brokering.renewing.close()
            await self._brokering.launching.ending.close()
            await self._brokering.pools.close()
        if self._indexing is not None:
            await self._indexing.stop()
        if self._packing is not None:
            await self._packing.stop()
        if self._collecting is not None:
            await self._collecting.stop()
        if self._authorizing is not None:
            await self._authorizing.stop()
        if self._recording is not None:
            await self._recording.stop()
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
            request = Request(scope["method"], (), "", dict(scope["headers"]), b"", NOBODY)
            refused = outcome.response(problem)
            if body.is_long(request.headers):
                refused.headers.append(body.CLOSE)
            return await forms.written(request, refused), request
        return await self._respond(scope, headers, receive)

    def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> Awaitable[tuple[Response, Request]]:
        edge, site = self._edge, self._site
        if edge is None or site is None:
            raise Misconfigured("The application was not started: the server must run the ASGI lifespan.")
        path: bytes = scope["raw_path"]
        if path.startswith(_BELOW) or path == PREFIX:
            if path == DISCOVERY and self._smart is not None:
                return self._beside(self._smart, scope, headers, receive)
            return edge.respond(scope, headers, receive)
        if self._called is not None and is_callback(path):
            return self._called.respond(scope, headers, receive)
        if self._pages is not None and pages.serves(path, scope["query_string"]):
            return self._beside(self._pages, scope, headers, receive)
        if self._films is not None and films.serves(path):
            return self._beside(self._films, scope, headers, receive)
        if self._pushed is not None and is_push(path):
            return self._pushed.respond(scope, headers, receive)
        if self._devices is not None and of_devices.serves(path):
            return self._beside(self._devices, scope, headers, receive)
        if self._smart is not None and path.startswith(BESIDE):
            return self._beside(self._smart, scope, headers, receive)
        if self._api is not None and is_api(path):
            return self._api.respond(scope, headers, receive)
        return site.respond(scope, headers)

    async def _beside(
        self, beside: Smart | Pages, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> tuple[Response, Request]:
        """The authorization server's answer, or that of pages."""
        method: str = scope["method"]
        client = address.of(scope, headers, self._proxies)
        answer, pattern = await beside.respond(
            method, scope["raw_path"], scope["query_string"], headers, receive, client
        )
        said = Response(answer.status, answer.headers, answer.body, stream=answer.stream, length=answer.length)
        return said, Request(method, (), "", headers, b"", NOBODY, interaction=pattern)

    async def _preflight(self, scope: Scope, headers: Mapping[bytes, bytes]) -> list[Header] | None:
        rules = self._cors
        if rules is None:
            return None
        await rules.meet(scope["raw_path"], headers)
        return rules.preflight(scope["method"], scope["raw_path"], headers)

    def _open_to_pages(self, scope: Scope, headers: Mapping[bytes, bytes], response: Response) -> None:
        """Let pages of other origins read the answer, where they may."""
        if self._cors is not None and response.header(cors.ORIGIN) is None:
            response.headers += self._cors.headers(scope["raw_path"], headers[b"origin"])


async def _send(response: Response, receive: Receive, send: Send) -> None:
    """Send it whole. When a long body was refused the connection closes, once the client could read why."""
    headers, content = response.headers, response.body
    if response.status not in (204, 304):
        headers.append((b"content-length", b"%d" % response.size))
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
