"""Signed JSON Web Tokens: a thin wrapper of joserfc. https://www.rfc-editor.org/rfc/rfc7519

What hilum signs it signs with the one algorithm of its key: ES256 with P-256, RS256 with RSA. A token's own head never
chooses (https://www.rfc-editor.org/rfc/rfc8725#section-3.1). Access tokens have the type `at+jwt`
(https://www.rfc-editor.org/rfc/rfc9068#section-2.1), so that no other JWT of hilum's passes for one.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import base64_to_int

Key = ECKey | RSAKey

ACCESS_TOKEN: Final = "at+jwt"  # noqa: S105 - the media type of RFC 9068, no secret
ID_TOKEN: Final = "JWT"  # noqa: S105 - a media type, too

ALGORITHMS: Final[Mapping[tuple[str, str | None], str]] = {
    ("EC", "P-256"): "ES256",
    ("RSA", None): "RS256",
}
"""`kty` and `crv` of a key of hilum's -> its algorithm."""

RSA_BITS: Final = 3072
"""As strong as P-256 (NIST SP 800-57 part 1, table 2)."""

_BROKEN: Final = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What joserfc and cryptography raise over text that somebody made up."""

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")


class NotVerified(Exception):
    """The text is no JWT of this type signed by this key. Says nothing more: the reason is of use to attackers only."""


class _Registry(jws.JWSRegistry):
    """joserfc's own limits, but for heads: a `jku` alone may be longer than its 512 bytes."""

    max_header_length = 4096


def new_key(algorithm: str = "ES256") -> dict[str, Any]:
    """A new private key as a JWK (RFC 7517), its `kid` being its thumbprint (RFC 7638). An RSA key takes a second."""
    key = RSAKey.generate_key(RSA_BITS) if algorithm == "RS256" else ECKey.generate_key("P-256")
    return {**key.as_dict(private=True), "kid": key.thumbprint(), "alg": algorithm, "use": "sig"}


def import_key(jwk: Mapping[str, Any]) -> Key:
    """A key from its JWK. Raises NotVerified when it is none that hilum signs with."""
    try:
        key = (RSAKey if jwk.get("kty") == "RSA" else ECKey).import_key(dict(jwk))
        algorithm(key)
    except _BROKEN:
        raise NotVerified from None
    return key


def own_key(jwk: Mapping[str, Any]) -> Key:
    """A key that hilum made, from the JWK that it kept sealed: what was made whole, and can't have been changed, is not
    proved to be a key of RSA again, which takes 120 ms. Raises NotVerified.
    """
    if jwk.get("kty") != "RSA":
        return import_key(jwk)
    try:
        n, e, d, p, q, dp, dq, qi = (base64_to_int(jwk[name]) for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi"))
        numbers = RSAPrivateNumbers(p, q, d, dp, dq, qi, RSAPublicNumbers(e, n))
        return RSAKey.import_key(numbers.private_key(unsafe_skip_rsa_key_validation=True))
    except _BROKEN:
        raise NotVerified from None


def algorithm(key: Key) -> str:
    """The algorithm of a key of hilum's. Raises KeyError when it has none."""
    return ALGORITHMS[key.key_type, key.curve_name if isinstance(key, ECKey) else None]


def public(key: Key, kid: str) -> dict[str, Any]:
    """What others may know of a key: a bare JWK, without certificates."""
    return {**key.as_dict(private=False), "kid": kid, "alg": algorithm(key), "use": "sig"}


def sign(claims: Mapping[str, Any], key: Key, kid: str, *, type: str = ACCESS_TOKEN) -> str:
    """The compact JWT of these claims."""
    name = algorithm(key)
    payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()
    return jws.serialize_compact(
        {"alg": name, "kid": kid, "typ": type}, payload, key, registry=_Registry(algorithms=[name])
    )


def verified(token: str, keys: Mapping[str, Key], *, type: str = ACCESS_TOKEN) -> dict[str, Any]:
    """The claims of a JWT of this type, signed by the one of `keys` (by `kid`) that its head names, with that key's
    algorithm. The caller judges the claims.

    Raises NotVerified.
    """
    head, claims = unverified(token)
    kid = head.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None or head.get("typ") != type or "crit" in head:
        raise NotVerified
    signed_by(token, key, [algorithm(key)])
    return claims


def signed_by(token: str, key: Key, algorithms: Sequence[str]) -> None:
    """Raises NotVerified unless the key signed the token with one of these algorithms."""
    try:
        jws.deserialize_compact(token, key, registry=_Registry(algorithms=algorithms, strict_check_header=False))
    except _BROKEN:
        raise NotVerified from None


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Head and claims of what may be a JWT, believed by nobody yet.

    Names in them are given once: of two values it would be anyone's guess which one the next reader takes (RFC 7515,
    4; RFC 7519, 4). Raises NotVerified.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise NotVerified
    return _object(parts[0]), _object(parts[1])


def _object(part: str) -> dict[str, Any]:
    if not _BASE64URL.fullmatch(part):  # what Python's decoder takes beside it, it ignores
        raise NotVerified
    try:
        raw = urlsafe_b64decode(part + "=" * (-len(part) % 4))
        found = json.loads(raw, object_pairs_hook=_once, parse_constant=_refuse)
    except _BROKEN:
        raise NotVerified from None
    if not isinstance(found, dict):
        raise NotVerified
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
