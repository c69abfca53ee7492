"""Browsers that sign in at EHRs: what each one began there, once, and the grants that it came back with.

https://www.rfc-editor.org/rfc/rfc9700#section-4.7 (a state of one browser), #section-4.4 (and of one issuer)

A sign-in that was begun is found by the digest of its state, and belongs to the digest of a cookie; it is used up by
whoever comes back with both. What a browser comes back with is found by another cookie, a new one each time. Both are
records of kind SIGN_IN on a `Shelf`: the ledger, or Redis. None holds a token: those are in the ledger (`grants`),
which alone promises that what was written stays written.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from msgspec import structs

from hilum.access.seal import Seal
from hilum.oauth import pkce
from hilum.oauth.ledger import FRESH, SIGN_IN, Put, Record, Row, Taken, digest, read, write
from hilum.problems import Forbidden
from hilum.web import cookies
from hilum.web.fields import Header

BEGUN: Final = "hilum-launch"
"""The cookie of a browser that has gone to an EHR."""
SIGNED_IN: Final = "hilum-ehr"
"""The cookie of one that came back."""
SECONDS: Final = 10 * 60
"""How long a sign-in at an EHR may take."""
LIFE: Final = 3600
"""How long a browser is remembered that came back."""
MOST: Final = 20
"""Grants of one browser; the oldest are forgotten, not ended."""
_COOKIE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_MICRO: Final = 1_000_000


class Shelf(Protocol):
    """Where sessions are kept: a part of what `hilum.oauth.keeping.Ledger` does. All may raise Busy."""

    async def get(self, kind: int, key: bytes) -> Row | None:
        """The record, unless it has expired."""
        ...

    async def add(self, put: Put) -> bool:
        """Write a new record. False: the key is taken."""
        ...

    async def take(self, kind: int, key: bytes) -> Taken:
        """Use a fresh record up: of all who try, in all processes, one is `first`."""
        ...

    async def remove(self, kind: int, key: bytes) -> bool:
        """Forget it. False: there was none."""
        ...


class Pending(Record, frozen=True, omit_defaults=True):
    """A browser is at an EHR. `issuer`, `token`, `jwks`: what its discovery said when the browser left, so that the
    code goes where it was asked for; `signs`: its answer has to name the issuer. `scopes`: those that were asked for.
    `next`: where the browser goes on.
    """

    environment: str
    connection: str
    base: str
    client_id: str
    issuer: str
    token: str
    jwks: str
    redirect: str
    scopes: str
    next: str
    nonce: str = ""
    verifier: str = ""
    signs: bool = False


class Back(Record, frozen=True, omit_defaults=True):
    """A browser that came back. `grants`: the oldest first."""

    environment: str
    grants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """What goes with the browser to the EHR, and the headers of the answer that sends it there."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    challenge: str
    headers: tuple[Header, ...] = field(repr=False)


class Sessions:
    """The browsers of one environment. `secure`: hilum is reached by https. `clock`: seconds since 1970."""

    def __init__(
        self, shelf: Shelf, seal: Seal, environment: str, *, secure: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self._shelf, self._seal, self._environment = shelf, seal, environment
        self._secure, self._clock = secure, clock

    async def begin(self, pending: Pending, headers: Mapping[bytes, bytes]) -> Begun:
        """Remember that this browser, with these headers, goes to an EHR. Raises Busy."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        cookie = self._cookie(headers, BEGUN) or secrets.token_urlsafe(32)
        key = digest(state)
        sealed = self._seal.seal(SIGN_IN, key, verifier)
        record = structs.replace(pending, environment=self._environment, nonce=nonce, verifier=sealed)
        await self._shelf.add(Put(SIGN_IN, key, write(record), self._until(SECONDS), owner=digest(cookie)))
        return Begun(state, nonce, pkce.challenge(verifier), (self._set(BEGUN, cookie, SECONDS),))

    async def came_back(self, state: str, headers: Mapping[bytes, bytes]) -> Pending:
        """What this browser began with that state; nobody comes back with it again. Its `verifier` is open.

        Raises Forbidden when it began nothing, Busy.
        """
        cookie, key = self._cookie(headers, BEGUN), digest(state)
        row = await self._shelf.get(SIGN_IN, key) if state and cookie else None
        if row is None or row.owner != digest(cookie) or not (await self._shelf.take(SIGN_IN, key)).first:
            raise _strange()
        pending = read(row, Pending)
        if pending.environment != self._environment:
            raise _strange()
        return structs.replace(pending, verifier=self._seal.open(SIGN_IN, key, pending.verifier))

    async def signed_in(
        self, grant: str, headers: Mapping[bytes, bytes], before: Collection[str] = ()
    ) -> tuple[Header, ...]:
        """This browser has one more grant, in place of those `before`, and a new cookie: headers that set it.

        Raises Busy.
        """
        old, new = self._cookie(headers, SIGNED_IN), secrets.token_urlsafe(32)
        had = [one for one in await self.grants(headers) if one not in before]
        back = Back(self._environment, (*had, grant)[-MOST:])
        await self._shelf.add(Put(SIGN_IN, digest(new), write(back), self._until(LIFE)))
        if old:
            await self._shelf.remove(SIGN_IN, digest(old))
        return (self._set(SIGNED_IN, new, LIFE),)

    async def grants(self, headers: Mapping[bytes, bytes]) -> tuple[str, ...]:
        """The grants of this browser, the oldest first. Its cookie comes along with requests of other sites' pages: who
        does something for a browser has seen that the request is of our own page. Raises Busy.
        """
        cookie = self._cookie(headers, SIGNED_IN)
        row = await self._shelf.get(SIGN_IN, digest(cookie)) if cookie else None
        if row is None or row.state != FRESH or row.owner:
            return ()
        back = read(row, Back)
        return back.grants if back.environment == self._environment else ()

    async def left(self, headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
        """Nobody is signed in in this browser any more: headers that take its cookie away. Raises Busy."""
        cookie = self._cookie(headers, SIGNED_IN)
        if cookie:
            await self._shelf.remove(SIGN_IN, digest(cookie))
        return (self._set(SIGNED_IN, "", 0),)

    def _cookie(self, headers: Mapping[bytes, bytes], plain: str) -> str:
        found = cookies.read(headers, cookies.name(plain, secure=self._secure))
        return found if found and _COOKIE.fullmatch(found) else ""

    def _set(self, plain: str, value: str, seconds: int) -> Header:
        """An EHR may open an app in a frame of its own page (SMART App Launch, "Launch App: EHR Launch")."""
        name = cookies.name(plain, secure=self._secure)
        return cookies.written(name, value, secure=self._secure, seconds=seconds, framed=True)

    def _until(self, seconds: int) -> int:
        return int((self._clock() + seconds) * _MICRO)


def _strange() -> Forbidden:
    return Forbidden("This sign-in was not begun in this browser, was finished already, or took too long. Start again.")
