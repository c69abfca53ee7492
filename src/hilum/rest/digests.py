"""Digests of content: those that a client sends are held against what came, and those of what goes out are told.

https://www.rfc-editor.org/rfc/rfc9530 (Content-Digest, Repr-Digest), https://www.rfc-editor.org/rfc/rfc3230 (Digest)
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from typing import Final, NamedTuple

from hilum.problems import Invalid, Malformed
from hilum.web.fields import Header

FIELDS: Final = (b"content-digest", b"repr-digest", b"digest")
_ALGORITHMS: Final = {"sha-256": "sha256", "sha-512": "sha512"}
"""Those that the registry calls active; others prove nothing, and are passed over as RFC 9530 lets."""
_MEMBER: Final = re.compile(r"[ \t]*([A-Za-z0-9*_.-]+)=(?::([A-Za-z0-9+/=]*):|([A-Za-z0-9+/=]+))[ \t]*", re.ASCII)
_BYTES: Final = 1 << 16
"""A longer piece is digested on a thread."""


class Expected(NamedTuple):
    """One digest that the content must have. `field`: where it was said."""

    field: str
    algorithm: str
    value: bytes


def expected(headers: Mapping[bytes, bytes]) -> list[Expected]:
    """What the client says of its content. Raises Malformed."""
    return [one for field in FIELDS if field in headers for one in _read(field.decode(), headers[field])]


def _read(field: str, header: bytes) -> list[Expected]:
    found = []
    for part in header.decode("latin-1").split(","):
        member = _MEMBER.fullmatch(part)
        if member is None:
            raise Malformed(f"{field.title()} must name digests as RFC 9530 writes them: sha-256=:BASE64:.")
        algorithm = _ALGORITHMS.get(member[1].lower())
        if algorithm is None:
            continue
        try:
            value = base64.b64decode(member[2] if member[2] is not None else member[3], validate=True)
        except binascii.Error:
            raise Malformed(f"The digest of {field.title()} is not base64.") from None
        found.append(Expected(field.title(), algorithm, value))
    return found


async def verified(chunks: AsyncIterator[bytes], some: list[Expected]) -> AsyncIterator[bytes]:
    """The same chunks; after the last one Invalid is raised where a digest is another."""
    hashes = {algorithm: hashlib.new(algorithm) for algorithm in {one.algorithm for one in some}}
    async for chunk in chunks:
        for one in hashes.values():
            if len(chunk) > _BYTES:
                await asyncio.to_thread(one.update, chunk)
            else:
                one.update(chunk)
        yield chunk
    for wanted in some:
        if not hmac.compare_digest(hashes[wanted.algorithm].digest(), wanted.value):
            raise Invalid(f"The content is not what {wanted.field} says: it was changed on the way. Send it again.")


def told(sha256: bytes) -> Header:
    """Of the whole content, also where only a part of it is sent."""
    return b"repr-digest", b"sha-256=:%b:" % base64.b64encode(sha256)
