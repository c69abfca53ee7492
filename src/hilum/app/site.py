"""What is not FHIR: health, readiness, metrics, the JSON that pages fetch, and the pages themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from hilum import __version__
from hilum.app.metrics import CONTENT_TYPE, Metrics
from hilum.app.settings import Settings, is_loopback
from hilum.broker.keys import CACHE_SECONDS, ClientKeys, jwks_path
from hilum.console.pages import Pages
from hilum.fhir import json
from hilum.interactions.counts import counts
from hilum.problems import Damaged, Forbidden, MethodNotAllowed, NotFound, Problem
from hilum.rest import forms, outcome, router
from hilum.rest.edge import NOBODY, Verifies, authenticate
from hilum.rest.message import NO_STORE, Request, Response
from hilum.rest.router import Service
from hilum.web import uri
from hilum.web.fields import Header

JSON: Header = (b"content-type", b"application/json")

_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")

Headers = Mapping[bytes, bytes]
Asked = tuple[Mapping[str, Any], Headers]


class Site:
    """Everything beside `/fhir`. Only GET and HEAD."""

    def __init__(
        self,
        settings: Settings,
        service: Service,
        verifier: Verifies | None,
        metrics: Metrics,
        client_keys: ClientKeys,
        unreadable: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`unreadable`: what is wrong with files of the audit trail that can't be settled."""
        self._client_keys = client_keys
        self._service = service
        self._unreadable = unreadable
        self._verifier = verifier
        self._metrics = metrics
        self._who_reads_metrics = settings.metrics
        self._pages = Pages(settings.environment, settings.auth, settings.fhir_base, __version__)
        self._routes: dict[str, Callable[[Asked], Awaitable[Response]]] = {
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._metrics_text,
            "/api/v1/counts": self._counts,
            jwks_path(settings.environment): self._jwks,
        }

    async def respond(self, scope: Mapping[str, Any], headers: Headers) -> tuple[Response, Request]:
        """The answer, and a Request that says for the log what it was."""
        request = Request(scope["method"], (), "", headers, b"", NOBODY)
        try:
            return await self._route(scope, headers, request), request
        except Problem as problem:
            return await forms.written(request, outcome.response(problem, headers)), request
        except Exception as error:  # The edge again: see rest/router.py.
            return router.defect(error), request

    async def _route(self, scope: Mapping[str, Any], headers: Headers, request: Request) -> Response:
        path = "/" + "/".join(uri.path(scope["raw_path"]))
        route = self._routes.get(path)
        page = None if route is not None else self._pages.page(path, headers.get(b"if-none-match"))
        if route is None and page is None:
            raise NotFound(f"There is nothing at {path[:128]!r}. The FHIR base is /fhir, and pages begin at /.")
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(
                f"{scope['method'][:16]} is not possible here. Possible: GET, HEAD.", ("GET", "HEAD")
            )
        if route is not None:
            request.interaction = path
            return await route((scope, headers))
        request.interaction = "page"
        assert page is not None
        return Response(*page)

    async def _health(self, asked: Asked) -> Response:
        """The process answers: nothing more is claimed."""
        return Response(200, [JSON, NO_STORE], b'{"status":"ok"}')

    async def _ready(self, asked: Asked) -> Response:
        """The store answers too, and what is read can be audited. Raises Busy (503) when not; damaged until a restart.

        Files of the trail that can't be read hinder nobody, but somebody has to look: it says how many there are.
        """
        damaged = self._service.damaged
        try:
            await self._service.door.store.check()
        except Damaged:
            damaged.set()
        if damaged.is_set():
            return Response(503, [JSON, NO_STORE], b'{"status":"damaged"}')
        await self._service.trail.flushed(0)
        if unreadable := len(self._unreadable()):
            return Response(200, [JSON, NO_STORE], b'{"status":"ready","unreadable_audit_files":%d}' % unreadable)
        return Response(200, [JSON, NO_STORE], b'{"status":"ready"}')

    async def _metrics_text(self, asked: Asked) -> Response:
        """Prometheus metrics, for whom the setting `metrics` allows."""
        scope, headers = asked
        client = scope.get("client")
        local = client is not None and is_loopback(client[0]) and not any(name in headers for name in _FORWARDED)
        if self._who_reads_metrics == "off" or (self._who_reads_metrics == "local" and not local):
            raise Forbidden("Metrics are closed here; --metrics open opens them, --metrics local to this machine only.")
        return Response(200, [(b"content-type", CONTENT_TYPE), NO_STORE], self._metrics.text())

    async def _counts(self, asked: Asked) -> Response:
        """How many current resources there are per type, of those that the token may see."""
        who = await authenticate(self._verifier, asked[1])
        found = await counts(self._service.door, who)
        trail = self._service.trail
        await trail.flushed(trail.note(who, "counts", None, "", 0, 200, "", ()))
        return Response(200, [JSON, NO_STORE], json.encode({"counts": found}))

    async def _jwks(self, asked: Asked) -> Response:
        """The public keys by which EHRs know hilum: those of this environment, which is all that is known here."""
        kept: Header = (b"cache-control", b"public, max-age=%d" % CACHE_SECONDS)
        return Response(200, [JSON, kept], json.encode(await self._client_keys.jwks()))
