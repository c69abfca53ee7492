"""A sealed envelope: content that only the holder of one key can open, whoever carries it. JWE, compact
(https://www.rfc-editor.org/rfc/rfc7516#section-3.1): RSA-OAEP-256 or ECDH-ES for the key, A256GCM for the content.

Each envelope has a content key of its own. What is not sealed in just this way is not opened: the key decides the
algorithm, not the envelope's head, and compressed content is refused, since a small envelope could hold a huge one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol, RSAKey

Key = ECKey | RSAKey

CONTENT: Final = "A256GCM"
RSA_BITS: Final = 2048
"""At least."""
CURVES: Final = ("P-256", "P-384", "P-521")
FHIR: Final = "application/fhir+json"

_BROKEN: Final = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class NotSealed(Exception):
    """The text is no envelope that is sealed so, for one of these keys. Says nothing more of its content."""


class _Registry(jwe.JWERegistry):
    """joserfc's own limits, but for what an envelope may hold."""

    max_ciphertext_length = 64 * 1024 * 1024
    max_plaintext_length = 64 * 1024 * 1024


_REGISTRY: Final = _Registry(algorithms=["RSA-OAEP-256", "ECDH-ES", CONTENT])
"""One algorithm for each kind of key, so that a head has nothing to choose; none that compresses."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who an envelope is for: its key, public or private, and the key's id."""

    kid: str
    key: Key

    @property
    def algorithm(self) -> str:
        """What wraps the content key, or agrees on it."""
        return "RSA-OAEP-256" if isinstance(self.key, RSAKey) else "ECDH-ES"


class Opened(NamedTuple):
    """`kid`: of the key that it was sealed for. `type`: the media type of its content, as its head says."""

    content: bytes
    kid: str
    type: str


def recipient(jwk: Mapping[str, Any]) -> Recipient:
    """From a JWK with its `kid`. Raises NotSealed: it is no key that envelopes are sealed for."""
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not kid or jwk.get("use", "enc") != "enc":
        raise NotSealed("A key for envelopes needs a kid, and no other use than enc.")
    try:
        if jwk.get("kty") == "RSA":
            rsa = RSAKey.import_key(dict(jwk))
            if rsa.raw_value.key_size < RSA_BITS:
                raise NotSealed(f"An RSA key for envelopes has at least {RSA_BITS} bits.")
            return Recipient(kid, rsa)
        ec = ECKey.import_key(dict(jwk))
        if jwk.get("crv") in CURVES:
            return Recipient(kid, ec)
    except _BROKEN:
        pass
    raise NotSealed("A key for envelopes is of RSA, or of one of the curves " + ", ".join(CURVES) + ".")


def sealed(content: bytes, to: Recipient, type: str = FHIR) -> str:
    """The envelope, as text."""
    head = {"alg": to.algorithm, "enc": CONTENT, "kid": to.kid, "cty": type, "typ": "JOSE"}
    return jwe.encrypt_compact(head, content, to.key, registry=_REGISTRY)


def opened(envelope: str, keys: Sequence[Recipient]) -> Opened:
    """What is in it. `keys`: private ones. Raises NotSealed."""
    used: list[Recipient] = []

    def own(one: GuestProtocol) -> Key:
        used.append(_own(one.headers(), keys))
        return used[0].key

    try:
        found = jwe.decrypt_compact(envelope, own, registry=_REGISTRY)
    except (*_BROKEN, UnicodeError):
        raise NotSealed("The envelope is not whole, or sealed for another key.") from None
    if found.plaintext is None:
        raise NotSealed("The envelope is empty.")
    return Opened(found.plaintext, used[0].kid, str(found.headers().get("cty", "")))


def _own(head: Mapping[str, Any], keys: Sequence[Recipient]) -> Recipient:
    """The key that a head names. Raises NotSealed."""
    own = next((one for one in keys if one.kid == head.get("kid")), None)
    if own is None:
        raise NotSealed("The envelope is sealed for a key that is not here.")
    return own
