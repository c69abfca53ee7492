"""What devices push to, at the edge: bundles in, plain or sealed, receipts out; who the calling agent is; the keys.

    POST /devices/bundles         application/fhir+json, or application/jose: a bundle (`hilum.devices.gateway`)
    POST /devices/hl7v2           application/hl7-v2, or application/soap+xml: PCD-01 (`hilum.devices.hl7v2`)
    GET  /devices/receipts/{id}   what became of one of the client's own
    GET  /devices/me              what the calling client is enrolled as
    GET  /devices/jwks.json       the key that bundles are sealed for; needs no token

Errors are OperationOutcomes, as of /fhir, and so is what is audited: a commit tells of itself, and the rest is noted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from hilum.access.bearer import NotHeld
from hilum.access.keys import SigningKey
from hilum.access.policy import Principal
from hilum.access.seal import Seal
from hilum.audit.recording import Trail
from hilum.devices import bundles, receipts, soap
from hilum.devices.contacts import Contacts
from hilum.devices.envelopes import CACHE_SECONDS, Envelopes
from hilum.devices.gateway import Gateway, Outcome, take
from hilum.devices.hearing import Hearing
from hilum.devices.hl7v2 import Messages
from hilum.devices.mqtt import Told
from hilum.devices.records import Agent
from hilum.devices.whose import Resolving
from hilum.fhir import json
from hilum.interactions.door import Door
from hilum.oauth.ledger import DEVICE_AGENT, read
from hilum.problems import Malformed, MethodNotAllowed, NotFound, Problem, UnsupportedMediaType
from hilum.rest import forms, outcome, router
from hilum.rest.edge import NOBODY, Limits, Verifies, authenticate
from hilum.rest.message import FHIR_JSON, NO_STORE, Request, Response
from hilum.store import lanes
from hilum.store.limits import SEARCH_SECONDS
from hilum.web import body, uri
from hilum.web.fields import Header

PREFIX: Final = b"/devices/"
_HERE: Final = tuple(PREFIX + name for name in (b"bundles", b"hl7v2", b"receipts", b"me", b"jwks.json"))
_JSON: Final[Header] = (b"content-type", b"application/json")
_REPLAYED: Final[Header] = (b"idempotency-replayed", b"true")
_SEALED: Final = "application/jose"
_PLAIN: Final = ("application/fhir+json", "application/json")
_ER7: Final = ("application/hl7-v2", "x-application/hl7-v2+er7", "application/hl7-v2+er7", "text/plain")
_SOAP: Final = b"application/soap+xml; charset=UTF-8"
_GIANT: Final = 1 << 22
_GIANTS: Final = 2
"""As of /fhir: how many bodies of more than `_GIANT` bytes are worked on at once."""

Headers = Mapping[bytes, bytes]
Answer = Callable[[Request, str, body.Receive], Awaitable[Response]]


def is_push(path: bytes) -> bool:
    """Whether a path is answered here: other pages lie beside."""
    return path.startswith(PREFIX) and any(path == one or path.startswith(one + b"/") for one in _HERE)


def gateway(door: Door, key: SigningKey, contacts: Contacts | None = None) -> Gateway:
    """What is pushed to, over this door. `key`: the root, by which what is held is sealed."""
    made = Gateway(door, Resolving(door), Seal(key))
    return made if contacts is None else replace(made, heard=Hearing(contacts))


class Devices:
    """That of one process."""

    def __init__(
        self, gateway: Gateway, messages: Messages, verifier: Verifies | None, limits: Limits, trail: Trail
    ) -> None:
        self.gateway, self.messages = gateway, messages
        self.envelopes = Envelopes(gateway.door.store.ledger, gateway.seal)
        self._verifier, self._trail = verifier, trail
        self._limit = limits.bundle
        self._budget = body.Budget(limits.together)
        self._giants = asyncio.Semaphore(_GIANTS)
        self._routes: dict[tuple[str, int], tuple[str, str, Answer]] = {
            ("bundles", 2): ("POST", "device-bundle", self._bundle),
            ("hl7v2", 2): ("POST", "device-hl7v2", self._message),
            ("receipts", 3): ("GET", "device-receipt", self._receipt),
            ("me", 2): ("GET", "device-me", self._me),
            ("jwks.json", 2): ("GET", "device-jwks", self._jwks),
        }

    async def respond(
        self, scope: Mapping[str, Any], headers: Headers, receive: body.Receive
    ) -> tuple[Response, Request]:
        """The answer, and the request as it was understood (for the log). Raises Disconnected."""
        request = Request(scope["method"], (), "", headers, b"", NOBODY)
        try:
            response = await self._answered(request, scope, receive)
        except Problem as problem:
            if isinstance(problem, NotHeld):
                request.who = problem.who
            response = outcome.response(problem, headers)
            if scope["method"] == "POST" and body.is_long(headers):
                response.headers.append(body.CLOSE)
            response = await forms.written(request, response)
        except body.Disconnected:
            raise
        except Exception as error:  # the edge again: see rest/router.py
            response = router.defect(error)
        if request.interaction != "device-jwks" and not response.recorded:
            try:
                await self._trail.flushed(router.noted(self._trail, request, response))
            except Problem as problem:
                response = await forms.written(request, outcome.response(problem))
        return response, request

    async def _answered(self, request: Request, scope: Mapping[str, Any], receive: body.Receive) -> Response:
        lanes.begin(SEARCH_SECONDS)
        path = uri.path(scope["raw_path"])
        if b"access_token=" in scope["query_string"]:
            raise Malformed("A token belongs into the Authorization header, never into a URL.")
        route = self._routes.get((path[1], len(path))) if len(path) > 1 else None
        if route is None:
            raise NotFound("There is nothing here: bundles go to /devices/bundles.")
        method, request.interaction, answer = route
        if request.method != method and not (request.method == "HEAD" and method == "GET"):
            raise MethodNotAllowed(f"Only {method} is possible here.", (method,))
        if request.interaction != "device-jwks":
            request.who = await authenticate(self._verifier, request.headers)
        return await answer(request, path[-1], receive)

    # --- each of them -------------------------------------------------------------------------------------------------

    async def _bundle(self, request: Request, last: str, receive: body.Receive) -> Response:
        said = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        if said != _SEALED and said not in _PLAIN:
            raise UnsupportedMediaType(f"Bundles come as {_PLAIN[0]}, or, sealed, as {_SEALED}.")
        content, held = await body.collect(receive, request.headers, self._limit, self._budget, "max-body-bytes")
        try:
            if held > _GIANT:
                async with self._giants:
                    done = await self._taken(request.who, content, said == _SEALED)
            else:
                done = await self._taken(request.who, content, said == _SEALED)
        finally:
            self._budget.give_back(held)
        return answered(done, self.gateway.door.base)

    async def told(self, who: Principal, content: bytes) -> Told:
        """A bundle that came otherwise than by HTTP, sealed where it isn't JSON. Raises what `take` raises."""
        done = await self._taken(who, content, content.lstrip()[:1] != b"{")
        response = answered(done, self.gateway.door.base)
        return Told(response.status, response.body)

    async def _taken(self, who: Principal, content: bytes, sealed: bool) -> Outcome:
        if sealed:
            content = await self.envelopes.open(content)
        bundle = await body.parsed(content)
        return await take(self.gateway, who, bundle, name=bundles.name(bundle), content=sha256(content).digest())

    async def _message(self, request: Request, last: str, receive: body.Receive) -> Response:
        said, _, _ = request.headers.get(b"content-type", b"").decode("latin-1").partition(";")
        said = said.strip().lower()
        if said != soap.MEDIA and said not in _ER7:
            raise UnsupportedMediaType(f"Messages come as {_ER7[0]}, or, as IHE's web service, as {soap.MEDIA}.")
        content, held = await body.collect(receive, request.headers, self._limit, self._budget, "max-body-bytes")
        try:
            if said == soap.MEDIA:
                enveloped = await soap.answer(self.messages, request.who, content)
                status, answer, outcomes = enveloped.status, enveloped.content, enveloped.outcomes
                headers = [(b"content-type", _SOAP), NO_STORE]
            else:
                done = await self.messages.answer(request.who, content)
                status, answer, outcomes = 200, done.content, done.outcomes
                headers = [(b"content-type", f"{said}; charset={done.codec}".encode()), NO_STORE]
        finally:
            self._budget.give_back(held)
        shown = tuple(seq for one in outcomes for seq in one.shown)
        recorded = bool(outcomes) and all(one.recorded for one in outcomes)
        return Response(status, headers, answer, shown=shown, recorded=recorded)

    async def _receipt(self, request: Request, last: str, receive: body.Receive) -> Response:
        ledger = self.gateway.door.store.ledger
        found = await receipts.found(ledger, request.who.client, last)
        return Response(200, [_JSON, NO_STORE], receipts.shown(found))

    async def _me(self, request: Request, last: str, receive: body.Receive) -> Response:
        row = await self.gateway.door.store.ledger.get(DEVICE_AGENT, request.who.client.encode())
        told: dict[str, Any] = {"client": request.who.client, "enrolled": row is not None}
        if row is not None:
            found = read(row, Agent)
            told |= {
                "name": found.name,
                "patients": found.patients,
                "anyone": found.anyone,
                "default": found.default,
            }
        return Response(200, [_JSON, NO_STORE], json.encode(told))

    async def _jwks(self, request: Request, last: str, receive: body.Receive) -> Response:
        kept: Header = (b"cache-control", b"public, max-age=%d" % CACHE_SECONDS)
        return Response(200, [_JSON, kept], json.encode(await self.envelopes.jwks()))


def answered(done: Outcome, base: str) -> Response:
    """200 once it is stored, 202 while it is held; the same whenever it comes."""
    headers = [FHIR_JSON, NO_STORE, *([_REPLAYED] if done.replayed else [])]
    content = receipts.answer(done.receipt, base)
    return Response(202 if done.receipt.held else 200, headers, content, shown=done.shown, recorded=done.recorded)
