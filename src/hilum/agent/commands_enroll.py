"""`hilum agent enroll`: make the agent known to the far side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def enroll(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="A hilum, or any server's FHIR base: https://…", show_default=False)
    ],
    token: Annotated[
        str, typer.Option("--token", envvar="HILUM_AGENT_TOKEN", help="The invitation, used once.", show_default=False)
    ] = "",
    client_id: Annotated[
        str, typer.Option("--client-id", help="Of a server where it was registered by hand.", show_default=False)
    ] = "",
    keys: Annotated[
        bool, typer.Option("--keys", help="Only print the public keys (JWKS), to register them by hand.")
    ] = False,
    name: Annotated[
        str, typer.Option("--name", help="As people there see it. Default: this machine's name.", show_default=False)
    ] = "",
    scope: Annotated[
        str, typer.Option("--scope", help="What it asks for. Default: to create measurements.", show_default=False)
    ] = "",
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="Trust only this authority (PEM); it is kept.", show_default=False),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Though it is enrolled: anew, with the same key.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            envvar="HILUM_AGENT_DATA",
            help="The agent's folder: its settings (agent.toml), key and queue. Default: hilum-agent.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a key that never leaves this machine, register its public part, and write a first agent.toml.

    Examples:

    - `hilum agent enroll https://hilum.example.org --token hit_…`

    - `hilum agent enroll https://ehr.example.org/r4 --keys`

    - `hilum agent enroll https://ehr.example.org/r4 --client-id 4cc0-91`
    """
    import asyncio
    import platform

    import msgspec

    from hilum.agent import identity
    from hilum.agent.enrolling import SCOPE, Wanted
    from hilum.agent.enrolling import enroll as enrolled

    folder = data or Path("hilum-agent")
    name = name or platform.node()
    if keys:
        jwks = {"keys": [identity.made(folder, name).jwk]}
        print(msgspec.json.format(msgspec.json.encode(jwks), indent=2).decode())
        return
    found = asyncio.run(enrolled(folder, Wanted(url, token, client_id, name, scope or SCOPE, ca, again)))
    print(f"Enrolled at {found.to} as {found.identity.client_id}, for {found.identity.scope}.")
    settings = folder / identity.SETTINGS
    if found.wrote:
        print(f"{settings} says where to send (way {found.way}): add what is to be read, then `hilum agent run`.")
    else:
        print(f'{settings} is left as it is: in its [send], check `to = "{found.to}"` and `way = "{found.way}"`.')
    if found.waits:
        jwks = {"keys": [found.identity.jwk]}
        print(f"There is no token yet. {found.waits} The public keys to be registered there:")
        print(msgspec.json.format(msgspec.json.encode(jwks), indent=2).decode())
