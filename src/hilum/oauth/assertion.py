"""Clients that prove who they are with a signed JWT: `private_key_jwt`, its checks as a table in their order.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html, https://www.rfc-editor.org/rfc/rfc7523#section-3

What costs more, and what leaves a trace, comes later: nothing is looked up for a text that can't be an assertion, no
key is fetched for a client that has not registered one, and only an assertion that holds uses its `jti` up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from hilum.oauth import jwt, keyset
from hilum.oauth.errors import OAuthError
from hilum.oauth.keyset import KEY_TYPE, Jwk
from hilum.oauth.ledger import Client

TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""What `client_assertion_type` must be (RFC 7523, 2.2)."""
METHOD: Final = "private_key_jwt"
LONGEST: Final = 8192
"""Characters of an assertion."""
SKEW: Final = 60
"""Seconds by which the client's clock and ours may differ."""
LIFE: Final = 300
"""Seconds that an assertion may last (SMART, "Authentication JWT Claims": no more than five minutes)."""
LONGEST_ID: Final = 255
_KEYS_IN_HEAD: Final = frozenset(("jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64"))
"""Members that would bring a key along or change what is signed: of no use to who has registered a key."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An assertion while it is judged. `named`: the `client_id` that came beside it, or "". `audiences`: what `aud` may
    be; `now`: seconds since 1970; `client`: whom it names, once that was looked up.
    """

    text: str
    named: str
    audiences: frozenset[str]
    now: float
    head: Mapping[str, Any]
    claims: Mapping[str, Any]
    client: Client | None = None

    @property
    def issuer(self) -> str:
        """The client id, once check 3 holds."""
        return str(self.claims["iss"])


class Check(NamedTuple):
    """One row: the number is that of SMART's list in hilum's order; `says` begins with the kind of what is wrong."""

    number: int
    holds: Callable[[Shown], bool]
    says: str


def _text(value: Any, longest: int = LONGEST_ID) -> bool:
    """Half a surrogate pair, which JSON can spell and UTF-8 can't, is not printable either."""
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()


def _moment(value: Any) -> bool:
    """Whether it is a NumericDate, which may have a fraction. https://www.rfc-editor.org/rfc/rfc7519#section-2"""
    return type(value) in (int, float) and abs(value) < 1 << 53


OF_HEAD: Final = (
    Check(
        2, lambda a: _text(a.head.get("alg")) and a.head["alg"] in KEY_TYPE, "Algorithm: alg must be RS384 or ES384."
    ),
    Check(2, lambda a: a.head.get("typ", "JWT") == "JWT", "Algorithm: typ must be JWT."),
    Check(2, lambda a: not a.head.keys() & _KEYS_IN_HEAD, "Key: jwk, x5c, x5u, crit and b64 are not taken."),
    Check(2, lambda a: _text(a.head.get("kid")), "Key: the head must name the key by its kid."),
    Check(
        3,
        lambda a: _text(a.claims.get("iss")) and a.claims["iss"] == a.claims.get("sub"),
        "Client: iss and sub must both be the client id.",
    ),
    Check(
        3,
        lambda a: a.named in ("", a.claims["iss"]),
        "Client: the parameter client_id names another client than the assertion.",
    ),
)
OF_CLIENT: Final = (
    Check(
        4,
        lambda a: a.client is not None and not a.client.disabled and a.client.method == METHOD,
        "Client: no client with this id is registered for private_key_jwt.",
    ),
    Check(
        4,
        lambda a: a.client is not None and a.client.alg in ("", a.head["alg"]),
        "Algorithm: the client is registered for another one.",
    ),
    Check(
        5,
        lambda a: "jku" not in a.head or (a.client is not None and a.head["jku"] == a.client.jwks_uri != ""),
        "Key: jku must be the registered jwks_uri, or absent.",
    ),
)
OF_CLAIMS: Final = (
    Check(
        8,
        lambda a: isinstance(a.claims.get("aud"), str) and a.claims["aud"] in a.audiences,
        "Audience: aud must be one string, the URL of the token endpoint or the issuer.",
    ),
    Check(9, lambda a: _moment(a.claims.get("exp")), "Time: exp must be a number of seconds since 1970."),
    Check(9, lambda a: bool(a.claims["exp"] > a.now - SKEW), "Time: the assertion has expired."),
    Check(
        9,
        lambda a: bool(a.claims["exp"] <= a.now + LIFE + SKEW),
        f"Time: exp may be no more than {LIFE} seconds ahead.",
    ),
    Check(
        9,
        lambda a: all(
            _moment(a.claims[name]) and a.claims[name] <= a.now + SKEW for name in ("iat", "nbf") if name in a.claims
        ),
        "Time: iat or nbf lies ahead.",
    ),
    Check(10, lambda a: _text(a.claims.get("jti")), f"Replay: jti must be a text of 1 to {LONGEST_ID} characters."),
)
KEY_SAYS: Final = "Key: not exactly one registered key has this kid and goes with this algorithm."
SIGNATURE_SAYS: Final = "Signature: the registered key did not sign this."
REPLAY_SAYS: Final = "Replay: this jti was used before."


class Surroundings(Protocol):
    """What the checks need of the world (`hilum.smart.apps.asserted`)."""

    async def client(self, id: str) -> Client | None:
        """The client with this id."""
        ...

    async def keys(self, id: str, client: Client, kid: str) -> Sequence[Jwk]:
        """The keys it registered, by value or by URL; fetched anew, within limits, when none has this `kid`."""
        ...

    async def once(self, issuer: str, jti: str, until: int) -> bool:
        """Use the `jti` up until then (seconds since 1970); False when it was used before, in whatever process."""
        ...


async def authenticated(
    text: str, world: Surroundings, *, audiences: frozenset[str], now: float, named: str = ""
) -> tuple[str, Client]:
    """The id and the registration of the client that made this assertion.

    Raises OAuthError `invalid_client`, its description saying what kind of check failed, and no values.
    """
    shown = read(text, audiences=audiences, now=now, named=named)
    _judge(shown, OF_HEAD)
    client = await world.client(shown.issuer)
    shown = Shown(text, named, audiences, now, shown.head, shown.claims, client)
    _judge(shown, OF_CLIENT)
    assert client is not None
    keys = await world.keys(shown.issuer, client, shown.head["kid"])
    _signed(shown, keys)
    _judge(shown, OF_CLAIMS)
    if not await world.once(shown.issuer, shown.claims["jti"], math.ceil(shown.claims["exp"]) + 2 * SKEW):
        raise _refused(REPLAY_SAYS)
    return shown.issuer, client


def read(text: str, *, audiences: frozenset[str], now: float, named: str = "") -> Shown:
    """Check 1: what is too long is not looked at, and what is no JWT is none. Raises OAuthError."""
    if len(text) > LONGEST:
        raise _refused(f"Size: an assertion may have {LONGEST} characters.")
    try:
        head, claims = jwt.unverified(text)
    except jwt.NotVerified:
        raise _refused("Form: the assertion is no signed JWT.") from None
    return Shown(text, named, audiences, now, head, claims)


def _judge(shown: Shown, checks: Sequence[Check]) -> None:
    for check in checks:
        if not check.holds(shown):
            raise _refused(check.says)


def _signed(shown: Shown, keys: Sequence[Jwk]) -> None:
    """Checks 6 and 7."""
    algorithm = shown.head["alg"]
    found = keyset.fit(keys, shown.head["kid"], algorithm)
    if len(found) != 1:
        raise _refused(KEY_SAYS)
    try:
        jwt.signed_by(shown.text, keyset.usable(found[0]), [algorithm])
    except (jwt.NotVerified, keyset.Unfit):
        raise _refused(SIGNATURE_SAYS) from None


def _refused(says: str) -> OAuthError:
    return OAuthError("invalid_client", says)
