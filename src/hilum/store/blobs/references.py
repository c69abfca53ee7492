"""Which version of a Binary has which blob: records beside the resources, committed together with the version.

Under the name of the version, with the key of the blob as their owner, so that to look whether anything refers to a
blob is to look into an index. docs/adr/0013-binaries.md
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import BLOB, Put, Record, Row, read, write
from hilum.store.blobs.blob import Blob

_PAGE = 500


class Reference(Record, frozen=True):
    """What a version says of its blob, beside the key."""

    digest: bytes
    size: int


def reference(id: str, version: int, blob: Blob) -> Put:
    """The record of this version of a Binary, for the commit that makes it."""
    return Put(BLOB, _name(id, version), write(Reference(blob.digest, blob.size)), owner=blob.key)


async def blob_of(ledger: Ledger, id: str, version: int) -> Blob | None:
    """The blob of this version of a Binary, if it has one. Raises Busy."""
    row = await ledger.get(BLOB, _name(id, version))
    return None if row is None else _blob(row)


async def referred(ledger: Ledger, key: bytes) -> bool:
    """Whether any version refers to the blob of this key. Raises Busy."""
    return bool(await ledger.of(BLOB, owner=key, limit=1))


async def every(ledger: Ledger) -> AsyncIterator[tuple[str, Blob]]:
    """All of them: `17/_history/3` and its blob. Raises Busy."""
    after = b""
    while rows := await ledger.of(BLOB, after=after, limit=_PAGE):
        for row in rows:
            id, _, version = row.key.decode().partition("/")
            yield f"{id}/_history/{version}", _blob(row)
        after = rows[-1].key


def _name(id: str, version: int) -> bytes:
    return f"{id}/{version}".encode()


def _blob(row: Row) -> Blob:
    found = read(row, Reference)
    return Blob(row.owner, found.digest, found.size)
