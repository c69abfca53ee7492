"""The stylesheets and scripts of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hilum.web.assets import served
from hilum.web.message import Answer, Asked
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site


async def static(site: Site, asked: Asked, name: str) -> Answer:
    """GET /auth/static/{name}. Raises NotFound."""
    return served("hilum.smart", asked, name)


ROUTES: Final = (Route("GET", "/auth/static/{name}", static),)
