"""Introspection: what a token is worth, for resource servers other than hilum. https://www.rfc-editor.org/rfc/rfc7662

https://hl7.org/fhir/smart-app-launch/token-introspection.html. A client sees its own tokens; who has a token with the
scope `__introspect` sees all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hilum.access.bearer import require_key
from hilum.oauth import jwt, scopes
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import FRESH, GRANT, REFRESH, Grant, digest, read
from hilum.problems import Unauthenticated
from hilum.smart.apps import clients
from hilum.smart.apps.clientauth import authenticated
from hilum.smart.site import unknown
from hilum.smart.tokens import granted, refresh
from hilum.web import message
from hilum.web.message import Answer, Asked

if TYPE_CHECKING:
    from hilum.smart.site import Site

ALL: Final = ""
"""Whose tokens are shown to who has that scope: everybody's."""
INACTIVE: Final = {"active": False}


async def introspect(site: Site, asked: Asked) -> Answer:
    """POST /auth/introspect. Raises OAuthError, Unauthenticated."""
    form = asked.form.once()
    caller, whose = await _caller(site, asked, form)
    site.limits.spend("introspect by client", caller)
    token = form.get("token", "")
    if not token:
        raise OAuthError("invalid_request", "The parameter token is missing.")
    found = await (_refresh if token.startswith(refresh.PREFIX) else _access)(site, token, whose)
    about = {"active": str(found["active"]), "jti": str(found.get("jti", ""))}
    await site.trail.certain(unknown(caller), "introspect", 200, about)
    return message.json(found)


async def _caller(site: Site, asked: Asked, form: dict[str, str]) -> tuple[str, str]:
    """Who asks, and whose tokens it may see."""
    scheme, _, token = asked.header(b"authorization").partition(" ")
    if scheme.lower() != "bearer":
        id, _ = await authenticated(site, asked, form)
        return id, id
    who = site.verifier.known(token.strip()) or await site.verifier.admit(token.strip())
    require_key(who, asked.headers)
    if scopes.INTROSPECT not in scopes.asked(await _scope(site, jwt.unverified(token.strip())[1])).flags:
        raise OAuthError("insufficient_scope", f"To see tokens of others takes the scope {scopes.INTROSPECT}.")
    return who.client, ALL


async def _access(site: Site, token: str, whose: str) -> dict[str, Any]:
    try:
        who = site.verifier.known(token) or await site.verifier.admit(token)
    except Unauthenticated:
        return INACTIVE
    if whose not in (ALL, who.client):
        return INACTIVE
    claims = jwt.unverified(token)[1]  # verified above
    context: dict[str, Any] = {}
    if who.grant:
        row = await site.ledger.get(GRANT, granted.key_of(who.grant))
        context = dict(read(row, Grant).context) if row is not None else {}
    said = {name: claims[name] for name in ("client_id", "exp", "iat", "nbf", "iss", "aud", "sub", "jti")}
    if "fhirUser" in claims:
        said["fhirUser"] = f"{site.settings.base}/{claims['fhirUser']}"
    for name in ("patient", "encounter"):
        if name in claims:
            context.setdefault(name, claims[name])
    text = await _scope(site, claims)
    client = await clients.active(site.ledger, who.client)
    if client is not None:
        text = clients.still(client, text)
    return {"active": True, "token_type": "Bearer", "scope": text, **said, **context}


async def _scope(site: Site, claims: dict[str, Any]) -> str:
    """As the token names it, or the grant that it stands on."""
    if "scope" in claims:
        return str(claims["scope"])
    row = await site.ledger.get(GRANT, granted.key_of(claims["grant"]))
    return "" if row is None else read(row, Grant).scopes


async def _refresh(site: Site, token: str, whose: str) -> dict[str, Any]:
    row = await site.ledger.get(REFRESH, digest(token))
    if row is None or row.state != FRESH or whose not in (ALL, row.peer.decode()):
        return INACTIVE
    standing = await granted.standing(site, row.owner, row.peer.decode())
    client = await clients.active(site.ledger, row.peer.decode())
    if standing is None or client is None:
        return INACTIVE
    grant = standing.grant
    said: dict[str, Any] = {
        "active": True,
        "scope": clients.still(client, grant.scopes),
        "client_id": grant.client,
        "exp": row.expires // 1_000_000,
        "iss": site.settings.origin,
        "sub": grant.user,
    }
    if grant.fhir_user:
        said["fhirUser"] = f"{site.settings.base}/{grant.fhir_user}"
    return {**said, **grant.context}
