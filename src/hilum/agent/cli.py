"""`hilum agent`: run it, look at it, and at what waits. Also `python -m hilum.agent`, where there is no server.

What a command needs is imported when it runs, so that help is quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

R = TypeVar("R")

agent = typer.Typer(
    name="agent",
    help="Read personal health devices, keep what they measured, and send it when there is a connection.\n\n"
    "It runs beside the devices, on a machine of its own. All that it keeps is in one folder: `--data`.\n\n"
    "Examples:\n\n"
    "- `hilum agent run`\n\n"
    "- `hilum agent status`",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
queue = typer.Typer(
    name="queue",
    help="Look at what is not sent yet, have it tried again, or drop it.\n\nExamples:\n\n- `hilum agent queue list`",
    no_args_is_help=True,
)

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="HILUM_AGENT_DATA",
        help="The agent's folder: its settings (agent.toml), key and queue. Default: hilum-agent.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Batches, as `list` names them.", show_default=False)
]


@agent.command()
def run(
    data: Data = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when all sources have ended and all that they gave is sent.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more of what devices do.")] = False,
) -> None:
    """Read the sources of agent.toml, and send what they give, until it is stopped (SIGTERM, Ctrl-C).

    It may be killed or lose its power at any moment: what a device was told to be taken is on disk. After SIGHUP, or
    `hilum agent queue retry`, it tries at once what waits. Exit status: 2 it is not set up.

    Examples:

    - `hilum agent run`

    - `hilum agent run --data /var/lib/hilum-agent`
    """
    import logging

    from hilum.agent.running import run as runs
    from hilum.agent.settings import folder

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("hilum").setLevel(logging.DEBUG if verbose else logging.INFO)
    runs(folder(data), once=once)


@agent.command()
def status(data: Data = None, json: Json = False) -> None:
    """How it is: what waits, devices with their last contact and battery, the last receipt, and what stopped it.

    No values that were measured. Exit status: 0 all is well; 1 something waits for somebody.

    Example:

    - `hilum agent status --json`
    """
    from hilum.agent.settings import folder
    from hilum.agent.told import lines
    from hilum.agent.told import status as stands

    found = stands(folder(data))
    if json:
        _json(found)
    else:
        print("\n".join(lines(found)))
    sys.exit(1 if found.stopped else 0)


@queue.command("list")
def list_(
    data: Data = None,
    show: Annotated[
        bool, typer.Option("--show", help="Also what was measured, and the bytes that say nothing: health data.")
    ] = False,
    json: Json = False,
) -> None:
    """List batches that are not delivered, dead letters among them, and bytes of devices that say nothing.

    Examples:

    - `hilum agent queue list`

    - `hilum agent queue list --show --json`
    """
    from hilum.agent.queue import listing
    from hilum.agent.queue.schema import look
    from hilum.agent.settings import folder
    from hilum.agent.told import listed

    db = look(folder(data))
    batches = listing.batches(db, show=show) if db else []
    malformed = listing.unread(db, show=show) if db else []
    if json:
        _json({"batches": batches, "malformed": malformed})
    else:
        print("\n".join(listed(batches, malformed)))


@queue.command()
def retry(ids: Ids = None, data: Data = None, json: Json = False) -> None:
    """Have batches sent again at once, dead letters too; all, where none is named.

    Examples:

    - `hilum agent queue retry`

    - `hilum agent queue retry urn:uuid:0b8c4f1e-6a55-4a39-9d0e-2f3b7c1d9e10`
    """
    from hilum.agent.lock import wake
    from hilum.agent.queue.listing import retry as again
    from hilum.agent.settings import folder

    count = _changed(folder(data), lambda db: again(db, ids or None), ids or [])
    runs = wake(folder(data))
    if json:
        _json({"retried": count, "running": runs})
    else:
        print(f"{count} to be sent again{'' if runs else ', once the agent runs'}.")


@queue.command()
def drop(
    ids: Ids = None,
    dead: Annotated[bool, typer.Option("--dead", help="All dead letters.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Delete batches, with what was measured. They are sent to nobody, also if the device gives them again.

    Example:

    - `hilum agent queue drop --dead`
    """
    from hilum.agent.queue import listing
    from hilum.agent.settings import folder
    from hilum.problems import Invalid

    if bool(ids) == dead:
        raise Invalid("Name batches, or say --dead.")
    if not yes:
        typer.confirm("Delete what was measured, unsent?", abort=True, err=True)
    count = _changed(folder(data), lambda db: listing.drop(db, ids or listing.dead(db)), ids or [])
    if json:
        _json({"dropped": count})
    else:
        print(f"{count} dropped.")


def _changed(data: Path, work: Callable[[sqlite3.Connection], int], ids: list[str]) -> int:
    """How many the queue then had changed. Raises NotFound: not all that were named are there; nothing is changed."""
    from hilum.agent.queue.schema import connect, look, writing
    from hilum.problems import NotFound

    there = look(data)
    if there is None:
        if ids:
            raise NotFound(f"There is no queue in {data}.")
        return 0
    there.close()
    db = connect(data)
    try:
        with writing(db):
            count = work(db)
            if ids and count != len(set(ids)):
                raise NotFound("Not all of these are in the queue: `hilum agent queue list` names them.")
        return count
    finally:
        db.close()


def _json(value: Any) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


agent.add_typer(queue)

OTHERS: Final = {"enroll": "hilum.agent.commands_enroll", "simulate": "hilum.agent.commands_simulate"}
"""Commands with a module of their own, of the same name there."""

for name, module in OTHERS.items():
    if find_spec(module) is not None:
        agent.command(name)(getattr(import_module(module), name))


def main() -> None:
    """`python -m hilum.agent`. Exit status: 0 done, 1 something was refused, 2 a wrong command or set-up."""
    from hilum.problems import Misconfigured, Problem

    try:
        agent(prog_name="hilum-agent")
    except Problem as problem:
        print(f"hilum: {problem}", file=sys.stderr)
        sys.exit(2 if isinstance(problem, Misconfigured) else 1)
    except PermissionError as error:
        print(f"hilum: no permission for {error.filename}; run as its owner, or choose another --data", file=sys.stderr)
        sys.exit(2)
