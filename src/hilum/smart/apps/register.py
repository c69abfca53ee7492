"""Dynamic client registration: an app registers itself, with a token that an administrator gave it, or, in a sandbox
that is open, without.

https://www.rfc-editor.org/rfc/rfc7591, https://www.rfc-editor.org/rfc/rfc7592 (reading, changing, ending it)
"""

from __future__ import annotations

import hmac
import uuid
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from hilum.fhir import json as reading
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import Client
from hilum.smart.apps import clients, invitations
from hilum.smart.apps.clients import Registered
from hilum.smart.apps.invitations import Invitation
from hilum.smart.apps.metadata import client_of, shown
from hilum.smart.site import unknown
from hilum.web import message
from hilum.web.message import NO_CACHE, NO_SNIFF, NO_STORE, Answer, Asked
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

OPEN_SCOPES: Final = (
    "openid fhirUser launch launch/patient launch/encounter online_access offline_access patient/*.cruds user/*.cruds"
)
"""The most that an app may register for by itself, in a sandbox that is open: nothing without a user."""


async def register(site: Site, asked: Asked) -> Answer:
    """POST /auth/register. Raises OAuthError."""
    if site.settings.registration == "off":
        raise OAuthError("access_denied", "Apps can't register themselves here: ask the people who run this server.")
    site.limits.spend("register by address", asked.address)
    invitation = await _invitation(site, asked)
    most = invitation.initial.scopes if invitation is not None else OPEN_SCOPES
    client = _within(client_of(_document(asked), most), int(site.clock()), "registration")
    secret, token = "", ""
    if client.method in clients.SECRET:
        secret, kept = clients.secret()
        client = structs.replace(client, secret=kept)
    token, kept = clients.secret()
    client = structs.replace(client, registration=kept)
    clients.check(client, sandbox=not site.settings.production)
    if invitation is not None and invitation.initial.agent is not None:
        _agents(client)
    if invitation is not None and not await invitations.used(site.ledger, invitation):
        raise OAuthError("invalid_token", "The initial access token is being used by another one at this moment.")
    id, agent = str(uuid.uuid4()), None if invitation is None else invitation.initial.agent
    beside = () if agent is None else (site.enrols(id, client.name, agent, client.created),)
    added = await clients.add(site.ledger, client, id, sandbox=not site.settings.production, beside=beside)
    about = {"client": added.id, "scope": client.scopes, "address": asked.address}
    if agent is not None:
        about["agent"] = "true"
    await site.trail.certain(unknown(added.id), "register", 201, about)
    answer = _information(site, added) | {"client_id_issued_at": client.created, "registration_access_token": token}
    if secret:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return message.json(answer, 201)


async def read(site: Site, asked: Asked, client_id: str) -> Answer:
    """GET /auth/register/{client_id}. Raises OAuthError."""
    return message.json(_information(site, await _own(site, asked, client_id)))


async def change(site: Site, asked: Asked, client_id: str) -> Answer:
    """PUT /auth/register/{client_id}: other metadata, within the scopes that it has. Raises OAuthError."""
    found = await _own(site, asked, client_id)
    document = _document(asked)
    old = found.client
    if document.get("client_id") != client_id:
        raise OAuthError("invalid_client_metadata", "The client_id of the body must be that of the URL.")
    secret = document.get("client_secret")
    if secret is not None and not (isinstance(secret, str) and _is(secret, old.secret)):
        raise OAuthError("invalid_client_metadata", "The client_secret can't be chosen or changed.")
    new = structs.replace(
        client_of(document, old.scopes),
        secret=old.secret, registration=old.registration, api_key=old.api_key, state_codes=old.state_codes,
        by=old.by, created=old.created,
    )  # fmt: skip
    if new.method in clients.SECRET and not old.secret:
        raise OAuthError("invalid_client_metadata", "A client without a secret can't get one: register anew.")
    now = site.clock()
    changed = await clients.change(site.ledger, found, new, now, sandbox=not site.settings.production)
    await site.trail.certain(unknown(client_id), "client", 200, {"client": client_id, "scope": new.scopes})
    return message.json(_information(site, changed))


async def remove(site: Site, asked: Asked, client_id: str) -> Answer:
    """DELETE /auth/register/{client_id}: it and its tokens are void. Raises OAuthError."""
    found = await _own(site, asked, client_id)
    now = site.clock()
    await clients.revoke(site.ledger, found, now)
    await site.trail.certain(unknown(client_id), "client", 204, {"client": client_id, "deleted": "true"})
    return Answer(204, [NO_STORE, NO_CACHE, NO_SNIFF])


async def _invitation(site: Site, asked: Asked) -> Invitation | None:
    """What the token that came along allows; None where none is needed."""
    token = _bearer(asked)
    if not token and site.settings.registration == "open" and not site.settings.production:
        return None
    found = await invitations.found(site.ledger, token) if token else None
    if found is None:
        raise OAuthError("invalid_token", "Registration needs an initial access token: hilum clients invite.")
    return found


def _agents(client: Client) -> None:
    """What enrols an agent registers a program that signs in by itself. Raises OAuthError."""
    if client.grants != (clients.BACKEND,) or client.jwks is None:
        raise OAuthError(
            "invalid_client_metadata",
            "This token enrols an agent of devices: the grant is client_credentials alone, with keys in jwks.",
        )


async def _own(site: Site, asked: Asked, id: str) -> Registered:
    """The client, if it shows its own registration token. Raises OAuthError (RFC 7592, 2.1)."""
    site.limits.spend("token by address", asked.address)
    found = await clients.get(site.ledger, id)
    known = found is not None and not found.revoked and not found.client.disabled and bool(found.client.registration)
    kept = found.client.registration if found is not None and known else ""
    if not _is(_bearer(asked), kept) or found is None:
        raise OAuthError("invalid_token", "The registration access token is not that of a client with this id.")
    return found


def _is(secret: str, kept: str) -> bool:
    return hmac.compare_digest(clients.kept(secret), kept or "none")


def _bearer(asked: Asked) -> str:
    scheme, _, token = asked.header(b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _document(asked: Asked) -> dict[str, Any]:
    if asked.headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
        raise OAuthError("invalid_client_metadata", "The body must be JSON: send it as application/json.")
    return reading.parse(asked.body)


def _within(client: Client, now: int, by: str) -> Client:
    return structs.replace(client, created=now, by=by)


def _information(site: Site, found: Registered) -> dict[str, Any]:
    """https://www.rfc-editor.org/rfc/rfc7591#section-3.2.1"""
    uri = f"{site.settings.origin}/auth/register/{found.id}"
    return {"client_id": found.id, **shown(found.client), "registration_client_uri": uri}


ROUTES: Final = (
    Route("POST", "/auth/register", register, "oauth"),
    Route("GET", "/auth/register/{client_id}", read, "oauth"),
    Route("PUT", "/auth/register/{client_id}", change, "oauth"),
    Route("DELETE", "/auth/register/{client_id}", remove, "oauth"),
)
