"""`hilum devices`: the agents that push readings, the devices that measure, and whose their readings are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.app.desk import Desk
    from hilum.devices.registry import Enrolled, Known
    from hilum.devices.waiting import Waiting

devices = typer.Typer(
    name="devices",
    help="Enrol agents that push readings, link devices to patients, shut both out, and see what waits.\n\n"
    "Links and revoked devices hold under a running `hilum serve` at once, the end of an agent within five seconds. "
    "See docs/how-to/enrol-devices.md.\n\n"
    "Examples:\n\n"
    "- `hilum devices invite --patient p1 --default`\n\n"
    "- `hilum devices link 00-E5-DE-AD-77-C3-00-01 p1`",
    no_args_is_help=True,
)

Device = Annotated[
    str,
    typer.Argument(
        metavar="DEVICE",
        help="Its id, `system|value`, or its value or serial number where one alone has it.",
        show_default=False,
    ),
]
Person = Annotated[
    str, typer.Option("--person", help="The number of the user, on a device that tells its users apart.", metavar="N")
]


@devices.command()
def invite(
    patient: Annotated[
        list[str] | None,
        typer.Option("--patient", help="An id of a Patient whose readings it may send. Again for more.", metavar="ID"),
    ] = None,
    anyone: Annotated[bool, typer.Option("--anyone", help="It may send for every patient, as in a clinic.")] = False,
    default: Annotated[
        bool,
        typer.Option(
            "--default",
            help="Readings of devices that know no users and have no link of their own are the (one) patient's.",
        ),
    ] = False,
    name: Annotated[str, typer.Option("--name", help="What people call it.", metavar="TEXT")] = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Make a token with which one agent enrols itself within seven days: `hilum agent enroll URL --token TOKEN`.

    Examples:

    - `hilum devices invite --patient p1 --default --name 'At home'`

    - `hilum devices invite --anyone --name Ward`
    """
    from hilum.cli.records import at_the_desk
    from hilum.cli.terminal import json_out, out
    from hilum.devices.inviting import SCOPES, Invited
    from hilum.problems import Invalid

    patients = tuple(one.removeprefix("Patient/") for one in patient or ())
    if default and len(patients) != 1:
        raise Invalid("--default needs one --patient: whose the readings are where nothing else is said.")
    invited = Invited(name, patients, anyone, patients[0] if default else "")

    async def work(here: Desk) -> tuple[str, int]:
        return await here.devices.invite(here.who, invited)

    token, seconds = at_the_desk({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"initial_access_token": token, "scope": SCOPES, "expires_in": seconds})
    else:
        out(token)


@devices.command("list")
def list_(
    agents: Annotated[bool, typer.Option("--agents", help="The agents that are enrolled, not the devices.")] = False,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the devices that were ever seen or linked, or the agents, with their last contact.

    Examples:

    - `hilum devices list`

    - `hilum devices list --agents --json`
    """
    from hilum.cli.records import at_the_desk
    from hilum.cli.terminal import listed
    from hilum.devices.api import views

    flags = {"store": store, "data": data, "environment": environment}
    if agents:

        async def enrolled(here: Desk) -> list[Enrolled]:
            return await here.devices.agents(here.who)

        of_agents: dict[str, Callable[[Enrolled], str]] = {
            "id": lambda one: one.id,
            "name": lambda one: one.agent.name,
            "for": lambda one: "anyone" if one.agent.anyone else " ".join(one.agent.patients),
            "last contact": lambda one: views.moment(one.agent.seen) or "never",
            "": lambda one: "revoked" if one.ended else "",
        }
        listed("agents", at_the_desk(flags, enrolled), of_agents, lambda one: one.id, views.agent, json=json)
        return

    async def known(here: Desk) -> list[Known]:
        return await here.devices.devices(here.who)

    columns: dict[str, Callable[[Known], str]] = {
        "device": lambda one: one.device.value,
        "model": lambda one: " ".join(filter(None, (one.device.manufacturer, one.device.model))),
        "of": _links,
        "last contact": lambda one: views.moment(one.device.seen) or "never",
        "battery": lambda one: "" if one.device.battery is None else f"{one.device.battery}%",
        "": lambda one: "revoked" if one.device.revoked else "",
    }
    listed("devices", at_the_desk(flags, known), columns, lambda one: one.id, views.device, json=json)


@devices.command()
def show(
    device: Device,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
) -> None:
    """Show what is known of a device, or of an agent by its id, as JSON.

    Example:

    - `hilum devices show 00-E5-DE-AD-77-C3-00-01`
    """
    from hilum.cli.records import at_the_desk
    from hilum.cli.terminal import json_out
    from hilum.devices.api import views
    from hilum.problems import NotFound

    async def work(here: Desk) -> dict[str, Any]:
        try:
            return views.agent(await here.devices.agent(here.who, device))
        except NotFound:
            return views.device(await here.devices.device(here.who, device))

    json_out(at_the_desk({"store": store, "data": data, "environment": environment}, work))


@devices.command()
def link(
    device: Device,
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The id of the Patient.", show_default=False)],
    person: Person = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Say whose the readings of a device, or of one of its users, are. What is held of it is stored then.

    A device that was never seen is named by `system|value`.

    Examples:

    - `hilum devices link 00-E5-DE-AD-77-C3-00-01 p1`

    - `hilum devices link 00-E5-DE-AD-77-C3-00-01 p2 --person 2`
    """

    async def work(here: Desk) -> Known:
        return await here.devices.link(here.who, device, patient, person)

    _changed({"store": store, "data": data, "environment": environment}, work, json)


@devices.command()
def unlink(
    device: Device,
    person: Person = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """End a link: what comes of that user afterwards is held.

    Example:

    - `hilum devices unlink 00-E5-DE-AD-77-C3-00-01 --person 2`
    """

    async def work(here: Desk) -> Known:
        return await here.devices.unlink(here.who, device, person)

    _changed({"store": store, "data": data, "environment": environment}, work, json)


@devices.command()
def revoke(
    device: Device,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Take nothing of a device any more; or, by its id, shut an agent out for good: its tokens are void.

    Examples:

    - `hilum devices revoke 00-E5-DE-AD-77-C3-00-01`

    - `hilum devices revoke 6f1f3c1e-6c5e-4a55-9a39-0d3f4ad0b6a1`
    """
    from hilum.cli.records import at_the_desk
    from hilum.cli.terminal import json_out, out
    from hilum.devices.api import views
    from hilum.problems import NotFound

    async def work(here: Desk) -> dict[str, Any]:
        try:
            return views.agent(await here.devices.revoke_agent(here.who, device))
        except NotFound:
            return views.device(await here.devices.revoke(here.who, device))

    shown = at_the_desk({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out(shown)
    else:
        out(f"{shown.get('value') or shown['id']} is revoked.")


@devices.command()
def restore(
    device: Device,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Take what a revoked device measures again.

    Example:

    - `hilum devices restore 00-E5-DE-AD-77-C3-00-01`
    """

    async def work(here: Desk) -> Known:
        return await here.devices.restore(here.who, device)

    _changed({"store": store, "data": data, "environment": environment}, work, json)


@devices.command()
def held(
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List what waits until somebody has said whose it is, and why.

    Example:

    - `hilum devices held`
    """
    from hilum.cli.records import at_the_desk
    from hilum.cli.terminal import listed
    from hilum.devices.api import views

    async def work(here: Desk) -> list[Waiting]:
        return list(await here.devices.held(here.who))

    columns: dict[str, Callable[[Waiting], str]] = {
        "receipt": lambda one: one.id,
        "agent": lambda one: one.client,
        "since": lambda one: views.moment(one.at) or "",
        "entries": lambda one: str(one.entries),
        "why": lambda one: one.why,
    }
    found = at_the_desk({"store": store, "data": data, "environment": environment}, work)
    listed("held", found, columns, lambda one: one.id, views.held, json=json)


@devices.command()
def release(
    receipt: Annotated[
        str, typer.Argument(metavar="[RECEIPT]", help="This one alone; without it, all.", show_default=False)
    ] = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Try again what is held: what is said to be somebody's by now is stored. `link` does so by itself.

    Example:

    - `hilum devices release`
    """
    from hilum.cli.records import at_the_desk
    from hilum.cli.terminal import json_out, out

    async def work(here: Desk) -> int:
        return await here.devices.release(here.who, receipt)

    count = at_the_desk({"store": store, "data": data, "environment": environment}, work)
    if json:
        json_out({"released": count})
    else:
        out(f"{count} released.")


def _changed(flags: dict[str, str | None], work: Callable[[Desk], Any], json: bool) -> None:
    """Do it, and show the device as it is then."""
    from hilum.cli.records import at_the_desk
    from hilum.cli.terminal import json_out, out
    from hilum.devices.api import views

    one: Known = at_the_desk(flags, work)
    if json:
        json_out(views.device(one))
    else:
        state = "revoked" if one.device.revoked else _links(one) or "linked to nobody"
        out(f"{one.device.value}: {state}")


def _links(one: Known) -> str:
    """`Patient/p1, 2: Patient/p2`"""
    return ", ".join(f"{link.person}: " * bool(link.person) + f"Patient/{link.patient}" for link in one.device.links)
