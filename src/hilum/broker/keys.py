"""The keys by which hilum proves to EHRs who it is: a JWK Set per environment, its private halves sealed in the ledger.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys

A new key is published at once and signs after a wait, in which each EHR fetches the set anew, or somebody uploads a
file at a portal; the key before stays published for as long again, so that a switch that fails can be taken back.
All of that is by the clock: nothing has to run in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from hilum.access.seal import Seal
from hilum.broker import pairs
from hilum.broker.pairs import Pair
from hilum.oauth.jwt import Key
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import EHR_KEY, NEVER, Lost, Put, Record, Row, read, write
from hilum.problems import Conflict, Invalid, Misconfigured, NotFound

USE: Final = "ehr"
"""What these keys are for, beside the uses of `hilum.access.keyring`."""

WAIT_SECONDS: Final = 24 * 3600
"""How long a key is published before it signs, and after: an EHR that reads the set has it within `CACHE_SECONDS`, but
a portal that takes files waits for a person.
"""

CACHE_SECONDS: Final = 300
"""What the answer with the set says of how long it may be kept; nobody may keep it longer (SMART, same page)."""

_MICRO: Final = 1_000_000

State = Literal["published", "signing", "retired"]


class EhrKey(Record, frozen=True, omit_defaults=True):
    """A record of kind EHR_KEY, its key being `environment:alg:generation`. `private`: a JWK, sealed; `public`: a JWK;
    `certificate`: PEM. `begins`, `ends`: microseconds, 0 for no end. `brought`: it was made elsewhere.
    """

    environment: str
    alg: str
    private: str
    public: dict[str, Any]
    certificate: str
    begins: int
    ends: int = 0
    brought: bool = False


@dataclass(frozen=True, slots=True)
class _Held:
    """A record, and what it says."""

    row: Row
    key: EhrKey

    @property
    def generation(self) -> int:
        return int(self.row.key.decode().rpartition(":")[2])

    @property
    def kid(self) -> str:
        return str(self.key.public["kid"])

    def put(self, **changed: Any) -> Put:
        """Written in its own place, for as long as it is published."""
        record = msgspec.structs.replace(self.key, **changed)
        return Put(EHR_KEY, self.row.key, write(record), record.ends or NEVER, self.row.owner, version=self.row.version)


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A key as it is shown. `begins`: when it starts to sign, in seconds since 1970; `until`: when it is dropped from
    the set, None for as long as no newer one signs.
    """

    environment: str
    alg: str
    generation: int
    kid: str
    state: State
    begins: float
    until: float | None
    public: Mapping[str, Any]
    certificate: str
    brought: bool


@dataclass(frozen=True, slots=True)
class Signing:
    """What an assertion is signed with."""

    kid: str
    alg: str
    key: Key = field(repr=False)


class ClientKeys:
    """The client keys of one environment. `clock`: seconds since 1970. All methods may raise Busy, Damaged."""

    def __init__(self, ledger: Ledger, seal: Seal, environment: str, clock: Callable[[], float] = time.time) -> None:
        self._ledger, self._seal, self._environment, self._clock = ledger, seal, environment, clock
        self._opened: dict[str, Key] = {}  # by kid: a thumbprint is of one key only

    async def signing(self, alg: str) -> Signing:
        """The key that signs now. Raises Misconfigured when there is none, and when it was sealed with another root."""
        held = _signer(await self._held(), alg, self._now)
        if held is None:
            raise Misconfigured(
                f"There is no client key for {alg} in the environment {self._environment}. Make one: "
                f"`hilum keys new --use {USE} --alg {alg}`."
            )
        key = self._opened.get(held.kid)
        if key is None:
            jwk = msgspec.json.decode(self._seal.open(EHR_KEY, held.row.key, held.key.private))
            key = self._opened[held.kid] = pairs.opened(alg, jwk).key
        return Signing(held.kid, alg, key)

    async def jwks(self) -> dict[str, Any]:
        """The JWK Set that is published: what signs, what will, and what did until a short while ago."""
        return _set(await self.shown())

    async def shown(self) -> list[ClientKey]:
        """All keys that are published, by algorithm and generation."""
        now, all = self._now, await self._held()
        return [_shown(held, all, now) for held in all]

    async def new(self, alg: str) -> ClientKey:
        """The first key for an algorithm, which signs at once. Raises Conflict when there is one, Invalid."""
        pairs.known(alg)
        self._first(alg, await self._held(alg))
        return await self._add(await asyncio.to_thread(pairs.made, alg), WAIT_SECONDS, first=True)

    async def rotate(self, alg: str, *, wait: float = WAIT_SECONDS, at_once: bool = False) -> ClientKey:
        """The next key: it is published now, signs after `wait` seconds, and the one before is dropped after as many
        more. `at_once`: it signs now, and all before are dropped now, as befits keys that somebody else may have.

        Raises Conflict when the newest one does not sign yet, or another rotation is under way; Invalid, and NotFound
        when there is none that it could follow.
        """
        pairs.known(alg)
        before = await self._held(alg)
        if not before:
            raise NotFound(f"There is no client key for {alg} yet. `hilum keys new --use {USE} --alg {alg}` makes one.")
        self._ready(before, at_once)
        return await self._add(await asyncio.to_thread(pairs.made, alg), wait, at_once=at_once)

    async def import_(self, pair: Pair, *, wait: float = WAIT_SECONDS, at_once: bool = False) -> ClientKey:
        """Take in a pair that was made elsewhere: as the first one, or in the place of the one before as `rotate` does.

        Raises Conflict as `rotate`, and when the key is there already, be it in the other environment.
        """
        for row in await self._ledger.of(EHR_KEY):
            found = read(row, EhrKey)
            if found.public["kid"] == pair.kid:
                raise Conflict(
                    f"This key is there already, in the environment {found.environment}. Environments never share keys."
                )
        return await self._add(pair, wait, at_once=at_once, brought=True)

    async def drop(self, kid: str) -> ClientKey:
        """Take a key out of the set now, and forget its private half. The newest one that is left signs on, so that a
        rotation is taken back by dropping what it made. Raises NotFound, Conflict.
        """
        now, all = self._now, await self._held()
        held = next((one for one in all if one.kid == kid), None)
        if held is None:
            raise self._unknown(kid)
        puts = [held.put(private="", ends=now)]
        left = [one for one in all if one.key.alg == held.key.alg and one is not held]
        if left:
            newest = left[-1]
            puts.append(newest.put(ends=0, begins=newest.key.begins if _signer(left, held.key.alg, now) else now))
        await self._write(puts)
        return _shown(held, all, now)

    async def export(self, form: str, *, alg: str = "", kid: str = "") -> str:
        """The public half of a key as text, in a form of `FORMS`: of the one named by `kid`, else of the newest of the
        algorithm, which is the one that a portal has to learn; without one, RS384 goes before ES384. Raises
        Invalid, NotFound.
        """
        if form not in FORMS:
            raise Invalid(f"A client key is written as {', '.join(FORMS)}; {form[:32]!r} is none of them.")
        all = await self.shown()
        chosen = [one for one in all if (one.kid == kid if kid else alg in ("", one.alg))]
        if not chosen:
            raise self._unknown(kid or alg or "RS384")
        return FORMS[form](chosen[-1], all)

    @property
    def _now(self) -> int:
        """Microseconds since 1970, as the ledger counts."""
        return int(self._clock() * _MICRO)

    async def _held(self, alg: str = "") -> list[_Held]:
        """What is not dropped, by algorithm and generation."""
        rows = await self._ledger.of(EHR_KEY, owner=self._environment.encode())
        all = [_Held(row, read(row, EhrKey)) for row in rows]
        return sorted((one for one in all if alg in ("", one.key.alg)), key=lambda one: (one.key.alg, one.generation))

    async def _add(
        self, pair: Pair, wait: float, *, at_once: bool = False, brought: bool = False, first: bool = False
    ) -> ClientKey:
        now, before = self._now, await self._held(pair.alg)
        if first:
            self._first(pair.alg, before)
        self._ready(before, at_once)
        pause = int(wait * _MICRO) if before and not at_once else 0
        key = f"{self._environment}:{pair.alg}:{await self._next(pair.alg)}".encode()
        private = msgspec.json.encode(pair.key.as_dict(private=True)).decode()
        record = EhrKey(
            self._environment,
            pair.alg,
            self._seal.seal(EHR_KEY, key, private),
            pair.public,
            pair.certificate or await asyncio.to_thread(pairs.self_signed, pair, self._environment, now // _MICRO),
            begins=now + pause,
            brought=brought,
        )
        puts = [Put(EHR_KEY, key, write(record), owner=self._environment.encode())]
        if at_once:
            puts += [one.put(private="", ends=now) for one in before]
        elif before:
            puts.append(before[-1].put(ends=now + 2 * pause))
        await self._write(puts)
        return next(one for one in await self.shown() if one.kid == pair.kid)

    def _first(self, alg: str, before: Sequence[_Held]) -> None:
        """Raises Conflict when there is a key: be it one that somebody else has made since this one was begun."""
        if before:
            raise Conflict(
                f"There is a client key for {alg} already. `hilum keys rotate --use {USE} --alg {alg}` makes the next."
            )

    def _ready(self, before: Sequence[_Held], at_once: bool) -> None:
        """Raises Conflict while the newest key waits: two that wait would both have to be made known."""
        if before and before[-1].key.begins > self._now and not at_once:
            raise Conflict(
                f"The newest client key for {before[-1].key.alg} does not sign yet: rotate again when it does."
            )

    async def _next(self, alg: str) -> int:
        """The number of the next generation; those that have ended and are not swept away yet count, too."""
        mine = f"{self._environment}:{alg}:".encode()
        rows = await self._ledger.changed(EHR_KEY, 0)
        return 1 + max((int(row.key.removeprefix(mine)) for row in rows if row.key.startswith(mine)), default=0)

    async def _write(self, puts: Sequence[Put]) -> None:
        try:
            await self._ledger.many(puts)
        except Lost:
            raise Conflict("Somebody else has changed the client keys meanwhile: see `hilum keys list`.") from None

    def _unknown(self, name: str) -> NotFound:
        return NotFound(
            f"There is no client key {name[:64]!r} in the environment {self._environment}. `hilum keys list --use "
            f"{USE}` shows those that there are."
        )


def jwks_path(environment: str) -> str:
    """Where the JWK Set of an environment is published, below the server's origin."""
    return f"/broker/jwks/{environment}.json"


def _signer(all: Sequence[_Held], alg: str, now: int) -> _Held | None:
    """The newest that has begun."""
    return next((one for one in reversed(all) if one.key.alg == alg and one.key.begins <= now), None)


def _shown(held: _Held, all: Sequence[_Held], now: int) -> ClientKey:
    found = held.key
    state: State = "published" if found.begins > now else "retired"
    if held is _signer(all, found.alg, now):
        state = "signing"
    return ClientKey(
        found.environment,
        found.alg,
        held.generation,
        held.kid,
        state,
        found.begins / _MICRO,
        found.ends / _MICRO if found.ends else None,
        found.public,
        found.certificate,
        found.brought,
    )


def _set(all: Sequence[ClientKey]) -> dict[str, Any]:
    return {"keys": [dict(one.public) for one in all]}


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


FORMS: Final[Mapping[str, Callable[[ClientKey, Sequence[ClientKey]], str]]] = {
    "pem": lambda key, all: pairs.public_pem(key.public),
    "x509": lambda key, all: key.certificate,
    "jwk": lambda key, all: _json(key.public),
    "jwks": lambda key, all: _json(_set(all)),
}
"""As what a key is written for others, `jwks` with all that are published beside it. Private halves never leave."""
