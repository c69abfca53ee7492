"""The forms that resources have outside: XML and JSON, FHIR 4.0 and 3.0. Behind the edge all is FHIR 4.0 in JSON.

https://hl7.org/fhir/R4/http.html#mime-type
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, Final

from hilum.fhir import json, xml
from hilum.problems import Invalid, Issue, Problem
from hilum.rest import media, outcome, stu3
from hilum.rest.media import PLAIN, Form
from hilum.rest.message import FHIR_JSON, NO_SNIFF, NO_STORE, VARY, Request, Response
from hilum.web import uri
from hilum.web.body import LARGE
from hilum.web.fields import Header

CONTENT: Final[dict[Form, Header]] = {
    PLAIN: FHIR_JSON,
    Form(xml=True): (b"content-type", b"application/fhir+xml; charset=utf-8"),
    Form(version="3.0"): (b"content-type", b"application/fhir+json; charset=utf-8; fhirVersion=3.0"),
    Form(xml=True, version="3.0"): (b"content-type", b"application/fhir+xml; charset=utf-8; fhirVersion=3.0"),
}
"""Form -> the header that says so."""


def sent(request: Request) -> Form | None:
    """How the body of a request is written; None when it is no resource. Raises UnsupportedMediaType."""
    headers = request.headers
    accept, type_ = headers.get(b"accept"), request.path[0] if request.path else None
    return media.sent(headers.get(b"content-type"), accept, _format(request), type_)


async def take(request: Request) -> Response | None:
    """Let the body be FHIR 4.0 in JSON, whatever it was. Raises Malformed, Invalid, Unprocessable, NotAcceptable.

    Who asks to have it validated is answered at once, where it is not even that.
    """
    form = request.sent
    assert form is not None
    if form.version != "4.0":
        stu3.possible(request)
    if request.path[:1] == ("Binary",) and request.interaction in ("create", "update"):
        # What is no Binary is the content of one, as it came.
        request.original = request.body, request.header(b"content-type") or ""
    try:
        request.body = await _worked(_plain, form, request.body)
    except Invalid as problem:
        if request.interaction != "$validate":
            raise
        return Response(200, [FHIR_JSON, NO_STORE], json.encode(outcome.operation_outcome(problem.issues)))
    request.headers = {**request.headers, b"content-type": b"application/fhir+json"}
    return None


async def written(request: Request, response: Response) -> Response:
    """The answer as it was asked for, with what every answer of this API says over HTTP."""
    form = request.form
    if form is None:  # it was refused before
        form = media.supposed(request.headers.get(b"accept"), _format(request), request.sent)
    if form != PLAIN and response.body and FHIR_JSON in response.headers:
        try:
            work = _remembered if request.interaction == "capabilities" else _rendered
            response.body = await _worked(work, form, response.body, request.shown.pretty)
        except Problem as problem:
            response = _unwritten(request, response, problem)
        else:
            response.headers = [CONTENT[form] if header == FHIR_JSON else header for header in response.headers]
    response.headers += _ALWAYS
    return response


_ALWAYS: Final = (VARY, NO_SNIFF)


_DONE: Final = frozenset({"create", "update", "patch", "delete", "batch", "transaction"})
_BUT: Final = "What was asked for is done, but the answer can't be shown: "


def _unwritten(request: Request, response: Response, problem: Problem) -> Response:
    """In place of an answer that can't be written so. What was done is done, and the status still says so."""
    if response.status < 400 and (response.recorded or request.interaction in _DONE):
        issues = tuple(Issue("warning", one.code, _BUT + one.diagnostics, one.expression) for one in problem.issues)
        response.body = json.encode(outcome.operation_outcome(issues))
        return response
    refused = outcome.response(problem)
    refused.ticket, refused.recorded = response.ticket, response.recorded
    return refused


def _format(request: Request) -> str | None:
    """The `_format` of a query that may not be understood yet, or at all."""
    if "_format=" not in request.query:
        return None
    try:
        return next((value for name, value in uri.pairs(request.query) if name == "_format" and value), None)
    except Problem:
        return None


def _plain(form: Form, data: bytes) -> bytes:
    if form.version == "3.0":
        return json.encode(stu3.taken(xml.parse(data, None, stu3.dialect()) if form.xml else json.parse(data)))
    return json.encode(xml.parse(data))


def _rendered(form: Form, data: bytes, pretty: bool) -> bytes:
    body = json.stored(data)
    if form.version == "3.0":
        body = stu3.shown(body)
        if form.xml:
            return xml.encode(body, stu3.dialect(), pretty=pretty)
        return json.pretty(json.encode(body)) if pretty else json.encode(body)
    return xml.encode(body, pretty=pretty)


@lru_cache(maxsize=8)
def _remembered(form: Form, data: bytes, pretty: bool) -> bytes:
    """What is long, seldom changes, and is asked for by everyone, without a token too."""
    return _rendered(form, data, pretty)


async def _worked(work: Callable[..., bytes], form: Form, data: bytes, *more: Any) -> bytes:
    """In a thread where it takes long, so that the event loop serves others meanwhile; in few, so that it does."""
    if len(data) <= LARGE:
        return work(form, data, *more)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(work, form, data, *more))


_THREADS: Final = ThreadPoolExecutor(2, "forms")
