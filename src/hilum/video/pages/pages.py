"""The pages of videos as a whole: the table of their routes, and what becomes of what goes wrong."""

from __future__ import annotations

from typing import Final

from hilum.video.links import PATH as LINK
from hilum.video.pages import asking, deciding, giving, listing, patient, review
from hilum.video.pages.desk import Desk
from hilum.video.pages.listing import PATH
from hilum.web.message import Answer, Asked
from hilum.web.pages import Pages, Wrong
from hilum.web.routing import Route

ROUTES: Final[tuple[Route, ...]] = (
    *listing.ROUTES,
    *asking.ROUTES,
    *review.ROUTES,
    *deciding.ROUTES,
    *giving.ROUTES,
    *review.LAST,
    *patient.ROUTES,
)

_BELOW: Final = (f"{PATH}/".encode(), f"{LINK}/".encode())


def serves(path: bytes) -> bool:
    """Whether a request is for these pages."""
    return path == PATH.encode() or path.startswith(_BELOW)


def pages(desk: Desk) -> Pages:
    """What answers them."""

    def wrong(asked: Asked, found: Wrong) -> Answer:
        if asked.path.startswith(f"{LINK}/"):
            return patient.gone(desk, asked, found.status)
        return desk.page("error.html", found.status, wrong=found)

    return Pages(desk, ROUTES, wrong)
