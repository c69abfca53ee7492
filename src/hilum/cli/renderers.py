"""`hilum renderers`: who renders videos: this machine, and services of `renderers.toml`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.app.settings import Settings

renderers = typer.Typer(
    name="renderers",
    help="List who renders videos, and try whether a video service would take an order.\n\n"
    "Services stand in `renderers.toml` in the data directory: see docs/how-to/use-a-video-service.md.\n\n"
    "Examples:\n\n"
    "- `hilum renderers list`\n\n"
    "- `hilum renderers check studio`",
    no_args_is_help=True,
)

SIDES = {"ours": "here", "theirs": "the service's side", "network": "in between"}
WORDS = {True: "ok", False: "no", None: "--"}


def _settings(**flags: str | None) -> Settings:
    from hilum.app.settings import Settings
    from hilum.web import log

    log.configure("warning", "text")
    return Settings.read(flags)


@renderers.command("list")
def list_(data: options.Data = None, environment: options.Environment = None, json: options.Json = False) -> None:
    """List them: `local`, and each service with its address, what it makes, and for which templates.

    Example:

    - `hilum renderers list --json`
    """
    import msgspec

    from hilum.cli.terminal import json_out, out, table
    from hilum.video import remote

    settings = _settings(data=data, environment=environment)
    found = remote.services(settings.data, settings.environment)
    if json:
        rows = [
            {
                "name": one.name,
                "environment": one.environment,
                "base": one.base,
                "auth": one.auth,
                "codecs": list(one.codecs),
                "callback": bool(one.callback),
                "storyboards": [msgspec.to_builtins(board) for board in one.storyboards.values()],
            }
            for one in found.values()
        ]
        json_out({"default": settings.renderer, "renderers": [{"name": "local"}, *rows]})
        return
    shown = [("local", "", "", "", "")] + [
        (one.name, one.environment, one.base, ", ".join(one.codecs), str(len(one.storyboards)))
        for one in found.values()
    ]
    table(f"{len(shown)} renderers", ("name", "environment", "base", "codecs", "storyboards"), shown)
    for name, *_ in shown:
        out(name)


@renderers.command()
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The service: see `hilum renderers list`.")],
    data: options.Data = None,
    environment: options.Environment = None,
    allow_private_keys: options.AllowPrivateKeys = None,
    json: options.Json = False,
) -> None:
    """Try whether a service lets hilum in and has its storyboards. Nothing is ordered. Exit status 1 where it would not
    work.

    Example:

    - `hilum renderers check studio`
    """
    import asyncio
    from dataclasses import asdict

    from hilum.app.brokering import reaching
    from hilum.cli.terminal import json_out, out
    from hilum.problems import NotFound
    from hilum.video import remote
    from hilum.video.remote.checking import Step, steps

    settings = _settings(data=data, environment=environment, allow_private_keys=allow_private_keys)
    service = remote.services(settings.data, settings.environment).get(name)
    if service is None:
        raise NotFound(f"There is no video service {name[:64]!r} in {settings.data / remote.FILE}.")

    async def tried() -> list[Step]:
        return [one async for one in steps(service, reaching(settings))]

    done = asyncio.run(tried())
    good = all(one.good is not False for one in done)
    if json:
        json_out({"name": name, "good": good, "steps": [asdict(one) for one in done]})
    else:
        for one in done:
            where = f" ({SIDES[one.side]})" if one.side else ""
            out(f"{WORDS[one.good]}  {one.what}{': ' if one.text else ''}{one.text}{where}")
    sys.exit(0 if good else 1)
