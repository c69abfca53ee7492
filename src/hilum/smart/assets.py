"""The stylesheets and scripts of the pages. https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hilum.problems import NotFound
from hilum.web.assets import assets
from hilum.web.fields import Header
from hilum.web.message import NO_SNIFF, Answer, Asked
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site


async def static(site: Site, asked: Asked, name: str) -> Answer:
    """GET /auth/static/{name}. Raises NotFound."""
    found = assets("hilum.smart").get(name)
    if found is None:
        raise NotFound("There is no such file.")
    headers: list[Header] = [(b"etag", found.tag), (b"cache-control", b"no-cache"), NO_SNIFF]
    if asked.headers.get(b"if-none-match") == found.tag:
        return Answer(304, headers)
    return Answer(200, [(b"content-type", found.media), *headers], found.content)


ROUTES: Final = (Route("GET", "/auth/static/{name}", static),)
