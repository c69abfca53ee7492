"""Revocation: an app gives its tokens back. https://www.rfc-editor.org/rfc/rfc7009"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hilum.access import revoking
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import REFRESH, TOKEN_REVOKED, digest
from hilum.problems import Unauthenticated
from hilum.smart.apps.clientauth import authenticated
from hilum.smart.site import unknown
from hilum.smart.tokens import granted, refresh
from hilum.web.message import NO_CACHE, NO_SNIFF, NO_STORE, Answer, Asked

if TYPE_CHECKING:
    from hilum.smart.site import Site


async def revoke(site: Site, asked: Asked) -> Answer:
    """POST /auth/revoke: 200 whatever the token was; of another client's nothing is revoked. Raises OAuthError.

    A refresh token ends its grant, and all that came of it; an access token only itself.
    """
    form = asked.form.once()
    id, _ = await authenticated(site, asked, form)
    token = form.get("token", "")
    if not token:
        raise OAuthError("invalid_request", "The parameter token is missing.")
    about = await (_grant if token.startswith(refresh.PREFIX) else _access)(site, id, token)
    if about:
        await site.trail.certain(unknown(id), "revoke", 200, about)
    return Answer(200, [NO_STORE, NO_CACHE, NO_SNIFF])


async def _grant(site: Site, id: str, token: str) -> dict[str, str]:
    row = await site.ledger.get(REFRESH, digest(token))
    if row is None or row.peer != id.encode():
        return {}
    grant = granted.id_of(row.owner)
    await granted.end(site, grant, "revoked by the app")
    return {"grant": grant}


async def _access(site: Site, id: str, token: str) -> dict[str, str]:
    try:
        who = site.verifier.known(token) or await site.verifier.admit(token)
    except Unauthenticated:
        return {}
    if who.client != id:
        return {}
    news = revoking.revoked(TOKEN_REVOKED, who.token, site.clock())
    await site.ledger.revoke([news])
    return {"jti": who.token}
