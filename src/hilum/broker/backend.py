"""SMART Backend Services: a token for a connection where nobody is present, gotten by one process for all.

https://hl7.org/fhir/smart-app-launch/backend-services.html

A token is kept sealed (kind EHR_TOKEN) until shortly before it ends. Who needs another one takes a lease; whoever has
none waits for what the holder writes. A holder that dies has written nothing: after the lease the next one asks, and an
assertion or token that was lost on the way is good for minutes and known to nobody. A token is never looked into.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from hilum.access.seal import Seal
from hilum.broker import token_endpoint
from hilum.broker.connection import Connection
from hilum.broker.connections import Connections, fingerprint, leased
from hilum.broker.discovery import Discovery
from hilum.broker.far import Failed
from hilum.broker.reach import Send
from hilum.broker.rules import BACKEND
from hilum.broker.token_endpoint import Granted, Keys, Refused
from hilum.oauth.keeping import Ledger
from hilum.oauth.lease import Leases
from hilum.oauth.ledger import EHR_TOKEN, Put, Record, read, write
from hilum.problems import Busy, Invalid, Misconfigured
from hilum.web import log
from hilum.web.addresses import target

LEASE_SECONDS: Final = 45.0
SIGN_IN_SECONDS: Final = 40.0
"""How long one sign-in may take, retries included: less than the lease, so that its holder is done before it ends."""
WAIT_SECONDS: Final = 2 * LEASE_SECONDS
"""How long is waited for another process: for one that has died, and then for one that asks."""
MARGIN: Final = 30
"""Seconds before its end at which a token is used no more, or a fifth of its life where that is less: a page that is
asked for with it may take that long to begin."""
REFUSED_SECONDS: Final = 10.0
"""How long a refusal holds in this process: a thousand gathers must not ask for a token a thousand times."""
PACE_SECONDS: Final = 1.0
"""How long is waited where an EHR refuses the token, too, that it gave in the place of a refused one: one that takes
none at all is not asked for tokens as fast as it refuses them.
"""
PAUSES: Final = (0.5, 2.0)
"""Seconds before a request is sent once more, where the table of vendors or the answer itself says that this helps."""
_FIRST_LOOK: Final = 0.05
_LONGEST_LOOK: Final = 1.0


class Quirks(Protocol):
    """What is to be known of a vendor here."""

    @property
    def retry_bare_400(self) -> int:
        """How often a token endpoint is asked again that answers 400 without a reason in it."""
        ...

    @property
    def token_seconds(self) -> int:
        """How long a token holds whose answer does not say so."""
        ...

    @property
    def offline_prompt(self) -> bool:
        """Whether people are asked for consent where `openid` and `offline_access` are."""
        ...


class Token(Record, frozen=True, omit_defaults=True):
    """A record of kind EHR_TOKEN; its owner is the connection's name. `sealed` for (EHR_TOKEN, key)."""

    sealed: str
    ends: float


@dataclass(frozen=True, slots=True)
class _Known:
    """A token as this process has it. `paced`: until when it is not asked for another one in its place, since this one
    was gotten in the place of a refused one already.
    """

    token: str = field(repr=False)
    ends: float
    paced: float = 0.0


class Backend:
    """Tokens of all connections. `vendors`: the table of vendors, by name."""

    def __init__(
        self,
        connections: Connections,
        discovery: Discovery,
        keys: Keys,
        ledger: Ledger,
        seal: Seal,
        send: Send,
        vendors: Mapping[str, Quirks],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connections, self._discovery, self._keys = connections, discovery, keys
        self._ledger, self._seal, self._send = ledger, seal, send
        self._vendors, self._clock, self._sleep = vendors, clock, sleep
        self._leases = Leases(ledger, clock, LEASE_SECONDS)
        self._known: dict[bytes, _Known] = {}
        self._failed: dict[bytes, tuple[float, Failed]] = {}
        self._locks: dict[bytes, asyncio.Lock] = {}

    async def token(self, connection: Connection, *, refused: str = "") -> str:
        """A token to send. `refused`: one that the EHR does not take any more, and that is not given again.

        Raises Failed; Invalid where a person has to be there; Busy.
        """
        return (await self._have(connection, refused)).token

    def tokens(self, connection: Connection) -> Callable[[bool], Awaitable[str]]:
        """`token` of one connection for who only says whether it needs a `fresh` one: the one that the same task was
        given last is the one that was refused, so that ten requests that meet an ended token get one new one.
        """
        given: WeakKeyDictionary[asyncio.Task[object], str] = WeakKeyDictionary()
        last = ""

        async def token(fresh: bool) -> str:
            nonlocal last
            task = asyncio.current_task()
            before = (given.get(task, last) if task is not None else last) if fresh else ""
            last = await self.token(connection, refused=before)
            if task is not None:
                given[task] = last
            return last

        return token

    async def sign_in(self, connection: Connection) -> Granted:
        """Ask the EHR for a token now, and keep nothing. Raises Failed; Problem where it lies with our own set-up."""
        if BACKEND not in connection.grants:
            raise Invalid(f"The EHR {connection.name!r} is not signed in to by {BACKEND}: a person has to be there.")
        found = await self._discovery.of(connection.base)
        await self._not_of_another(connection, found.token)
        tried = 0
        while True:
            form = {"grant_type": BACKEND, "scope": connection.system_scopes}
            more, headers = await token_endpoint.proof(
                connection, found.token, self._keys, self._connections.secret, self._clock()
            )
            try:
                return await token_endpoint.asked(
                    self._send, connection, found.token, form | more, headers, self._clock
                )
            except Failed as failure:
                if tried >= min(self._times(connection, failure), len(PAUSES)):
                    raise
            await self._sleep(PAUSES[tried])
            tried += 1

    async def _not_of_another(self, connection: Connection, url: str) -> None:
        """Raises Failed where an EHR's discovery leads to the token endpoint of another EHR that knows hilum by the
        same client id, as all sites of Epic do: the token of that one would be sent to this one.
        """
        place = _origin(url)
        if place == _origin(connection.base):
            return
        for other in await self._connections.every():
            if other.client_id == connection.client_id and _origin(other.base) == place:
                raise Failed(
                    "refused",
                    f"The discovery of {connection.name!r} names a token endpoint of the EHR {other.name!r}, which "
                    "knows hilum by the same client id: a token of that one would be sent to this one. Ask the EHR "
                    "about it; if both are one, remove one of the connections.",
                    side="theirs",
                )

    def _times(self, connection: Connection, failure: Failed) -> int:
        """How often the same request is sent again after this."""
        if isinstance(failure, Refused) and failure.refusal.bare:
            return self._vendors[connection.vendor].retry_bare_400
        return 1 if failure.again and failure.retry_at is None else 0

    async def _have(self, connection: Connection, refused: str) -> _Known:
        key = bytes.fromhex(fingerprint(connection))
        known = self._known.get(key)
        if known is not None and self._good(known, refused):
            return known
        async with self._locks.setdefault(key, asyncio.Lock()):  # within the process nobody needs to look and wait
            known = self._known.get(key)
            if known is None or not self._good(known, refused):
                until, failure = self._failed.get(key, (0.0, None))
                if failure is not None and self._clock() < until:
                    raise failure.with_traceback(None)
                if known is not None and self._clock() < known.paced:
                    await self._sleep(known.paced - self._clock())
                try:
                    known = await self._over_all(connection, key, refused)
                except Failed as error:
                    until = error.retry_at or self._clock() + REFUSED_SECONDS
                    self._failed[key] = until, error
                    raise
                self._failed.pop(key, None)
                self._known[key] = known
            return known

    async def _over_all(self, connection: Connection, key: bytes, refused: str) -> _Known:
        """What another process wrote, or, where none has, what we are given."""
        gives_up, look = self._clock() + WAIT_SECONDS, _FIRST_LOOK
        while True:
            known = await self._kept(key)
            if known is not None and self._good(known, refused):
                return known
            held = await self._leases.claim(key, leased(connection.name))
            if held is not None:
                try:
                    known = await self._kept(key)  # the holder before us may just have written it
                    if known is not None and self._good(known, refused):
                        return known
                    return await self._anew(connection, key, bool(refused))
                finally:
                    with suppress(Busy):  # it ends by itself
                        await held.lay_down()
            if self._clock() > gives_up:
                raise Failed(
                    "unreachable",
                    f"Another process of hilum has been signing in to {connection.name!r} for "
                    f"{round(WAIT_SECONDS)} seconds. Try again; then look at the log of that one.",
                    side="ours",
                    again=True,
                )
            await self._sleep(look)
            look = min(2 * look, _LONGEST_LOOK)

    async def _kept(self, key: bytes) -> _Known | None:
        row = await self._ledger.get(EHR_TOKEN, key)
        if row is None:
            return None
        token = read(row, Token)
        try:
            return _Known(self._seal.open(EHR_TOKEN, key, token.sealed), token.ends)
        except Misconfigured:  # sealed by the root key before this one: the EHR gives another
            return None

    async def _anew(self, connection: Connection, key: bytes, again: bool) -> _Known:
        began = self._clock()
        try:
            async with asyncio.timeout(SIGN_IN_SECONDS):
                granted = await self.sign_in(connection)
        except TimeoutError:
            raise Failed(
                "unreachable", "The EHR gave no token in time. Try again later.", side="network", again=True
            ) from None
        except Failed as failure:
            log.warning("ehr sign-in failed", ehr=connection.name, kind=failure.kind, codes=failure.codes)
            raise
        except Misconfigured as problem:  # there is no key, or it does not open
            raise Failed("unauthorized", str(problem), side="ours") from None
        seconds = granted.seconds or self._vendors[connection.vendor].token_seconds
        ends = began + seconds - min(MARGIN, seconds / 5)
        sealed = self._seal.seal(EHR_TOKEN, key, granted.token)
        put = Put(
            EHR_TOKEN,
            key,
            write(Token(sealed, ends)),
            expires=int(ends * 1_000_000),
            owner=connection.name.encode(),
        )
        await self._ledger.remove(EHR_TOKEN, key)  # an ended one is in the way of `add`
        await self._ledger.add(put)  # taken: by a lease that passed on meanwhile; both tokens are good
        log.info("ehr sign-in", ehr=connection.name, seconds=seconds)
        return _Known(granted.token, ends, self._clock() + PACE_SECONDS if again else 0.0)

    def _good(self, known: _Known, refused: str) -> bool:
        return self._clock() < known.ends and known.token != refused


def _origin(url: str) -> tuple[str, str, int] | None:
    found = target(url)
    return None if isinstance(found, str) else (found.scheme, found.host, found.port)
