"""One request to a service's API, and what an answer that is none means: whose fault, and whether to ask again.

https://www.rfc-editor.org/rfc/rfc9110, https://www.rfc-editor.org/rfc/rfc6749#section-4.4 (client credentials)
https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote_plus

import msgspec

from hilum.video.remote.services import Service
from hilum.video.renderer import Unrendered
from hilum.web import outbound, retry
from hilum.web.addresses import Target, target
from hilum.web.outbound import Fetched, Guard, Unreachable

SECONDS: Final = 30.0
"""For one answer."""
MOST_BYTES: Final = 1 << 20
"""Of an answer."""
_EARLY: Final = 30.0
"""Seconds before its end that a token is not used any more."""


class Unanswered(Unrendered):
    """`wait`: that of a Retry-After. `body`: of a refusal, for places that the table names. `unsure`: the request may
    have been done all the same.
    """

    def __init__(
        self, code: str, text: str, side: str, *, again: bool = False, wait: float = 0, body: Any = None, unsure: bool
    ) -> None:
        super().__init__(code, text, side, again=again, wait=wait)
        self.body, self.unsure = body, unsure


_Row = tuple[str, str, str, bool]
STATUSES: Final[Mapping[int, _Row]] = {
    400: ("not-taken", "ours", "refuses what it was asked as not well formed: see `api` of its table.", False),
    401: ("not-let-in", "ours", "does not accept the secret: see secret_file.", False),
    402: ("not-paid", "ours", "wants to be paid first.", False),
    403: ("not-allowed", "ours", "does not allow this with our secret.", False),
    404: ("not-there", "ours", "does not know this address, storyboard or job.", False),
    405: ("not-taken", "ours", "does not take this method there: see `api` of its table.", False),
    408: ("slow", "theirs", "gave up waiting.", True),
    409: ("under-way", "theirs", "is yet at work on the same order.", True),
    410: ("gone", "theirs", "does not have it any more.", False),
    413: ("not-taken", "ours", "finds what it was asked too large.", False),
    415: ("not-taken", "ours", "does not take JSON there: see `api` of its table.", False),
    422: ("not-fitting", "ours", "refuses the placeholders or the output that were ordered.", False),
    425: ("busy", "theirs", "wants to be asked later.", True),
    429: ("busy", "theirs", "has too much to do, or was asked too often.", True),
}
"""What statuses mean: a code, whose side, words after the name of the service, and whether it may be better later."""
_UNDONE: Final = frozenset((408, 425, 429))
"""Of those that may be better later: nothing was done."""
_OURS: Final = frozenset(("form", "scheme", "port", "address", "reserved", "redirect"))
_THEIRS: Final = frozenset(("protocol", "coding", "size", "tls"))
_PASSES: Final = frozenset(("name", "connect", "time", "protocol"))
_WHY: Final[Mapping[str, str]] = {
    "form": "has an address that is no URL.",
    "scheme": "has an address that is not https.",
    "port": "has an address with a port that is closed.",
    "address": "lies where hilum may not go: within your own network, `private = true` lets it.",
    "reserved": "has a link-local or reserved address, where hilum never goes.",
    "redirect": "sends elsewhere: see base.",
    "name": "has a name that is not found.",
    "time": "did not answer in time.",
    "tls": "has a certificate that is not trusted.",
    "size": "answers with more than can be.",
}


def unreachable(name: str, problem: Unreachable) -> Unanswered:
    """What it means that there is no answer."""
    side = "ours" if problem.kind in _OURS else "theirs" if problem.kind in _THEIRS else "network"
    text = f"The video service {name!r} {_WHY.get(problem.kind, 'can not be reached, or breaks off.')}"
    return Unanswered("not-reached", text, side, again=problem.kind in _PASSES, unsure=problem.sent)


def refused(name: str, found: Fetched, now: float) -> Unanswered:
    """What the status of a refusal means. What it says is kept for the places that the table names, and not shown."""
    status = found.status
    if status >= 500:
        row: _Row = ("their-fault", "theirs", f"met a fault of its own ({status}).", True)
    else:
        row = STATUSES.get(status, ("unexpected", "theirs", f"answers with the status {status}.", False))
    code, side, text, again = row
    wait = retry.after(found.headers.get("retry-after", ""), now) if again else 0.0
    unsure = again and status not in _UNDONE
    text = f"The video service {name!r} {text}"
    return Unanswered(code, text, side, again=again, wait=wait, body=parsed(found.body), unsure=unsure)


def parsed(body: bytes) -> Any:
    """JSON; None for what is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Asking:
    """Requests to one service. `clock`: seconds since 1970."""

    def __init__(self, service: Service, guard: Guard, clock: Callable[[], float] = time.time) -> None:
        where = target(service.base)
        inner = {where.host} if service.private and isinstance(where, Target) else set()
        loopback = guard.loopback and service.environment == "sandbox"
        self.guard = replace(guard, loopback=loopback, inner=guard.inner | inner, seconds=SECONDS)
        self._service, self._clock = service, clock
        self._token, self._until = "", 0.0

    async def ask(self, method: str, url: str, body: Any = None, *, key: str = "") -> Any:
        """The JSON of an answer of 2xx; None where it has none. `key`: that of the order. Raises Unanswered."""
        raw = b"" if body is None else msgspec.json.encode(body)
        headers = {"accept": "application/json"}
        if raw:
            headers["content-type"] = "application/json"
        if key:
            headers["idempotency-key"] = f'"{key}"'
        found = await self._sent(method, url, headers | await self.authorization(), raw)
        if found.status == 401 and self._service.auth == "client-credentials" and self._token:
            self._until = 0.0  # it was ended before its time: once more with a new one
            found = await self._sent(method, url, headers | await self.authorization(), raw)
        if not 200 <= found.status < 300:
            raise refused(self._service.name, found, self._clock())
        return parsed(found.body)

    async def authorization(self) -> dict[str, str]:
        """The headers that let us in. They go to the service's own origin alone. Raises Unanswered."""
        service = self._service
        if service.auth == "header":
            return {service.header: service.secret}
        if service.auth == "basic":
            return {"authorization": f"Basic {b64encode(service.secret.encode()).decode()}"}
        if service.auth == "bearer":
            return {"authorization": f"Bearer {service.secret}"}
        if self._clock() >= self._until:
            await self._renew()
        return {"authorization": f"Bearer {self._token}"}

    async def _renew(self) -> None:
        service = self._service
        pair = f"{quote_plus(service.client_id)}:{quote_plus(service.secret)}"
        form = {"grant_type": "client_credentials"} | ({"scope": service.scope} if service.scope else {})
        said = {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        try:
            found = await outbound.post(service.token_url, form, said, limit=MOST_BYTES, guard=self.guard)
        except Unreachable as problem:
            raise unreachable(service.name, problem) from None
        if found.status != 200:
            raise refused(service.name, found, self._clock())
        answer = parsed(found.body)
        token = answer.get("access_token") if type(answer) is dict else None
        if type(token) is not str or not token.isascii() or not token.isprintable() or not token:
            text = f"The video service {service.name!r} answers at token_url without a token."
            raise Unanswered("unexpected", text, "theirs", unsure=False)
        seconds = answer.get("expires_in", 0)
        self._token = token
        self._until = self._clock() + (seconds if type(seconds) in (int, float) else 0) - _EARLY

    async def _sent(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        try:
            return await outbound.send(method, url, headers, body, limit=MOST_BYTES, guard=self.guard)
        except Unreachable as problem:
            raise unreachable(self._service.name, problem) from None
