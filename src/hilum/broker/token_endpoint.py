"""An EHR's token endpoint, asked: how hilum proves who it is there, and what comes of it.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#authenticating-to-the-token-endpoint,
https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1, #section-5
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from joserfc import jws

from hilum.broker.connection import Connection
from hilum.broker.discovery import ahead
from hilum.broker.far import Failed
from hilum.broker.reach import Send, object_of, unreachable
from hilum.broker.refusals import ERRORS, Reason, Refusal, reason, topics
from hilum.broker.rules import BACKEND, KEYS
from hilum.oauth import assertion
from hilum.oauth import proof as proving
from hilum.oauth.jwt import Key
from hilum.oauth.proof import Proof
from hilum.web.outbound import Fetched, Unreachable

ASSERTION_SECONDS: Final = 240
"""An EHR takes five minutes at most (SMART); a minute is left to its clock."""
MOST_BYTES: Final = 256 * 1024
LONGEST_SECONDS: Final = 24 * 3600
_LONGEST_TOKEN: Final = 64 * 1024
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What can stand in a header. https://www.rfc-editor.org/rfc/rfc6750#section-2.1"""
_LONGEST_WAIT: Final = 7 * 24 * 3600


class Signing(Protocol):
    """The key that signs now."""

    @property
    def kid(self) -> str:
        """Its name in the published set."""
        ...

    @property
    def alg(self) -> str:
        """RS384 or ES384."""
        ...

    @property
    def key(self) -> Key:
        """The private key."""
        ...


class Keys(Protocol):
    """The client keys of an environment."""

    async def signing(self, alg: str) -> Signing:
        """The one that signs now. Raises Problem where there is none."""
        ...


class Refused(Failed):
    """The EHR gave no token. `refusal`: what it said; `reason`: the row that fits; `found`, `todo`: in words."""

    def __init__(self, refusal: Refusal, retry_at: float | None) -> None:
        row, found, todo = reason(refusal)
        super().__init__(
            row.kind,
            f"{found} {todo}",
            side=row.side,
            status=refusal.status,
            codes=(refusal.error,) if refusal.error else (),
            retry_at=retry_at,
            again=row.again,
        )
        self.refusal: Refusal = refusal
        self.reason: Reason = row
        self.found, self.todo = found, todo


@dataclass(frozen=True, slots=True)
class Granted:
    """A token response. `seconds`: for which it holds; 0: it does not say. `said`: the whole of it."""

    token: str = field(repr=False)
    seconds: int
    scope: str
    said: Mapping[str, Any] = field(repr=False)


def asserted(client_id: str, audience: str, signing: Signing, now: float) -> str:
    """A JWT that proves who hilum is, good for one request.

    Neither `iat` nor `nbf`: SMART asks for none, and with them an EHR whose clock is behind refuses it.
    """
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "exp": int(now) + ASSERTION_SECONDS,
        "jti": str(uuid.uuid4()),
    }
    head = {"alg": signing.alg, "kid": signing.kid, "typ": "JWT"}
    return jws.serialize_compact(head, json.dumps(claims).encode(), signing.key, algorithms=[signing.alg])


async def proof(
    connection: Connection, audience: str, keys: Keys, secret: Callable[[Connection], str], now: float
) -> Proof:
    """Fields of the form and headers that prove who asks. Raises Problem where a key or secret is missing."""
    if connection.method == KEYS:
        signing = await keys.signing(connection.alg)
        made = asserted(connection.client_id, audience, signing, now)
        return {"client_assertion_type": assertion.TYPE, "client_assertion": made}, {}
    if connection.method == "client_secret_basic":
        return proving.basic(connection.client_id, secret(connection))
    if connection.method == "client_secret_post":
        return proving.post(connection.client_id, secret(connection))
    return proving.none(connection.client_id)


async def asked(
    send: Send,
    connection: Connection,
    url: str,
    form: Mapping[str, str],
    headers: Mapping[str, str],
    clock: Callable[[], float],
) -> Granted:
    """The token that this form is good for. Raises Failed; Refused, which is one, where the EHR gives none."""
    head = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded", **headers}
    try:
        answer = await send("POST", url, head, urlencode(form).encode(), limit=MOST_BYTES)
    except Unreachable as error:
        raise unreachable(error, url) from None
    said = object_of(answer)
    if answer.status != 200:
        raise refused(connection, answer, said, clock(), form.get("grant_type", BACKEND))
    token, kind = said.get("access_token"), said.get("token_type")
    if not isinstance(token, str) or len(token) > _LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise _no_token("brings no access_token that could be sent")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise _no_token("brings a token of another type than Bearer")
    scope = said.get("scope")
    return Granted(token, _seconds(said.get("expires_in")), scope if isinstance(scope, str) else "", said)


def refused(
    connection: Connection, answer: Fetched, said: Mapping[str, Any], now: float, grant: str = BACKEND
) -> Refused:
    """What an answer without a token means."""
    error, description = said.get("error"), said.get("error_description")
    refusal = Refusal(
        connection,
        answer.status,
        error if isinstance(error, str) and error in ERRORS else "",
        topics(description) if isinstance(description, str) else frozenset(),
        ahead(answer, now),
        "retry-after" in answer.headers,
        grant,
        bool(description) or "error_uri" in said,
    )
    return Refused(refusal, retry_at(answer, now))


def retry_at(answer: Fetched, now: float) -> float | None:
    """When it may be asked again. https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3"""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return now + min(int(text[:9]), _LONGEST_WAIT)
    try:
        return min(max(parsedate_to_datetime(text).timestamp(), now), now + _LONGEST_WAIT)
    except (ValueError, OverflowError):
        return None


def _seconds(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal():  # some EHRs spell the number as a text
        value = int(value[:9])
    if type(value) not in (int, float) or not 0 < value < 1 << 31:
        return 0
    return min(int(value), LONGEST_SECONDS)


def _no_token(what: str) -> Failed:
    return Failed("broken", f"The EHR's token endpoint answers 200 and {what}. Tell the EHR.", status=200)
