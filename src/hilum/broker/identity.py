"""Who has signed in at an EHR, as its id_token says it.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hilum.broker.reach import Send
from hilum.oauth import id_token
from hilum.oauth.id_token import Untrusted
from hilum.oauth.keyset import Jwk
from hilum.web.outbound import Unreachable

LIFE: Final = 300.0
"""Seconds that an EHR's keys are kept."""
MOST_BYTES: Final = 128 * 1024
_FHIR_USER: Final = re.compile(
    r"(?:https?://[\x21-\x7e]{1,1024}/)?"
    r"(?:Patient|Practitioner|PractitionerRole|RelatedPerson|Person)/[A-Za-z0-9\-._~]{1,256}"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """`subject`: who it is for the EHR. `fhir_user`: their resource there, or ""."""

    subject: str = ""
    fhir_user: str = ""


class Identities:
    """What EHRs say of who signs in. `clock`: seconds since 1970; `steady`: seconds that only go forward."""

    def __init__(
        self, send: Send, clock: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._send, self._clock, self._steady = send, clock, steady
        self._kept: dict[str, tuple[float, tuple[Jwk, ...]]] = {}

    async def published(self, place: str, issuer: str = "") -> tuple[str, str]:
        """What the OpenID provider at an address calls itself, and where its keys are, for an EHR whose SMART
        configuration does not say it. `issuer`: what it has to call itself. Raises Untrusted.

        https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
        """
        said = await self._fetched(f"{place.rstrip('/')}/.well-known/openid-configuration")
        name, keys = said.get("issuer"), said.get("jwks_uri")
        if not isinstance(name, str) or not isinstance(keys, str) or not name:
            raise Untrusted("form")
        if issuer and name not in _spelled(issuer):
            raise Untrusted("issuer")
        return issuer or name, keys

    async def told(self, token: str, *, issuer: str, jwks: str, client: str, nonce: str) -> Identity:
        """Who it is, by a token of this issuer for this client and sign-in. Raises Untrusted."""

        async def keys(again: bool) -> Sequence[Jwk]:
            return await self._keys(jwks, again)

        claims = await id_token.verified(token, keys)
        subject = id_token.judged(claims, issuers=_spelled(issuer), client=client, nonce=nonce, now=self._clock())
        user = claims.get("fhirUser")
        return Identity(subject, user if isinstance(user, str) and _FHIR_USER.fullmatch(user) else "")

    async def _keys(self, url: str, again: bool) -> tuple[Jwk, ...]:
        kept = self._kept.get(url)
        if kept is None or again or self._steady() >= kept[0]:
            kept = self._kept[url] = self._steady() + LIFE, id_token.published(await self._fetched(url))
        return kept[1]

    async def _fetched(self, url: str) -> Mapping[str, Any]:
        try:
            answer = await self._send("GET", url, {"accept": "application/json"}, b"", limit=MOST_BYTES)
        except Unreachable as error:
            raise Untrusted(f"fetch {error.kind}") from None
        if answer.status != 200:
            raise Untrusted("status")
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise Untrusted("form") from None
        if not isinstance(found, dict):
            raise Untrusted("form")
        return found


def _spelled(issuer: str) -> tuple[str, str]:
    """Some EHRs write their issuer with a slash at its end in one place, and without it in another."""
    plain = issuer.rstrip("/")
    return plain, plain + "/"
