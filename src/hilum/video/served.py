"""A file of a video over HTTP: all of it, or the part that a player asks for.

https://www.rfc-editor.org/rfc/rfc9110#section-14
"""

from __future__ import annotations

from typing import NamedTuple

from hilum.video.files import File
from hilum.web import ranges


class Served(NamedTuple):
    """The answer's status and headers, and which bytes it has: none where the status is 304 or 416."""

    status: int
    headers: dict[str, str]
    start: int = 0
    stop: int = 0


def served(file: File, *, seen: str | None = None, range: str | None = None, if_range: str | None = None) -> Served:
    """`seen`: If-None-Match. Several parts at once nobody asks for: all of it is an answer, too."""
    tag = f'"{file.resource.id}-{file.resource.version}"'
    said = {"etag": tag, "accept-ranges": "bytes", "cache-control": "private, no-cache"}
    if seen == tag:
        return Served(304, said)
    parts = ranges.wanted(range, file.size) if if_range in (None, tag) else None
    if parts is not None and not parts:
        return Served(416, {"content-range": ranges.content_range(None, file.size).decode()})
    if parts is None or len(parts) > 1:
        return Served(200, said, 0, file.size)
    ((start, stop),) = parts
    return Served(206, said | {"content-range": ranges.content_range((start, stop), file.size).decode()}, start, stop)
