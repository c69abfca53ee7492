"""The pages of devices as a whole: the table of their routes, and what becomes of what goes wrong."""

from __future__ import annotations

from typing import Final

from hilum.devices.pages import listing, patient
from hilum.devices.pages.desk import PACKAGE, PATH, Desk
from hilum.web import assets
from hilum.web.message import Answer, Asked
from hilum.web.pages import Pages, Wrong
from hilum.web.routing import Route


async def static(desk: Desk, asked: Asked, name: str) -> Answer:
    """GET /devices/static/{name}. Raises NotFound."""
    return assets.served(PACKAGE, asked, name)


ROUTES: Final = (*listing.ROUTES, *patient.ROUTES, Route("GET", f"{PATH}/static/{{name}}", static))
_BELOW: Final = (f"{PATH}/patients/".encode(), f"{PATH}/static/".encode())
_HERE: Final = frozenset(route.pattern.encode() for route in listing.ROUTES)


def serves(path: bytes) -> bool:
    """Whether a request is for these pages; the gateway has others below the same."""
    return path in _HERE or path.startswith(_BELOW)


def pages(desk: Desk) -> Pages:
    """What answers them."""

    def wrong(asked: Asked, found: Wrong) -> Answer:
        return desk.page("error.html", found.status, wrong=found)

    return Pages(desk, ROUTES, wrong)
