"""The first of the administrators' pages: what can be done here, and how things stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hilum.oauth.ledger import CLIENT, GRANT, USER
from hilum.smart.admin import audit, checking, clients, consents, ehrs, guides, users
from hilum.smart.admin.gate import admin
from hilum.smart.admin.lists import many
from hilum.smart.people.visitor import ADMIN
from hilum.web.message import Answer, Asked
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

_COUNTED: Final = {"clients": CLIENT, "users": USER, "consents": GRANT}


async def start(site: Site, asked: Asked) -> Answer:
    """GET /admin"""
    who = await admin(site, asked)
    if isinstance(who, Answer):
        return who
    counts = {name: await many(site.ledger, kind) for name, kind in _COUNTED.items() if name in who.open}
    check = await checking.known(site) if "audit" in who.open else None
    return who.page("admin.html", counts=counts, check=check, running=checking.running(site, check))


ROUTES: Final = (
    Route("GET", ADMIN, start),
    *clients.ROUTES,
    *users.ROUTES,
    *consents.ROUTES,
    *audit.ROUTES,
    *guides.ROUTES,
    *ehrs.ROUTES,
)
