"""Access tokens of SMART Backend Services: an assertion for a token, which is kept until shortly before it ends.

https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import msgspec

from hilum.agent.batch import Later, Stopped
from hilum.agent.http import Answer, Http, Unreached, Untrusted
from hilum.agent.identity import Identity
from hilum.problems import Misconfigured

_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE: Final = 240
"""Seconds of an assertion: SMART allows 300, and clocks differ."""
EARLY: Final = 30.0
"""Seconds by which a token is renewed before it ends."""
LASTS: Final = 300.0
LONGEST: Final = 86400.0 * 31
_OFF: Final = 30.0
"""Seconds by which this machine's clock may differ before the far side's is gone by."""

ERRORS: Final = {
    "invalid_client": "the far side does not know this agent, or has ended it: enroll it again",
    "invalid_grant": "the far side does not take this agent's assertion: enroll it again",
    "unauthorized_client": "this agent is not registered for Backend Services",
    "invalid_scope": "this agent is not registered for what it asks for",
    "unsupported_grant_type": "the far side has no Backend Services",
    "invalid_request": "the far side does not take this agent's assertion",
}
"""RFC 6749, 5.2."""


class Halted(Exception):
    """Nothing can be sent now. `fate`: of the batch that was to be sent."""

    def __init__(self, fate: Later | Stopped) -> None:
        super().__init__(fate.why)
        self.fate = fate


class _Granted(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float | str | None = None
    token_type: str = "Bearer"  # noqa: S105 - the name of a kind


class _Failed(msgspec.Struct, frozen=True):
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    ends: float


class Tokens:
    """Of one identity. `clock`: seconds since 1970; `ticking`: seconds that only go forward."""

    def __init__(
        self,
        http: Http,
        identity: Identity,
        clock: Callable[[], float] = time.time,
        ticking: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http, self._identity, self._clock, self._ticking = http, identity, clock, ticking
        self._token: _Token | None = None
        self._off = 0.0
        self._one = asyncio.Lock()

    async def get(self) -> str:
        """A token that holds; "" for an agent that signs in nowhere. Raises Halted."""
        if not self._identity.client_id:
            return ""
        async with self._one:
            if self._token is None or self._token.ends <= self._ticking():
                self._token = await self._new()
            return self._token.text

    def drop(self, token: str) -> None:
        """The far side no longer takes it."""
        if self._token is not None and self._token.text == token:
            self._token = None

    async def _new(self) -> _Token:
        asked = self._ticking()
        answer = await self._asked()
        if answer.status in (400, 401) and self._corrected(answer):
            answer = await self._asked()
        if answer.status != 200:
            raise Halted(_failed(answer, self._clock()))
        granted = answer.json(_Granted)
        if granted is None:
            raise Halted(Later("The token endpoint answered 200 without a token."))
        if granted.token_type.lower() != "bearer" or not _sendable(granted.access_token):
            raise Halted(Stopped("The token endpoint gives tokens of a kind that the agent has no use for."))
        lasts = _seconds(granted.expires_in)
        return _Token(granted.access_token, asked + max(lasts - EARLY, lasts / 2))

    async def _asked(self) -> Answer:
        identity = self._identity
        now = int(self._clock() + self._off)
        claims = {
            "iss": identity.client_id,
            "sub": identity.client_id,
            "aud": identity.token_endpoint,
            "iat": now,
            "exp": now + LIFE,
            "jti": str(uuid.uuid4()),
        }
        form = {
            "grant_type": "client_credentials",
            "scope": identity.scope,
            "client_assertion_type": _ASSERTION,
            "client_assertion": identity.sign(claims),
        }
        try:
            return await self._http.ask(
                "POST",
                identity.token_endpoint,
                headers={"content-type": "application/x-www-form-urlencoded", "accept": "application/json"},
                body=urlencode(form).encode(),
                most=64 * 1024,
            )
        except Unreached as error:
            raise Halted(Later(str(error))) from None
        except (Untrusted, Misconfigured) as error:
            raise Halted(Stopped(str(error))) from None

    def _corrected(self, answer: Answer) -> bool:
        """Whether the far side's clock, which came over TLS, explains the refusal: small machines often have none."""
        if answer.at is None or abs(answer.at - self._clock() - self._off) < _OFF:
            return False
        self._off = answer.at - self._clock()
        return True


def _failed(answer: Answer, now: float) -> Later | Stopped:
    if answer.status in (408, 425, 429) or answer.status >= 500:
        return Later(f"The token endpoint answered {answer.status}.", answer.after(now))
    error = (answer.json(_Failed) or _Failed()).error
    why = ERRORS.get(error, "the address may be wrong, or what stands before the far side has refused it")
    told = f", {error}" if error in ERRORS else ""
    return Stopped(f"No token (the token endpoint answered {answer.status}{told}): {why}.")


def _seconds(said: float | str | None) -> float:
    """How long a token lasts: as a number, or, of some servers, as text. SMART recommends five minutes."""
    try:
        lasts = LASTS if said is None else float(said)
    except ValueError:
        return LASTS
    return lasts if 0 < lasts < LONGEST else LASTS


def _sendable(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable() and " " not in token
