"""A Binary that comes in: as a resource, or as its content by itself. https://hl7.org/fhir/R4/binary.html#rest

"The data is accepted as is and treated as the content of a Binary, including when the content type is
application/fhir+json, except for the special case where the content is actually a Binary resource."
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple

from hilum.access.signed import UPLOAD, Link
from hilum.interactions import contents
from hilum.interactions.contents import TYPE
from hilum.interactions.uploads import foresee
from hilum.problems import Malformed, UnsupportedMediaType
from hilum.rest import conditions, digests, media
from hilum.rest.message import LINK, Request
from hilum.rest.router import Service
from hilum.store import lanes
from hilum.store.blobs.blob import Blob
from hilum.store.limits import SEARCH_SECONDS
from hilum.web.body import parsed

__all__ = ["TYPE", "Sent", "is_raw", "taken"]

_RESOURCES: Final = media.JSON | {"application/fhir+xml", "application/xml+fhir"}
"""Media types under which a Binary itself may come. Other XML is content: a C-CDA document, say."""
_GENERIC: Final = frozenset({"application/json", "text/json"})
_UNNAMED: Final = (
    "The body has no Content-Type: give that of the content, such as application/pdf, or application/fhir+json for a "
    "Binary that holds it."
)
_CONTEXT: Final = b"x-security-context"
_LONGEST: Final = 1024


class Sent(NamedTuple):
    """What came: the Binary, and where its content is if not in it."""

    body: dict[str, Any]
    blob: Blob | None = None


def is_raw(request: Request) -> bool:
    """Whether the body is content that is to be taken in piece by piece, and is no resource for sure.

    By a link only content comes: a resource would say itself what it is about.
    """
    if request.way == LINK:
        return True
    sent = request.headers.get(b"content-type")
    return (
        request.path[:1] == (TYPE,)
        and request.interaction in ("create", "update")
        and sent is not None
        and sent != b""
        and media.kind(sent) not in _RESOURCES
    )


_BY_LINK: Final = frozenset(
    (
        *(b"content-length", b"transfer-encoding", b"content-encoding", b"accept", b"range", b"if-range"),
        *(b"if-match", b"if-none-match", b"if-modified-since", *digests.FIELDS),
    )
)
"""What who comes by a link may say; all else is said by the link."""


def by_link(headers: Mapping[bytes, bytes], link: Link) -> dict[bytes, bytes]:
    """The headers of a request that comes by this link. Raises UnsupportedMediaType."""
    kept = {name: value for name, value in headers.items() if name in _BY_LINK}
    if link.purpose != UPLOAD:
        return kept
    sent = headers.get(b"content-type")
    if sent is not None and media.kind(sent) != media.kind(link.media.encode()):
        raise UnsupportedMediaType("The link takes content of another type than this.")
    kept |= {b"content-type": link.media.encode(), b"prefer": b"return=minimal"}
    return kept | ({_CONTEXT: link.context.encode()} if link.context else {})


async def taken(
    service: Service, request: Request, letter: str, id: str | None = None, if_match: str | None = None
) -> Sent:
    """The Binary of a create (`letter` c) or an update; its content is read, and kept, if it may come.

    Raises what the write would raise, as far as can be told without the content, and Malformed, Invalid (it is not what
    its digest says), TooLarge, NoRoom, Busy, Disconnected.
    """
    if request.resource is not None:
        return Sent(request.resource)
    came = request.body if request.original is None else request.original[0]
    if request.incoming is None:
        body = await _resource(request)
        if body is not None:
            await _spent(digests.verified(_alone(came), digests.expected(request.headers)))
            return Sent(body)
    body = _about(request, id)
    wanted = digests.expected(request.headers)
    only_new = letter == "u" and conditions.only_new(request.headers, possible=True)
    await foresee(service.door, request.who, letter, body, id, if_match, only_new=only_new)
    source = _alone(came) if request.incoming is None else request.incoming.chunks()
    size = len(came) if request.incoming is None else request.incoming.size
    try:
        return await _kept(service, body, digests.verified(source, wanted), size)
    finally:
        lanes.begin(SEARCH_SECONDS)  # what it took to arrive is not what a search took


async def _kept(service: Service, body: dict[str, Any], chunks: AsyncIterator[bytes], size: int | None) -> Sent:
    """Small content goes into the resource, large to where such is kept."""
    door, first, held = service.door, [], 0
    async for chunk in chunks:
        first.append(chunk)
        held += len(chunk)
        if held > door.large:
            break
    else:
        data = {"data": base64.b64encode(b"".join(first)).decode()} if held else {}  # FHIR knows no empty text
        return Sent(body | data)
    return Sent(body, await contents.put_aside(door, _together(first, chunks), size))


async def _resource(request: Request) -> dict[str, Any] | None:
    """The Binary in the body, or None where the body is not one. Raises Malformed, UnsupportedMediaType."""
    header = request.headers.get(b"content-type")
    if not header:
        raise UnsupportedMediaType(_UNNAMED)
    kind = media.content(header, media.JSON)
    try:
        body = await parsed(request.body)
    except Malformed:
        if kind not in _GENERIC:
            raise
        return None  # JSON as others write it
    return body if body.get("resourceType") == TYPE else None


def _about(request: Request, id: str | None) -> dict[str, Any]:
    """The Binary without its content."""
    body: dict[str, Any] = {"resourceType": TYPE}
    if id is not None:
        body["id"] = id
    body["contentType"] = request.header(b"content-type") if request.original is None else request.original[1]
    context = request.header(_CONTEXT)
    if context is not None:
        if not context or len(context) > _LONGEST or not context.isascii():
            raise Malformed("X-Security-Context must be a reference, such as Patient/17.")
        body["securityContext"] = {"reference": context}
    return body


async def _alone(content: bytes) -> AsyncIterator[bytes]:
    if content:
        yield content


async def _together(first: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while first:
        yield first.pop(0)
    async for chunk in rest:
        yield chunk


async def _spent(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass
