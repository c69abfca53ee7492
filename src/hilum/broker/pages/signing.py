"""To an EHR's sign-in and back, as browsers come by: `/launch?iss=&launch=`, `/connect/{ehr}`, `/callback/{ehr}`.

https://hl7.org/fhir/smart-app-launch/app-launch.html. Each of them writes a row for whoever asks, and so has a limit.
`/connect` lists the EHRs for who doesn't know their names; like the sign-in itself it is for everybody.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from hilum.broker import launching, returning
from hilum.broker.far import Failed
from hilum.broker.pages.desk import Desk, named, signed_in
from hilum.broker.pages.ordered import given_up
from hilum.interactions import granting
from hilum.problems import Busy, Forbidden
from hilum.web import uri
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

LIMIT: Final = "ehr sign-in by address"


async def launch(desk: Desk, asked: Asked, ehr: str = "") -> Answer:
    """GET /launch, /launch/{ehr}: an EHR opens hilum. Raises as `hilum.broker.launching`, and OAuthError (429)."""
    desk.limits.spend(LIMIT, asked.address)
    going = await launching.launch(desk.launching, asked.query.pairs, asked.headers, ehr)
    return see_other(going.location, going.headers)


async def choose(desk: Desk, asked: Asked) -> Answer:
    """GET /connect: where one may sign in, by title. Raises OAuthError (429), Busy."""
    desk.limits.spend(LIMIT, asked.address)
    parties = desk.launching.parties
    there = {one.connection.name for one in await signed_in(desk, asked)}
    next = launching.once(asked.query.pairs, "next")
    query = f"?{uri.encode([('next', next)])}" if uri.is_local(next) else ""
    found = [one for one in await parties.connections.every() if parties.serves(one)]
    ehrs = [(one.name, one.title or one.name, f"/connect/{one.name}{query}", one.name in there) for one in found]
    return desk.page("connect.html", ehrs=sorted(ehrs, key=lambda one: (one[1].casefold(), one[0])))


async def connect(desk: Desk, asked: Asked, ehr: str) -> Answer:
    """GET /connect/{ehr}: somebody wants to sign in there. Raises as `launch`."""
    desk.limits.spend(LIMIT, asked.address)
    going = await launching.connect(desk.launching, ehr, asked.query.pairs, asked.headers)
    return see_other(going.location, going.headers)


async def callback(desk: Desk, asked: Asked, ehr: str) -> Answer:
    """GET /callback/{ehr}: somebody is back. Audited, whatever came of it. What this browser had at that EHR before is
    given up. Raises as `launch`.
    """
    desk.limits.spend(LIMIT, asked.address)
    about = {"ehr": ehr[:40], "environment": desk.environment}
    try:
        arrived = await returning.callback(desk.launching, ehr, asked.query.pairs, asked.headers)
    except (Failed, Forbidden) as error:
        kind = error.kind if isinstance(error, Failed) else "strange"
        await desk.trail.certain(granting.server(), "ehr-sign-in-failed", 403, {**about, "kind": kind})
        raise
    grant = (await desk.launching.grants.get(arrived.grant)).grant
    await desk.trail.certain(granting.server(named(grant)), "ehr-sign-in", 200, about)
    with suppress(Busy):  # who has signed in is in; what is not given up now ends by time
        await given_up(desk, arrived.replaced)
    return see_other(arrived.next, arrived.headers)


ROUTES: Final = (
    Route("GET", "/launch", launch),
    Route("GET", "/launch/{ehr}", launch),
    Route("GET", "/connect", choose),
    Route("GET", "/connect/{ehr}", connect),
    Route("GET", "/callback/{ehr}", callback),
)
