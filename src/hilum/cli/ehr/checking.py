"""`hilum ehr check`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hilum.cli import options
from hilum.cli.ehr.opening import Name, brokering

if TYPE_CHECKING:
    from hilum.app.settings import Settings
    from hilum.broker.checking import Step
    from hilum.broker.connection import Connection
    from hilum.store.interface import Store

SIDES = {"ours": "here", "theirs": "the EHR's side", "network": "in between"}


def check(
    name: Name,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    allow_private_keys: options.AllowPrivateKeys = None,
    json: options.Json = False,
) -> None:
    """Does a connection work? Discovers, signs in, reads one thing, and says what fails and whose side it is on.

    Nothing that was read is kept or shown. What only a person can try, signing in by App Launch, is skipped, and it is
    said where they do. Exit status 1 when something fails.

    Examples:

    - `hilum ehr check lake`

    - `hilum ehr check lake --json`
    """
    from hilum.app.data import served_at
    from hilum.broker import checking
    from hilum.cli.records import done
    from hilum.cli.terminal import bold, json_out, out

    async def work(opened: Store, settings: Settings) -> tuple[Connection, list[Step]]:
        here = brokering(opened, settings)
        connection = await here.connections.get(name)
        if not json:
            out(f"{bold(name)}  {connection.environment.upper()}  {connection.base}")
        found = []
        origin = served_at(settings).removesuffix("/fhir")
        async for step in checking.steps(connection, here.backend, here.discovery, here.keys, here.send, origin):
            found.append(step)
            if not json:
                _tell(step)
        return connection, found

    flags = {"store": store, "data": data, "environment": environment, "allow_private_keys": allow_private_keys}
    connection, found = done(flags, work)
    works, untried = checking.works(found), checking.untried(found)
    if json:
        steps = [{name: getattr(step, name) for name in ("step", "state", "side", "found", "todo")} for step in found]
        json_out(
            {"ehr": name, "environment": connection.environment, "works": works, "untried": untried, "steps": steps}
        )
    elif not works:
        out("It does not work: see the lines that begin with fails.")
    elif untried:
        out(f"What was tried works. Not tried: {', '.join(untried)}; see the lines that begin with skipped.")
    else:
        out("It works.")
    sys.exit(0 if works else 1)


def _tell(step: Step) -> None:
    from hilum.cli.terminal import bold, out

    side = f" [{SIDES[step.side]}]" if step.side else ""
    out(f"{step.state:<9}{step.step:<12}{step.found}{side}")
    if step.todo:
        out(f"{'':<21}{bold('→')} {step.todo}")
