"""JSON Web Tokens signed with ES256: a thin wrapper of joserfc. https://www.rfc-editor.org/rfc/rfc7519

Access tokens have the type `at+jwt` (https://www.rfc-editor.org/rfc/rfc9068#section-2.1), so that no other JWT that
the same key may sign one day passes for one.
"""

from __future__ import annotations

from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ALGORITHM: Final = "ES256"
ACCESS_TOKEN: Final = "at+jwt"  # noqa: S105 - the media type of RFC 9068, no secret


class NotVerified(Exception):
    """The text is no JWT of this type signed by this key. Says nothing more: the reason is of use to attackers only."""


def new_key() -> dict[str, Any]:
    """A new private P-256 key as a JWK (RFC 7517), its `kid` being its thumbprint (RFC 7638)."""
    key = ECKey.generate_key("P-256")
    return {**key.as_dict(private=True), "kid": key.thumbprint(), "alg": ALGORITHM, "use": "sig"}


def import_key(jwk: dict[str, Any]) -> ECKey:
    """A key from its JWK. Raises NotVerified when it is no usable P-256 key."""
    try:
        return ECKey.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        raise NotVerified from None


def sign(claims: dict[str, Any], key: ECKey, kid: str, *, type: str = ACCESS_TOKEN) -> str:
    """The compact JWT of these claims."""
    return jwt.encode({"alg": ALGORITHM, "kid": kid, "typ": type}, claims, key, algorithms=[ALGORITHM])


def verified(token: str, key: ECKey, kid: str, *, type: str = ACCESS_TOKEN) -> dict[str, Any]:
    """The claims of a JWT whose signature, algorithm, key id and type hold; the caller judges the claims.

    Raises NotVerified.
    """
    try:
        decoded = jwt.decode(token, key, algorithms=[ALGORITHM])
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise NotVerified from None
    header = decoded.header
    if header.get("kid") != kid or header.get("typ") != type:
        raise NotVerified
    return decoded.claims
