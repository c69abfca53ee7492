"""OAuth's errors, by their codes in the registry of RFC 6749 (11.4) and what was added to it.

https://www.rfc-editor.org/rfc/rfc6749#section-5.2 (token), #section-4.1.2.1 (authorize),
https://www.rfc-editor.org/rfc/rfc7591#section-3.2.2 (registration), https://www.rfc-editor.org/rfc/rfc6750#section-3.1
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hilum import problems
from hilum.problems import Problem

STATUS: Final[Mapping[str, int]] = {
    "invalid_request": 400,
    "invalid_client": 401,
    "invalid_grant": 400,
    "unauthorized_client": 400,
    "unsupported_grant_type": 400,
    "unsupported_response_type": 400,
    "invalid_scope": 400,
    "access_denied": 403,
    "server_error": 500,
    "temporarily_unavailable": 503,
    "invalid_target": 400,  # RFC 8707, 2
    "request_not_supported": 400,  # OpenID Connect Core, 3.1.2.6
    "request_uri_not_supported": 400,
    "registration_not_supported": 400,
    "login_required": 400,
    "interaction_required": 400,
    "account_selection_required": 400,
    "consent_required": 400,
    "unsupported_token_type": 400,  # RFC 7009, 2.2.1
    "invalid_redirect_uri": 400,
    "invalid_client_metadata": 400,
    "invalid_token": 401,
    "insufficient_scope": 403,
}
"""Code -> HTTP status where it is the answer itself, and not part of a redirect."""

_FORBIDDEN: Final = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


class OAuthError(Problem):
    """An answer that says what went wrong as OAuth does. `status`: another one than the code's; `retry_after`: seconds.

    The description is for the developer of the client: it names what was found wrong, and never holds a value.
    """

    code = "security"

    def __init__(
        self, error: str, description: str = "", *, status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(description or error)
        self.error = error
        self.description = _FORBIDDEN.sub("'", description)
        self.status = STATUS[error] if status is None else status
        self.retry_after = retry_after

    def fields(self) -> dict[str, str]:
        """`error` and `error_description`, for a JSON body or a redirect."""
        return {"error": self.error} | ({"error_description": self.description} if self.description else {})


_OF: Final[Mapping[type[Problem], tuple[str, int]]] = {
    problems.Busy: ("temporarily_unavailable", 503),
    problems.Throttled: ("temporarily_unavailable", 429),
    problems.TooLarge: ("invalid_request", 413),
    problems.UnsupportedMediaType: ("invalid_request", 400),
    problems.MethodNotAllowed: ("invalid_request", 405),
    problems.NotFound: ("invalid_request", 404),
    problems.Malformed: ("invalid_request", 400),
    problems.Invalid: ("invalid_request", 400),
    problems.Unauthenticated: ("invalid_token", 401),
    problems.Forbidden: ("insufficient_scope", 403),
    Problem: ("server_error", 500),
}
"""What else can go wrong at an OAuth endpoint -> code and status."""


def of(problem: Problem) -> OAuthError:
    """The problem as an answer of an OAuth endpoint. Of what is our own fault it says no more than that."""
    if isinstance(problem, OAuthError):
        return problem
    error, status = next(_OF[category] for category in type(problem).__mro__ if category in _OF)
    retry_after = problem.seconds if isinstance(problem, problems.Throttled) else 1 if status == 503 else None
    return OAuthError(error, "" if status == 500 else str(problem), status=status, retry_after=retry_after)
