"""What every route is given: who asks, whom the edge has let in already (`hilum.app.api`)."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hilum.access.policy import Principal

PREFIX: Final = "/api/v1"
WHO: Final = "hilum.who"
"""The key of the ASGI scope under which the Principal stands."""
FHIR: Final = "application/fhir+json"

_bearer: Final = HTTPBearer(
    scheme_name="token",
    description="hilum's own access token, as below /fhir: an app's, or for trying things out that of `hilum token`.",
    auto_error=False,
)


def _who(request: Request, token: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> Principal:
    """The token is only named here, for the documentation: it was judged before."""
    who: Principal = request.scope[WHO]
    return who


Who = Annotated[Principal, Depends(_who)]

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "The request is not one that hilum understands."},
    401: {"description": "No token, or one that does not hold."},
    403: {"description": "The token does not allow this."},
}
ABSENT: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "There is none, or none that this token may see."}
}
TAKEN: Final[dict[int | str, dict[str, Any]]] = {409: {"description": "Something stands in the way; it is told what."}}
