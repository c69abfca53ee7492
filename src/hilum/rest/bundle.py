"""Bundles, joined from the stored bytes without reading them again. https://hl7.org/fhir/R4/bundle.html"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hilum.fhir import json
from hilum.fhir.resource import Resource, instant
from hilum.rest.conditions import etag
from hilum.rest.message import Response

OUTCOME = b'{"resourceType":"OperationOutcome"'


class Link(NamedTuple):
    """A link of the Bundle: `self`, `next`."""

    relation: str
    url: str


def bundle(kind: str, entries: Iterable[bytes], links: Iterable[Link] = (), total: int | None = None) -> bytes:
    """A Bundle of a kind with these entries; without entries the property is left out, as FHIR's JSON requires."""
    head = b'{"resourceType":"Bundle","type":"%b"' % kind.encode()
    if total is not None:
        head += b',"total":%d' % total
    written = b",".join(b'{"relation":"%b","url":%b}' % (rel.encode(), json.encode(url)) for rel, url in links)
    if written:
        head += b',"link":[%b]' % written
    pieces = [head, b',"entry":[']
    for entry in entries:  # joined once: bodies are long
        pieces += (entry, b",")
    if len(pieces) == 2:
        return head + b"}"
    pieces[-1] = b"]}"
    return b"".join(pieces)


def match(base: bytes, resource: Resource, raw: bytes, mode: bytes = b"match") -> bytes:
    """An entry of a searchset: the resource as `raw` under its address."""
    return matches(base, (resource,), (raw,), mode)[0]


def matches(
    base: bytes, resources: Sequence[Resource], contents: Sequence[bytes], mode: bytes = b"match"
) -> list[bytes]:
    """`match` of each, joined to one piece: bodies are copied once. None: no piece."""
    middle, end = b'","resource":', b',"search":{"mode":"%b"}},' % mode
    starts: dict[str, bytes] = {}
    pieces: list[bytes] = []
    for resource, raw in zip(resources, contents, strict=True):
        start = starts.get(resource.type)
        if start is None:
            start = starts[resource.type] = b'{"fullUrl":"%b/%b/' % (base, resource.type.encode())
        pieces += (start, resource.id.encode(), middle, raw, end)
    if not pieces:
        return []
    pieces[-1] = end[:-1]
    return [b"".join(pieces)]


def version(base: bytes, resource: Resource, raw: bytes, *, created: bool) -> bytes:
    """An entry of a history: the version, and what made it. https://hl7.org/fhir/R4/http.html#history

    `created`: there was none before it, or a deleted one.
    """
    where = f"{resource.type}/{resource.id}".encode()
    url = resource.type.encode() if resource.method == "POST" else where
    status = b"204" if resource.deleted else b"201" if created else b"200"
    return b"".join(
        (
            b'{"fullUrl":"%b/%b",' % (base, where),
            b"" if resource.deleted else b'"resource":%b,' % raw,
            b'"request":{"method":"%b","url":"%b"},' % (resource.method.encode(), url),
            b'"response":{"status":"%b","etag":%b,"lastModified":"%b"}}'
            % (status, json.encode(etag(resource.version)), instant(resource.last_updated).encode()),
        )
    )


def reply(base: bytes, response: Response, told: set[tuple[str, str, int]]) -> bytes:
    """An entry of a batch-response or transaction-response, from the Response that the entry has on its own.

    What a success carries is the entry's `resource`, an OperationOutcome is its `response.outcome`. `told`: the
    versions that the Bundle holds under their fullUrl, where each stands once (bdl-7); this one is added.
    https://hl7.org/fhir/R4/http.html#transaction-response
    """
    version = response.version
    out = b""
    is_outcome = response.status >= 400 or response.body.startswith(OUTCOME)
    if response.body and not is_outcome:
        if version is not None and (key := (version.type, version.id, version.version)) not in told:
            told.add(key)
            out = b'"fullUrl":"%b/%b/%b",' % (base, version.type.encode(), version.id.encode())
        out += b'"resource":%b,' % response.body
    out += b'"response":{"status":"%d"' % response.status
    location = response.header(b"location")
    if location is not None:
        out += b',"location":%b' % json.encode(location)
    if version is not None:
        stamp = instant(version.last_updated).encode()
        out += b',"etag":%b,"lastModified":"%b"' % (json.encode(etag(version.version)), stamp)
    if response.body and is_outcome:
        out += b',"outcome":%b' % response.body
    return b"{%b}}" % out


def stored(base: bytes, status: int, resource: Resource) -> bytes:
    """The entry that answers a write of which nothing but the identity is wanted: as `reply`, without detours."""
    return b'{"response":{"status":"%d","location":"%b/%b/%b/_history/%d","etag":"W/\\"%d\\"","lastModified":"%b"}}' % (
        status,
        base,
        resource.type.encode(),
        resource.id.encode(),
        resource.version,
        resource.version,
        instant(resource.last_updated).encode(),
    )
