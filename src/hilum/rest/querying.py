"""`$graphql`, at system and instance level, by GET and POST. https://hl7.org/fhir/R4/operation-resource-graphql.html

The answer is GraphQL's, `application/json` and no resource: `{"data": …}`, or `{"data": null, "errors": […]}` with the
status of the problem. https://hl7.org/fhir/R4/graphql.html#errors
"""

from __future__ import annotations

import time
from typing import Any, Final

from hilum.fhir import json
from hilum.graphql.errors import Failed, Place, Refused
from hilum.graphql.fetch import Fetch
from hilum.graphql.query import Asked, answer
from hilum.problems import Malformed, Problem
from hilum.rest import media, outcome
from hilum.rest.message import NO_STORE, Request, Response
from hilum.rest.paging import once
from hilum.rest.router import Service

TAKES: Final = frozenset({"query", "operationName", "variables"})
_JSON: Final = (b"content-type", b"application/json; charset=utf-8")
_GRAPHQL: Final = "application/graphql"
_DAY: Final = 86_400_000_000


async def queried(service: Service, request: Request) -> Response:
    """Run the query; every read and search of it by the token's policy."""
    about = (request.path[0], request.path[1]) if len(request.path) == 3 else None
    now = time.time_ns() // 1000 // _DAY * _DAY
    fetch = Fetch(service.door, request.who, service.links, now, service.page)
    try:
        asked = _asked(request)
        request.asked = asked.query  # for the audit, wherever it stood
        data = await answer(fetch, asked, about)
    except Problem as problem:
        return refusal(problem)
    return Response(200, [_JSON, NO_STORE], json.encode({"data": data}), shown=tuple(sorted(fetch.shown)))


def refusal(problem: Problem) -> Response:
    """A GraphQL error, with its OperationOutcome and the places in the query."""
    places: tuple[tuple[Place, ...], ...] = ()
    cause = problem
    if isinstance(problem, Refused):
        places = problem.places
    elif isinstance(problem, Failed):
        places, cause = (problem.places,), problem.problem
    errors: list[dict[str, Any]] = []
    for number, issue in enumerate(problem.issues):
        error: dict[str, Any] = {"message": issue.diagnostics}
        if number < len(places) and places[number]:
            error["locations"] = [{"line": line, "column": column} for line, column in places[number]]
        error["extensions"] = {"resource": outcome.operation_outcome((issue,))}
        errors.append(error)
    found = outcome.response(cause)
    headers = [_JSON, *(header for header in found.headers if header[0] != b"content-type")]
    return Response(found.status, headers, json.encode({"data": None, "errors": errors}))


def _asked(request: Request) -> Asked:
    """From URL and body, in the forms of https://graphql.org/learn/serving-over-http/. Raises Malformed."""
    given: dict[str, Any] = dict(once(request.parameters))
    if request.method == "POST":
        kind = media.content(request.headers.get(b"content-type"), media.JSON | {_GRAPHQL})
        if kind == _GRAPHQL:
            try:
                posted: dict[str, Any] = {"query": request.body.decode()}
            except UnicodeDecodeError:
                raise Malformed("The body is not UTF-8.") from None
        else:
            posted = json.parse(request.body)
            if unknown := posted.keys() - TAKES - {"extensions"}:
                raise Malformed(f"The body has a member that is not known, {min(unknown)[:64]!r}; known: {_KNOWN}.")
        if both := posted.keys() & given.keys():
            raise Malformed(f"{min(both)} is given in the URL and in the body.")
        given |= posted
    query, operation, variables = given.get("query"), given.get("operationName"), given.get("variables")
    if isinstance(variables, str):
        variables = json.parse(variables.encode("utf-8", "replace")) if variables else None
    if not isinstance(query, str) or not query.strip():
        raise Malformed("There is no query: give the parameter query, or a body of application/graphql or JSON.")
    if not isinstance(operation, str | None) or not isinstance(variables, dict | None):
        raise Malformed("operationName must be a text, and variables an object.")
    return Asked(query, variables or {}, operation or None)


_KNOWN: Final = ", ".join(sorted(TAKES))
