"""Tokens as hilum makes them: access tokens, id_tokens, and those that who owns the data directory mints.

https://www.rfc-editor.org/rfc/rfc9068 (JWT access tokens), https://hl7.org/fhir/smart-app-launch/,
https://openid.net/specs/openid-connect-core-1_0.html#IDToken
A token holds for one environment and one server: its audience is the FHIR base, its issuer the origin.
"""

from __future__ import annotations

import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

from hilum.access.granting import refusal
from hilum.access.keyring import Keyring
from hilum.access.keys import SigningKey
from hilum.oauth import jwt, scopes
from hilum.oauth.errors import OAuthError
from hilum.problems import Invalid

MOST_MINUTES: Final = 24 * 60
"""Of a token of `hilum token`."""
LONGEST_SECONDS: Final = 3600
"""Of an access token (SMART, "Access token": should not last longer than an hour)."""
BACKEND_SECONDS: Final = 300
"""Of one that an app has by itself (SMART Backend Services: should not last longer than five minutes)."""
IDENTITY_SECONDS: Final = 3600
CONSOLE_SECONDS: Final = 600
"""Of one that hilum's own pages get for who is signed in; they ask for another one then."""
CONSOLE_SCOPE: Final = "user/*.rs"
"""The pages look, and change nothing."""
LONGEST_SCOPE: Final = 2000
"""Characters of a scope that a token names; a longer one stands in the grant: many servers take no header of 8 kB."""
LONGEST_OWN_SCOPE: Final = 8000
"""Characters of a scope that has no grant to stand in."""
CLI: Final = "hilum-cli"
"""The client id of tokens that `hilum token` makes. No client may be registered under it."""
CONSOLE: Final = "hilum-console"
"""That of tokens for hilum's own pages: neither."""
ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
"""A resource id. https://hl7.org/fhir/R4/datatypes.html#id"""


def issuer_of(base: str) -> str:
    """The issuer, which is the origin, of a server with this FHIR base."""
    return base.removesuffix("/fhir")


class Minter:
    """Makes development tokens (`hilum token`). `clock`: seconds since 1970."""

    def __init__(self, key: SigningKey, base: str, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._base = base
        self._clock = clock

    def mint(
        self,
        scope: str,
        *,
        patient: str | None = None,
        minutes: float = 60,
        subject: str = "owner",
        client: str = CLI,
        jti: str = "",
    ) -> str:
        """A signed token for these scopes, `minutes` long (at most a day). `jti`: its id, where it has to be known.

        Raises Invalid when a scope is not understood, grants nothing, or needs a patient that is not given.
        """
        asked = scope.split()
        for text in asked:
            if reason := scopes.refusal(text):
                raise Invalid(reason)
        granted = scopes.parse(" ".join(asked))
        for item in granted:
            if reason := refusal(item):
                raise Invalid(reason)
        if not granted and scopes.INTROSPECT not in asked:
            raise Invalid("The scope grants no access to any resource. Try for example: system/*.rs")
        if patient is None and any(item.level == "patient" for item in granted):
            raise Invalid("A patient/ scope needs a patient in context: add --patient ID.")
        if patient is not None and not ID.fullmatch(patient):
            raise Invalid("The patient must be a resource id: 1 to 64 letters, digits, '-' and '.'.")
        if not 0 < minutes <= MOST_MINUTES:
            raise Invalid(f"A token may last more than 0 and at most {MOST_MINUTES} minutes.")
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iss": issuer_of(self._base),
            "aud": self._base,
            "env": self._key.environment,
            "sub": subject,
            "client_id": client,
            "scope": " ".join(asked),
            "jti": jti or str(uuid4()),
            "iat": now,
            "nbf": now,
            "exp": now + max(1, int(minutes * 60)),
        }
        if patient is not None:
            claims["patient"] = patient
        return jwt.sign(claims, self._key.key, self._key.kid)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token is made of. `grant`: its id, the Consent's; "" for what an app has by itself, without a `user`.

    `scopes`: as granted; `narrowed`: fewer than the grant's, because a refresh asked for fewer. `fhir_user`: relative
    (`Practitioner/1`), where `fhirUser` was granted; `session`: the session that ends it (`online_access`), in hex.
    `amr`: how the user signed in (RFC 8176).
    """

    client: str
    scopes: str
    grant: str = ""
    user: str = ""
    fhir_user: str = ""
    patient: str = ""
    encounter: str = ""
    session: str = ""
    amr: tuple[str, ...] = ()
    narrowed: bool = False


class Issuer:
    """Signs what the token endpoint gives. `clock`: seconds since 1970."""

    def __init__(self, ring: Keyring, base: str, clock: Callable[[], float] = time.time) -> None:
        self._ring = ring
        self._base = base
        self._clock = clock
        self.issuer = issuer_of(base)

    def access(self, granted: Granted, seconds: int = LONGEST_SECONDS) -> tuple[str, str, int]:
        """An access token, its id (`jti`), and for how many seconds it holds: an hour at most, five minutes where an
        app has it by itself.

        Raises OAuthError `invalid_scope` when the scope is too long to be named and can't stand in the grant.
        """
        if granted.client in (CLI, CONSOLE) or bool(granted.user) != bool(granted.grant):
            raise ValueError("No such access token is ever issued.")
        seconds = min(seconds, LONGEST_SECONDS if granted.user else BACKEND_SECONDS)
        in_grant = bool(granted.grant) and not granted.narrowed
        if not in_grant and len(granted.scopes) > LONGEST_OWN_SCOPE:
            raise OAuthError(
                "invalid_scope", "The list of scopes is too long for a token: ask for fewer, or wider ones."
            )
        now, jti = int(self._clock()), str(uuid4())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self._base,
            "env": self._ring.root.environment,
            "sub": granted.user or granted.client,
            "client_id": granted.client,
            "jti": jti,
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "scope": granted.scopes,
            "grant": granted.grant,
            "sid": granted.session,
            "patient": granted.patient,
            "encounter": granted.encounter,
            "fhirUser": granted.fhir_user,
            "amr": list(granted.amr),
        }
        if in_grant and len(granted.scopes) > LONGEST_SCOPE:
            del claims["scope"]
        signer = self._ring.signer("access")
        said = {name: value for name, value in claims.items() if name == "scope" or value}
        return jwt.sign(said, signer.key, signer.kid), jti, seconds

    def console(self, user: str, session: str, amr: tuple[str, ...] = ()) -> tuple[str, str]:
        """An access token for hilum's own pages, and its id (`jti`): for the user with this id, for as long as this
        session (in hex) lasts, and ten minutes at most.
        """
        now, jti = int(self._clock()), str(uuid4())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self._base,
            "env": self._ring.root.environment,
            "sub": user,
            "client_id": CONSOLE,
            "jti": jti,
            "iat": now,
            "nbf": now,
            "exp": now + CONSOLE_SECONDS,
            "scope": CONSOLE_SCOPE,
            "sid": session,
            "amr": list(amr),
        }
        signer = self._ring.signer("access")
        return jwt.sign(claims, signer.key, signer.kid), jti

    def identity(self, granted: Granted, *, nonce: str | None, auth_time: int, access: str = "") -> str:
        """The id_token (RS256). `access`: the access token that comes with it. SMART's `fhirUser` is absolute here."""
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": granted.user,
            "aud": granted.client,
            "exp": now + IDENTITY_SECONDS,
            "iat": now,
            "auth_time": auth_time,
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if granted.fhir_user:
            claims["fhirUser"] = claims["profile"] = f"{self._base}/{granted.fhir_user}"
        if granted.amr:
            claims["amr"] = list(granted.amr)
        if access:
            claims["at_hash"] = urlsafe_b64encode(sha256(access.encode()).digest()[:16]).rstrip(b"=").decode()
        signer = self._ring.signer("id")
        return jwt.sign(claims, signer.key, signer.kid, type=jwt.ID_TOKEN)
