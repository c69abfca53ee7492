"""Envelopes that are sealed for this server: its keys, published as a JWK Set, private halves sealed in the ledger.

https://www.rfc-editor.org/rfc/rfc7517#section-5. The first key is made when somebody first asks for the set. The newest
alone is published; those before it still open what agents have sealed for them meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from joserfc.jwk import ECKey

from hilum.access.seal import Seal
from hilum.oauth import envelope
from hilum.oauth.envelope import FHIR, NotSealed, Recipient
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import DEVICE_KEY, Key, Put, Row, read, write
from hilum.problems import Busy, Malformed, UnsupportedMediaType

USE: Final = "devices"
CURVE: Final = "P-256"
CACHE_SECONDS: Final = 300
"""How long the set may be kept by who has fetched it."""
_LARGE: Final = 1 << 18
_TRIES: Final = 8
_MICRO: Final = 1_000_000
_FHIR: Final = (FHIR, "fhir+json", "application/json", "json", "")
"""What an envelope's head may say of its content; the prefix may be left out (RFC 7516, 4.1.12)."""


class Envelopes:
    """The keys of one process's server. `clock`: seconds since 1970. All methods may raise Busy, Damaged."""

    def __init__(self, ledger: Ledger, seal: Seal, clock: Callable[[], float] = time.time) -> None:
        self._ledger, self._seal, self._clock = ledger, seal, clock
        self._known: tuple[Recipient, ...] = ()

    async def jwks(self) -> Mapping[str, Any]:
        """What is published: the newest key, which is made where there is none."""
        for _ in range(_TRIES):
            rows = await self._rows()
            if rows:
                return {"keys": [read(rows[-1], Key).public]}
            await self._make(1)
        raise Busy("A key for envelopes can't be made at the moment. Try again.")

    async def rotate(self) -> Mapping[str, Any]:
        """Make the next key; what is sealed for those before it still opens. The set that is published then."""
        for _ in range(_TRIES):
            rows = await self._rows()
            if await self._make(1 + (_number(rows[-1]) if rows else 0)):
                break
        return await self.jwks()

    async def open(self, content: bytes) -> bytes:
        """The bundle in an envelope. Raises Malformed, UnsupportedMediaType; neither says anything of its content."""
        try:
            text = content.decode("ascii").strip()
        except UnicodeError:
            raise Malformed("An envelope is a JWE in its compact form: five parts in base64url, with dots.") from None
        try:
            found = await self._opened(text)
        except NotSealed:
            self._known = await self._keys()  # another process may have made the one that it is sealed for
            try:
                found = await self._opened(text)
            except NotSealed as problem:
                raise Malformed(f"{problem} The keys are at /devices/jwks.json.") from None
        if found.type.partition(";")[0].strip().lower() not in _FHIR:
            raise UnsupportedMediaType(f"An envelope holds a Bundle, and says so by its cty: {FHIR}.")
        return found.content

    async def _opened(self, text: str) -> envelope.Opened:
        if len(text) > _LARGE:
            return await asyncio.to_thread(envelope.opened, text, self._known)
        return envelope.opened(text, self._known)

    async def _rows(self) -> list[Row]:
        """By their numbers."""
        return sorted(await self._ledger.of(DEVICE_KEY), key=_number)

    async def _keys(self) -> tuple[Recipient, ...]:
        return tuple(envelope.recipient(self._private(row)) for row in await self._rows())

    def _private(self, row: Row) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self._seal.open(DEVICE_KEY, row.key, read(row, Key).private))
        return found

    async def _make(self, number: int) -> bool:
        """False: another one has made it."""
        pair = ECKey.generate_key(CURVE)
        said = {"kid": pair.thumbprint(), "use": "enc", "alg": "ECDH-ES"}
        place = b"%d" % number
        private = msgspec.json.encode({**pair.as_dict(private=True), **said}).decode()
        record = Key(
            USE,
            "ECDH-ES",
            self._seal.seal(DEVICE_KEY, place, private),
            {**pair.as_dict(private=False), **said},
            begins=int(self._clock() * _MICRO),
        )
        return await self._ledger.add(Put(DEVICE_KEY, place, write(record)))


def _number(row: Row) -> int:
    return int(row.key)
