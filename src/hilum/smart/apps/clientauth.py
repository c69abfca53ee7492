"""Who calls the token endpoint: a client, in the one way that it is registered for.

https://www.rfc-editor.org/rfc/rfc6749#section-2.3, https://hl7.org/fhir/smart-app-launch/client-confidential-symmetric.html
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from hilum.oauth import assertion
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import REFRESH, Client, digest
from hilum.smart.apps import clients
from hilum.smart.apps.asserted import Asserted
from hilum.web.message import Asked

if TYPE_CHECKING:
    from hilum.smart.site import Site

FAILED: Final = "The client is not known here, or did not prove to be it in the way that it is registered for."
_DECOY: Final = clients.kept("")


async def authenticated(site: Site, asked: Asked, form: Mapping[str, str]) -> tuple[str, Client]:
    """The client that asks, by its id. `form`: the parameters of the body.

    Raises OAuthError: `invalid_client` (401), `invalid_request` when it tries in two ways at once, and 429.
    """
    site.limits.spend("token by address", asked.address)
    header = asked.header(b"authorization")
    ways = [bool(header), "client_assertion" in form or "client_assertion_type" in form, "client_secret" in form]
    if sum(ways) > 1:
        raise OAuthError("invalid_request", "A client authenticates in one way, not in several at once.")
    if ways[0]:
        id, client = await _basic(site, header, form)
    elif ways[1]:
        id, client = await _asserted(site, form)
    elif ways[2]:
        id, client = await _by_secret(site, "client_secret_post", [(form.get("client_id", ""), form["client_secret"])])
    else:
        id, client = await _public(site, form.get("client_id", "") or await _whose(site, form))
    site.limits.spend("token by client", id)
    return id, client


def tried_basic(asked: Asked) -> bool:
    """Whether the client came with an Authorization header, so that a 401 has to name the scheme (RFC 6749, 5.2)."""
    return b"authorization" in asked.headers


async def _public(site: Site, id: str) -> tuple[str, Client]:
    client = await clients.active(site.ledger, id) if id else None
    if client is None or client.method != clients.PUBLIC:
        raise OAuthError("invalid_client", FAILED)
    return id, client


async def _whose(site: Site, form: Mapping[str, str]) -> str:
    """The client that a refresh token was made for: SMART asks no public app to name itself beside it. "" for others.

    Raises OAuthError `invalid_grant` where there is no such token.
    https://hl7.org/fhir/smart-app-launch/app-launch.html#refresh-access-token; the npm `fhirclient` does not.
    """
    if form.get("grant_type") != clients.REFRESH or "refresh_token" not in form:
        return ""
    row = await site.ledger.get(REFRESH, digest(form["refresh_token"]))
    if row is None:
        raise OAuthError("invalid_grant", "The refresh token is unknown, or its time is over.")
    return row.peer.decode()


async def _basic(site: Site, header: str, form: Mapping[str, str]) -> tuple[str, Client]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise OAuthError("invalid_client", "Client authentication in the Authorization header must be Basic.")
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
    except (NotBase64, UnicodeError):
        raise OAuthError("invalid_client", "The Basic credentials are not base64 of UTF-8.") from None
    id, client = await _by_secret(site, "client_secret_basic", list(_readings(text)))
    if form.get("client_id", id) != id:
        raise OAuthError("invalid_client", "The parameter client_id names another client than the header.")
    return id, client


def _readings(text: str) -> Iterator[tuple[str, str]]:
    """RFC 6749 (2.3.1) has both parts form-encoded; many clients send them as they are."""
    id, colon, secret = text.partition(":")
    if colon:
        yield unquote_plus(id), unquote_plus(secret)
        if "%" in text or "+" in text:
            yield id, secret


async def _by_secret(site: Site, method: str, readings: list[tuple[str, str]]) -> tuple[str, Client]:
    for id, secret in readings:
        client = await clients.active(site.ledger, id)
        known = client is not None and client.method == method and bool(client.secret)
        expected = client.secret if known and client is not None else _DECOY
        if hmac.compare_digest(clients.kept(secret), expected) and known and client is not None:
            return id, client
    raise OAuthError("invalid_client", FAILED)


async def _asserted(site: Site, form: Mapping[str, str]) -> tuple[str, Client]:
    if form.get("client_assertion_type") != assertion.TYPE:
        raise OAuthError("invalid_client", f"The client_assertion_type must be {assertion.TYPE}.")
    origin = site.settings.origin
    return await assertion.authenticated(
        form.get("client_assertion", ""),
        Asserted(site.ledger, site.jwks),
        audiences=frozenset((f"{origin}/auth/token", origin, f"{origin}/")),
        now=site.clock(),
        named=form.get("client_id", ""),
    )
