"""An order that is given again under its Idempotency-Key: the answer is the first one's, and no second is made.

https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07

What is remembered is committed with the order, or neither is: whoever comes again, to whichever process, after a crash
too, finds both. The key stands there as a digest, for each principal another one; what was asked for as a digest that
is sealed, since of a record number all can be tried.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from hilum.access.policy import Principal
from hilum.access.seal import Seal
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import IDEMPOTENCY_KEY, Put, Record, Row, read, write
from hilum.problems import Malformed, Unprocessable

KEPT_SECONDS: Final = 86_400
"""For which a key means the order that it was first given with."""
_BEYOND: Final = 3600
"""Seconds for which the record outlives that: one that has expired could neither be seen nor be written over."""
_LONGEST: Final = 255
_QUOTED: Final = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"')
"""https://www.rfc-editor.org/rfc/rfc8941#section-3.3.3"""
_BARE: Final = re.compile(r"[A-Za-z0-9._~:+/=-]+")
_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Key:
    """Of one order by one principal. `name`: that of its record. `asked`: a digest of what is asked for."""

    name: bytes
    asked: str = field(repr=False)


class Given(Record, frozen=True, omit_defaults=True):
    """A record of kind IDEMPOTENCY_KEY. `order`: the id of its Task. `asked`: sealed. `until`: in microseconds since
    1970, when the key may be given with another order.
    """

    order: str
    asked: str
    until: int


def key(who: Principal, text: str, asked: bytes) -> Key:
    """What a header says; `asked`: the request, in the one form that all have which mean the same. Raises Malformed.

    The draft has a quoted string; many clients send the bare value, which is taken for the same.
    """
    found = _QUOTED.fullmatch(text) or _BARE.fullmatch(text)
    if found is None or len(text) > _LONGEST:
        raise Malformed(
            f"The Idempotency-Key must be a quoted string of at most {_LONGEST} characters, such as a UUID."
        )
    plain = re.sub(r'\\(["\\])', r"\1", found[1]) if found.re is _QUOTED else text
    name = sha256("\0".join((who.client, who.agent, plain)).encode()).digest()
    return Key(name, sha256(asked).hexdigest())


class Repeated:
    """The keys of one store."""

    def __init__(self, ledger: Ledger, seal: Seal) -> None:
        self._ledger, self._seal = ledger, seal

    async def first(self, key: Key, now: float) -> str | None:
        """The id of the order that this key was given with before; None: it is new.

        Raises Unprocessable where another one was, Busy.
        """
        row = await self._ledger.get(IDEMPOTENCY_KEY, key.name)
        if row is None or _over(row, now):
            return None
        given = read(row, Given)
        if self._seal.open(IDEMPOTENCY_KEY, key.name, given.asked) != key.asked:
            raise Unprocessable("This Idempotency-Key was given with another order. A new order takes a new key.")
        return given.order

    async def new(self, key: Key, order: str, now: float) -> Put:
        """The record for the commit of that order; it does not fit where the key is taken by then. Raises Busy."""
        row = await self._ledger.get(IDEMPOTENCY_KEY, key.name)
        until = int((now + KEPT_SECONDS) * _MICRO)
        given = Given(order, self._seal.seal(IDEMPOTENCY_KEY, key.name, key.asked), until)
        version = row.version if row is not None and _over(row, now) else None
        return Put(IDEMPOTENCY_KEY, key.name, write(given), until + _BEYOND * _MICRO, version=version)


def _over(row: Row, now: float) -> bool:
    return read(row, Given).until <= now * _MICRO
