"""The page of all devices: what is held, what measures and whose it is, what sends; and the forms that change it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from hilum.devices import allowed
from hilum.devices.inviting import Invited
from hilum.devices.pages.desk import PATH, Desk, SignedIn
from hilum.fhir.naming import name
from hilum.problems import Conflict, Invalid, NotFound
from hilum.web.message import Answer, Asked, Form, see_other
from hilum.web.routing import Route

_NAMED: Final = 200
"""Patients whose names are looked up; others are shown by their ids."""

Does = Callable[[Desk, SignedIn, Form], Awaitable[object]]


async def listing(desk: Desk, asked: Asked) -> Answer:
    """GET /devices. Raises Forbidden, Busy."""
    here = await desk.people.visitor(asked)
    return here if isinstance(here, Answer) else await _page(desk, here)


async def invite(desk: Desk, asked: Asked) -> Answer:
    """POST /devices/invite. The answer is the only page that shows the token. Raises Forbidden, Busy."""
    here = await desk.people.visitor(asked)
    if isinstance(here, Answer):
        return here
    form = asked.form
    patients = tuple(one.removeprefix("Patient/") for one in form.get("patients").replace(",", " ").split())
    try:
        if form.get("default") and len(patients) != 1:
            raise Invalid("Name the one patient whose the readings are where nothing else is said.")
        default = patients[0] if form.get("default") else ""
        invited = Invited(form.get("name"), patients, bool(form.get("anyone")), default)
        token, _ = await desk.registry.invite(here.who, invited)
    except (Invalid, NotFound) as problem:
        return await _page(desk, here, message=str(problem))
    return await _page(desk, here, token=token)


def _changing(what: str, place: str, does: Does) -> Route:
    """A form that changes something, and leads back to where it is seen."""

    async def handler(desk: Desk, asked: Asked) -> Answer:
        here = await desk.people.visitor(asked)
        if isinstance(here, Answer):
            return here
        try:
            await does(desk, here, asked.form)
        except (Invalid, NotFound, Conflict) as problem:
            return await _page(desk, here, message=str(problem))
        return see_other(f"{PATH}#{place}")

    return Route("POST", f"{PATH}/{what}", handler)


async def _page(desk: Desk, here: SignedIn, message: str = "", token: str = "") -> Answer:
    registry = desk.registry
    devices, agents = await registry.devices(here.who), await registry.agents(here.who)
    patients = {link.patient for one in devices for link in one.device.links}
    patients |= {id for one in agents for id in one.agent.patients}
    return desk.page(
        "registry.html",
        400 if message else 200,
        nav=here.nav,
        csrf=here.csrf,
        message=message,
        token=token,
        origin=desk.door.base.removesuffix("/fhir"),
        held=await registry.held(here.who),
        devices=sorted(devices, key=lambda one: (-one.device.seen, one.id)),
        agents=sorted(agents, key=lambda one: (one.ended, -one.agent.seen, one.id)),
        names=await _names(desk, here, sorted(patients)[:_NAMED]),
        names_of_agents={one.id: one.agent.name for one in agents},
        links=allowed.links(here.who),
        enrols=allowed.enrols(here.who, registry.roles),
    )


async def _names(desk: Desk, here: SignedIn, ids: list[str]) -> dict[str, str]:
    """Of those whom this person may see."""
    if not ids:
        return {}
    page = await desk.found(here, "Patient", [("_id", ",".join(ids)), ("_count", str(len(ids)))])
    return {f"Patient/{one.id}": name(one.body) or "No name" for one in page.resources}


ROUTES: Final = (
    Route("GET", PATH, listing),
    Route("POST", f"{PATH}/invite", invite),
    _changing(
        "link",
        "devices",
        lambda desk, here, form: desk.registry.link(
            here.who, form.get("device"), form.get("patient"), form.get("person")
        ),
    ),
    _changing(
        "unlink",
        "devices",
        lambda desk, here, form: desk.registry.unlink(here.who, form.get("device"), form.get("person")),
    ),
    _changing("revoke", "devices", lambda desk, here, form: desk.registry.revoke(here.who, form.get("device"))),
    _changing("restore", "devices", lambda desk, here, form: desk.registry.restore(here.who, form.get("device"))),
    _changing("release", "held", lambda desk, here, form: desk.registry.release(here.who)),
    _changing(
        "agents/revoke", "agents", lambda desk, here, form: desk.registry.revoke_agent(here.who, form.get("agent"))
    ),
)
