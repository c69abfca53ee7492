"""The token endpoint: a table of grant types. https://www.rfc-editor.org/rfc/rfc6749#section-3.2

https://hl7.org/fhir/smart-app-launch/backend-services.html#obtain-access-token
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from hilum.access.granting import grantable
from hilum.access.tokens import Granted
from hilum.oauth import scopes
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import Client
from hilum.smart.apps import clients
from hilum.smart.apps.clientauth import authenticated
from hilum.smart.site import unknown
from hilum.smart.tokens.redeeming import redeemed
from hilum.smart.tokens.refresh import refreshed
from hilum.web import message
from hilum.web.message import Answer, Asked

if TYPE_CHECKING:
    from hilum.smart.site import Site

BACKEND_SECONDS: Final = 300
"""A backend's token: no more than five minutes, since it can ask for another one at any time."""

Form = Mapping[str, str]
Exchange = Callable[["Site", str, Client, Form], Awaitable[dict[str, Any]]]


async def token(site: Site, asked: Asked) -> Answer:
    """POST /auth/token. Raises OAuthError."""
    form = asked.form.once()
    if len(form.get("scope", "")) > scopes.LONGEST:
        raise OAuthError("invalid_scope", f"A scope may have {scopes.LONGEST} characters.")
    grant_type = form.get("grant_type", "")
    if not grant_type:
        raise OAuthError("invalid_request", "The parameter grant_type is missing.")
    if grant_type not in EXCHANGES:
        raise OAuthError("unsupported_grant_type", f"The grant types here are {', '.join(EXCHANGES)}.")
    id = "anonymous"
    try:
        id, client = await authenticated(site, asked, form)
        needed, exchange = EXCHANGES[grant_type]
        if needed not in client.grants:
            raise OAuthError("unauthorized_client", f"The client is not registered for {grant_type}.")
        return message.json(await exchange(site, id, client, form))
    except OAuthError as problem:
        if problem.status < 429:
            about = {"grant_type": grant_type, "error": problem.error}
            await site.trail.certain(unknown(id), "token-refused", problem.status, about)
        raise


async def backend(site: Site, id: str, client: Client, form: Form) -> dict[str, Any]:
    """`client_credentials`: a client for itself, within what it is registered for. Raises OAuthError."""
    if client.method != clients.KEYS:
        raise OAuthError("unauthorized_client", "Backend services authenticate by private_key_jwt.")
    asked = scopes.asked(form.get("scope", ""))
    if any(scope.level != "system" for scope in asked.resources):
        raise OAuthError("invalid_scope", "A client without a user is granted system/ scopes only.")
    registered = clients.registered_scopes(client)
    resources = grantable(asked, registered.resources, None)
    flags = asked.flags & registered.flags & {scopes.INTROSPECT}
    if not resources and not flags:
        raise OAuthError("invalid_scope", "The client is registered for none of the scopes that it asks for.")
    text = scopes.text(scopes.Asked(resources, (), flags))
    made, jti, seconds = site.issuer.access(Granted(id, text), BACKEND_SECONDS)
    about = {"grant_type": clients.BACKEND, "scope": text, "jti": jti}
    await site.trail.certain(unknown(id), "token", 200, about)
    return {"access_token": made, "token_type": "Bearer", "expires_in": seconds, "scope": text}


EXCHANGES: Final[Mapping[str, tuple[str, Exchange]]] = {
    clients.CODE: (clients.CODE, redeemed),
    clients.REFRESH: (clients.CODE, refreshed),
    clients.BACKEND: (clients.BACKEND, backend),
}
"""`grant_type` -> the registered grant type that it needs, and who answers. Whoever may get a code may use the refresh
token that came with it: whether one comes is a matter of scopes (`offline_access`, `online_access`).
"""
