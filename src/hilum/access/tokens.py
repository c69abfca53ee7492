"""Access tokens: minted by who owns the data directory, verified at the edge, a Principal out.

https://www.rfc-editor.org/rfc/rfc9068 (JWT access tokens), https://hl7.org/fhir/smart-app-launch/
A token holds for one environment and one server (its audience is the FHIR base); everything fails closed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

from hilum.access.keys import SigningKey
from hilum.access.policy import Principal, of_scopes
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.oauth import jwt, scopes
from hilum.problems import Invalid, Unauthenticated

LONGEST_TOKEN: Final = 16_384
"""Characters: what is longer is refused unread."""
MOST_MINUTES: Final = 24 * 60
LEEWAY: Final = 5
"""Seconds by which another clock may be ahead when it says `nbf` or `iat`; none is given on `exp`."""
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


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
        client: str = "hilum-cli",
    ) -> str:
        """A signed token for these scopes, `minutes` long (at most a day).

        Raises Invalid when a scope is not understood, grants nothing, or needs a patient that is not given.
        """
        asked = scope.split()
        for text in asked:
            if reason := scopes.refusal(text):
                raise Invalid(reason)
        granted = scopes.parse(" ".join(asked))
        for item in granted:
            if item.type != "*" and item.type not in TYPE_NUMBER:
                raise Invalid(f"The scope names {item.type!r}, which is no resource type of FHIR R4.")
        if not granted:
            raise Invalid("The scope grants no access to any resource. Try for example: system/*.rs")
        if patient is None and any(item.level == "patient" for item in granted):
            raise Invalid("A patient/ scope needs a patient in context: add --patient ID.")
        if patient is not None and not _ID.fullmatch(patient):
            raise Invalid("The patient must be a resource id: 1 to 64 letters, digits, '-' and '.'.")
        if not 0 < minutes <= MOST_MINUTES:
            raise Invalid(f"A token may last more than 0 and at most {MOST_MINUTES} minutes.")
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iss": self._base,
            "aud": self._base,
            "env": self._key.environment,
            "sub": subject,
            "client_id": client,
            "scope": " ".join(asked),
            "jti": str(uuid4()),
            "iat": now,
            "nbf": now,
            "exp": now + max(1, int(minutes * 60)),
        }
        if patient is not None:
            claims["patient"] = patient
        return jwt.sign(claims, self._key.key, self._key.kid)


class Verifier:
    """Bearer tokens to Principals. Verified tokens are kept by their SHA-256 until they end: 1 us instead of 120.

    `limit` bounds what is kept; the oldest goes first. Tokens that fail are not kept, so that nobody can fill it.
    """

    def __init__(
        self, key: SigningKey, base: str, clock: Callable[[], float] = time.time, *, limit: int = 10_000
    ) -> None:
        self._key = key
        self._base = base
        self._clock = clock
        self._limit = limit
        self._kept: dict[bytes, Principal] = {}

    def verify(self, token: str) -> Principal:
        """Who holds this token.

        Raises Unauthenticated; its text tells an expired token from one that never held, and no more.
        """
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated(_REFUSED)
        try:
            digest = sha256(token.encode("ascii")).digest()
        except UnicodeEncodeError:
            raise Unauthenticated(_REFUSED) from None
        kept = self._kept.get(digest)
        if kept is not None:
            if self._clock() < kept.expires:
                return kept
            del self._kept[digest]
            raise Unauthenticated(_EXPIRED)
        principal = self._verify(token)
        while len(self._kept) >= self._limit:
            del self._kept[next(iter(self._kept))]
        self._kept[digest] = principal
        return principal

    def _verify(self, token: str) -> Principal:
        try:
            claims = jwt.verified(token, self._key.key, self._key.kid)
        except jwt.NotVerified:
            raise Unauthenticated(_REFUSED) from None
        if claims.get("iss") != self._base or claims.get("aud") != self._base:
            raise Unauthenticated(_REFUSED)
        if claims.get("env") != self._key.environment:
            raise Unauthenticated(_REFUSED)
        now = self._clock()
        times = [claims.get(name) for name in ("iat", "nbf", "exp")]
        texts = [claims.get(name) for name in ("sub", "client_id", "scope", "jti")]
        if any(type(item) is not int for item in times) or any(type(item) is not str for item in texts):
            raise Unauthenticated(_REFUSED)
        issued, begins, ends = (int(item) for item in times if item is not None)
        if now >= ends:
            raise Unauthenticated(_EXPIRED)
        if begins > now + LEEWAY or issued > now + LEEWAY:
            raise Unauthenticated(_REFUSED)
        patient = claims.get("patient")
        if patient is not None and not (isinstance(patient, str) and _ID.fullmatch(patient)):
            raise Unauthenticated(_REFUSED)
        policy = of_scopes(scopes.parse(claims["scope"]), patient)
        return Principal(claims["sub"], claims["client_id"], claims["jti"], policy, ends)


_REFUSED: Final = "The access token does not hold here."
_EXPIRED: Final = "The access token has expired."
