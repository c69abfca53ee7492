"""A ticket for a document that a browser opens by itself, where a script can send no header: a link, an image, a frame.

It stands in a URL, once and for half a minute, so that no access token ever does (`hilum.access.tickets`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hilum.access.bearer import bearer, require_key
from hilum.access.tickets import SECONDS, Tickets
from hilum.oauth.errors import OAuthError
from hilum.web import message
from hilum.web.message import Answer, Asked
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

_PATH: Final = re.compile(r"(?:/fhir/)?(Binary/[A-Za-z0-9\-.]{1,64})")
"""What tickets open: https://hl7.org/fhir/R4/binary.html, the one resource that a browser shows as what it holds."""


async def make(site: Site, asked: Asked) -> Answer:
    """POST /auth/ticket, with a token in the Authorization header. Raises OAuthError, Unauthenticated, Busy."""
    site.limits.spend("ticket by address", asked.address)
    token = bearer(asked.headers)
    who = site.verifier.known(token) or await site.verifier.admit(token)
    require_key(who, asked.headers)
    found = _PATH.fullmatch(asked.form.get("path"))
    if found is None:
        raise OAuthError("invalid_request", "The parameter path must name a Binary: Binary/17. Tickets open no other.")
    path = found[1]
    if not who.policy.permits("Binary", "r"):
        raise OAuthError("insufficient_scope", "The token does not allow to read Binary.")
    await site.trail.certain(who, "ticket", 200, {"path": path})
    text = await Tickets(site.ledger, site.ring, site.verifier, site.clock).make(token, who, path)
    return message.json({"url": f"{site.settings.base}/{path}?ticket={text}", "expires_in": SECONDS})


ROUTES: Final = (Route("POST", "/auth/ticket", make, "oauth"),)
