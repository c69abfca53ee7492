"""What an OpenID provider says of who has signed in: an id_token, whose signature and claims are judged.

https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from hilum.oauth import jwt, keyset
from hilum.oauth.keyset import Jwk

LEEWAY: Final = 60
"""Seconds by which the provider's clock may be off."""
OLDEST: Final = 600
"""Seconds since which an id_token may have been issued: it comes right after its code."""
ALGORITHMS: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
}
"""What it may be signed with -> `kty` and `crv` of the key. No key goes with `none`, nor with HMAC."""

Published = Callable[[bool], Awaitable[Sequence[Jwk]]]
"""The provider's keys; given True, as it publishes them now."""


class Untrusted(Exception):
    """The provider's answer is not one to believe. `kind`, for the log: fetch, status, form, issuer, token, key, ..."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def published(document: Mapping[str, Any]) -> tuple[Jwk, ...]:
    """The public keys of a provider's JWK Set that sign. Raises Untrusted when it is none."""
    keys = document.get("keys")
    if not isinstance(keys, list):
        raise Untrusted("form")
    return tuple(key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig" and "d" not in key)


async def verified(token: str, keys: Published) -> dict[str, Any]:
    """The claims of a token that one of the keys has signed; the caller judges them. Raises Untrusted."""
    try:
        head, claims = jwt.unverified(token)
    except jwt.NotVerified:
        raise Untrusted("token") from None
    algorithm = head.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or "crit" in head:
        raise Untrusted("algorithm")
    for again in (False, True):  # once more for a key that is newer than what is kept
        fitting = [key for key in await keys(again) if _fits(key, algorithm, head.get("kid"))]
        if fitting:
            break
    if len(fitting) != 1:
        raise Untrusted("key")
    try:
        jwt.signed_by(token, keyset.usable(fitting[0]), [algorithm])
    except (jwt.NotVerified, keyset.Unfit):
        raise Untrusted("signature") from None
    return claims


def judged(claims: Mapping[str, Any], *, issuers: Sequence[str], client: str, nonce: str, now: float) -> str:
    """The subject of verified claims, if they are one of these issuers' for this sign-in of this client.

    Raises Untrusted.
    """
    audience: Any = claims.get("aud")
    several = audience if isinstance(audience, list) else [audience]
    ends: Any = claims.get("exp")
    issued: Any = claims.get("iat")
    checks: tuple[tuple[str, bool], ...] = (
        ("issuer", claims.get("iss") in issuers),
        ("audience", client in several),
        ("party", claims.get("azp", client) == client and (len(several) == 1 or "azp" in claims)),
        ("expired", _number(ends) and now < ends + LEEWAY),
        ("issued", _number(issued) and now - OLDEST - LEEWAY < issued < now + LEEWAY),
        ("nonce", claims.get("nonce") == nonce),
        ("subject", isinstance(claims.get("sub"), str) and 0 < len(claims["sub"]) <= 255),
    )
    for kind, holds in checks:
        if not holds:
            raise Untrusted(kind)
    return str(claims["sub"])


def _fits(key: Jwk, algorithm: str, kid: Any) -> bool:
    return (
        (key.get("kty"), key.get("crv")) == ALGORITHMS[algorithm]
        and key.get("alg", algorithm) == algorithm
        and kid in (None, key.get("kid"))
    )


def _number(value: Any) -> bool:
    return type(value) in (int, float)
