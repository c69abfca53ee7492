"""Agents that push, devices that measure, whose their readings are, and what waits: looked at and changed.

docs/how-to/enrol-devices.md
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request

from hilum.api.asking import ABSENT, PREFIX, PROBLEMS, TAKEN, Who
from hilum.devices.api import shapes, views
from hilum.devices.inviting import SCOPES, Invited
from hilum.devices.registry import Known, Registry

router: Final = APIRouter(prefix=f"{PREFIX}/devices", tags=["Devices"])


def _registry(request: Request) -> Registry:
    found: Registry = request.app.state.devices
    return found


Here = Annotated[Registry, Depends(_registry)]
Id = Annotated[str, Path(max_length=128)]
T = TypeVar("T", bound=shapes.Shape)
DeviceId = Annotated[
    str, Path(max_length=200, description="Its id here, or its value or serial number where one alone has it.")
]


@router.post("/invitations", status_code=201, responses=PROBLEMS | ABSENT)
async def invite_agent(here: Here, who: Who, invite: shapes.Invite) -> shapes.Invitation:
    """Make a token with which one agent enrols itself (`hilum agent enroll`), for these patients. By administrators."""
    invited = Invited(invite.name, tuple(map(_id, invite.patients)), invite.anyone, _id(invite.default or ""))
    token, seconds = await here.invite(who, invited)
    return shapes.Invitation(token=token, expires_in=seconds, scope=SCOPES)


@router.get("/agents", responses=PROBLEMS)
async def list_agents(here: Here, who: Who) -> shapes.Agents:
    """All agents that were ever enrolled."""
    return _made(shapes.Agents, {"agents": [views.agent(one) for one in await here.agents(who)]})


@router.get("/agents/{id}", responses=PROBLEMS | ABSENT)
async def get_agent(here: Here, who: Who, id: Id) -> shapes.Agent:
    """One of them."""
    return _made(shapes.Agent, views.agent(await here.agent(who, id)))


@router.post("/agents/{id}/revoke", responses=PROBLEMS | ABSENT | TAKEN)
async def revoke_agent(here: Here, who: Who, id: Id) -> shapes.Agent:
    """Shut it out for good: its tokens are void at once. By administrators."""
    return _made(shapes.Agent, views.agent(await here.revoke_agent(who, id)))


@router.get("/held", responses=PROBLEMS)
async def list_held(here: Here, who: Who) -> shapes.AllHeld:
    """What is held until somebody has said whose it is, the oldest first. Without readings."""
    return _made(shapes.AllHeld, {"held": [views.held(one) for one in await here.held(who)]})


@router.post("/held/release", responses=PROBLEMS)
async def release_held(
    here: Here, who: Who, id: Annotated[str, Query(max_length=64, description="This one alone.")] = ""
) -> shapes.Released:
    """Try again what is held: what is said to be somebody's by now is stored. Linking does so by itself."""
    return shapes.Released(released=await here.release(who, id))


@router.get("", responses=PROBLEMS)
async def list_devices(here: Here, who: Who) -> shapes.Devices:
    """All devices that were ever seen or linked, with their links and their last contact."""
    return _made(shapes.Devices, {"devices": [views.device(one) for one in await here.devices(who)]})


@router.post("", status_code=201, responses=PROBLEMS | ABSENT | TAKEN)
async def link_new_device(here: Here, who: Who, link: shapes.NewLink) -> shapes.Device:
    """Link a device that may not have been seen yet, by the identifier that tells it from all others."""
    return _device(await here.link(who, f"{link.system}|{link.value}", _id(link.patient), link.person))


@router.get("/{id}", responses=PROBLEMS | ABSENT)
async def get_device(here: Here, who: Who, id: DeviceId) -> shapes.Device:
    """One of them."""
    return _device(await here.device(who, id))


@router.post("/{id}/link", responses=PROBLEMS | ABSENT | TAKEN)
async def link_device(here: Here, who: Who, id: DeviceId, link: shapes.LinkTo) -> shapes.Device:
    """Say whose the readings of a user of the device are. What is held of it is stored then."""
    return _device(await here.link(who, id, _id(link.patient), link.person))


@router.post("/{id}/unlink", responses=PROBLEMS | ABSENT)
async def unlink_device(here: Here, who: Who, id: DeviceId, unlink: shapes.Unlink) -> shapes.Device:
    """End a link: what comes of that user afterwards is held."""
    return _device(await here.unlink(who, id, unlink.person))


@router.post("/{id}/revoke", responses=PROBLEMS | ABSENT)
async def revoke_device(here: Here, who: Who, id: DeviceId) -> shapes.Device:
    """Take nothing of it any more, whoever sends it."""
    return _device(await here.revoke(who, id))


@router.post("/{id}/restore", responses=PROBLEMS | ABSENT)
async def restore_device(here: Here, who: Who, id: DeviceId) -> shapes.Device:
    """Take what it measures again."""
    return _device(await here.restore(who, id))


def _device(one: Known) -> shapes.Device:
    return _made(shapes.Device, views.device(one))


def _made(shape: type[T], value: dict[str, Any]) -> T:
    return shape.model_validate(value)


def _id(patient: str) -> str:
    return patient.removeprefix("Patient/")
