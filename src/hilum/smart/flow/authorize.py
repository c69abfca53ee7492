"""The authorize endpoint: a request is judged, kept as a flow, and the browser sent on to its first page.

https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code; the checks: `hilum.oauth.requesting`.
A POST from another site comes without our cookie (SameSite=Lax); the 303 to the flow brings it along.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from hilum.oauth import requesting
from hilum.oauth.ledger import FLOW, LAUNCH, Flow, Launch, Put, digest, write
from hilum.oauth.requesting import AuthorizationRequest, Refused
from hilum.smart.apps import clients
from hilum.smart.site import FLOW_SECONDS, unknown
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

KEPT: Final = frozenset(
    ("client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "prompt", "max_age", "login_hint")
)
"""Parameters that count later on. Anyone can send others, of any length, and the record of a flow lasts."""


async def by_get(site: Site, asked: Asked) -> Answer:
    """GET /auth/authorize. Raises Unproven."""
    return await _authorize(site, asked, asked.query.pairs)


async def by_post(site: Site, asked: Asked) -> Answer:
    """POST /auth/authorize. Raises Unproven."""
    return await _authorize(site, asked, asked.form.pairs)


async def _authorize(site: Site, asked: Asked, pairs: Iterable[tuple[str, str]]) -> Answer:
    site.limits.spend("authorize by address", asked.address)
    given = requesting.parameters(pairs)
    client = await clients.active(site.ledger, given.get("client_id", ""))
    try:
        request = requesting.judged(given, client, site.settings.base)
        launch = await _launch(site, request)
    except Refused as refused:
        about = {"error": refused.error}
        await site.trail.certain(unknown(given["client_id"]), "authorize-denied", 400, about)
        return see_other(refused.location(site.settings.origin))
    id = secrets.token_urlsafe(24)
    await site.ledger.add(
        Put(
            FLOW,
            digest(id),
            write(_flow(site, request, launch)),
            expires=site.now + FLOW_SECONDS * 1_000_000,
            peer=request.client.encode(),
        )
    )
    return see_other(f"/auth/flow/{id}")


async def _launch(site: Site, request: AuthorizationRequest) -> Launch | None:
    if not request.launch:
        return None
    return requesting.launched(request, await site.ledger.get(LAUNCH, digest(request.launch)))


def _flow(site: Site, request: AuthorizationRequest, launch: Launch | None) -> Flow:
    kept = {name: value for name, value in request.parameters.items() if name in KEPT}
    flow = Flow(request=kept, step="", started=int(site.clock()))
    if launch is None:
        return flow
    return Flow(
        request=flow.request,
        step="",
        launch=digest(request.launch),
        user=launch.user,
        patient=str(launch.context.get("patient", "")),
        encounter=str(launch.context.get("encounter", "")),
        started=flow.started,
    )


ROUTES: Final = (
    Route("GET", "/auth/authorize", by_get),
    Route("POST", "/auth/authorize", by_post),
)
