"""Path and method -> Route -> Response; ignorant of ASGI, so that entries of a batch go the same way.

https://hl7.org/fhir/R4/http.html#summary
"""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Final, NamedTuple

from hilum.access.opened import Opened
from hilum.access.signed import Signed
from hilum.audit.recording import SILENT, Trail
from hilum.fhir import json
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.interactions.door import Door
from hilum.problems import Damaged, Malformed, MethodNotAllowed, NotFound, Problem
from hilum.rest import forms, media, outcome, prefer, presentation, stu3
from hilum.rest.links import Links
from hilum.rest.message import ENTRY, Request, Response
from hilum.web import log, uri
from hilum.web.body import Disconnected

Handler = Callable[["Service", Request], Awaitable[Response]]


class Route(NamedTuple):
    """One row of the table: the CapabilityStatement, the documentation and the dispatch are made from it.

    `pattern`: segments below the base, as https://hl7.org/fhir/R4/http.html writes them. `interaction`: FHIR's code for
    it, or `$name` of an operation. `level`: instance, type or system. `criteria`: the same interaction, on what the
    query finds. `takes`: the query parameters beside the general ones; None: it looks at all of them itself.
    `open`: answered without a token. `needs`: the letter of `cruds` that a scope must have on the type, judged before
    the body is read. Of operations (operations/calling.py): the `operation`'s name in their table, whether its body may
    be `large`, and whether its name is `reserved` only.
    """

    pattern: str
    method: str
    interaction: str
    level: str
    handler: Handler
    text: str
    takes: frozenset[str] | None = frozenset()
    criteria: bool = False
    open: bool = False
    needs: str = ""
    large: bool = False
    operation: str = ""
    reserved: bool = False

    @property
    def takes_form(self) -> bool:
        """Whether its body, if any, is parameters and no resource."""
        return self.interaction[:6] == "search" or (self.interaction[:1] == "$" and not self.large)


class Router:
    """Finds the Route of a method and a path."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.routes = routes
        self._methods: dict[str, dict[str, Route]] = {}
        for route in routes:
            methods = self._methods.setdefault(route.pattern, {})
            methods[route.method] = route
            if route.method == "GET":
                methods["HEAD"] = route

    def find(self, method: str, path: tuple[str, ...]) -> Route:
        """The Route. Raises NotFound naming what is unknown, or MethodNotAllowed with the methods there are."""
        wanted = pattern(path)
        methods = self._methods.get(wanted)
        if methods is None and len(path) > 1 and path[-1][:1] == "$" and path[0] in TYPE_NUMBER:
            methods = self._methods.get(f"[type]{wanted[len(path[0]) :]}")  # an operation of every type
        if methods is None:
            raise _unknown(path)
        route = methods.get(method)
        if route is None:
            allowed = tuple(sorted(methods))
            raise MethodNotAllowed(f"{method[:16]} is not possible here. Possible: {', '.join(allowed)}.", allowed)
        return route


def pattern(path: tuple[str, ...]) -> str:
    """The pattern that a path could match: ("Patient", "17", "_history") -> "[type]/[id]/_history"."""
    size = len(path)
    if size == 0:
        return ""
    first = path[0]
    if first not in TYPE_NUMBER:
        return "/".join(path)
    if size == 1:
        return "[type]"
    second = path[1]
    if second[:1] not in ("_", "$"):
        if size == 2:
            return "[type]/[id]"
        second = "[id]"
    elif size == 2:
        # An operation belongs to the types that define it, so its pattern names the type.
        return f"{first if second[:1] == '$' else '[type]'}/{second}"
    if size == 3:
        third = path[2]
        if third in TYPE_NUMBER or third == "*":
            return f"[type]/{second}/[type]"
        return f"{first if third[:1] == '$' else '[type]'}/{second}/{third}"
    if size == 4 and path[2] == "_history":
        return f"[type]/{second}/_history/[vid]"
    if size == 5 and path[2] == "_history" and path[4][:1] == "$":
        return f"{first}/{second}/_history/[vid]/{path[4]}"
    if size == 4 and path[3] == "_search" and (path[2] in TYPE_NUMBER or path[2] == "*"):
        return f"[type]/{second}/[type]/_search"
    return "/".join(path)


def path_of(url: str) -> tuple[str, ...]:
    """The segments of an entry's url, which is relative to the base: `Patient/17`. Raises Malformed."""
    return uri.path(("/" + url.removeprefix("/")).encode())


def type_of(path: tuple[str, ...]) -> str | None:
    """The resource type that a path is about, for logs: None rather than anything a client made up."""
    return path[0] if path and path[0] in TYPE_NUMBER else None


def _unknown(path: tuple[str, ...]) -> NotFound:
    if path[0] not in TYPE_NUMBER and path[0][:1].isupper():
        return NotFound(f"{path[0][:64]!r} is not a resource type of FHIR R4.")
    if path[-1][:1] == "$":
        if len(path) == 5 and path[2] == "_history":
            return NotFound(f"There is no operation {path[-1][:64]!r} of a version: what is history stays as it is.")
        return NotFound(f"There is no operation {path[-1][:64]!r} here.")
    return NotFound(f"There is nothing at {'/'.join(path)[:128]!r} below the FHIR base; see /fhir/metadata.")


@dataclass(frozen=True)
class Service:
    """What every handler needs: the door, the sealed links, the table, and limits.

    `page`: how many entries a page has at most. `issuer`: the origin of the authorization server, "" where there is
    none. `opened`: what is answered without a token. `documents`: what was made once and is kept, as bytes.
    `signed`: links to Binaries, which hold for `longest_link` seconds at most; `largest`: how many bytes one may have.
    `damaged`: the store has said so, and a restart with a backup is what helps.
    """

    door: Door
    links: Links
    router: Router
    page: int = 1000
    environment: str = "sandbox"
    token_needed: bool = True
    issuer: str = ""
    trail: Trail = SILENT
    opened: Opened = field(default_factory=Opened)
    signed: Signed | None = None
    longest_link: int = 3600
    largest: int = 5 << 30
    documents: dict[str, bytes] = field(default_factory=dict)
    damaged: Event = field(default_factory=Event)

    @property
    def base(self) -> bytes:
        """The FHIR base URL as bytes, for joining."""
        return self.door.base.encode()


_NATIVE: Final = ("Binary",)
_READS: Final = frozenset({"read", "vread"})
"""What may be asked for in a format of its own: the handler judges it, once it knows which that is."""


def understood(service: Service, request: Request) -> Handler:
    """Who answers this request; its `interaction`, `shown` and `parameters` are filled in. Raises a Problem."""
    route = service.router.find(request.method, request.path)
    request.interaction = route.interaction
    accept = request.headers.get(b"accept")
    native = request.path[:1] == _NATIVE and route.interaction in _READS and request.way != ENTRY
    if not request.query:
        if not native:
            _negotiated(request, accept, None)
        return route.handler
    shown, request.parameters = presentation.general(uri.pairs(request.query))
    request.shown = shown
    if not native:
        _negotiated(request, accept, shown.format)
    if request.form is not None and request.form.version == "3.0":
        request.parameters = stu3.asked(request, request.parameters)
    if request.parameters and route.takes is not None:
        request.parameters = [pair for pair in request.parameters if pair[1] or pair[0] not in presentation.GENERAL]
        _refuse_unknown(route, request)
    if shown.summary == "count" and not route.interaction.startswith("search"):
        raise Malformed("_summary=count is for searches only.")
    return route.handler


def _negotiated(request: Request, accept: bytes | None, format_: str | None) -> None:
    """Settle the form of the answer. Raises NotAcceptable."""
    request.form = media.negotiate(accept, format_, request.sent)
    if request.form.version != "4.0":
        stu3.possible(request)


def _refuse_unknown(route: Route, request: Request) -> None:
    assert route.takes is not None
    unknown = sorted({name for name, _ in request.parameters} - route.takes)
    if unknown and not prefer.prefer(request).lenient:
        known = ", ".join(sorted(route.takes)) or "none beside the general ones"
        raise Malformed(f"The parameter {unknown[0][:64]!r} is not known to {route.interaction}; known here: {known}.")


async def answer(service: Service, request: Request) -> Response:
    """Answer one request, whatever happens: a Problem becomes its OperationOutcome, a defect of ours a 500.

    Whatever comes of it is noted in the audit trail here, and nowhere else, but for what a commit records itself.
    """
    try:
        early = None
        if request.sent is not None and request.sent != media.PLAIN:
            early = await forms.take(request)
        response = early or await understood(service, request)(service, request)
        if request.shown.pretty and response.body:
            response.body = json.pretty(response.body)
    except Disconnected:  # nobody is there to answer
        raise
    except Problem as problem:
        if isinstance(problem, Damaged):
            service.damaged.set()
            log.error("damaged", text=str(problem))
        response = outcome.response(problem)
        if request.shown.pretty:
            response.body = json.pretty(response.body)
    except RecursionError as error:  # Reading checks the depth; what is left is what a patch or a copy makes of it.
        log.warning("too deep", frames=_frames(error))
        response = outcome.response(Malformed("The request nests more deeply than hilum can follow."))
    except Exception as error:  # The edge: nothing is above that could know better, and nobody may see the details.
        response = defect(error)
    if not response.recorded:
        response.ticket = noted(service.trail, request, response)
    return response


def noted(trail: Trail, request: Request, response: Response) -> int:
    """Note what was asked and what came of it; the ticket to wait for."""
    path, version = request.path, response.version
    about = path[1] if len(path) > 1 and path[1][:1] not in ("_", "$") else ""
    return trail.note(
        request.who,
        request.interaction,
        type_of(path),
        about if version is None else version.id,
        0 if version is None else version.version,
        response.status,
        request.query if request.asked is None else request.asked,
        response.shown,
    )


def defect(error: Exception) -> Response:
    """A 500 with a reference into the log, which has the place and class of the error; its text may hold data."""
    reference = secrets.token_hex(6)
    log.error("defect", reference=reference, error=type(error).__name__, frames=_frames(error))
    return outcome.unexpected(reference)


def _frames(error: Exception) -> list[str]:
    """Where an error came from: the innermost places, without values."""
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]
