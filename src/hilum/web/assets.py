"""Files that pages are shown with: those of a package's folder `static`, and those that all pages share, of this one's.

https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3 (ETag)
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from hilum.problems import NotFound
from hilum.web.message import NO_SNIFF, Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hilum.web.fields import Header
    from hilum.web.message import Asked

_MEDIA: Final = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}


class Asset(NamedTuple):
    """`media`: its media type; `tag`: its ETag."""

    media: bytes
    tag: bytes
    content: bytes


@cache
def assets(package: str) -> Mapping[str, Asset]:
    """By name: those of the package, and the shared ones."""
    found = {}
    for folder in ("hilum.web", package):
        for file in files(folder).joinpath("static").iterdir():
            media = _MEDIA.get("." + file.name.rpartition(".")[2])
            if media is not None:
                content = file.read_bytes()
                tag = b'"%b"' % hashlib.sha256(content).hexdigest()[:16].encode()
                found[file.name] = Asset(media, tag, content)
    return MappingProxyType(found)


def served(package: str, asked: Asked, name: str) -> Answer:
    """The file of this name, or that the browser has it (https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2).

    Raises NotFound.
    """
    found = assets(package).get(name)
    if found is None:
        raise NotFound("There is no such file.")
    headers: list[Header] = [(b"etag", found.tag), (b"cache-control", b"no-cache"), NO_SNIFF]
    if asked.headers.get(b"if-none-match") == found.tag:
        return Answer(304, headers)
    return Answer(200, [(b"content-type", found.media), *headers], found.content)
