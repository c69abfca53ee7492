"""A Binary that goes out: its content by itself, or the resource that holds it. https://hl7.org/fhir/R4/binary.html#rest

The content, unless FHIR JSON is asked for by name; ranges of it, and in both forms piece by piece, so that memory stays
flat whatever its size. https://www.rfc-editor.org/rfc/rfc9110#section-14
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from hilum.fhir import json, xml
from hilum.fhir.resource import Resource
from hilum.interactions import contents
from hilum.interactions.contents import TYPE
from hilum.problems import Issue, NotAcceptable, PreconditionFailed, Spoiled
from hilum.rest import conditions, digests, document, forms, media, outcome, subset
from hilum.rest.message import FHIR_JSON, LINK, NO_STORE, TICKET, Request, Response
from hilum.rest.presentation import Presentation
from hilum.rest.router import Service
from hilum.store.blobs.blob import Blob, damaged, whole
from hilum.web import log, ranges
from hilum.web.body import LARGE
from hilum.web.fields import Header

__all__ = ["TYPE", "shown"]

_AT_ONCE: Final = 1 << 20
"""Bytes: content up to here is read, and found whole, before the answer begins, so that damage is a 500."""
_PRINTABLE: Final = re.compile(r"[!-~]{1,1024}", re.ASCII)
_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')


async def shown(service: Service, request: Request, resource: Resource) -> Response | None:
    """The answer to a read; None where it is the resource as it is stored. Raises NotAcceptable, PreconditionFailed."""
    body = await asyncio.to_thread(lambda: resource.body) if len(resource.raw) > LARGE else resource.body
    blob = await contents.held(service.door, resource)
    raw = _raw(request, document.media_type(body.get("contentType")))
    _match(request, resource)
    if not raw and (blob is None or not _with_data(request.shown)):
        return None
    if raw:
        request.shown = request.shown._replace(pretty=False)  # content is shown as it is, JSON too
        headers = _content_headers(request, resource, body) + _version(resource)
    else:
        headers = [_form(request), NO_STORE, *conditions.version_headers(resource)]
    if conditions.unchanged(resource, request.header(b"if-none-match"), request.header(b"if-modified-since")):
        return _answer(304, headers[1:], resource)
    try:
        if not raw:
            assert blob is not None
            return await _whole_resource(service, request, resource, headers, blob)
        if blob is None:
            return await _of_bytes(request, resource, headers, base64.b64decode(body.get("data", "")))
        return await _of_blob(service, request, resource, headers, blob)
    except Spoiled as problem:
        log.error("blob", id=resource.id, version=resource.version, text=str(problem))
        raise


def _raw(request: Request, media_type: str) -> bool:
    """Whether the content itself is wanted; if not, the form of the resource is. Raises NotAcceptable."""
    request.form = media.PLAIN
    if request.way in (TICKET, LINK):
        return True
    format, kind = request.shown.format, document.kind(media_type)
    accept = request.headers.get(b"accept", b"")
    named = "" if format is None else format.partition(";")[0].strip().replace(" ", "+").lower()
    if named in _FORMATS or not request.shown.whole:
        request.form = media.negotiate(accept, format)
        return False
    if format is not None:
        accept = format.replace(" ", "+").encode("latin-1", "replace")
    if not accept:
        return True
    found = media.native(accept, kind)
    if found is None:
        raise NotAcceptable(f"This Binary is {kind}: ask for that, or for application/fhir+json.")
    if not found:
        request.form = media.negotiate(accept, None)
    return found


_FORMATS: Final = frozenset({"json", "xml"}) | media.JSON | media.XML
"""What `_format` may say that means the resource."""


def _form(request: Request) -> Header:
    """The header of the resource's form. Raises NotAcceptable."""
    found = forms.CONTENT.get(request.form or media.PLAIN)
    if found is None or (request.form or media.PLAIN).version != "4.0":
        raise NotAcceptable("Large content is shown by itself, or within FHIR 4.0; ask without a fhirVersion.")
    return found


def _with_data(shown: Presentation) -> bool:
    """Whether the resource is wanted with its content."""
    return shown.summary in ("false", "data") and (not shown.elements or "data" in shown.elements)


def _match(request: Request, resource: Resource) -> None:
    """If-Match of a read, as parts of a download have it. Raises PreconditionFailed.

    https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1
    """
    wanted = request.header(b"if-match")
    if wanted is not None and wanted != "*" and str(resource.version) not in _TAG.findall(wanted):
        raise PreconditionFailed("If-Match names another version than the one that is here.")


def _content_headers(request: Request, resource: Resource, body: dict[str, Any]) -> list[Header]:
    headers = document.headers(body.get("contentType"), resource.id, shown=request.way == TICKET)
    context = body.get("securityContext", {}).get("reference")
    if type(context) is str and _PRINTABLE.fullmatch(context):
        headers.append((b"x-security-context", context.encode()))
    return [*headers, (b"accept-ranges", b"bytes")]


def _version(resource: Resource) -> list[Header]:
    """A strong ETag: content of one version is the same, byte for byte. Parts of it may be put together by it."""
    return [(b"etag", b'"%d"' % resource.version), *conditions.version_headers(resource)[1:]]


def _answer(
    status: int,
    headers: list[Header],
    resource: Resource,
    content: bytes = b"",
    stream: Callable[[], AsyncIterator[bytes]] | None = None,
    length: int = 0,
) -> Response:
    return Response(status, headers, content, resource, (resource.seq,), stream=stream, length=length)


# --- as a resource ----------------------------------------------------------------------------------------------------


async def _whole_resource(
    service: Service, request: Request, resource: Resource, headers: list[Header], blob: Blob
) -> Response:
    """The stored resource with its content again, base64 made on the way."""
    body = contents.whole(resource.body)
    if not request.shown.whole:
        if request.shown.elements:
            subset.check_elements(TYPE, request.shown.elements)
        body = subset.subset(body, request.shown)
    is_xml = request.form is not None and request.form.xml
    head, tail = (_around_xml if is_xml else _around)(body, request.shown.pretty)
    length = len(head) + 4 * ((blob.size + 2) // 3) + len(tail)
    await _there(service, blob)
    return _answer(
        200, headers, resource, stream=lambda: _in_base64(head, _through(service, blob), tail), length=length
    )


def _around_xml(body: dict[str, Any], pretty: bool) -> tuple[bytes, bytes]:
    """`data` is the last element of a Binary, and contentType, which it always has, comes before it."""
    content = xml.encode(body, pretty=pretty)
    cut = content.rindex(b"</Binary>")
    return content[:cut] + b'<data value="', b'"/>' + content[cut:]


def _around(body: dict[str, Any], pretty: bool) -> tuple[bytes, bytes]:
    content = json.encode(body)
    if not pretty:
        return content[:-1] + b',"data":"', b'"}'
    return json.pretty(content).rstrip()[:-1].rstrip() + b',\n  "data": "', b'"\n}'


async def _in_base64(head: bytes, chunks: AsyncIterator[bytes], tail: bytes) -> AsyncIterator[bytes]:
    yield head
    rest = b""
    async for chunk in chunks:
        some = rest + chunk
        cut = len(some) - len(some) % 3
        rest = some[cut:]
        yield base64.b64encode(some[:cut])
    yield base64.b64encode(rest) + tail


# --- by itself --------------------------------------------------------------------------------------------------------


async def _of_bytes(request: Request, resource: Resource, headers: list[Header], content: bytes) -> Response:
    headers.append(digests.told(hashlib.sha256(content).digest()))
    parts = _parts(request, resource, len(content))
    if parts is None:
        return _answer(200, headers, resource, content)
    if len(parts) == 1:
        ((start, stop),) = parts
        headers.append((b"content-range", ranges.content_range((start, stop), len(content))))
        return _answer(206, headers, resource, content[start:stop])

    async def piece(one: ranges.Range) -> AsyncIterator[bytes]:
        yield content[one[0] : one[1]]

    return _partial(headers, resource, parts, len(content), piece)


async def _of_blob(
    service: Service, request: Request, resource: Resource, headers: list[Header], blob: Blob
) -> Response:
    headers.append(digests.told(blob.digest))
    await _there(service, blob)
    parts = _parts(request, resource, blob.size)
    if parts is not None:
        blobs = service.door.blobs
        assert blobs is not None
        return _partial(headers, resource, parts, blob.size, lambda one: blobs.get(blob.key, *one))
    if blob.size <= _AT_ONCE and request.method != "HEAD":
        content = b"".join([chunk async for chunk in _through(service, blob)])
        return _answer(200, headers, resource, content)
    return _answer(200, headers, resource, stream=lambda: _through(service, blob), length=blob.size)


def _parts(request: Request, resource: Resource, size: int) -> list[ranges.Range] | None:
    """What of it is wanted; None: all. A date in If-Range never holds: two versions may be of the same second."""
    if request.method != "GET":
        return None
    condition = request.header(b"if-range")
    if condition is not None and condition != f'"{resource.version}"':
        return None
    return ranges.wanted(request.header(b"range"), size)


def _partial(
    headers: list[Header],
    resource: Resource,
    parts: list[ranges.Range],
    size: int,
    piece: Callable[[ranges.Range], AsyncIterator[bytes]],
) -> Response:
    """206 with one part, or with several as multipart/byteranges; 416 with none."""
    if not parts:
        # https://www.rfc-editor.org/rfc/rfc9110#section-15.5.17
        issue = Issue("error", "invalid", f"The range asked for is not there: the content has {size:,} bytes.")
        refused = [FHIR_JSON, NO_STORE, (b"content-range", ranges.content_range(None, size))]
        return _answer(416, refused, resource, json.encode(outcome.operation_outcome((issue,))))
    if len(parts) == 1:
        (one,) = parts
        headers.append((b"content-range", ranges.content_range(one, size)))
        return _answer(206, headers, resource, stream=lambda: piece(one), length=one[1] - one[0])
    boundary = secrets.token_hex(16).encode()
    (name, content_type), *rest = headers
    heads = [
        b"--%b\r\ncontent-type: %b\r\ncontent-range: %b\r\n\r\n"
        % (boundary, content_type, ranges.content_range(one, size))
        for one in parts
    ]
    end = b"--%b--\r\n" % boundary

    async def several() -> AsyncIterator[bytes]:
        for head, one in zip(heads, parts, strict=True):
            yield head
            async for chunk in piece(one):
                yield chunk
            yield b"\r\n"
        yield end

    length = sum(len(head) + stop - start + 2 for head, (start, stop) in zip(heads, parts, strict=True)) + len(end)
    multipart = (name, b"multipart/byteranges; boundary=" + boundary)
    return _answer(206, [multipart, *rest], resource, stream=several, length=length)


async def _there(service: Service, blob: Blob) -> None:
    """Raises Spoiled where it is not there in its length, which is known before the answer begins."""
    if service.door.blobs is None or await service.door.blobs.size(blob.key) != blob.size:
        raise damaged()


def _through(service: Service, blob: Blob) -> AsyncIterator[bytes]:
    assert service.door.blobs is not None
    return whole(service.door.blobs, blob)
