"""The broker's pages as a whole: the table of their routes, and what becomes of what goes wrong, as a page in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hilum.broker.far import Failed
from hilum.broker.pages import choosing, progress, signing
from hilum.broker.pages.desk import Desk
from hilum.web.pages import Pages, Wrong
from hilum.web.routing import Route

ROUTES: Final[tuple[Route, ...]] = (*signing.ROUTES, *choosing.ROUTES, *progress.ROUTES)

_OURS: Final = (b"/connect/", b"/callback/", b"/gather/")
_WHOLE: Final = (b"/connect", b"/gather")
_ISSUER: Final = re.compile(rb"(?:^|&)iss=")
_FAILED: Final[Mapping[str, int]] = {"forbidden": 403, "unauthorized": 403, "throttled": 503}
"""A kind of `Failed` -> the status; others are 502: the EHR, or the way to it, is what fails."""


def serves(path: bytes, query: bytes) -> bool:
    """Whether a request is the broker's. `/launch` is that of an EHR where it names one, else the authorization
    server's page for staff.
    """
    if path == b"/launch" or path.startswith(b"/launch/"):
        return _ISSUER.search(query) is not None
    return path.startswith(_OURS) or path in _WHOLE


def pages(desk: Desk) -> Pages:
    """What answers them."""
    return Pages(desk, ROUTES, lambda _, wrong: desk.page("error.html", wrong.status, wrong=wrong), _known)


def _known(error: Exception) -> Wrong | None:
    return Wrong(_FAILED.get(error.kind, 502), error.text) if isinstance(error, Failed) else None
