"""The stylesheet and scripts of the pages. https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from hilum.problems import NotFound
from hilum.smart.message import NO_SNIFF, Answer, Asked
from hilum.smart.routing import Route
from hilum.web.fields import Header

if TYPE_CHECKING:
    from hilum.smart.site import Site

_MEDIA: Final = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}


@cache
def _assets() -> dict[str, tuple[bytes, bytes, bytes]]:
    """Name -> media type, ETag, bytes."""
    found = {}
    for asset in files("hilum.smart").joinpath("static").iterdir():
        media = _MEDIA.get("." + asset.name.rpartition(".")[2])
        if media is not None:
            content = asset.read_bytes()
            found[asset.name] = media, b'"%b"' % hashlib.sha256(content).hexdigest()[:16].encode(), content
    return found


async def static(site: Site, asked: Asked, name: str) -> Answer:
    """GET /auth/static/{name}. Raises NotFound."""
    if name not in _assets():
        raise NotFound("There is no such file.")
    media, tag, content = _assets()[name]
    headers: list[Header] = [(b"etag", tag), (b"cache-control", b"no-cache"), NO_SNIFF]
    if asked.headers.get(b"if-none-match") == tag:
        return Answer(304, headers)
    return Answer(200, [(b"content-type", media), *headers], content)


ROUTES: Final = (Route("GET", "/auth/static/{name}", static),)
