"""The content of Binaries: small in the resource, large beside the store. https://hl7.org/fhir/R4/binary.html

A Binary whose content is a blob is stored without `data` and with the tag SUBSETTED, R4's word for a resource that is
not all there (https://hl7.org/fhir/R4/search.html#elements). So searches, histories and answers to writes show it; a
read of the Binary itself gives all of it. docs/adr/0013-binaries.md
"""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.problems import Busy, Invalid, Misconfigured, Problem, TooLarge, Unprocessable
from hilum.store.blobs import claim
from hilum.store.blobs.blob import CHUNK, Blob, keep
from hilum.store.blobs.references import blob_of
from hilum.web import log

Body = dict[str, Any]

TYPE: Final = "Binary"
SUBSETTED: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_SAID: Final = b'"SUBSETTED"'
_PART: Final = (
    "This Binary is only a part: its content is left out, as the tag SUBSETTED says. Change it by PATCH, or send it "
    "whole: with data, or its content by itself with its own Content-Type."
)


async def held(door: Door, resource: Resource | None) -> Blob | None:
    """The blob of this version; None where its content is in it. Raises Busy."""
    if resource is None or resource.type != TYPE or _SAID not in resource.raw:
        return None
    return await blob_of(door.store.ledger, resource.id, resource.version)


async def same(door: Door, current: Resource | None, blob: Blob | None) -> bool:
    """Whether the content of the version that stands is that of this blob, or neither is one. Raises Busy.

    What is lost or cut off is not the same: who sends it again mends it.
    """
    stands = await held(door, current)
    if stands is None or blob is None:
        return stands is blob
    if stands.digest != blob.digest:
        return False
    return stands.key == blob.key or door.blobs is None or await door.blobs.size(stands.key) == stands.size


def is_part(body: Body) -> bool:
    """Whether the body says that it is not all of a resource."""
    meta = body.get("meta")
    tags = meta.get("tag") if type(meta) is dict else None
    return type(tags) is list and SUBSETTED in tags


def whole(body: Body) -> Body:
    """The body without the tag that says that its content is elsewhere."""
    if not is_part(body):
        return body
    meta = dict(body["meta"])
    tags = [tag for tag in meta.pop("tag") if tag != SUBSETTED]
    if tags:
        meta["tag"] = tags
    rest = {name: value for name, value in body.items() if name != "meta"}
    return rest | {"meta": meta} if meta else rest


def parted(body: Body) -> Body:
    """The body as it is stored when its content is a blob: without `data`, and with the tag that says so."""
    kept = {name: value for name, value in whole(body).items() if name not in ("data", "_data")}
    meta = kept.get("meta", {})
    return kept | {"meta": meta | {"tag": [*meta.get("tag", ()), SUBSETTED]}}


async def carried(door: Door, current: Resource, body: Body) -> tuple[Body, Blob | None]:
    """What a patch made of a version of a Binary: its blob stays, unless the patch brings other content. Raises
    Busy.
    """
    blob = await held(door, current)
    if blob is None:
        return body, None
    return (whole(body), None) if "data" in body else (parted(body), blob)


async def put_aside(door: Door, chunks: AsyncIterator[bytes], size: int | None = None) -> Blob:
    """Keep the content where large ones are. Raises what the chunks raise, TooLarge, NoRoom, Busy."""
    if door.blobs is None:
        raise TooLarge(f"Here the content of a Binary has {door.large:,} bytes at most.")
    try:
        await claim.claim(door.blobs, door.store.ledger)
    except Misconfigured as problem:
        log.error("blobs", text=str(problem))
        raise Busy("The content of large Binaries can't be kept at the moment. Whoever runs hilum finds why.") from None
    return await keep(door.blobs, chunks, size)


class Stow:
    """What is put aside for a write that is not committed yet."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._waiting: set[Blob] = set()

    async def aside(
        self, type: str, body: Body, blob: Blob | None = None, where: str = TYPE
    ) -> tuple[Body, Blob | None]:
        """The body as it is stored, and its blob, if its content is large. `blob`: where that is already.

        `where`: the path of the body, for messages. Raises Invalid, Unprocessable, NoRoom, Busy.
        """
        if type != TYPE:
            return body, None
        data = body.get("data")
        if blob is None and data is None and is_part(body):
            raise Unprocessable(_PART, expression=where)
        if blob is not None:
            self._waiting.add(blob)
        elif self._door.blobs is not None and isinstance(data, str) and len(data) * 3 // 4 > self._door.large:
            content = await asyncio.to_thread(_decoded, data, where)
            if len(content) > self._door.large:
                blob = await put_aside(self._door, _chunks(content), len(content))
                self._waiting.add(blob)
        return (whole(body), None) if blob is None else (parted(body), blob)

    def settle(self, blob: Blob | None, used: bool) -> None:
        """What came of it: with `used` a version refers to it now."""
        if used and blob is not None:
            self._waiting.discard(blob)

    async def let_go(self) -> None:
        """What nothing refers to goes at once. What can't go now is collected later."""
        while self._waiting and self._door.blobs is not None:
            try:
                await self._door.blobs.remove(self._waiting.pop().key)
            except Problem as problem:
                log.warning("blobs", text=str(problem))


@asynccontextmanager
async def stowing(door: Door) -> AsyncIterator[Stow]:
    """Around all that puts aside and commits. Where it is not known whether a commit was made, nothing goes."""
    stow = Stow(door)
    try:
        yield stow
    except Busy:
        raise
    except Problem:
        await stow.let_go()
        raise
    await stow.let_go()


def _decoded(data: str, where: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(data.split()), strict_mode=True)
    except ValueError:
        raise Invalid("The data of the Binary is not base64.", expression=f"{where}.data") from None


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), CHUNK):
        yield content[at : at + CHUNK]
