"""Another root key: what the old one sealed is sealed anew, in one transaction, while no server runs.

The new key's file is there before, and takes the old one's place after. A crash in between leaves records that open
with the new one: who runs it again finds that, and only has to put the file in its place (`begun`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from hilum.access.keyring import ROOT, Keyring
from hilum.access.keys import SigningKey
from hilum.access.ledger import Ledger
from hilum.access.revoking import LONGEST_TOKEN_SECONDS
from hilum.access.seal import Seal
from hilum.oauth import jwt
from hilum.oauth.ledger import (
    CHALLENGE,
    DESTINATION,
    DEVICE_HELD,
    DEVICE_KEY,
    DEVICE_REFUSED,
    EHR,
    EHR_KEY,
    EHR_TOKEN,
    IDEMPOTENCY_KEY,
    KEY,
    PARCEL,
    SIGN_IN,
    TICKET,
    USER,
    Key,
    Lost,
    Put,
    Row,
    read,
    write,
)
from hilum.problems import Conflict, Misconfigured

_SEALED: Final[Mapping[int, tuple[str, ...]]] = {
    USER: ("totp",),
    EHR: ("secret",),
    EHR_KEY: ("private",),
    EHR_TOKEN: ("sealed", "tokens"),
    DESTINATION: ("secret", "former"),
    PARCEL: ("sealed",),
    IDEMPOTENCY_KEY: ("asked",),
    DEVICE_KEY: ("private",),
    DEVICE_HELD: ("sealed",),
    DEVICE_REFUSED: ("sealed",),
}
"""Kinds, beside keys of our own -> the members of their values that are sealed for their place, where not empty."""

_SHORT: Final = (CHALLENGE, TICKET, SIGN_IN)
"""Kinds that last some minutes: what of them is sealed is not worth it, and goes."""


async def begun(ledger: Ledger, new: SigningKey) -> bool:
    """Whether what is sealed opens with this key already. Raises Busy."""
    ring = Keyring(new)
    try:
        await ring.load(ledger)
    except Misconfigured:
        return False
    return len(ring.shown()) > 1


async def reroot(ledger: Ledger, old: SigningKey, new: SigningKey, now: float, *, at_once: bool = False) -> int:
    """Seal anew what `old` sealed; how many records. What `old` signed verifies for a day, or with `at_once` no more.

    Raises Misconfigured when something does not open with `old`, Conflict when something changes meanwhile, Busy.
    """
    seals = Seal(old), Seal(new)
    until = int(now * 1_000_000) if at_once else None
    puts = [_key(row, *seals, until) async for row in _every(ledger, KEY)]
    puts += [put for kind in _SEALED async for row in _every(ledger, kind) for put in _sealed(row, *seals)]
    count = len(puts)
    if not at_once:
        puts.append(_verifying(old, seals[1], now, [row.key async for row in _every(ledger, KEY)]))
    try:
        await ledger.many(puts)
    except Lost:
        raise Conflict("Something was changed meanwhile: is a server running? Stop it, and try again.") from None
    for kind in _SHORT:
        for key in [row.key async for row in _every(ledger, kind)]:
            await ledger.remove(kind, key)
    return count


def _verifying(old: SigningKey, seal: Seal, now: float, taken: list[bytes]) -> Put:
    """The old key, as long as the longest token that it may have signed."""
    number = 1 + sum(key.startswith(f"{ROOT}:".encode()) for key in taken)
    key = f"{ROOT}:{number}".encode()
    ends = int((now + LONGEST_TOKEN_SECONDS) * 1_000_000)
    private = seal.seal(KEY, key, msgspec.json.encode(old.key.as_dict(private=True)).decode())
    record = Key(ROOT, jwt.algorithm(old.key), private, jwt.public(old.key, old.kid), begins=0, ends=ends)
    return Put(KEY, key, write(record), expires=ends)


def _key(row: Row, old: Seal, new: Seal, until: int | None) -> Put:
    """`until`: when a root of before ends, too, in microseconds."""
    found = read(row, Key)
    private = new.seal(KEY, row.key, old.open(KEY, row.key, found.private))
    found = msgspec.structs.replace(found, private=private)
    if until is None or found.use != ROOT:
        return _put(row, write(found))
    return replace(_put(row, write(msgspec.structs.replace(found, ends=until))), expires=until)


def _sealed(row: Row, old: Seal, new: Seal) -> Iterator[Put]:
    found: dict[str, Any] = msgspec.json.decode(row.value)
    kept = {name: found[name] for name in _SEALED[row.kind] if found.get(name)}
    if kept:
        found |= {name: new.seal(row.kind, row.key, old.open(row.kind, row.key, text)) for name, text in kept.items()}
        yield _put(row, msgspec.json.encode(found))


def _put(row: Row, value: bytes) -> Put:
    return Put(row.kind, row.key, value, row.expires, row.owner, row.peer, row.state, row.version)


async def _every(ledger: Ledger, kind: int) -> AsyncIterator[Row]:
    after = b""
    while rows := await ledger.of(kind, after=after):
        for row in rows:
            yield row
        after = rows[-1].key
