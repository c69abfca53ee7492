"""What a signed access token says, its signature, forms and times judged. https://www.rfc-editor.org/rfc/rfc9068#section-4"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from hilum.access import revoking
from hilum.access.bearer import NotHeld
from hilum.access.policy import Policy, Principal
from hilum.access.tokens import CLI, CONSOLE, ID, issuer_of
from hilum.oauth import jwt
from hilum.oauth.ledger import CLIENT_REVOKED, GRANT_REVOKED, SESSION_REVOKED, TOKEN_REVOKED, USER_REVOKED
from hilum.problems import Unauthenticated

LEEWAY: Final = 5
"""Seconds by which another clock may be ahead when it says `nbf` or `iat`; none is given on `exp`."""
REFUSED: Final = "The access token does not hold here."
EXPIRED: Final = "The access token has expired."

Mark = tuple[int, bytes]
"""Kind and key of a revocation that would reach a token."""


class Claims(NamedTuple):
    """The claims that count. `issued`, `expires`: seconds since 1970; `scope` None: it stands in the grant;
    `grant` "": there is none; `session` "": none ends it; `marks`: what would revoke the token.
    """

    subject: str
    client: str
    jti: str
    issued: int
    expires: int
    scope: str | None
    grant: str
    patient: str | None
    encounter: str | None
    session: str
    marks: tuple[Mark, ...]

    @property
    def minted(self) -> bool:
        """Made by `hilum token`, which needs nobody's registration."""
        return self.client == CLI and not self.grant

    @property
    def of_console(self) -> bool:
        """Made for hilum's own pages, for as long as somebody is signed in there."""
        return self.client == CONSOLE and not self.grant

    @property
    def holder(self) -> Principal:
        """Whose it is, for the audit where it does not hold: may see nothing."""
        user = self.subject if self.grant or self.of_console else ""
        return _holder(self.subject, self.client, self.jti, self.expires, self.grant, user)


def judged(token: str, keys: Mapping[str, jwt.Key], base: str, environment: str, now: float) -> Claims:
    """The claims of a token that one of the keys signed, for this server and environment, and which holds now.

    Raises Unauthenticated, whose text tells an expired token from one that never held, and no more; NotHeld where it
    is its time that is wrong.
    """
    try:
        said = jwt.verified(token, keys)
    except jwt.NotVerified:
        raise Unauthenticated(REFUSED) from None
    if (said.get("iss"), said.get("aud"), said.get("env")) != (issuer_of(base), base, environment):
        raise Unauthenticated(REFUSED)
    issued, begins, ends = (_moment(said.get(name)) for name in ("iat", "nbf", "exp"))
    subject, client, jti = (_text(said, name) for name in ("sub", "client_id", "jti"))
    grant, session = (_text(said, name, "") for name in ("grant", "sid"))
    patient, encounter = (_id(said, name) for name in ("patient", "encounter"))
    scope = None if grant and "scope" not in said else _text(said, "scope")
    named = (
        (TOKEN_REVOKED, jti),
        (CLIENT_REVOKED, client),
        (GRANT_REVOKED, grant),
        (USER_REVOKED, subject if grant or client == CONSOLE else ""),
        (SESSION_REVOKED, session),
    )
    try:
        marks = tuple((kind, revoking.key(kind, name)) for kind, name in named if name)
    except ValueError:
        raise Unauthenticated(REFUSED) from None
    found = Claims(subject, client, jti, issued, ends, scope, grant, patient, encounter, session, marks)
    if now >= ends:
        raise NotHeld(EXPIRED, found.holder)
    if begins > now + LEEWAY or issued > now + LEEWAY:
        raise NotHeld(REFUSED, found.holder)
    return found


@lru_cache(maxsize=1024)
def _holder(agent: str, client: str, jti: str, expires: int, grant: str, user: str) -> Principal:
    """Who comes again with a token that is not good any more is the same one: the trail introduces each once."""
    return Principal(agent, client, jti, Policy(()), expires, grant=grant, user=user)


def _moment(value: Any) -> int:
    if type(value) is not int:
        raise Unauthenticated(REFUSED)
    return value


def _text(said: Mapping[str, Any], name: str, default: str | None = None) -> str:
    found = said.get(name, default)
    if not isinstance(found, str):
        raise Unauthenticated(REFUSED)
    return found


def _id(said: Mapping[str, Any], name: str) -> str | None:
    found = said.get(name)
    if found is None:
        return None
    if not isinstance(found, str) or not ID.fullmatch(found):
        raise Unauthenticated(REFUSED)
    return found
