"""Files that pages are shown with: those of a package's folder `static`, and those that all pages share, of this one's.

https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3 (ETag)
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

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
