"""A code for tokens: once, within a minute, by the app that it was made for.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3, https://www.rfc-editor.org/rfc/rfc7636#section-4.6
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from hilum.oauth import pkce
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import CODE, USED, Client, Code, Lost, digest, read
from hilum.smart.site import unknown
from hilum.smart.tokens import granted, refresh
from hilum.smart.tokens.granted import CODE_SECONDS

if TYPE_CHECKING:
    from hilum.smart.site import Site

HOLDS_NOT: Final = (
    "The code does not hold: it is unknown, used up, older than a minute, or of another client, redirect_uri or "
    "code_challenge."
)


async def redeemed(site: Site, id: str, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    """`grant_type=authorization_code`. Raises OAuthError.

    Whatever is wrong with it, the code is used up: who guesses has one try. Used a second time, by whomever, what it
    gave ends.
    """
    for name in ("code", "redirect_uri", "code_verifier"):
        if name not in form:
            raise OAuthError("invalid_request", f"The parameter {name} is missing.")
    taken = await site.ledger.take(CODE, digest(form["code"]))
    if taken.row is None:
        raise OAuthError("invalid_grant", HOLDS_NOT)
    code = read(taken.row, Code)
    if not taken.first:
        if taken.row.state == USED:
            await _reused(site, id, taken.row.owner)
        raise OAuthError("invalid_grant", HOLDS_NOT)
    standing = await granted.standing(site, taken.row.owner, id)
    if (
        standing is None
        or site.clock() - standing.grant.created > CODE_SECONDS
        or form["redirect_uri"] != code.redirect
        or not pkce.holds(form["code_verifier"], code.challenge)
    ):
        raise OAuthError("invalid_grant", HOLDS_NOT)
    now = int(site.clock())
    grant = structs.replace(standing.grant, redeemed=True, used=now)
    answer, jti = granted.tokens(site, id, standing, grant.scopes)
    if grant.identity:
        answer["id_token"] = granted.identity(site, id, standing, code.nonce, answer["access_token"])
    puts = [standing.put(grant)]
    if grant.offline or grant.session:
        answer["refresh_token"], put = refresh.first(standing, id, now)
        puts.append(put)
    try:
        await site.ledger.many(puts)
    except Lost:  # the code was used again meanwhile, or the user has changed their mind
        raise OAuthError("invalid_grant", HOLDS_NOT) from None
    about = {"grant_type": "authorization_code", "grant": standing.id, "scope": grant.scopes, "jti": jti}
    await site.trail.certain(unknown(id, grant.user), "token", 200, about)
    return answer


async def _reused(site: Site, id: str, key: bytes) -> None:
    """Somebody has a copy of the code: nobody can tell who of the two was the app."""
    grant = granted.id_of(key)
    await granted.end(site, grant, "reuse")
    await site.trail.certain(unknown(id), "reuse", 400, {"grant": grant, "grant_type": "authorization_code"})
