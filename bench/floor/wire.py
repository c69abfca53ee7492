"""Bytes in and out of the floor: stamps, splices, Bundles, headers: what hilum sends."""

from __future__ import annotations

import os
import re
import time
from base64 import urlsafe_b64encode
from binascii import unhexlify
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import msgspec

from bench.floor.rows import Rows

Header = tuple[bytes, bytes]
FHIR = (b"content-type", b"application/fhir+json; charset=utf-8")
NO_STORE = (b"cache-control", b"no-store")
NO_SNIFF = (b"x-content-type-options", b"nosniff")
VARY = (b"vary", b"Accept")
_DAYS = b"Mon Tue Wed Thu Fri Sat Sun".split()
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_ids = count()
_prefix = os.urandom(5).hex().encode()


class Made(NamedTuple):
    """One resource to write: its bytes around versionId and lastUpdated, and its index rows. `key`: id as 16 bytes."""

    type: str
    id: str
    key: bytes
    head: bytes
    tail: bytes
    rows: Rows


class Version(NamedTuple):
    """One version as written. `seq`: lastUpdated in microseconds since 1970."""

    type: str
    id: str
    version: int
    seq: int
    raw: bytes


class _Request(msgspec.Struct, gc=False):
    url: str


class Entry(msgspec.Struct, gc=False):
    """An entry of a transaction."""

    fullUrl: str
    resource: msgspec.Raw
    request: _Request


class Bundle(msgspec.Struct, gc=False):
    """A transaction."""

    entry: list[Entry]


decode_bundle = msgspec.json.Decoder(Bundle).decode
find_urn = re.compile(rb'"reference":"(urn:uuid:[0-9a-f-]{36})"')


@lru_cache(1024)
def _second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


def instant(microseconds: int) -> bytes:
    """`2026-11-22T04:55:48.123456Z`."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return b"%b.%06dZ" % (_second(seconds), rest)


@lru_cache(1024)
def http_date(seconds: int) -> bytes:
    """Seconds since 1970 as an HTTP date."""
    t = time.gmtime(seconds)
    day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon - 1]
    return b"%b, %02d %b %d %02d:%02d:%02d GMT" % (day, t.tm_mday, month, t.tm_year, t.tm_hour, t.tm_min, t.tm_sec)


def uuid7() -> tuple[str, bytes]:
    """A new UUIDv7 as text and as 16 bytes."""
    milliseconds = time.time_ns() // 1_000_000
    random = bytearray(os.urandom(10))
    random[0] = 0x70 | random[0] & 0x0F
    random[2] = 0x80 | random[2] & 0x3F
    key = milliseconds.to_bytes(6, "big") + random
    text = key.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}", key


def key_of(id: str) -> bytes:
    """The 16 bytes of a UUID."""
    return unhexlify(id.replace("-", ""))


def around(type: str, id: str, raw: bytes, skip: int) -> tuple[bytes, bytes]:
    """The stored bytes before versionId and after lastUpdated; `skip`: how much of `raw` names type and id."""
    head = b'{"resourceType":"%b","id":"%b","meta":{"versionId":"' % (type.encode(), id.encode())
    return head, b'"},' + raw[skip:]


def stamp(made: Made, version: int, seq: int) -> bytes:
    """The stored bytes of one version."""
    return b'%b%d","lastUpdated":"%b%b' % (made.head, version, instant(seq), made.tail)


def request_id() -> bytes:
    """Another one for every answer."""
    return b"%b-%x" % (_prefix, next(_ids))


def read_headers(version: int, seq: int, length: int) -> list[Header]:
    """Of a read."""
    return [
        FHIR,
        NO_STORE,
        (b"etag", b'W/"%d"' % version),
        (b"last-modified", http_date(seq // 1_000_000)),
        (b"x-request-id", request_id()),
        VARY,
        NO_SNIFF,
        (b"content-length", b"%d" % length),
    ]


def write_headers(base: bytes, made: Version) -> list[Header]:
    """Of a create or update."""
    location = b"%b/%b/%b/_history/%d" % (base, made.type.encode(), made.id.encode(), made.version)
    return [
        NO_STORE,
        (b"location", location),
        (b"etag", b'W/"%d"' % made.version),
        (b"last-modified", http_date(made.seq // 1_000_000)),
        FHIR,
        (b"x-request-id", request_id()),
        VARY,
        NO_SNIFF,
        (b"content-length", b"%d" % len(made.raw)),
    ]


def plain_headers(length: int) -> list[Header]:
    """Of a Bundle."""
    return [FHIR, NO_STORE, (b"x-request-id", request_id()), VARY, NO_SNIFF, (b"content-length", b"%d" % length)]


def searchset(
    base: bytes,
    type: str,
    query: bytes,
    found: list[tuple[bytes, bytes, bytes]],
    after: int | None,
    included: list[tuple[bytes, bytes, bytes]],
) -> bytes:
    """A page: (type, id, body) of each match and of what comes along. A cursor as long as hilum's, but unsealed.

    A page that holds everything tells how much that is.
    """
    where = b"%b/%b" % (base, type.encode())
    total = b""
    links = b'{"relation":"self","url":"%b?%b"}' % (where, query)
    if after is not None:
        cursor = urlsafe_b64encode(bytes(40) + after.to_bytes(8, "big"))
        links += b',{"relation":"next","url":"%b?%b&_cursor=%b"}' % (where, query, cursor)
    else:
        total = b',"total":%d' % len(found)
    entries = [
        b'{"fullUrl":"%b/%b/%b","resource":%b,"search":{"mode":"%b"}}' % (base, kind, id, raw, mode)
        for mode, some in ((b"match", found), (b"include", included))
        for kind, id, raw in some
    ]
    head = b'{"resourceType":"Bundle","type":"searchset"%b,"link":[%b]' % (total, links)
    return b'%b,"entry":[%b]}' % (head, b",".join(entries))


def transaction_response(base: bytes, made: list[Version]) -> bytes:
    """What became of each entry. https://hl7.org/fhir/R4/http.html#transaction-response"""
    parts = [
        b'{"response":{"status":"201","location":"%b/%b/%b/_history/%d","etag":"W/\\"%d\\"","lastModified":"%b"}}'
        % (base, one.type.encode(), one.id.encode(), one.version, one.version, instant(one.seq))
        for one in made
    ]
    return b'{"resourceType":"Bundle","type":"transaction-response","entry":[%b]}' % b",".join(parts)
