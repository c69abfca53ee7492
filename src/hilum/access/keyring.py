"""The keys of one environment: the root in its file, the others in the ledger, shared by all processes.

https://www.rfc-editor.org/rfc/rfc7517, https://openid.net/specs/openid-connect-core-1_0.html#RotateSigningKeys

`access` (ES256) signs access tokens, before its first rotation the root does; `id` (RS256) signs id_tokens; `audit`
(ES256) signs the audit's anchors; a `root` that was replaced (`hilum.access.rerooting`) only verifies. A new key is
published ten minutes before it signs, and an old one verifies until what it signed has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from hilum.access.keys import SigningKey
from hilum.access.ledger import Ledger
from hilum.access.seal import Seal
from hilum.oauth import jwt
from hilum.oauth.ledger import FRESH, KEY, NEVER, Lost, Put, Row, read, write
from hilum.oauth.ledger import Key as KeyRecord
from hilum.problems import Conflict, Invalid, Misconfigured

USES: Final[Mapping[str, str]] = {"id": "RS256", "access": "ES256", "audit": "ES256"}
"""What a key of the ledger is for -> its algorithm."""
ROOT: Final = "root"
"""The use of one that was replaced."""
FROM_START: Final = ("id", "audit")
"""Made when a server starts for the first time."""
NOTICE_SECONDS: Final = 600
"""How long a key is published before it signs: longer than a copy of the JWKS is kept."""
OVERLAP_SECONDS: Final = 3600 + 600
"""How long the one before verifies on: as long as an access or id token lasts, and some."""
_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class RingKey:
    """A key in its use. `begins`: when it starts to sign, in seconds since 1970, and it does so until a newer one does.
    `until`: when it verifies no more, None for never. `generation` 0: the root.
    """

    use: str
    generation: int
    kid: str
    algorithm: str
    key: jwt.Key = field(repr=False)
    begins: float
    until: float | None


class Keyring:
    """The keys that this process knows. `clock`: seconds since 1970."""

    def __init__(self, root: SigningKey, clock: Callable[[], float] = time.time) -> None:
        self.root = root
        self.seal = Seal(root)
        self._clock = clock
        self._root = RingKey("access", 0, root.kid, jwt.algorithm(root.key), root.key, 0.0, None)
        self._keys: dict[bytes, RingKey] = {}
        self._verifying: dict[str, jwt.Key] = {root.kid: root.key}

    async def load(self, ledger: Ledger) -> None:
        """Learn all keys there are. Raises Misconfigured when one was sealed with another root key."""
        self.learn(await ledger.of(KEY))

    async def prepare(self, ledger: Ledger) -> None:
        """Learn the keys, and make those that a server can't be without. Of several processes one wins."""
        await self.load(ledger)
        for use in FROM_START:
            if not any(one.use == use for one in self._keys.values()):
                await ledger.add(await self._made(use, 1, self._clock()))
        await self.load(ledger)

    def learn(self, rows: Iterable[Row]) -> bool:
        """Take in rows of kind KEY: all of them, or what has changed. Whether a key that verified does so no more.

        Raises Misconfigured.
        """
        before = set(self.verifying())
        for row in rows:
            if row.state == FRESH:
                self._keys[row.key] = self._opened(row)
            else:
                self._keys.pop(row.key, None)
        self._verifying = {one.kid: one.key for use in ("access", ROOT) for one in self._known(use)}
        return not before.issubset(self.verifying())

    def signer(self, use: str) -> RingKey:
        """The key that signs now for this use: the newest that has begun. Raises Misconfigured when there is none."""
        now = self._clock()
        begun = [one for one in self._known(use) if one.begins <= now and (one.until is None or now < one.until)]
        if not begun:
            raise Misconfigured(f"There is no key for {use!r} in the ledger. `hilum serve` makes it when it starts.")
        return max(begun, key=lambda one: one.generation)

    def verifying(self) -> Mapping[str, jwt.Key]:
        """By kid, the keys that may have signed an access token: the root, which `hilum token` uses, and those of the
        ledger that have not ended.
        """
        now = self._clock()
        ended = {one.kid for one in self._keys.values() if one.until is not None and one.until <= now}
        return {kid: key for kid, key in self._verifying.items() if kid not in ended} if ended else self._verifying

    def anchoring(self, kid: str) -> jwt.Key | None:
        """The key that signed an audit anchor, however old."""
        return next((one.key for one in self._known("audit") if one.kid == kid), None)

    def shown(self) -> list[RingKey]:
        """All keys, by use and generation, for `hilum keys list`."""
        return sorted([self._root, *self._keys.values()], key=lambda one: (one.use, one.generation))

    @property
    def root_key(self) -> RingKey:
        """The root, as a key that signs."""
        return self._root

    def jwks(self) -> dict[str, Any]:
        """The JWK Set that is published: public keys of access and id tokens, those to come and those not ended."""
        now = self._clock()
        return {
            "keys": [
                jwt.public(one.key, one.kid)
                for one in self.shown()
                if one.use != "audit" and (one.until is None or now < one.until)
            ]
        }

    async def rotate(self, ledger: Ledger, use: str, *, at_once: bool = False) -> RingKey:
        """Make the next key of a use; it signs in ten minutes. The one before ends an hour and ten minutes later.
        `at_once`: now, and what the one before signed holds no longer; an anchor of the audit does.

        Raises Invalid for a use that there is not, Conflict when another rotation is under way.
        """
        if use not in USES:
            raise Invalid(f"There are keys for {', '.join(sorted(USES))}; {use!r} is none of them.")
        rows = [row for row in await ledger.of(KEY) if _use(row.key) == use]
        self.learn(rows)
        now = self._clock()
        last = max(rows, key=lambda row: _generation(row.key), default=None)
        if last is not None and self._keys[last.key].begins > now and not at_once:
            raise Conflict(f"The newest key for {use!r} does not sign yet: rotate again when it does.")
        begins = now + (NOTICE_SECONDS if (last is not None or use == "access") and not at_once else 0)
        made = await self._made(use, 1 if last is None else _generation(last.key) + 1, begins)
        puts = [made]
        if last is not None and use != "audit":
            ends = int((begins + (0 if at_once else OVERLAP_SECONDS)) * _MICRO)
            value = write(msgspec.structs.replace(read(last, KeyRecord), ends=ends))
            kept = int((begins + OVERLAP_SECONDS) * _MICRO)  # so that others learn of its end
            puts.append(Put(KEY, last.key, value, expires=kept, version=last.version))
        try:
            await ledger.many(puts)
        except Lost:
            raise Conflict(f"Another rotation of {use!r} was first.") from None
        await self.load(ledger)
        return self._keys[made.key]

    def _known(self, use: str) -> list[RingKey]:
        return [one for one in [self._root, *self._keys.values()] if one.use == use]

    async def _made(self, use: str, generation: int, begins: float) -> Put:
        jwk = await asyncio.to_thread(jwt.new_key, USES[use])
        key = f"{use}:{generation}".encode()
        private = self.seal.seal(KEY, key, msgspec.json.encode(jwk).decode())
        public = jwt.public(jwt.own_key(jwk), jwk["kid"])
        return Put(KEY, key, write(KeyRecord(use, USES[use], private, public, int(begins * _MICRO))), expires=NEVER)

    def _opened(self, row: Row) -> RingKey:
        kept = self._keys.get(row.key)
        found = read(row, KeyRecord)
        begins, until = found.begins / _MICRO, found.ends / _MICRO if found.ends else None
        if kept is not None and kept.kid == found.public["kid"]:
            key = kept.key
        else:
            key = jwt.own_key(msgspec.json.decode(self.seal.open(KEY, row.key, found.private)))
        return RingKey(found.use, _generation(row.key), found.public["kid"], found.alg, key, begins, until)


def _use(key: bytes) -> str:
    return key.decode().partition(":")[0]


def _generation(key: bytes) -> int:
    return int(key.decode().partition(":")[2])
