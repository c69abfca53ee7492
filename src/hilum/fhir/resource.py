"""The one value that flows through everything: a Resource, and how a new version of it is stamped.

https://hl7.org/fhir/R4/resource.html#Meta
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

import msgspec

from hilum.fhir import json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIDDLE = b'","lastUpdated":"'
_INSTANT = len("2026-11-22T04:55:48.123456Z")


def instant(microseconds: int) -> str:
    """Microseconds since 1970 UTC as a FHIR instant with six fraction digits: `2026-11-22T04:55:48.123456Z`."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{fraction:06d}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat(timespec="seconds")[:19]


class Resource(msgspec.Struct, frozen=True, dict=True):
    """One version of one resource, as stored and served.

    `version` is meta.versionId as a number, counting from 1. `last_updated` is meta.lastUpdated in microseconds
    since 1970 UTC and is at the same time the commit sequence number `seq`: unique and strictly increasing over a
    store, so that `_since` and `_at` are exact. `raw` is the exact JSON; empty for a deletion. `method` is how
    this version came about (POST, PUT, PATCH, DELETE), for history.

    A Struct, since it is made in an eighth of the time of a frozen dataclass; its `__dict__` is for the parsed view.
    """

    type: str
    id: str
    version: int
    last_updated: int
    raw: bytes
    method: str = "PUT"

    @property
    def deleted(self) -> bool:
        """True when this version is the deletion."""
        return not self.raw

    @property
    def seq(self) -> int:
        """The commit sequence number: the same integer as `last_updated`."""
        return self.last_updated

    @cached_property
    def body(self) -> dict[str, Any]:
        """The parsed JSON; do not change it. Decimals keep their digits."""
        return json.stored(self.raw)


@dataclass(frozen=True, slots=True)
class Draft:
    """A resource ready but for its stamp: `raw` is `head` + versionId + `middle` + lastUpdated + `tail`.

    The clock is read inside the commit (lastUpdated never decreases along seq), so the bytes around the stamp are
    encoded before it. resourceType, id and meta lead; everything else keeps the client's order. `body` is what was
    encoded, so that nobody has to read the bytes again.
    """

    type: str
    id: str
    head: bytes
    tail: bytes
    body: dict[str, Any] = field(compare=False, repr=False)

    def stamp(self, version: int, last_updated: int) -> bytes:
        """The stored bytes of this draft as that version."""
        return b"".join((self.head, b"%d" % version, _MIDDLE, instant(last_updated).encode(), self.tail))

    def tail_of(self, other: Resource) -> bytes:
        """What stands after lastUpdated in a stored version of the same resource: equal tails, equal content."""
        return other.raw[len(self.head) + len(str(other.version)) + len(_MIDDLE) + _INSTANT :]

    def around(self, version: int) -> tuple[bytes, bytes]:
        """The bytes before and after lastUpdated, for a store that reads the clock inside the database."""
        return b"".join((self.head, b"%d" % version, _MIDDLE)), self.tail


def draft(body: dict[str, Any], id: str) -> Draft:
    """Encode a parsed body around its stamp. The body's own id, versionId and lastUpdated are replaced.

    `id` is a FHIR id ([A-Za-z0-9.-]) and the body's resourceType a type of R4: both were validated.
    """
    rest = body.copy()
    type = rest.pop("resourceType")
    rest.pop("id", None)
    meta = rest.pop("meta", None)
    more = {k: v for k, v in meta.items() if k != "versionId" and k != "lastUpdated"} if meta else None
    head = f'{{"resourceType":"{type}","id":"{id}","meta":{{"versionId":"'.encode()  # neither needs an escape
    tail = (b'",' + json.encode(more)[1:] if more else b'"}') + (b"," + json.encode(rest)[1:] if rest else b"}")
    return Draft(type, id, head, tail, body)
