"""What every route is given: who asks, whom the edge has let in already (`hilum.app.api`)."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from hilum.access import repeated
from hilum.access.policy import Principal
from hilum.problems import Malformed

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
OTHER: Final[dict[int | str, dict[str, Any]]] = {
    422: {"description": "The Idempotency-Key was given with another order."}
}
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Of all orders with the same key one is made: who sends one again, since no answer came, is "
        "answered as the first time. A quoted string, such as a UUID; for each client and user its own; for 24 h "
        "(draft-ietf-httpapi-idempotency-key-header).",
        examples=['"8e03978e-40d5-43e8-bc93-6894a57f9324"'],
    ),
]


def key(request: Request, who: Principal, text: str | None, asked: BaseModel) -> repeated.Key | None:
    """What the header says, of who asks for this. Raises Malformed."""
    if len(request.headers.getlist("idempotency-key")) > 1:
        raise Malformed("There is more than one Idempotency-Key.")
    return None if text is None else repeated.key(who, text, asked.model_dump_json().encode())
