"""JWK Sets that clients register, reduced to the public keys that can verify their assertions.

https://www.rfc-editor.org/rfc/rfc7517#section-5, https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

Jwk = Mapping[str, Any]

KEY_TYPE: Final[Mapping[str, tuple[str, str | None]]] = {"RS384": ("RSA", None), "ES384": ("EC", "P-384")}
"""The algorithms of assertions -> `kty` and `crv` of the keys that they go with."""

MOST_KEYS: Final = 50
_RSA_BITS: Final = range(2048, 8193)
"""Shorter ones are broken (RFC 7518, 3.3), longer ones take a long time to verify with."""
_EXPONENT_BITS: Final = range(2, 33)
_PUBLIC: Final = frozenset(("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"))
_PRIVATE: Final = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))


class Unfit(Exception):
    """No JWK Set that could be used; the text says why, for who registers it."""


def read(document: Any) -> tuple[Jwk, ...]:
    """The keys of a JWK Set, each with the members that verifying needs and no others (no `x5u`, no `x5c`).

    Keys of other types, uses or algorithms than an assertion can have are left out, as RFC 7517 (5) asks. Raises Unfit
    when it is no set, when it has too many keys, and when it gives a private key away.
    """
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise Unfit("A JWK Set is an object with a list of `keys`.")
    if len(keys) > MOST_KEYS:
        raise Unfit(f"The JWK Set has more than {MOST_KEYS} keys.")
    found = []
    for key in keys:
        if not isinstance(key, dict):
            raise Unfit("A key of the JWK Set is no object.")
        if key.keys() & _PRIVATE:
            raise Unfit("The JWK Set holds a private or symmetric key: make a new pair, and publish its public part.")
        if _algorithms(key) and isinstance(key.get("kid"), str):
            found.append({name: value for name, value in key.items() if name in _PUBLIC})
    return tuple(found)


def _algorithms(key: Jwk) -> list[str]:
    """The algorithms of assertions that the key says it can be used for."""
    kind = (key.get("kty"), key.get("crv"))
    if key.get("use", "sig") != "sig":
        return []
    return [name for name, expected in KEY_TYPE.items() if kind == expected and key.get("alg", name) == name]


def fit(keys: Sequence[Jwk], kid: str, algorithm: str) -> list[Jwk]:
    """The keys with this id that go with the algorithm. Of a sound set that is one key."""
    return [key for key in keys if key.get("kid") == kid and algorithm in _algorithms(key)]


def usable(key: Jwk) -> ECKey | RSAKey:
    """The key itself. Raises Unfit when its numbers make no key, or one that is too weak or too costly."""
    try:
        if key.get("kty") == "EC":
            return ECKey.import_key(dict(key))
        bits, exponent = _bits(key["n"]), _bits(key["e"])
        if bits not in _RSA_BITS or exponent not in _EXPONENT_BITS:
            raise Unfit("The RSA key must have 2048 to 8192 bits, and a public exponent of at most 32.")
        return RSAKey.import_key(dict(key))
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise Unfit("The key's numbers make no public key.") from None


def _bits(number: str) -> int:
    return int.from_bytes(urlsafe_b64decode(number + "=" * (-len(number) % 4)), "big").bit_length()
