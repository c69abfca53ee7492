"""What people allowed hilum to do at EHRs: one record (kind EHR_TOKEN) for each sign-in, its tokens sealed.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-context-data

A grant is known by an id that says nothing. It belongs to one connection as that was when somebody signed in: its
tokens are for that base and client alone, and go nowhere else when the connection is aimed at another server later.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import structs

from hilum.access.seal import Seal
from hilum.broker.connection import Connection
from hilum.broker.exchange import Tokens
from hilum.broker.far import Failed
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import EHR_TOKEN, FRESH, Put, Record, Row, read, write

KEPT: Final = 90 * 24 * 3600
"""Seconds for which a grant that can be renewed is remembered, from its last renewal."""
LATE: Final = 15 * 60
"""Seconds for which a grant is there at least: who has sent its refresh token may have slept, and be answered yet."""
_KEY: Final = b"launch/"
"""What keys of grants begin with: tokens that no person allowed are of the same kind."""


class Grant(Record, frozen=True, omit_defaults=True):
    """`base`, `client_id`, `issuer`: whose tokens they are. `patient`, `encounter`: the launch context. `fhir_user`,
    `subject`: who signed in, where the EHR says it. `scopes`: those that were given.

    `tokens`: access and refresh token, sealed. `expires`: when the access token does, `life` seconds after it was
    issued. `generation`: how many access tokens there have been.

    `renewable`: there is a refresh token that was never sent, or one of an EHR whose refresh tokens are `reusable`,
    since it has answered one without giving another. `spending`: since when the refresh token is being sent; 0: it is
    not. `rests`: until when the EHR wants to be left alone. All times in seconds since 1970.
    """

    connection: str
    environment: str
    base: str
    client_id: str
    issuer: str
    scopes: str
    tokens: str
    expires: int
    life: int
    patient: str = ""
    encounter: str = ""
    fhir_user: str = ""
    subject: str = ""
    generation: int = 1
    renewable: bool = False
    reusable: bool = False
    spending: int = 0
    rests: int = 0
    created: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """A grant with its row."""

    id: str
    grant: Grant
    row: Row


@dataclass(frozen=True, slots=True)
class Pair:
    """The tokens of a grant, opened."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)


class Grants:
    """The grants of one environment. `clock`: seconds since 1970. All methods may raise Busy, Damaged."""

    def __init__(self, ledger: Ledger, seal: Seal, environment: str, clock: Callable[[], float] = time.time) -> None:
        self.environment, self.clock = environment, clock
        self._ledger, self._seal = ledger, seal

    async def new(
        self, connection: Connection, issuer: str, tokens: Tokens, asked: str, fhir_user: str = "", subject: str = ""
    ) -> str:
        """Keep what was issued; the id of the grant. `asked`: the scopes that were asked for."""
        id, now = secrets.token_urlsafe(16), int(self.clock())
        grant = Grant(
            connection=connection.name,
            environment=self.environment,
            base=connection.base,
            client_id=connection.client_id,
            issuer=issuer,
            scopes=tokens.scopes or asked,
            tokens=self.sealed(id, Pair(tokens.access, tokens.refresh)),
            expires=now + tokens.seconds,
            life=tokens.seconds,
            patient=tokens.patient,
            encounter=tokens.encounter,
            fhir_user=fhir_user,
            subject=subject,
            renewable=bool(tokens.refresh),
            created=now,
        )
        await self._ledger.add(self._put(id, grant))
        return id

    async def get(self, id: str) -> Kept:
        """The grant. Raises Failed when it has ended."""
        row = await self._ledger.get(EHR_TOKEN, _key(id))
        if row is not None and row.state == FRESH:
            grant = read(row, Grant)
            if grant.environment == self.environment:
                return Kept(id, grant, row)
        raise ended()

    async def of(self, connection: str = "") -> list[Kept]:
        """All of a connection, or of all of them, by id."""
        found: list[Kept] = []
        after = _KEY
        while rows := await self._ledger.of(EHR_TOKEN, owner=connection.encode(), after=after):
            after = rows[-1].key
            found += [
                Kept(row.key.removeprefix(_KEY).decode(), read(row, Grant), row)
                for row in rows
                if row.key.startswith(_KEY) and row.state == FRESH
            ]
        return [one for one in found if one.grant.environment == self.environment]

    async def replace(self, kept: Kept, **changes: Any) -> bool:
        """Write it with these changes. False: it was changed by somebody else meanwhile."""
        grant = structs.replace(kept.grant, **changes)
        return await self._ledger.replace(self._put(kept.id, grant), kept.row.version)

    async def forget(self, id: str) -> bool:
        """Forget the grant and its tokens. False: there was none."""
        return await self._ledger.remove(EHR_TOKEN, _key(id))

    def sealed(self, id: str, pair: Pair) -> str:
        """The tokens as the record holds them."""
        return self._seal.seal(EHR_TOKEN, _key(id), json.dumps([pair.access, pair.refresh]))

    def opened(self, kept: Kept) -> Pair:
        """The tokens. Raises Misconfigured where they were sealed with another root key."""
        return Pair(*json.loads(self._seal.open(EHR_TOKEN, _key(kept.id), kept.grant.tokens)))

    def _put(self, id: str, grant: Grant) -> Put:
        now = int(self.clock())
        ends = now + KEPT if grant.renewable else max(grant.expires, now + LATE)
        return Put(EHR_TOKEN, _key(id), write(grant), ends * 1_000_000, owner=grant.connection.encode())


def _key(id: str) -> bytes:
    return _KEY + id.encode()


def sign_in_of(id: str) -> str:
    """By what a grant is told from others where people and apps see it: its id opens its tokens, and stays in here."""
    return hashlib.sha256(b"order by " + id.encode()).hexdigest()


def logged(id: str) -> str:
    """By what the log tells it from others: too little to ask for it by."""
    return sign_in_of(id)[:12]


def ended() -> Failed:
    """There is no such grant (any more)."""
    return Failed("unauthorized", "This sign-in at the EHR has ended. Somebody has to sign in again.", side="ours")
