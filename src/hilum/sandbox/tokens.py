"""The token endpoint as a vendor has it: how long tokens last, what a refresh brings, how it refuses.

https://www.rfc-editor.org/rfc/rfc6749#section-5
"""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode
from uuid import uuid4

import msgspec

from hilum.access.tokens import Minter
from hilum.sandbox.exchange import Reply, json_reply
from hilum.sandbox.profile import Profile

WHY: Final[Mapping[str, str]] = {
    "invalid_scope": "empty-scopes",
    "invalid_client": "invalid-client-credentials",
    "invalid_grant": "code:invalid",
    "unsupported_grant_type": "unsupported-grant-type",
}
"""OAuth's error -> the reason in Oracle Health's error_uri."""
_REASONS: Final = "urn:cerner:error:authorization-server:oauth2:token:"


def said(token: str) -> dict[str, Any]:
    """What a token of hilum's own claims, not verified: the server behind does that. Nothing where it can't be read."""
    try:
        part = token.split(".")[1]
        return msgspec.json.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=dict[str, Any])
    except (IndexError, ValueError, msgspec.DecodeError):
        return {}


def who(claims: Mapping[str, Any]) -> str:
    """The client, and the user, that a token is for."""
    return f"{claims.get('client_id', '')} {claims.get('sub', '')}"


def of_patient(claims: Mapping[str, Any]) -> bool:
    """Whether a patient signed in, rather than staff or nobody."""
    user = str(claims.get("fhirUser", ""))
    return user.startswith("Patient/") or (not user and "patient" in claims)


def narrowed(scope: str) -> str:
    """Scopes without those for all types."""
    return " ".join(word for word in scope.split() if "/*." not in word)


def refused(profile: Profile, origin: str, error: str) -> Reply:
    """An error as this vendor's token endpoint has it."""
    if profile.tokens.errors == "uri":
        reason = quote(_REASONS + WHY.get(error, error), safe="")
        return json_reply(400, {"error": error, "error_uri": f"{origin}/errors/{reason}/instances/{uuid4()}"})
    return json_reply(400, {"error": error, "error_description": None})


@dataclass(slots=True)
class _Family:
    """A refresh token that the client keeps, and the one that stands for it now. One refresh at a time."""

    current: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Tokens:
    """What this vendor makes of hilum's tokens. `mint` signs tokens of services; `clock`: seconds since 1970.

    In memory: which refresh token of hilum's stands for the one that a client keeps, and which access tokens a fault
    has ended. After a restart of the sandbox, apps sign in again.
    """

    def __init__(self, profile: Profile, origin: str, mint: Minter, clock: Callable[[], float] = time.time) -> None:
        self._profile, self._origin, self._mint, self._clock = profile, origin, mint, clock
        self._families: dict[str, _Family] = {}
        self._ended: set[bytes] = set()

    def holds(self, token: str, claims: Mapping[str, Any]) -> bool:
        """Whether it is young enough, and no fault has ended it."""
        seconds, issued = self._profile.tokens.seconds, claims.get("iat")
        if seconds and isinstance(issued, int) and self._clock() >= issued + seconds:
            return False
        return not self._ended or sha256(token.encode()).digest() not in self._ended

    def end(self, token: str) -> None:
        """Refuse it from now on."""
        self._ended.add(sha256(token.encode()).digest())

    async def exchange(self, form: bytes, put: Callable[[bytes], Any]) -> Reply:
        """POST to the token endpoint. `put`: gives a form to the server behind."""
        fields = dict(parse_qsl(form.decode("latin-1"), keep_blank_values=True))
        if not self._profile.tokens.wildcards and "scope" in fields:
            fields["scope"] = narrowed(fields["scope"])
            if not fields["scope"]:
                return refused(self._profile, self._origin, "invalid_scope")
            form = urlencode(fields).encode()
        if fields.get("grant_type") == "refresh_token" and not self._profile.tokens.new_refresh:
            return await self._refresh(fields, put)
        return self._answered(await put(form))

    async def _refresh(self, fields: dict[str, str], put: Callable[[bytes], Any]) -> Reply:
        """With a token that is used again and again, where hilum's is used once."""
        kept = fields.get("refresh_token", "")
        family = self._families.setdefault(kept, _Family(kept))
        async with family.lock:
            reply: Reply = await put(urlencode({**fields, "refresh_token": family.current}).encode())
            if reply.status != 200:
                if family.current == kept:  # nothing was learned of it
                    self._families.pop(kept, None)
                return self._answered(reply)
            answer = msgspec.json.decode(reply.body, type=dict[str, Any])
            family.current = answer.pop("refresh_token")
        return self._answered(reply.with_body(msgspec.json.encode(answer), (b"content-type", b"application/json")))

    def _answered(self, reply: Reply) -> Reply:
        """What hilum's token endpoint answered, as this vendor's does."""
        profile = self._profile
        if reply.status != 200:
            if not profile.tokens.errors or reply.status not in (400, 401):
                return reply
            found = msgspec.json.decode(reply.body, type=dict[str, Any])
            return refused(profile, self._origin, str(found.get("error", "invalid_request")))
        if not (seconds := profile.tokens.seconds):
            return reply
        answer = msgspec.json.decode(reply.body, type=dict[str, Any])
        claims = said(answer["access_token"])
        if not claims.get("grant"):  # a service's own, which hilum lets last five minutes
            client = claims["client_id"]
            answer["access_token"] = self._mint.mint(
                answer["scope"], minutes=seconds / 60, subject=client, client=client
            )
        answer["expires_in"] = seconds
        return reply.with_body(msgspec.json.encode(answer), (b"content-type", b"application/json"))
