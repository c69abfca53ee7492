"""The one table from what went wrong to HTTP status and OperationOutcome. https://hl7.org/fhir/R4/operationoutcome.html"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from hilum import problems
from hilum.access.bearer import challenge
from hilum.fhir import json
from hilum.problems import Issue, Problem
from hilum.rest.message import FHIR_JSON, NO_STORE, Response

_NONE: Final[Mapping[bytes, bytes]] = MappingProxyType({})
STATUS: dict[type[Problem], int] = {
    problems.Malformed: 400,
    problems.Invalid: 400,
    problems.Unauthenticated: 401,
    problems.Forbidden: 403,
    problems.NotFound: 404,
    problems.MethodNotAllowed: 405,
    problems.NotAcceptable: 406,
    problems.Conflict: 409,
    problems.Gone: 410,
    problems.PreconditionFailed: 412,
    problems.TooLarge: 413,
    problems.UnsupportedMediaType: 415,
    problems.Unprocessable: 422,
    problems.Throttled: 429,
    problems.Damaged: 500,
    problems.Spoiled: 500,
    problems.NotSupported: 501,
    problems.UnknownCoding: 501,
    problems.Busy: 503,
    problems.NoRoom: 507,
    problems.VersionChanged: 503,
    problems.CriteriaChanged: 503,
    problems.Misconfigured: 500,
    Problem: 500,
}
"""A category that is not listed has the status of the nearest class above it (MultipleMatches: 412)."""


def status(problem: Problem) -> int:
    """The HTTP status of a problem."""
    return next(STATUS[category] for category in type(problem).__mro__ if category in STATUS)


def operation_outcome(issues: tuple[Issue, ...]) -> dict[str, Any]:
    """The OperationOutcome that says these issues."""
    return {"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in issues]}


def _issue(issue: Issue) -> dict[str, Any]:
    out: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "diagnostics": issue.diagnostics}
    if issue.expression is not None:
        out["expression"] = [issue.expression]
    return out


def response(problem: Problem, asked: Mapping[bytes, bytes] = _NONE) -> Response:
    """The answer to a problem: its status, the headers that HTTP asks for with it, and the OperationOutcome.

    `asked`: the headers of the request.
    """
    code = status(problem)
    headers = [FHIR_JSON, NO_STORE]
    if isinstance(problem, problems.MethodNotAllowed):
        headers.append((b"allow", ", ".join(problem.allowed).encode()))
    elif code == 401:
        headers.append(challenge(asked))
    elif isinstance(problem, problems.Throttled):
        headers.append((b"retry-after", b"%d" % problem.seconds))
    elif code == 503:
        headers.append((b"retry-after", b"1"))
    return Response(code, headers, json.encode(operation_outcome(problem.issues)))


def unexpected(reference: str) -> Response:
    """The answer to a defect of ours: a reference into the log, and no detail."""
    issue = Issue("fatal", "exception", f"hilum failed to answer this request. Reference for the operator: {reference}")
    return Response(500, [FHIR_JSON, NO_STORE], json.encode(operation_outcome((issue,))))
