"""What devices push to, at the edge: bundles in, plain or sealed, receipts out; who the calling agent is; the keys.

    POST /devices/bundles         application/fhir+json, or application/jose: a bundle (`hilum.devices.gateway`)
    POST /devices/hl7v2           a message of HL7 v2, a batch or an envelope of SOAP (`hilum.app.messages`)
    GET  /devices/receipts/{id}   what became of one of the client's own
    GET  /devices/me              what the calling client is enrolled as
    GET  /devices/jwks.json       the key that bundles are sealed for; needs no token

Errors are OperationOutcomes, as of /fhir, and so is what is audited: a commit tells of itself, and the rest is noted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any, Final

from hilum.access.bearer import NotHeld
from hilum.access.keys import SigningKey
from hilum.access.policy import Principal
from hilum.access.seal import Seal
from hilum.app import messages
from hilum.audit.recording import Trail
from hilum.devices import bundles, receipts
from hilum.devices.contacts import Contacts
from hilum.devices.envelopes import CACHE_SECONDS, Envelopes
from hilum.devices.gateway import Gateway, Outcome, take
from hilum.devices.hearing import Hearing
from hilum.devices.hl7v2 import Messages
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
_GIANT: Final = 1 << 22
_GIANTS: Final = 2
"""As of /fhir: how many bodies of more than `_GIANT` bytes are worked on at once."""

Headers = Mapping[bytes, bytes]
Answer = Callable[[Request, str, body.Receive], Awaitable[Response]]


def is_push(path: bytes) -> bool:
    """Whether a path is answered here: other pages lie beside."""
    return path.startswith(PREFIX) and any(path == one or path.startswith(one + b"/") for one in _HERE)


def gateway(door: Door, key: SigningKey, contacts: Contacts | None = None) -> Gateway:
    """Where what is pushed goes. `key`: the root, by which what is held is sealed. `contacts`: are told of it."""
    made = Gateway(door, Resolving(door), Seal(key))
    return made if contacts is None else replace(made, heard=Hearing(contacts))


class Devices:
    """That of one process."""

    def __init__(
        self, gateway: Gateway, verifier: Verifies | None, limits: Limits, trail: Trail, environment: str
    ) -> None:
        self.gateway = gateway
        self.envelopes = Envelopes(gateway.door.store.ledger, gateway.seal)
        origin = gateway.door.base.removesuffix("/fhir")
        self.messages = Messages(partial(take, gateway), origin, environment, gateway.clock)
        self._verifier, self._trail = verifier, trail
        self._limit = limits.bundle
        self._budget = body.Budget(limits.together)
        self._giants = asyncio.Semaphore(_GIANTS)
        self._routes: dict[tuple[str, int], tuple[str, str, Answer]] = {
            ("bundles", 2): ("POST", "device-bundle", self._bundle),
            ("hl7v2", 2): ("POST", "device-hl7v2", self._hl7v2),
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
        return await self._collected(
            request, receive, lambda content: self.bundle(request.who, content, said == _SEALED)
        )

    async def _hl7v2(self, request: Request, last: str, receive: body.Receive) -> Response:
        said = messages.media(request.who, request.headers)
        return await self._collected(
            request, receive, lambda content: messages.answer(self.messages, request.who, said, content)
        )

    async def _collected(
        self, request: Request, receive: body.Receive, answer: Callable[[bytes], Awaitable[Response]]
    ) -> Response:
        """The answer to a body."""
        content, held = await body.collect(receive, request.headers, self._limit, self._budget, "max-body-bytes")
        try:
            if held > _GIANT:
                async with self._giants:
                    return await answer(content)
            return await answer(content)
        finally:
            self._budget.give_back(held)

    async def bundle(self, who: Principal, content: bytes, sealed: bool) -> Response:
        """The answer to a bundle, however it came."""
        if sealed:
            content = await self.envelopes.open(content)
        bundle = await body.parsed(content)
        done = await take(self.gateway, who, bundle, name=bundles.name(bundle), content=sha256(content).digest())
        return answered(done, self.gateway.door.base)

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
