"""ETag, Last-Modified and the headers that make a request conditional. https://hl7.org/fhir/R4/http.html#versioning"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache

from hilum.fhir.resource import Resource
from hilum.problems import Malformed
from hilum.search.dates import interval
from hilum.web.fields import Header

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ETAG = re.compile(r'(?:W/)?"([^"]*)"|([A-Za-z0-9.-]+)')


def etag(version: int | str) -> str:
    """`W/"3"`: the version as a weak ETag."""
    return f'W/"{version}"'


def http_date(microseconds: int) -> str:
    """Microseconds since 1970 as an HTTP date (whole seconds, rounded down)."""
    return _http_date(microseconds // 1_000_000)


@lru_cache(maxsize=8192)
def _http_date(seconds: int) -> str:
    t = time.gmtime(seconds)
    day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon - 1]
    return f"{day}, {t.tm_mday:02d} {month} {t.tm_year} {t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} GMT"


def http_date_of(text: str) -> str:
    """A FHIR instant (entry.request.ifModifiedSince) as an HTTP date. Raises Malformed."""
    return http_date(interval(text)[0])


def version_headers(resource: Resource) -> list[Header]:
    """ETag and Last-Modified of a version."""
    return [(b"etag", b'W/"%d"' % resource.version), _last_modified(resource.last_updated // 1_000_000)]


@lru_cache(maxsize=8192)
def _last_modified(seconds: int) -> Header:
    return b"last-modified", _http_date(seconds).encode()


def only_new(headers: Mapping[bytes, bytes], *, possible: bool = False) -> bool:
    """Whether a write may only make what does not exist yet: `If-None-Match: *`, where that is `possible`.

    Raises Malformed for a condition that hilum does not judge: to ignore it would be to overwrite what the client
    wanted to keep. https://www.rfc-editor.org/rfc/rfc9110#section-13.1
    """
    if b"if-unmodified-since" in headers:
        raise Malformed("If-Unmodified-Since is not judged here; name the version with If-Match instead.")
    wanted = headers.get(b"if-none-match")
    if wanted is None:
        return False
    if not possible:
        raise Malformed("If-None-Match has no meaning with this write; to create only what is new use If-None-Exist.")
    if wanted.strip() != b"*":
        raise Malformed("If-None-Match on a PUT may only be *: nothing may exist yet.")
    return True


def unchanged(resource: Resource, if_none_match: str | None, if_modified_since: str | None) -> bool:
    """Whether a conditional read may answer 304. https://hl7.org/fhir/R4/http.html#cread

    If-None-Match decides alone when both are given, and a date that can't be read is ignored
    (https://www.rfc-editor.org/rfc/rfc9110#section-13.1.3).
    """
    if if_none_match is not None:
        if if_none_match.strip() == "*":
            return True
        wanted = str(resource.version)
        return any(wanted in (found[1], found[2]) for found in _ETAG.finditer(if_none_match))
    if if_modified_since is not None:
        try:
            since = parsedate_to_datetime(if_modified_since)
            return resource.last_updated // 1_000_000 <= since.timestamp()
        except (ValueError, OverflowError):
            return False
    return False
