"""The command line: every command by name. What a command needs is imported when it runs, so that help is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum import __version__
from hilum.agent.cli import agent
from hilum.cli.audit import audit
from hilum.cli.backup import backup, restore
from hilum.cli.check import check
from hilum.cli.clients import clients
from hilum.cli.demo import demo
from hilum.cli.destinations import destination
from hilum.cli.devices import devices
from hilum.cli.ehr import ehr
from hilum.cli.explain import explain
from hilum.cli.gather import gather
from hilum.cli.guides import guides
from hilum.cli.helping import Command
from hilum.cli.keys import keys
from hilum.cli.load import load
from hilum.cli.migrate import migrate
from hilum.cli.open import open_
from hilum.cli.orders import orders
from hilum.cli.reindex import reindex
from hilum.cli.renderers import renderers
from hilum.cli.sandbox import sandbox
from hilum.cli.serve import serve
from hilum.cli.terminology import terminology
from hilum.cli.token import token
from hilum.cli.users import users
from hilum.cli.validate import validate
from hilum.cli.video import video
from hilum.cli.videos import videos

app = typer.Typer(
    name="hilum",
    help="A durable FHIR R4 server in one program.\n\n"
    "Begin with `hilum demo`, which makes synthetic patients, and `hilum serve`, which prints a token, a link "
    "and three curl lines to try.",
    epilog="Every option of `serve` is also an environment variable: `--port` is HILUM_PORT. "
    "All of them: docs/reference/settings.md",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"hilum {__version__}")
        raise typer.Exit


@app.callback()
def hilum(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Nothing of its own: the options before a command."""


COMMANDS = (
    serve,
    load,
    demo,
    sandbox,
    gather,
    video,
    validate,
    token,
    open_,
    explain,
    check,
    backup,
    restore,
    migrate,
    reindex,
)
"""In the order of `hilum --help`: the journey of a newcomer first."""

GROUPS = (guides, terminology, clients, users, keys, devices, ehr, destination, orders, videos, renderers, audit, agent)
"""Commands that have commands."""

for command in COMMANDS:
    app.command(command.__name__.rstrip("_"), cls=Command)(command)
for group in GROUPS:
    app.add_typer(group)
