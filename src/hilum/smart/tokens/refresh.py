"""Refresh tokens: each is used once, and makes its own successor; used twice, all that came of the grant ends.

https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2. The successor is computed from the token (HMAC with a secret of
this server), so that a client that did not get the answer gets the same one when it asks again within ten seconds,
once: a family never forks, and whoever uses a token of the past is found out.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from hilum.access.seal import secret
from hilum.oauth import scopes
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import FRESH, REFRESH, USED, Client, Lost, Put, Refresh, Row, Take, digest, read, write
from hilum.smart.apps import clients
from hilum.smart.site import unknown
from hilum.smart.tokens import granted
from hilum.smart.tokens.granted import Standing

if TYPE_CHECKING:
    from hilum.smart.site import Site

PREFIX: Final = "hrt_"
LIFE: Final = 180 * 86_400
"""Seconds from the last use of one of `offline_access`: no less than three months are asked for."""
ONLINE: Final = 12 * 3600
"""Of one of `online_access`, whose session ends before."""
RETRY_SECONDS: Final = 10
_ROUNDS: Final = 4
HOLDS_NOT: Final = (
    "The refresh token does not hold: it is unknown, of another client, used up, or what it stood on ended."
)


def first(standing: Standing, client: str, now: float) -> tuple[str, Put]:
    """The first refresh token of a grant, and its record."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, _put(standing, client, digest(token), 1, now)


async def refreshed(site: Site, id: str, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
    """`grant_type=refresh_token`: new tokens. Raises OAuthError."""
    token = form.get("refresh_token", "")
    if not token:
        raise OAuthError("invalid_request", "The parameter refresh_token is missing.")
    key = digest(token)
    for _ in range(_ROUNDS):
        row = await site.ledger.get(REFRESH, key)
        if row is None or row.peer != id.encode() or row.state not in (FRESH, USED):
            raise OAuthError("invalid_grant", HOLDS_NOT)
        standing = await granted.standing(site, row.owner, id)
        if standing is None:
            raise OAuthError("invalid_grant", HOLDS_NOT)
        text = clients.still(client, narrowed(standing.grant.scopes, form.get("scope", "")))
        if not text:
            raise OAuthError("invalid_scope", "The client is registered for nothing of this any more.")
        successor = _successor(site, token)
        turn = _rotated if row.state == FRESH else _retried
        if await turn(site, id, row, standing, successor):
            return await _answer(site, id, standing, text, successor)
    raise OAuthError("temporarily_unavailable", "The same token is used over and over.", retry_after=1)


def narrowed(had: str, wanted: str) -> str:
    """The scope of the new access token: what the grant has, or the part of it that is asked for (RFC 6749, 6).

    Raises OAuthError `invalid_scope` when more is asked for.
    """
    if not wanted:
        return had
    asked, has = scopes.asked(wanted), scopes.asked(had)
    if (
        not all(_understood(word) for word in wanted.split())
        or not asked.flags <= has.flags
        or not set(asked.wishes) <= set(has.wishes)
        or not all(any(scopes.within(one, other) for other in has.resources) for one in asked.resources)
    ):
        raise OAuthError("invalid_scope", "A refresh can't ask for more than was granted.")
    return scopes.text(asked)


def _understood(word: str) -> bool:
    found = scopes.asked(word)
    return bool(found.resources or found.wishes or found.flags)


async def _rotated(site: Site, id: str, row: Row, standing: Standing, successor: str) -> bool:
    """Use the token up and write its successor. False: another request was faster."""
    now = int(site.clock())
    record = read(row, Refresh)
    used = structs.replace(record, successor=digest(successor), used_at=now)
    new = _put(standing, id, digest(successor), record.generation + 1, now)
    grant = structs.replace(standing.grant, used=now)
    try:
        await site.ledger.many([new, standing.put(grant)], takes=[Take(REFRESH, row.key, write(used))])
    except Lost:
        return False
    return True


async def _retried(site: Site, id: str, row: Row, standing: Standing, successor: str) -> bool:
    """Let a client ask again that may not have got the answer. False: another request was faster.

    Raises OAuthError `invalid_grant` when it is no such retry: then somebody has a copy, and the grant ends.
    """
    record = read(row, Refresh)
    next_row = await site.ledger.get(REFRESH, record.successor)
    soon = site.clock() - record.used_at <= RETRY_SECONDS
    if soon and not record.retried and next_row is not None and next_row.state == FRESH:
        noted = write(structs.replace(record, retried=True))
        put = Put(REFRESH, row.key, noted, expires=row.expires, owner=row.owner, peer=row.peer, state=USED)
        return await site.ledger.replace(put, row.version)
    await granted.end(site, standing.id, "reuse")
    about = {"grant": standing.id, "generation": str(record.generation)}
    await site.trail.certain(unknown(id, standing.grant.user), "reuse", 400, about)
    raise OAuthError("invalid_grant", HOLDS_NOT)


async def _answer(site: Site, id: str, standing: Standing, text: str, successor: str) -> dict[str, Any]:
    narrow = text != standing.grant.scopes
    answer, jti = granted.tokens(site, id, standing, text, narrowed=narrow)
    about = {"grant_type": "refresh_token", "grant": standing.id, "scope": text, "jti": jti}
    await site.trail.certain(unknown(id, standing.grant.user), "refresh", 200, about)
    return {**answer, "refresh_token": successor}


def _successor(site: Site, token: str) -> str:
    made = hmac.digest(secret(site.ring.root, "refresh"), token.encode(), "sha256")
    return PREFIX + urlsafe_b64encode(made).rstrip(b"=").decode()


def _put(standing: Standing, client: str, key: bytes, generation: int, now: float) -> Put:
    life = LIFE if standing.grant.offline else ONLINE
    value = write(Refresh(standing.key, client, generation))
    expires = int((now + life) * 1_000_000)
    return Put(REFRESH, key, value, expires=expires, owner=standing.key, peer=client.encode())
